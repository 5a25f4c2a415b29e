# What every test program shares: doctest's main, compiled once, and the sanitizers' settings.

odeon_find_package(doctest found)
if(NOT found)
  message(FATAL_ERROR "The tests need doctest: `make setup` installs it, -DODEON_TESTS=OFF builds without tests.")
endif()
add_library(odeon_test_main OBJECT "${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp")
odeon_target_settings(odeon_test_main)
target_link_libraries(odeon_test_main PRIVATE odeon_dep::doctest)

set(ODEON_TEST_ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:history_size=4")
