// The executors of the threaded runtime: everything submitted runs exactly once, and no wake-up is
// lost – a lost one makes these tests hang.

#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct job final : runnable {
  explicit job(std::function<void()> f) : runnable(&run), what(std::move(f)) {}
  static void run(runnable& r) noexcept { static_cast<job&>(r).what(); }
  std::function<void()> what;
};

/// Blocks the test until `count` things have happened.
class latch {
 public:
  latch(runtime& rt, std::uint32_t count) : rt_(rt), left_(count) {}
  void down() {
    runtime& rt = rt_;  // the waiter may be gone, and the latch with it, once it has counted
    if (left_.fetch_sub(1) == 1) rt.wake(left_);
  }
  void wait() {
    for (std::uint32_t n = left_.load(); n != 0; n = left_.load())
      rt_.wait(left_, n, time_point::max());
  }

 private:
  runtime& rt_;
  std::atomic<std::uint32_t> left_;
};

constexpr executor_kind kinds[] = {executor_kind::work_stealing, executor_kind::pinned,
                                   executor_kind::blocking};

}  // namespace

TEST_CASE("what is submitted from many threads runs exactly once each") {
  auto rt = make_threaded_runtime();
  for (auto kind : kinds) {
    auto ex = rt->make_executor({.kind = kind, .threads = 4});
    constexpr int threads = 4;
    constexpr int each = 2000;
    latch all(*rt, threads * each);
    std::vector<std::unique_ptr<job>> jobs;
    std::vector<std::atomic<int>> ran(threads * each);
    for (int i = 0; i < threads * each; ++i)
      jobs.push_back(std::make_unique<job>([&, i] {
        ran[static_cast<std::size_t>(i)].fetch_add(1);
        all.down();
      }));
    std::vector<std::thread> senders;
    for (int t = 0; t < threads; ++t)
      senders.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) ex->submit(*jobs[static_cast<std::size_t>(t * each + i)]);
      });
    for (auto& t : senders) t.join();
    all.wait();
    int wrong = 0;
    for (auto& r : ran) wrong += r.load() != 1;
    CHECK(wrong == 0);
  }
}

TEST_CASE("work that submits work overflows rings and runs exactly once each") {
  auto rt = make_threaded_runtime();
  auto ex = rt->make_executor({.threads = 3});
  // A tree: each node submits its children; far more than a ring holds.
  constexpr int nodes = 20'000;
  latch all(*rt, nodes);
  std::vector<std::unique_ptr<job>> jobs;
  std::vector<std::atomic<int>> ran(nodes);
  for (int i = 0; i < nodes; ++i)
    jobs.push_back(std::make_unique<job>([&, i] {
      ran[static_cast<std::size_t>(i)].fetch_add(1);
      for (int c = 8 * i + 1; c <= 8 * i + 8 && c < nodes; ++c) {
        if (c % 3 == 0)
          ex->submit_last(*jobs[static_cast<std::size_t>(c)]);
        else
          ex->submit(*jobs[static_cast<std::size_t>(c)]);
      }
      all.down();
    }));
  ex->submit(*jobs[0]);
  all.wait();
  int wrong = 0;
  for (auto& r : ran) wrong += r.load() != 1;
  CHECK(wrong == 0);
}

TEST_CASE("one runnable after the other wakes a sleeping executor each time") {
  auto rt = make_threaded_runtime();
  for (auto kind : kinds) {
    auto ex = rt->make_executor({.kind = kind, .threads = 2});
    for (int i = 0; i < 2000; ++i) {
      latch done(*rt, 1);
      job j([&] { done.down(); });
      ex->submit(j);
      done.wait();
      // The job's memory goes: its executor must be through with it.
      if (i % 97 == 0) {
        latch second(*rt, 1);
        job k([&] { second.down(); });
        ex->submit(k);
        second.wait();
      }
    }
  }
}

TEST_CASE("work handed from one executor to another and back arrives each time") {
  auto rt = make_threaded_runtime();
  auto a = rt->make_executor({.name = "a", .threads = 2});
  auto b = rt->make_executor({.kind = executor_kind::pinned, .name = "b"});
  constexpr int rounds = 5000;
  latch done(*rt, 1);
  int left = rounds;
  std::unique_ptr<job> ping;
  std::unique_ptr<job> pong;
  ping = std::make_unique<job>([&] {
    CHECK(a->is_current());
    CHECK(!b->is_current());
    b->submit(*pong);
  });
  pong = std::make_unique<job>([&] {
    CHECK(b->is_current());
    if (--left == 0)
      done.down();
    else
      a->submit(*ping);
  });
  a->submit(*ping);
  done.wait();
  CHECK(left == 0);
}

