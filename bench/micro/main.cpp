/// `bench_odeon`: Odeon on the workloads of docs/guide/benchmarks.md.

#include "harness.hpp"

int main(int argc, char** argv) {
  return bench::run_main("odeon", "Odeon " ODEON_BENCH_VERSION, argc, argv);
}
