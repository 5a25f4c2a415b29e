/// `bench_floor`: what the machine itself can do, under the names of the workloads it bounds.

#include "harness.hpp"

int main(int argc, char** argv) {
  return bench::run_main("floor", "this machine's limits", argc, argv);
}