TEST_CASE("a runnable is not held up by its submitter, who goes on and on") {
  auto rt = make_threaded_runtime();
  std::atomic<bool> stop{false};
  latch done(*rt, 1);
  executor* at = nullptr;
  job other([&] {
    stop.store(true);
    done.down();
  });
  job busy([&] {
    at->submit(other);  // it goes to this worker's own slot
    while (!stop.load()) {
    }
  });
  auto ex = rt->make_executor({.threads = 2});  // it ends first, and waits for both jobs
  at = ex.get();
  ex->submit(busy);
  done.wait();
  CHECK(stop.load());
}

TEST_CASE("an executor that goes runs what is queued, and what that submits") {
  auto rt = make_threaded_runtime();
  for (auto kind : kinds) {
    std::atomic<int> ran{0};
    std::vector<std::unique_ptr<job>> jobs;
    auto ex = rt->make_executor({.kind = kind, .threads = 2});
    executor* raw = ex.get();
    for (int i = 0; i < 500; ++i)
      jobs.push_back(std::make_unique<job>([&, i] {
        ran.fetch_add(1);
        if (i + 500 < static_cast<int>(jobs.size()) && i < 500)
          raw->submit(*jobs[static_cast<std::size_t>(i + 500)]);
      }));
    for (int i = 0; i < 500; ++i) jobs.push_back(std::make_unique<job>([&] { ran.fetch_add(1); }));
    for (int i = 0; i < 500; ++i) ex->submit(*jobs[static_cast<std::size_t>(i)]);
    ex.reset();
    CAPTURE(static_cast<int>(kind));
    CHECK(ran.load() == 1000);
  }
}

TEST_CASE("executors say which may block") {
  auto rt = make_threaded_runtime();
  CHECK(!rt->make_executor({})->may_block());
  CHECK(rt->make_executor({.kind = executor_kind::pinned})->may_block());
  CHECK(rt->make_executor({.kind = executor_kind::blocking})->may_block());
}

TEST_CASE("a pinned executor stays on one thread") {
  auto rt = make_threaded_runtime();
  auto ex = rt->make_executor({.kind = executor_kind::pinned});
  latch all(*rt, 100);
  std::set<std::thread::id> seen;
  std::vector<std::unique_ptr<job>> jobs;
  for (int i = 0; i < 100; ++i) {
    jobs.push_back(std::make_unique<job>([&] {
      seen.insert(std::this_thread::get_id());
      all.down();
    }));
    ex->submit(*jobs.back());
  }
  all.wait();
  ex.reset();
  CHECK(seen.size() == 1);
}

