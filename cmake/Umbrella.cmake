# odeon::odeon: what <odeon/odeon.hpp> needs, and every library module below it. Most users link just this.

file(STRINGS "${PROJECT_SOURCE_DIR}/tools/layers.toml" odeon_umbrella_line REGEX "^umbrella = ")
string(REGEX REPLACE "^umbrella = " "" odeon_umbrella_line "${odeon_umbrella_line}")
string(REGEX MATCHALL "[a-z_]+" odeon_umbrella "${odeon_umbrella_line}")

add_library(odeon_odeon INTERFACE)
add_library(odeon::odeon ALIAS odeon_odeon)
set_target_properties(odeon_odeon PROPERTIES EXPORT_NAME odeon)
file(GLOB odeon_umbrella_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/odeon/*.hpp")
target_sources(odeon_odeon INTERFACE
  FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${odeon_umbrella_headers})
foreach(module IN LISTS odeon_umbrella)
  if(TARGET odeon_${module})
    target_link_libraries(odeon_odeon INTERFACE odeon_${module})
  endif()
endforeach()
