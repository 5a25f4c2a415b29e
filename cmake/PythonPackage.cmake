# The Python package: one libodeon.so of all modules, one extension module for each interpreter, and a folder for each
# that holds both beside the package's Python files. python/README.md tells how it is used.

include_guard(GLOBAL)

set(ODEON_PYTHONS "" CACHE STRING "Interpreters to build for, as paths; empty: every CPython of at least 3.11 found")
set(ODEON_PYTHONS_ALSO "" CACHE STRING "Interpreters beside those that are found, as paths")

# A library that is loaded into a running process must not bring another malloc along.
if(NOT TARGET odeon_dep::mimalloc)
  add_library(odeon_dep::mimalloc INTERFACE IMPORTED GLOBAL)
endif()

# The library is loaded late, so its thread-local state lies behind the descriptors' slow path, and there glibc before
# 2.39 overwrites vector registers that compilers believe are kept (its bug 31372). The traditional call is right anywhere.
if(ODEON_HAS_TLS_DESCRIPTORS)
  target_compile_options(odeon_build INTERFACE -mtls-dialect=gnu)
endif()

# The interpreter is not instrumented: the sanitizers' runtime is loaded before it, and only C++ is watched.
set(ODEON_PYTHON_ENVIRONMENT "")
if(ODEON_SANITIZE)
  target_link_options(odeon_build INTERFACE -shared-libsan)
  execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-file-name=libclang_rt.asan-${CMAKE_SYSTEM_PROCESSOR}.so
    OUTPUT_VARIABLE runtime OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(ODEON_PYTHON_ENVIRONMENT "LD_PRELOAD=${runtime}" PYTHONMALLOC=malloc
    "ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1:alloc_dealloc_mismatch=0"
    UBSAN_OPTIONS=print_stacktrace=1)
endif()

# A module that is not built, because its client library is not here, is left out by itself; its functions then raise
# NotImplementedError. Names here leave out one that could be built, such as "postgres;mariadb".
set(ODEON_PYTHON_WITHOUT "" CACHE STRING "Modules that the Python package is to be without, though they could be built")
mark_as_advanced(ODEON_PYTHON_WITHOUT)

