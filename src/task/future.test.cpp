// Futures between real threads: completion, timeout, dropping and awaiting race in every way.

#include <odeon/runtime/runtime.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

task<int> awaits(future<int> f) {
  auto r = co_await std::move(f).as_result();
  co_return r ? *r : -static_cast<int>(r.error().code());
}

/// Runs both at once, many times.
template <class Setup, class A, class B>
void race(int rounds, Setup setup, A a, B b) {
  std::atomic<int> ready{0};
  for (int i = 0; i < rounds; ++i) {
    auto shared = setup(i);
    ready.store(0);
    std::thread other([&] {
      ready.fetch_add(1);
      while (ready.load() < 2) {
      }
      b(*shared);
    });
    ready.fetch_add(1);
    while (ready.load() < 2) {
    }
    a(*shared);
    other.join();
  }
}

struct both {
  promise<int> p;
  future<int> f;
};

}  // namespace

TEST_CASE("a blocked thread gets a value from another thread, every time") {
  auto rt = make_threaded_runtime();
  race(
      2000,
      [&](int) {
        auto [p, f] = promise<int>::make(*rt);
        return std::make_unique<both>(std::move(p), std::move(f));
      },
      [](both& s) { CHECK(s.f.get() == 7); }, [](both& s) { s.p.set(7); });
}

TEST_CASE("a task driven by a thread gets a value from another thread, every time") {
  auto rt = make_threaded_runtime();
  race(
      2000,
      [&](int) {
        auto [p, f] = promise<int>::make(*rt);
        return std::make_unique<both>(std::move(p), std::move(f));
      },
      [&](both& s) { CHECK(run(*rt, awaits(std::move(s.f))) == 8); }, [](both& s) { s.p.set(8); });
}

TEST_CASE("a value and a timeout race: one of them wins, and both sides agree") {
  auto rt = make_threaded_runtime();
  std::atomic<int> kept{0};
  int got = 0;
  constexpr int rounds = 300;
  race(
      rounds,
      [&](int) {
        auto [p, f] = promise<int>::make(*rt);
        return std::make_unique<both>(std::move(p), std::move(f).within(1ms));
      },
      [&](both& s) {
        const int r = run(*rt, awaits(std::move(s.f)));
        CHECK((r == 9 || r == -static_cast<int>(errc::ask_timeout)));
        got += r == 9;
      },
      [&](both& s) {
        std::atomic<std::uint32_t> never{0};
        const auto until = rt->now(clock_domain::housekeeping) + 1ms;
        while (rt->wait(never, 0, until)) {
        }
        kept.fetch_add(s.p.set(9));
      });
  CHECK(kept.load() == got);
}

TEST_CASE("a value and a drop race: the value is destroyed once") {
  auto rt = make_threaded_runtime();
  auto shared = std::make_shared<int>(0);
  struct pair {
    promise<std::shared_ptr<int>> p;
    future<std::shared_ptr<int>> f;
  };
  race(
      2000,
      [&](int) {
        auto [p, f] = promise<std::shared_ptr<int>>::make(*rt);
        return std::make_unique<pair>(std::move(p), std::move(f));
      },
      [](pair& s) { s.f.cancel(); }, [&](pair& s) { s.p.set(shared); });
  CHECK(shared.use_count() == 1);
}

TEST_CASE("a callback is called once, whether the value comes before or after") {
  auto rt = make_threaded_runtime();
  std::atomic<int> called{0};
  constexpr int rounds = 2000;
  race(
      rounds,
      [&](int) {
        auto [p, f] = promise<int>::make(*rt);
        return std::make_unique<both>(std::move(p), std::move(f));
      },
      [&](both& s) {
        std::move(s.f).then([&](result<int> r) { called.fetch_add(r.value_or(0)); });
      },
      [](both& s) { s.p.set(1); });
  CHECK(called.load() == rounds);
}

TEST_CASE("detached work outside of actors goes on wherever it is woken") {
  auto rt = make_threaded_runtime();
  std::atomic<std::uint32_t> done{0};
  constexpr std::uint32_t many = 200;
  auto work = [&](int i) -> task<int> {
    for (int k = 0; k < 3; ++k) co_await sleep(1ms);
    co_return i;
  };
  std::vector<promise<int>> starts;
  for (std::uint32_t i = 0; i < many; ++i) {
    auto [p, f] = promise<int>::make(*rt);
    starts.push_back(std::move(p));
    std::move(f).then([&](result<int>) {
      if (done.fetch_add(1) + 1 == many) rt->wake(done);
    });
  }
  std::thread other([&] {
    for (auto& p : starts) p.set(1);
  });
  CHECK(run(*rt, work(4)) == 4);
  for (std::uint32_t n = done.load(); n < many; n = done.load())
    rt->wait(done, n, time_point::max());
  other.join();
}
