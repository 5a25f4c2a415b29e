/// The floor of `ask_outside` for a system that parks: two threads wake each other by futex, on
/// two cores where there are two. A system below it spins before it parks.

#include "harness.hpp"
#include "workloads.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace bench {
namespace {

/// Whose turn it is, as a futex word: 0 the asker's, 1 the answerer's.
class turn {
 public:
  void wait_for(int whose) {
    for (int now = word_.load(); now != whose; now = word_.load()) futex(FUTEX_WAIT_PRIVATE, now);
  }

  void pass_to(int whose) {
    word_.store(whose);
    futex(FUTEX_WAKE_PRIVATE, 1);
  }

 private:
  void futex(int operation, int value) {
    syscall(SYS_futex, &word_, operation, value, nullptr, nullptr, 0);
  }

  static_assert(sizeof(std::atomic<int>) == sizeof(int));
  std::atomic<int> word_ = 0;
};

/// Pins the calling thread to `cpu`; without that many the scheduler decides.
void pin(unsigned cpu) {
  if (cpu >= std::thread::hardware_concurrency()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

void run(const options& opt, report& out) {
  std::uint64_t asks = opt.scaled(ask_outside::asks);
  std::uint64_t rounds = asks + asks / 10;
  turn whose;
  std::thread answerer([&] {
    pin(1);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      whose.wait_for(1);
      whose.pass_to(0);
    }
  });
  pin(0);
  std::vector<double> waits;
  waits.reserve(rounds);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    auto begin = clock::now();
    whose.pass_to(1);
    whose.wait_for(0);
    waits.push_back(static_cast<double>((clock::now() - begin).count()) / 1e3);
  }
  answerer.join();
  waits.erase(waits.begin(), waits.begin() + static_cast<std::ptrdiff_t>(asks / 10));
  out.add("p50", "us", better::lower, percentile(waits, 50));
  out.add("p99", "us", better::lower, percentile(waits, 99));
}

const registration entry{"ask_outside", ask_outside::actors, run};

}  // namespace
}  // namespace bench