# Sets <out> to lines "tag;path;version;suffix;headers", each quoted as one element: see tools/pythons.py.
function(odeon_find_pythons out)
  find_program(ODEON_PYTHON3 NAMES python3 python3.13 python3.12 python3.11 HINTS /usr/bin)
  mark_as_advanced(ODEON_PYTHON3)
  if(NOT ODEON_PYTHON3)
    message(FATAL_ERROR "The Python package needs a python3 to build with; Debian: apt-get install python3-dev.")
  endif()
  set(choice ${ODEON_PYTHONS})
  if(NOT choice)
    set(choice --also ${ODEON_PYTHONS_ALSO})
  endif()
  execute_process(COMMAND "${ODEON_PYTHON3}" "${PROJECT_SOURCE_DIR}/tools/pythons.py" ${choice}
    OUTPUT_VARIABLE lines ERROR_VARIABLE reasons RESULT_VARIABLE code OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(reasons)
    message(STATUS "Odeon: ${reasons}")
  endif()
  if(NOT code EQUAL 0 OR lines STREQUAL "")
    message(FATAL_ERROR "The Python package needs a CPython of at least 3.11 with its headers, and "
      "tools/pythons.py finds none; Debian: apt-get install python3-dev.")
  endif()
  string(REPLACE ";" "|" lines "${lines}")
  string(REPLACE "\n" ";" lines "${lines}")
  set(${out} "${lines}" PARENT_SCOPE)
endfunction()

# libodeon.so, of every module but those left out: their objects, and the libraries each of them names.
function(odeon_python_library)
  get_property(modules GLOBAL PROPERTY ODEON_MODULES)
  add_library(odeon_shared SHARED)
  set_target_properties(odeon_shared PROPERTIES OUTPUT_NAME odeon LINKER_LANGUAGE CXX
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib" BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN")
  target_link_libraries(odeon_shared PRIVATE $<BUILD_INTERFACE:odeon_build>)
  foreach(module IN LISTS modules)
    get_target_property(type odeon_${module} TYPE)
    if(type STREQUAL "STATIC_LIBRARY" AND NOT module IN_LIST ODEON_PYTHON_WITHOUT)
      target_sources(odeon_shared PRIVATE $<TARGET_OBJECTS:odeon_${module}>)
      get_target_property(packages odeon_${module} LINK_LIBRARIES)
      list(FILTER packages INCLUDE REGEX "^odeon_dep::")
      target_link_libraries(odeon_shared PRIVATE ${packages})
    endif()
  endforeach()
  # Calls between the modules need no table; inline functions still have one address in the process.
  if(ODEON_HAS_LLD)
    target_link_options(odeon_shared PRIVATE -Wl,-Bsymbolic-non-weak-functions)
  endif()
  if(NOT ODEON_SANITIZE)
    target_link_options(odeon_shared PRIVATE -Wl,-z,defs)
  endif()
endfunction()

# The C-API asks for both: offsets in objects that have C++ members, and one type for all kinds of methods.
add_library(odeon_python_build INTERFACE)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(odeon_python_build INTERFACE
    -Wno-unknown-warning-option -Wno-invalid-offsetof -Wno-cast-function-type-mismatch)
endif()

# odeon_python_<tag>: the extension module and the folder package-<tag>/odeon it is used from.
function(odeon_python_module tag suffix headers)
  set(package "${PROJECT_BINARY_DIR}/package-${tag}/odeon")
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/python/bindings/*.cpp")
  # Without protobuf there is no sidecar, and odeon.sidecar says so.
  if(NOT TARGET odeon_sidecar OR "sidecar" IN_LIST ODEON_PYTHON_WITHOUT)
    list(FILTER sources EXCLUDE REGEX "/sidecar[a-z_]*\\.cpp$")
  endif()
  add_library(odeon_native_${tag} MODULE ${sources})
  target_link_libraries(odeon_native_${tag} PRIVATE odeon_build odeon_python_build)
  target_include_directories(odeon_native_${tag} SYSTEM PRIVATE "${headers}")
  target_include_directories(odeon_native_${tag} PRIVATE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/python/bindings")
  if(ODEON_PCH)
    target_precompile_headers(odeon_native_${tag} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/python_pch.hpp")
  endif()
  # Symbols of the interpreter are found at load; all others must be there then, not at the first call.
  target_link_options(odeon_native_${tag} PRIVATE -Wl,-z,now)
  target_link_libraries(odeon_native_${tag} PRIVATE odeon_shared)
  set_target_properties(odeon_native_${tag} PROPERTIES
    OUTPUT_NAME _native PREFIX "" SUFFIX "${suffix}" LIBRARY_OUTPUT_DIRECTORY "${package}"
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN")
  # The links come first: what is pure Python can be used while the extension is being worked on.
  add_custom_target(odeon_package_${tag}
    COMMAND ${CMAKE_COMMAND} -D "FROM=${PROJECT_SOURCE_DIR}/python/src/odeon" -D "TO=${package}"
      -D "LIBRARY=$<TARGET_FILE:odeon_shared>" -P "${PROJECT_SOURCE_DIR}/cmake/PythonLink.cmake"
    COMMENT "" VERBATIM)
  add_dependencies(odeon_native_${tag} odeon_package_${tag})
  add_custom_target(odeon_python_${tag} ALL)
  add_dependencies(odeon_python_${tag} odeon_native_${tag})
  # For the tests: an extension module of a program of both languages, beside the package.
  add_library(odeon_test_bank_${tag} MODULE "${PROJECT_SOURCE_DIR}/python/tests/native/bank.cpp")
  target_link_libraries(odeon_test_bank_${tag} PRIVATE odeon_build odeon_python_build odeon_shared)
  target_include_directories(odeon_test_bank_${tag} SYSTEM PRIVATE "${headers}")
  target_include_directories(odeon_test_bank_${tag} PRIVATE "${PROJECT_SOURCE_DIR}/include")
  set_target_properties(odeon_test_bank_${tag} PROPERTIES
    OUTPUT_NAME odeon_test_bank PREFIX "" SUFFIX "${suffix}"
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/package-${tag}"
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN/odeon")
  add_dependencies(odeon_python_${tag} odeon_test_bank_${tag})
endfunction()
