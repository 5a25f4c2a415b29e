#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/events.hpp>
#include <odeon/core/request_stream.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

/// @file What the stress tests share. They run bounded rounds, not seconds; `ODEON_STRESS=10`
/// multiplies them.

namespace odeon::stress {

using namespace std::chrono_literals;

inline constexpr auto patience = std::chrono::seconds(120);  // a bound for a machine under load
inline const bool quiet = (set_log_level(log_level::off), true);

inline int rounds(int n) {
  const char* times = std::getenv("ODEON_STRESS");
  return n * std::max(1, times ? std::atoi(times) : 1);
}

/// A small generator, one a thread: which of several things to do.
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  unsigned below(unsigned n) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<unsigned>((state_ >> 33) % n);
  }

 private:
  std::uint64_t state_;
};

/// Runs `f(index, dice)` on so many threads, released together, and joins them.
inline void on_threads(int n, const std::function<void(int, dice&)>& f) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < n; ++i)
    threads.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < n) {
      }
      dice d(static_cast<std::uint64_t>(i) + 1);
      f(i, d);
    });
  for (auto& t : threads) t.join();
}

/// Waits until `holds`, without burning the core that it waits for.
inline void await(actor_system& system, const std::function<bool()>& holds) {
  auto& rt = system.get_runtime();
  const std::atomic<std::uint32_t> never{0};
  const auto end = rt.now(clock_domain::housekeeping) + patience;
  while (!holds()) {
    rt.wait(never, 0, rt.now(clock_domain::housekeeping) + 1ms);
    REQUIRE(rt.now(clock_domain::housekeeping) < end);
  }
}

/// Lets real time pass, so that workers go to sleep.
inline void pause(actor_system& system, duration d) {
  auto& rt = system.get_runtime();
  const std::atomic<std::uint32_t> never{0};
  const auto end = rt.now(clock_domain::housekeeping) + d;
  while (rt.wait(never, 0, end)) {
  }
}

}  // namespace odeon::stress
