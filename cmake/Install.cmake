# The installed package: libraries, headers, find_package(odeon), pkg-config.

include(CMakePackageConfigHelpers)
set(odeon_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/odeon")

get_property(odeon_modules GLOBAL PROPERTY ODEON_MODULES)
get_property(odeon_packages GLOBAL PROPERTY ODEON_PACKAGES_USED)
list(REMOVE_DUPLICATES odeon_packages)

set(odeon_targets odeon_odeon)
foreach(module IN LISTS odeon_modules)
  list(APPEND odeon_targets odeon_${module})
endforeach()
install(TARGETS ${odeon_targets} EXPORT odeon_targets
  FILE_SET HEADERS
  FILE_SET detail
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT odeon_targets NAMESPACE odeon:: DESTINATION "${odeon_config_dir}" FILE odeon-targets.cmake)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/odeon-config.cmake.in"
  "${PROJECT_BINARY_DIR}/odeon-config.cmake" INSTALL_DESTINATION "${odeon_config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/odeon-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/odeon-config.cmake" "${PROJECT_BINARY_DIR}/odeon-config-version.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/OdeonPackages.cmake" "${CMAKE_CURRENT_LIST_DIR}/ProbeCoroutines.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/probe_coroutines.cpp"
  DESTINATION "${odeon_config_dir}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" OPTIONAL)

# pkg-config: -lodeon_… from the top down, then the libraries of the system. Paths are taken from
# where the file lies, so that `cmake --install --prefix` and a moved package work.
file(RELATIVE_PATH odeon_pc_up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
set(odeon_pc_libs "")
foreach(module IN LISTS odeon_modules)
  get_target_property(type odeon_${module} TYPE)
  if(NOT type STREQUAL "INTERFACE_LIBRARY")
    string(PREPEND odeon_pc_libs "-lodeon_${module} ")
  endif()
endforeach()
set(odeon_pc_private "-pthread")
foreach(package IN LISTS odeon_packages)
  if(package MATCHES "^(mimalloc|sqlite3|fmt|spdlog|xxhash|zstd|lz4|lmdb|protobuf|nats)$")
    string(APPEND odeon_pc_private " -l${package}")
  elseif(package STREQUAL "boost_json")
    string(APPEND odeon_pc_private " -lboost_json")
  elseif(package STREQUAL "openssl")
    string(APPEND odeon_pc_private " -lssl -lcrypto")
  endif()
endforeach()
configure_file("${CMAKE_CURRENT_LIST_DIR}/odeon.pc.in" "${PROJECT_BINARY_DIR}/odeon.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/odeon.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
