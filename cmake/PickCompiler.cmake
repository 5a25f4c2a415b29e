# Chooses the compiler before project(), when the user has not: clang++ 19 or newer, else the system's default.
# Whatever is chosen is then tried by ProbeCoroutines.cmake.

if(NOT CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX} AND NOT CMAKE_TOOLCHAIN_FILE)
  find_program(ODEON_CLANGXX NAMES clang++-19 clang++-20 clang++-21 clang++-22)
  mark_as_advanced(ODEON_CLANGXX)
  if(ODEON_CLANGXX)
    set(CMAKE_CXX_COMPILER "${ODEON_CLANGXX}")
  endif()
endif()