TEST_CASE("a blocking executor runs as many at once as wait, up to its bound") {
  auto rt = make_threaded_runtime();
  auto ex = rt->make_executor({.kind = executor_kind::blocking, .threads = 8});
  // Eight that each wait for all eight: with fewer threads none would get on.
  latch together(*rt, 8);
  latch done(*rt, 8);
  std::vector<std::unique_ptr<job>> jobs;
  for (int i = 0; i < 8; ++i) {
    jobs.push_back(std::make_unique<job>([&] {
      together.down();
      together.wait();
      done.down();
    }));
    ex->submit(*jobs.back());
  }
  done.wait();

  std::atomic<int> now{0};
  std::atomic<int> most{0};
  constexpr int many = 200;
  latch all(*rt, many);
  std::vector<std::unique_ptr<job>> more;
  for (int i = 0; i < many; ++i) {
    more.push_back(std::make_unique<job>([&] {
      const int n = now.fetch_add(1) + 1;
      int seen = most.load();
      while (n > seen && !most.compare_exchange_weak(seen, n)) {
      }
      for (int k = 0; k < 1000; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
      now.fetch_sub(1);
      all.down();
    }));
    ex->submit(*more.back());
  }
  all.wait();
  CHECK(most.load() <= 8);
}

TEST_CASE("a blocking executor's threads end when idle, and come again") {
  auto rt = make_threaded_runtime();
  auto ex = rt->make_executor({.kind = executor_kind::blocking, .threads = 2, .idle_after = 1ms});
  std::atomic<std::uint32_t> never{0};
  for (int round = 0; round < 20; ++round) {
    latch done(*rt, 1);
    job j([&] { done.down(); });
    ex->submit(j);
    done.wait();
    rt->wait(never, 0, rt->now(clock_domain::housekeeping) + 3ms);
  }
}

namespace {

/// What a thread takes its time to destroy.
struct slow_to_go {
  slow_to_go(runtime& r, std::atomic<int>& n) : rt(r), gone(n) {}
  ~slow_to_go() {
    const std::atomic<std::uint32_t> never{0};
    rt.wait(never, 0, rt.now(clock_domain::housekeeping) + 1ms);
    gone.fetch_add(1);
  }
  runtime& rt;
  std::atomic<int>& gone;
};

}  // namespace

TEST_CASE("an executor that is gone has left nothing of its threads") {
  auto rt = make_threaded_runtime();
  for (const auto idle_after : {duration(1ns), duration(1h)}) {  // ended before, and at the end
    for (auto kind : kinds) {
      constexpr int work = 8;
      std::atomic<int> begun{0}, gone{0};
      latch all(*rt, work);
      auto ex = rt->make_executor({.kind = kind, .threads = 4, .idle_after = idle_after});
      std::vector<std::unique_ptr<job>> jobs;
      for (int i = 0; i < work; ++i)
        jobs.push_back(std::make_unique<job>([&] {
          thread_local std::unique_ptr<slow_to_go> mine;
          if (!mine) mine = std::make_unique<slow_to_go>(*rt, gone), begun.fetch_add(1);
          all.down();
        }));
      for (auto& j : jobs) ex->submit(*j);
      all.wait();
      ex.reset();
      CHECK(begun > 0);
      CHECK(gone == begun);
    }
  }
}

TEST_CASE("a serial executor runs its functions in order, also at its end") {
  auto rt = make_threaded_runtime();
  std::vector<int> order;
  {
    auto serial = rt->make_serial("serial");
    for (int i = 0; i < 1000; ++i) serial->post([&order, i] { order.push_back(i); });
  }
  REQUIRE(order.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a wait is ended by a wake, by its deadline, and at once when the word differs") {
  auto rt = make_threaded_runtime();
  std::atomic<std::uint32_t> word{0};
  CHECK(rt->wait(word, 1, time_point::max()));
  const auto before = rt->now(clock_domain::housekeeping);
  while (rt->wait(word, 0, before + 5ms)) {
  }
  CHECK(rt->now(clock_domain::housekeeping) - before >= 5ms);
  for (int i = 0; i < 200; ++i) {
    word.store(0);
    std::thread waker([&] {
      word.store(1);
      rt->wake(word);
    });
    while (word.load() == 0) rt->wait(word, 0, time_point::max());
    waker.join();
  }
}

TEST_CASE("timers of real time fire once, not early, and can be disarmed") {
  auto rt = make_threaded_runtime();
  struct ring final : timer_node {
    ring(runtime& r, latch& l) : timer_node(&fired), rt(r), done(l) {}
    static void fired(timer_node& n) noexcept {
      auto& self = static_cast<ring&>(n);
      self.at = self.rt.now();
      ++self.times;
      self.done.down();
    }
    runtime& rt;
    latch& done;
    time_point at{};
    int times = 0;
  };
  constexpr int n = 50;
  latch all(*rt, n);
  latch none(*rt, 1);
  std::vector<std::unique_ptr<ring>> rings;
  std::vector<time_point> due;
  ring disarmed(*rt, none);
  rt->timers(clock_domain::user).arm(disarmed, rt->now() + 1h);
  for (int i = 0; i < n; ++i) {
    rings.push_back(std::make_unique<ring>(*rt, all));
    due.push_back(rt->now() + (i % 7) * 1ms);
    rt->timers(i % 2 ? clock_domain::user : clock_domain::housekeeping)
        .arm(*rings.back(), due.back());
  }
  all.wait();
  for (int i = 0; i < n; ++i) {
    CHECK(rings[static_cast<std::size_t>(i)]->times == 1);
    CHECK(rings[static_cast<std::size_t>(i)]->at >= due[static_cast<std::size_t>(i)]);
  }
  CHECK(rt->timers(clock_domain::user).disarm(disarmed));
  CHECK(disarmed.times == 0);
}

TEST_CASE("the kernel's random bytes fill all of the buffer, and differ") {
  auto rt = make_threaded_runtime();
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(rt->random_u64());
  CHECK(seen.size() == 100);
  std::vector<std::byte> many(10'000);
  rt->random(many);
  CHECK(std::ranges::count(many, std::byte{0}) < 200);
  CHECK(!rt->is_simulated());
}
