# Installs the build into a folder of its own, then builds and runs projects that know only that folder.
# Called by ctest with BUILD, SOURCE, COMPILER, GENERATOR, BUILD_TYPE, SANITIZE, COVERAGE, LAUNCHER, HAS_UMBRELLA.

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${what} failed (${code}):\n${out}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

set(prefix "${BUILD}/install-test/prefix")
file(REMOVE_RECURSE "${BUILD}/install-test")
run("installing" ${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}")

set(flags "")
if(SANITIZE)
  string(REPLACE ";" "," SANITIZE "${SANITIZE}")
  set(flags "-fsanitize=${SANITIZE}")
endif()
if(COVERAGE)
  string(APPEND flags " -fprofile-instr-generate")
endif()

# Without <odeon/odeon.hpp> there is only the ground floor to use.
set(projects base)
if(HAS_UMBRELLA)
  list(APPEND projects consumer)
endif()
foreach(project IN LISTS projects)
  set(folder "${BUILD}/install-test/${project}")
  run("configuring ${project}" ${CMAKE_COMMAND} -S "${SOURCE}/${project}" -B "${folder}" -G "${GENERATOR}"
    "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_BUILD_TYPE=${BUILD_TYPE}"
    "-DCMAKE_CXX_FLAGS=${flags}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}")
  run("building ${project}" ${CMAKE_COMMAND} --build "${folder}")
  run("running ${project}" "${folder}/app")
  message(STATUS "${project} printed: ${output}")
  if(NOT output MATCHES "it works")
    message(FATAL_ERROR "${project} did not print what it should")
  endif()
endforeach()

# A component that does not exist is refused by name.
execute_process(COMMAND ${CMAKE_COMMAND} -S "${SOURCE}/base" -B "${BUILD}/install-test/refused" -G "${GENERATOR}"
  "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCOMPONENT=no_such_part"
  RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
if(code EQUAL 0 OR NOT out MATCHES "odeon has no component 'no_such_part'")
  message(FATAL_ERROR "an unknown component was not refused by name:\n${out}")
endif()

# pkg-config names the same libraries.
find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  file(GLOB_RECURSE pc "${prefix}/odeon.pc")
  get_filename_component(pc_folder "${pc}" DIRECTORY)
  run("pkg-config" ${CMAKE_COMMAND} -E env "PKG_CONFIG_PATH=${pc_folder}" ${PKG_CONFIG} --cflags --libs odeon)
  string(STRIP "${output}" output)
  separate_arguments(words UNIX_COMMAND "${output} ${flags}")
  run("compiling with pkg-config" ${COMPILER} "${SOURCE}/base/app.cpp" -o "${BUILD}/install-test/by-pkg-config"
    ${words} "-Wl,-rpath,${prefix}/lib")
  run("running it" "${BUILD}/install-test/by-pkg-config")
endif()
