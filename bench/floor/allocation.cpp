/// The floor of `spawn` (one `malloc` and one `free` an actor) and of `idle` (a cache line each).

#include "harness.hpp"
#include "workloads.hpp"

#include <cstdlib>
#include <memory>
#include <thread>

namespace bench {
namespace {

constexpr std::size_t line = 64;

nanoseconds allocate(std::uint64_t count) {
  auto begin = clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    void* block = std::malloc(line);
    asm volatile("" : "+r"(block) : : "memory");  // the pair must not be optimised away
    std::free(block);
  }
  return clock::now() - begin;
}

void run_spawn(const options& opt, report& out) {
  std::uint64_t count = opt.scaled(40 * spawn::actors);
  auto elapsed = warmed(count, 1, allocate);
  out.rate("throughput", elapsed, count);
}

struct alignas(line) block {
  std::uint64_t word;
};

void run_idle(const options& opt, report& out) {
  std::size_t before = resident_bytes();
  auto begin = clock::now();
  auto blocks = std::make_unique_for_overwrite<block[]>(opt.size);
  for (std::size_t i = 0; i < opt.size; ++i) {
    blocks[i].word = i;
    asm volatile("" : : "r"(&blocks[i]) : "memory");
  }
  auto elapsed = clock::now() - begin;
  std::size_t after = resident_bytes();
  out.each_ns("spawn", elapsed, opt.size);
  out.add("memory", "B", better::lower,
          static_cast<double>(after - before) / static_cast<double>(opt.size));
  out.add("cpu", "%", better::lower, cpu_percent(idle::watch));
}

const registration spawn_entry{"spawn", spawn::batch, run_spawn};
const registration idle_entry{"idle", idle::actors, run_idle};

}  // namespace
}  // namespace bench
