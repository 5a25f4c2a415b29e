/// `bench_caf`: the C++ Actor Framework on the workloads of docs/guide/benchmarks.md.

#include "harness.hpp"

#include <caf/config.hpp>

#include <string>

int main(int argc, char** argv) {
  std::string version = "CAF " + std::to_string(CAF_MAJOR_VERSION) + "." +
                        std::to_string(CAF_MINOR_VERSION) + "." + std::to_string(CAF_PATCH_VERSION);
  return bench::run_main("caf", version.c_str(), argc, argv);
}
