// Patterns that threads share, and those whose ends come from several sides at once: breakers,
// limiters, pauses that are cut short, computations, reliable delivery.

#include "stress/common.hpp"
#include <odeon/pattern/circuit_breaker.hpp>
#include <odeon/pattern/compute.hpp>
#include <odeon/pattern/reliable_consumer.hpp>
#include <odeon/pattern/reliable_producer.hpp>
#include <odeon/pattern/retry.hpp>
#include <odeon/pattern/throttler.hpp>

#include <memory>
#include <stdexcept>

using namespace odeon;
using namespace odeon::stress;
namespace rl = odeon::reliable;

namespace {

struct try_it {
  using reply = int;
};

/// Begins a retry whose pause ends about when the actor is stopped.
struct stubborn : actor<try_it> {
  task<int> on(try_it) {
    return retry([]() -> int { throw std::runtime_error("no"); }, 1000, schedule::fixed(1ms));
  }
};

struct item {
  int n;
};
struct taker : actor<rl::delivery<item>> {
  taker(const std::shared_ptr<std::atomic<int>>& next, const actor_ref<rl::start<item>>& from)
      : next_(next),
        from_(from) {}
  void pre_start() { from_.tell(rl::start<item>{self()}); }
  void on(rl::delivery<item> d) {
    if (d.message.n == next_->load() + 1)
      next_->store(d.message.n);  // else: out of order, or twice
    if (d.message.n % 97 == 0 && failed_at != d.message.n) {
      failed_at = d.message.n;
      next_->store(d.message.n - 1);  // it comes again
      throw std::runtime_error("crash");
    }
    d.confirm();
  }
  static inline std::atomic<int> failed_at{0};
  std::shared_ptr<std::atomic<int>> next_;
  actor_ref<rl::start<item>> from_;
};

}  // namespace

TEST_CASE("a half-open breaker admits one at a time, whoever comes from wherever") {
  const auto rt = make_threaded_runtime();
  circuit_breaker b(*rt, {.max_failures = 1, .call_timeout = 0s, .reset_timeout = 1ms});
  std::atomic<int> half_open{0}, holding{0}, permits{0}, together{0};
  b.on_transition([&](const breaker_transition& t) {
    if (t.to == breaker_state::half_open) half_open.fetch_add(1);
  });
  b.trip("begin");
  const int wanted = rounds(200);
  on_threads(4, [&](int, dice&) {
    while (permits.load() < wanted) {
      auto p = b.try_enter();
      if (!p) continue;
      if (holding.fetch_add(1) != 0) together.fetch_add(1);
      permits.fetch_add(1);
      holding.fetch_sub(1);
      p->failure("still down");
    }
  });
  CHECK(together.load() == 0);
  CHECK(permits.load() <= half_open.load());
  CHECK(b.counters().failed == static_cast<std::uint64_t>(permits.load()));
}

TEST_CASE("a breaker that many threads use counts every call once") {
  const auto rt = make_threaded_runtime();
  circuit_breaker b(*rt, {.max_failures = 3, .reset_timeout = 1ms});
  const int each = rounds(20'000);
  on_threads(4, [&](int, dice& d) {
    for (int i = 0; i < each; ++i) {
      auto p = b.try_enter();
      if (!p) continue;
      const unsigned how = d.below(10);
      if (how < 6)
        p->success();
      else if (how < 9)
        p->failure("no");
      else
        p->failure(std::make_exception_ptr(std::runtime_error("no")));
    }
  });
  const auto n = b.counters();
  CHECK(n.succeeded + n.failed + n.rejected == 4ULL * static_cast<std::uint64_t>(each));
  CHECK(n.opened > 0);
}

TEST_CASE("a limiter that many threads use lets no more through than its rate") {
  const auto rt = make_threaded_runtime();
  rate_limiter r(*rt, {.elements = 10'000, .per = 1s, .burst = 10});
  const time_point begin = rt->now();
  std::atomic<int> taken{0};
  on_threads(4, [&](int, dice&) {
    for (int i = 0; i < rounds(50'000); ++i)
      if (r.try_acquire()) taken.fetch_add(1);
  });
  const double seconds = std::chrono::duration<double>(rt->now() - begin).count();
  CHECK(taken.load() <= 10 + 1 + static_cast<int>(seconds * 10'000));
  CHECK(taken.load() >= 10);
}

TEST_CASE("pauses end once, by their time or by the end of their actor") {
  actor_system system("pauses", {.workers = 4});
  for (int i = 0; i < rounds(300); ++i) {
    std::vector<future<int>> asked;
    std::vector<any_ref> all;
    for (int k = 0; k < 10; ++k) {
      auto a = system.spawn<stubborn>();
      asked.push_back(a.ask<try_it>());
      all.push_back(a);
    }
    on_threads(2, [&](int t, dice& d) {
      for (std::size_t k = static_cast<std::size_t>(t); k < all.size(); k += 2) {
        if (d.below(3) == 0)
          system.kill(all[k]);
        else
          system.stop(all[k]);
      }
    });
    for (auto& f : asked) CHECK(!f.result().has_value());
  }
}

TEST_CASE("every computation is answered, also when the system ends meanwhile") {
  for (int i = 0; i < rounds(20); ++i) {
    std::vector<future<int>> all;
    std::atomic<int> ran{0};
    {
      actor_system system("pool");
      configure_compute(system, {.threads = 3, .queue = 200});
      for (int k = 0; k < 300; ++k)
        all.push_back(compute(system, [&ran, k] {
          ran.fetch_add(1);
          return k;
        }));
      if (i % 2 == 0) {
        const int first = all.front().get();
        CHECK(first == 0);
        all.erase(all.begin());
      }
      const auto report = system.terminate_and_wait(patience);
      CHECK(report.complete);
      int answered = 0;
      for (auto& f : all) {
        REQUIRE(f.is_ready());
        const auto r = f.result();
        answered += r ? 1 : 0;
        if (!r) CHECK((r.error() == errc::mailbox_full || r.error() == errc::system_stopped));
      }
      CHECK(answered + (i % 2 == 0 ? 1 : 0) == ran.load());
    }
  }
}

TEST_CASE("reliable delivery keeps its order on many threads while the consumer crashes") {
  actor_system system("shop", {.workers = 4});
  const int n = rounds(2'000);
  taker::failed_at = 0;
  auto next = std::make_shared<std::atomic<int>>(0);
  auto out = system.spawn<rl::producer_controller<item>>(
      rl::producer_options{.capacity = static_cast<std::size_t>(n)});
  auto in = system.spawn<rl::consumer_controller<item>>(
      rl::consumer_options{.window = 20, .ask_after = 50ms}, out);
  system.spawn<taker>({.supervision = {.max_retries = 1'000'000}}, next, in);
  for (int i = 1; i < n; ++i) out.tell(rl::send<item>{item{i}});
  CHECK(out.ask(rl::deliver<item>{item{n}}).within(patience).get() ==
        static_cast<std::uint64_t>(n));
  CHECK(next->load() == n);
}
