# Compiles and runs probe_coroutines.cpp, and refuses a compiler that destroys co_await temporaries twice.
# The outcome is kept in the cache for this compiler; -DODEON_SKIP_COROUTINE_PROBE=ON is for cross builds only.

option(ODEON_SKIP_COROUTINE_PROBE "Trust the compiler's coroutines without running the probe" OFF)
mark_as_advanced(ODEON_SKIP_COROUTINE_PROBE)

function(odeon_probe_coroutines)
  set(key "${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_VERSION}")
  if(ODEON_SKIP_COROUTINE_PROBE OR CMAKE_CROSSCOMPILING OR ODEON_COROUTINES_PROBED STREQUAL key)
    return()
  endif()
  message(STATUS "Checking that coroutines destroy each temporary once")
  unset(ODEON_PROBE_RUN CACHE)
  unset(ODEON_PROBE_COMPILED CACHE)
  try_run(ODEON_PROBE_RUN ODEON_PROBE_COMPILED
    "${CMAKE_BINARY_DIR}/probe" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/probe_coroutines.cpp"
    CXX_STANDARD 23 CXX_STANDARD_REQUIRED ON
    COMPILE_OUTPUT_VARIABLE compile_output RUN_OUTPUT_VARIABLE form)
  set(way_out "use clang 19 (Debian: apt-get install clang-19, then -DCMAKE_CXX_COMPILER=clang++-19)")
  if(NOT ODEON_PROBE_COMPILED)
    message(FATAL_ERROR "${key} cannot compile C++23 coroutines: ${way_out}.\n${compile_output}")
  elseif(NOT ODEON_PROBE_RUN EQUAL 0)
    message(FATAL_ERROR
      "${key} destroys the temporaries of a co_await expression twice (${form}), so programs built with it would "
      "corrupt memory: ${way_out}.")
  endif()
  message(STATUS "Checking that coroutines destroy each temporary once - yes")
  set(ODEON_COROUTINES_PROBED "${key}" CACHE INTERNAL "The compiler that passed probe_coroutines.cpp")
endfunction()

odeon_probe_coroutines()
