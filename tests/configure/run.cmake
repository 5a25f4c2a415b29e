# What the configuration refuses, and what it says. Called by ctest with BUILD, ROOT, GENERATOR.

function(expect_refusal what text)
  file(REMOVE_RECURSE "${BUILD}/configure-test")
  execute_process(COMMAND ${CMAKE_COMMAND} -B "${BUILD}/configure-test" -G "${GENERATOR}" ${ARGN}
    RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  string(REGEX REPLACE "[ \n]+" " " out "${out}")
  string(FIND "${out}" "${text}" found)
  if(code EQUAL 0 OR found EQUAL -1)
    message(FATAL_ERROR "${what}: expected a refusal that says\n  ${text}\nbut (${code}) it said\n  ${out}")
  endif()
  message(STATUS "${what}: refused, as it should be")
endfunction()

function(expect_module_refusal what call text)
  expect_refusal("${what}" "${text}" -S "${ROOT}/tests/configure/refused" "-DROOT=${ROOT}" "-DCALL=${call}")
endfunction()

expect_module_refusal("a module outside the layers" "pastry DEPENDS base"
  "Module 'pastry' is not in tools/layers.toml: add it there with what it may include.")
expect_module_refusal("a dependency upwards" "runtime DEPENDS base core"
  "Module 'runtime' may not depend on 'core': tools/layers.toml allows it only [base].")
expect_module_refusal("a misspelt keyword" "runtime DEPEND base"
  "odeon_module(runtime): 'DEPEND;base' is not understood")

# g++ 12.2 destroys coroutine temporaries twice. Another g++ may pass the probe: then there is nothing to refuse.
find_program(GXX NAMES g++-12 g++)
if(GXX)
  execute_process(COMMAND ${GXX} -dumpfullversion OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(version MATCHES "^12\\.2")
    expect_refusal("${GXX} ${version}" "destroys the temporaries of a co_await expression twice"
      -S "${ROOT}" "-DCMAKE_CXX_COMPILER=${GXX}")
  endif()
endif()
