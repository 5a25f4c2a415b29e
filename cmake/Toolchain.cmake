# ccache, lld, sanitizers and warnings of Odeon's own build. None of it reaches a user's targets.

include_guard(GLOBAL)
include(CheckCXXCompilerFlag)
include(CheckLinkerFlag)

# --- ccache -----------------------------------------------------------------------------------------------------
# A wrapper sets what ccache needs to recognise sources that use a precompiled header.
if(NOT CMAKE_CXX_COMPILER_LAUNCHER AND ODEON_CCACHE)
  find_program(ODEON_CCACHE_PROGRAM ccache)
  mark_as_advanced(ODEON_CCACHE_PROGRAM)
  if(ODEON_CCACHE_PROGRAM)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/ccache-launcher" @ONLY CONTENT [[#!/bin/sh
CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_SLOPPINESS
exec @ODEON_CCACHE_PROGRAM@ "$@"
]])
    file(CHMOD "${PROJECT_BINARY_DIR}/ccache-launcher" PERMISSIONS
      OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${PROJECT_BINARY_DIR}/ccache-launcher")
  endif()
endif()

# --- The flags of every target of this build: odeon_build ---------------------------------------------------------
add_library(odeon_build INTERFACE)
target_compile_features(odeon_build INTERFACE cxx_std_23)

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  if(PROJECT_IS_TOP_LEVEL)
    check_linker_flag(CXX -fuse-ld=lld ODEON_HAS_LLD)
    if(ODEON_HAS_LLD)
      target_link_options(odeon_build INTERFACE -fuse-ld=lld)
    endif()
  endif()
  target_compile_options(odeon_build INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
    -Wcast-align -Wformat=2 -Wextra-semi -Wimplicit-fallthrough -Wundef -Wnewline-eof -Wunused
    # Options are aggregates with defaults: naming only some of their members is how they are meant to be used.
    -Wno-missing-designated-field-initializers -Wno-missing-field-initializers
    # std::stable_sort of libstdc++ 12 uses what that library itself deprecates.
    -Wno-deprecated-declarations)
else()
  target_compile_options(odeon_build INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers)
endif()
if(ODEON_CI)
  target_compile_options(odeon_build INTERFACE -Werror)
endif()

# A function of a static library is never replaced at load time, so calls to it need no indirection.
target_compile_options(odeon_build INTERFACE -fno-semantic-interposition -fvisibility-inlines-hidden)
# Thread-local state is read several times a message: descriptors cost position-independent code one
# instruction where the traditional dialect costs a call that clobbers all registers.
check_cxx_compiler_flag(-mtls-dialect=gnu2 ODEON_HAS_TLS_DESCRIPTORS)
if(ODEON_HAS_TLS_DESCRIPTORS)
  target_compile_options(odeon_build INTERFACE -mtls-dialect=gnu2)
endif()
# Assertions and debug information name files from the root of the tree.
target_compile_options(odeon_build INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

# --- Sanitizers, coverage ------------------------------------------------------------------------------------------
if(ODEON_SANITIZE)
  string(REPLACE ";" "," sanitizers "${ODEON_SANITIZE}")
  set(sanitize_flags -fsanitize=${sanitizers} -fno-omit-frame-pointer)
  if(sanitizers MATCHES "undefined")
    list(APPEND sanitize_flags -fno-sanitize-recover=all)
  endif()
  target_compile_options(odeon_build INTERFACE ${sanitize_flags})
  target_link_options(odeon_build INTERFACE ${sanitize_flags})
  if(sanitizers MATCHES "thread")
    target_compile_definitions(odeon_build INTERFACE ODEON_TSAN=1)
  elseif(sanitizers MATCHES "address")
    target_compile_definitions(odeon_build INTERFACE ODEON_ASAN=1)
  endif()
endif()
if(ODEON_FUZZ AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(odeon_build INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(ODEON_COVERAGE)
  target_compile_options(odeon_build INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(odeon_build INTERFACE -fprofile-instr-generate)
endif()
target_compile_definitions(odeon_build INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

# --- One precompiled header of standard headers, shared by all targets --------------------------------------------
# Every target is compiled with the same code-generation flags for this: -fPIC, also for programs.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_COMPILE_OPTIONS_PIE "-fPIC")

if(ODEON_PCH)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/pch/odeon_pch.cpp" CONTENT "namespace {}\n")
  add_library(odeon_pch OBJECT "${PROJECT_BINARY_DIR}/pch/odeon_pch.cpp")
  target_link_libraries(odeon_pch PRIVATE odeon_build)
  target_precompile_headers(odeon_pch PRIVATE "${CMAKE_CURRENT_LIST_DIR}/pch.hpp")
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # No time in the file, so that the same inputs make the same bytes and ccache recognises them.
    target_compile_options(odeon_build INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
  else()
    target_compile_options(odeon_build INTERFACE -fpch-preprocess)
  endif()
endif()

# The settings of one of our own targets: flags, warnings, precompiled header.
function(odeon_target_settings target)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:odeon_build>)
  if(ODEON_PCH)
    target_precompile_headers(${target} REUSE_FROM odeon_pch)
  endif()
endfunction()
