/// @file
/// `bench_journal`: the SQLite journal by itself, and SQLite's own commit rate beside it. The files
/// are made in the folder that the environment variable `ODEON_BENCH_DIR` names, or in the current
/// one: what is measured is its disk.

#include "harness.hpp"

int main(int argc, char** argv) {
  return bench::run_main("journal", "the journal layer of this tree", argc, argv);
}
