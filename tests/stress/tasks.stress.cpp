// Tasks under threads: resumes, futures and completions from everywhere, and homes that end first.

#include "common.hpp"
#include <odeon/task/effects.hpp>
#include <odeon/task/run.hpp>

#include <mutex>

using namespace odeon;
using namespace odeon::stress;

namespace {

/// A task that waits until a counter has reached what it was promised; the counter is raised, and
/// the task resumed, by other threads.
struct tally {
  std::atomic<int> raised{0};
  std::mutex lock;
  std::vector<task_handle> waiting;

  task<void> reaches(int wanted) {
    {
      auto me = co_await current();
      std::lock_guard guard(lock);
      waiting.push_back(std::move(me));
    }
    while (raised.load() < wanted) co_await suspend();
  }
  void raise(dice& d) {
    raised.fetch_add(1);
    std::lock_guard guard(lock);
    const unsigned from = waiting.empty() ? 0 : d.below(static_cast<unsigned>(waiting.size()));
    for (std::size_t i = 0; i < waiting.size(); ++i)
      (void)waiting[(from + i) % waiting.size()].try_resume();
  }
};

struct go {
  using reply = int;
  int forks = 0;
};
struct echo {
  using reply = int;
  int n = 0;
};

class echoing : public actor<echo> {
 public:
  int on(echo m) { return m.n; }
};

/// Forks asks in each handler, joins some, leaves some.
class forking : public actor<go> {
 public:
  explicit forking(echoing::ref to) : to_(std::move(to)) {}
  task<int> on(go m) {
    task_scope s;
    std::vector<forked<int>> asks;
    for (int i = 0; i < m.forks; ++i) asks.push_back(s.fork(asks_for(i)));
    (void)co_await fork(asks_for(-1));  // left to itself
    co_await s.join();
    int sum = 0;
    for (auto& f : asks) sum += f.result()->value();
    co_return sum;
  }

 private:
  task<int> asks_for(int n) { co_return co_await to_.ask<echo>(n); }
  echoing::ref to_;
};

}  // namespace

TEST_CASE("no resume from any thread is lost") {
  for (int round = 0; round < rounds(40); ++round) {
    tally t;
    constexpr int raises = 50, threads = 3;
    std::thread resumers([&] {
      on_threads(threads, [&](int, dice& d) {
        for (int i = 0; i < raises; ++i) t.raise(d);
      });
    });
    auto all_reach = [&]() -> task<void> {
      std::vector<task<void>> tasks;
      for (int wanted : {1, raises, 2 * raises, threads * raises})
        tasks.push_back(t.reaches(wanted));
      co_await all(std::move(tasks));
    };
    run(all_reach());
    resumers.join();
    CHECK(t.raised.load() == threads * raises);
    for (auto& h : t.waiting) CHECK(h.is_finished());
  }
}

TEST_CASE(
    "futures that other threads keep end the suspensions of many tasks, also of aborted ones") {
  for (int round = 0; round < rounds(60); ++round) {
    constexpr int n = 64;
    std::vector<promise<int>> promises;
    std::vector<future<int>> futures;
    runtime& rt = detail::shared_runtime();
    for (int i = 0; i < n; ++i) {
      auto [p, f] = promise<int>::make(rt);
      promises.push_back(std::move(p));
      futures.push_back(std::move(f));
    }
    std::thread keepers([&] {
      on_threads(2, [&](int which, dice&) {
        for (int i = which; i < n; i += 2) (void)promises[static_cast<std::size_t>(i)].set(i);
      });
    });
    auto takes = [](future<int> f) -> task<int> { co_return co_await std::move(f); };
    auto main = [&]() -> task<int> {
      std::vector<forked<int>> forks;
      for (auto& f : futures) forks.push_back(co_await fork(takes(std::move(f))));
      int sum = 0;
      for (int i = 0; i < n; ++i) {
        auto& f = forks[static_cast<std::size_t>(i)];
        if (i % 4 == 3) {
          f.abort();
          if (!*f.result())
            sum += i;  // aborted: as if it had come
          else
            sum += f.result()->value();
        } else {
          sum += co_await f.join();
        }
      }
      co_return sum;
    };
    CHECK(run(main()) == n * (n - 1) / 2);
    keepers.join();
  }
}

TEST_CASE(
    "detached work outside of actors, completed by several threads, takes one step at a time") {
  for (int round = 0; round < rounds(60); ++round) {
    runtime& rt = detail::shared_runtime();
    constexpr int n = 24;
    std::vector<promise<int>> promises;
    std::vector<task<int>> waits;
    auto takes = [](future<int> f) -> task<int> { co_return co_await std::move(f); };
    for (int i = 0; i < n; ++i) {
      auto [p, f] = promise<int>::make(rt);
      promises.push_back(std::move(p));
      waits.push_back(takes(std::move(f)));
    }
    auto [done, ended] = promise<int>::make(rt);
    int steps = 0;  // no atomic: the steps are one at a time
    auto sums = [&](std::vector<task<int>> parts, promise<int> to) -> task<void> {
      int sum = 0;
      std::vector<forked<int>> forks;
      for (auto& p : parts) forks.push_back(co_await fork(std::move(p)));
      for (auto& f : forks) {
        sum += co_await f.join();
        ++steps;
      }
      to.set(sum);
    };
    detail::branch_here(sums(std::move(waits), std::move(done)), rt);
    on_threads(3, [&](int which, dice&) {
      for (int i = which; i < n; i += 3) (void)promises[static_cast<std::size_t>(i)].set(1);
    });
    CHECK(ended.get() == n);
    CHECK(steps == n);
  }
}

TEST_CASE("actors that fork are stopped while their tasks wait") {
  for (int round = 0; round < rounds(40); ++round) {
    actor_system system("forks", {.workers = 2});
    auto to = system.spawn<echoing>();
    std::atomic<int> answered{0}, refused{0};
    on_threads(2, [&](int, dice& d) {
      for (int i = 0; i < 20; ++i) {
        auto f = system.spawn<forking>(to);
        auto r = f.ask<go>(5);
        if (d.below(3) == 0) {
          d.below(2) ? system.stop(f) : system.kill(f);
        }
        const auto got = r.result();
        if (got) {
          CHECK(*got == 10);
          ++answered;
        } else {
          ++refused;
        }
        system.stop(f);
      }
    });
    CHECK(answered + refused == 40);
  }
}
