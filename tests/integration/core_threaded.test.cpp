// Core on real threads and real time: what the simulation cannot show.

#include <odeon/core/actor_system.hpp>
#include <odeon/core/events.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <set>
#include <thread>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 60s;  // a bound for a machine under load, not an expectation

struct get {
  using reply = int;
};
/// Its word outlives the system: the actor looks at it to the end.
struct hold {
  std::atomic<std::uint32_t>* until = nullptr;
};
struct add {
  int n = 0;
};
struct nap {
  using reply = int;
  duration d{};
};
struct where {
  using reply = std::thread::id;
};
struct fan_out {
  using reply = int;
  int n = 0;
};

class counter : public actor<get, hold, add, nap, where> {
 public:
  int on(get) { return sum_; }
  void on(hold m) {
    runtime& rt = ctx().system().get_runtime();
    while (m.until->load() == 0) rt.wait(*m.until, 0, time_point::max());
  }
  void on(add m) { sum_ += m.n; }
  task<int> on(nap m) {
    co_await sleep(m.d);
    co_return 1;
  }
  std::thread::id on(where) { return std::this_thread::get_id(); }

 private:
  int sum_ = 0;
};

class fan : public actor<fan_out> {
 public:
  explicit fan(std::vector<counter::ref> to) : to_(std::move(to)) {}
  task<int> on(fan_out m) {
    int sum = 0;
    std::vector<future<int>> asked;
    for (int i = 0; i < m.n; ++i) asked.push_back(to_[pick(i)].ask<nap>(1ms));
    for (auto& f : asked) sum += co_await std::move(f);
    co_return sum;
  }

 private:
  std::size_t pick(int i) const { return static_cast<std::size_t>(i) % to_.size(); }
  std::vector<counter::ref> to_;
};

void release(actor_system& system, std::atomic<std::uint32_t>& word) {
  word.store(1);
  system.get_runtime().wake(word);
}

const bool quiet = (set_log_level(log_level::off), true);

}  // namespace

TEST_CASE("asks from many threads are each answered once") {
  actor_system system("threads");
  auto a = system.spawn<counter>();
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        a.tell<add>(1);
        if (a.ask<get>().within(patience).get() < 1) bad.fetch_add(1);
      }
    });
  for (auto& t : threads) t.join();
  CHECK(bad.load() == 0);
  CHECK(a.ask<get>().get() == 2000);
}

TEST_CASE("a handler that runs for longer than the limit is told of, once") {
  std::atomic<std::uint32_t> until{0};
  testkit::kit k({.threaded = true, .patience = patience, .system = {.slow_handler = 50ms}});
  // On a busy machine a thread may be kept from its work for as long in any handler.
  auto slow = k.events<slow_handler>([](const auto& e) { return e.path == "/user/a"; });
  auto a = k.system().spawn<counter>({.name = "a", .dispatcher = "blocking"});
  auto b = k.system().spawn<counter>({.name = "b"});
  a.tell<hold>(&until);
  const auto s = slow.await_one();
  CHECK(s.path == "/user/a");
  CHECK(s.ref == a);
  CHECK(s.message.ends_with("hold"));
  CHECK(s.running_for >= 50ms);
  CHECK(b.ask<get>().get() == 0);
  slow.expect_none(300ms);

  // Meanwhile its asker and a snapshot say so.
  auto text = std::string(a.ask<get>().within(50ms).result().error().text());
  CHECK(text.find("queued at depth 0; the actor is running") != std::string::npos);
  CHECK(text.find("hold") != std::string::npos);
  for (const auto& x : k.system().snapshot().list) {
    if (x.path != "/user/a") continue;
    CHECK(x.state == actor_state::running);
    CHECK(x.message.ends_with("hold"));
    CHECK(x.running_for.value_or(0s) >= 50ms);
  }
  release(k.system(), until);
  CHECK(a.ask<get>().get() == 0);
}

TEST_CASE("a handler that blocks holds up its own worker alone") {
  std::atomic<std::uint32_t> until{0};
  actor_system system("held", {.workers = 2});
  auto a = system.spawn<counter>();
  std::vector<counter::ref> others;
  for (int i = 0; i < 50; ++i) others.push_back(system.spawn<counter>());
  a.tell<hold>(&until);
  for (auto& o : others) CHECK(o.ask<get>().within(patience).get() == 0);
  release(system, until);
}

TEST_CASE("a pinned actor stays on its thread, another one gets another") {
  actor_system system("pins");
  auto a = system.spawn<counter>({.dispatcher = "pinned"});
  auto b = system.spawn<counter>({.dispatcher = "pinned"});
  std::set<std::thread::id> seen;
  for (int i = 0; i < 50; ++i) seen.insert(a.ask<where>().get());
  CHECK(seen.size() == 1);
  CHECK(b.ask<where>().get() != *seen.begin());
  CHECK(*seen.begin() != std::this_thread::get_id());
}

TEST_CASE("thousands of naps and asks at once all end") {
  actor_system system("naps");
  std::vector<counter::ref> to;
  for (int i = 0; i < 16; ++i) to.push_back(system.spawn<counter>());
  std::vector<future<int>> asked;
  for (int i = 0; i < 20; ++i)
    asked.push_back(system.spawn<fan>(to).ask<fan_out>(20).within(patience));
  int sum = 0;
  for (auto& f : asked) sum += f.get();
  CHECK(sum == 400);
}

TEST_CASE("an ask's timeout comes in real time, not before it") {
  actor_system system("late");
  auto a = system.spawn<counter>();
  auto& rt = system.get_runtime();
  auto asker = system.spawn(behavior(a, [](counter::ref& to, fan_out) -> task<int> {
    auto r = co_await to.try_ask<nap>(1h).within(80ms);
    co_return r ? 1 : static_cast<int>(r.error().code());
  }));
  for (int i = 0; i < 3; ++i) {
    const auto before = rt.now(clock_domain::housekeeping);
    CHECK(asker.ask<fan_out>(0).within(patience).get() == static_cast<int>(errc::ask_timeout));
    CHECK(rt.now(clock_domain::housekeeping) - before >= 80ms);
  }
}

TEST_CASE("a shutdown past its limit names the handler that runs") {
  std::atomic<std::uint32_t> until{0};
  testkit::kit k({.threaded = true, .patience = patience});
  auto a = k.system().spawn<counter>({.name = "a", .dispatcher = "blocking"});
  a.tell<hold>(&until);
  k.eventually(
      [&] {
        const auto s = k.system().snapshot();
        return !s.list.empty() && s.list[0].state == actor_state::running;
      },
      "a running handler");
  const auto report = k.system().terminate_and_wait(2s);
  CHECK(!report.complete);
  REQUIRE(report.held_up_by.size() == 1);
  CHECK(report.held_up_by[0].path == "/user/a");
  CHECK(report.held_up_by[0].why.find("hold is running") != std::string::npos);
  release(k.system(), until);
  CHECK(k.system().terminate_and_wait(patience).complete);
}

TEST_CASE("a termination signal ends the system") {
  actor_system system("signalled");
  auto a = system.spawn<counter>();
  std::thread killer([&] {
    // Signals of the process go to any thread; the handlers are there once the wait has begun.
    std::atomic<std::uint32_t> never{0};
    auto& rt = system.get_runtime();
    while (!system.is_terminating()) {
      rt.wait(never, 0, rt.now(clock_domain::housekeeping) + 20ms);
      struct sigaction now{};
      sigaction(SIGTERM, nullptr, &now);
      if (now.sa_handler != SIG_DFL) {
        std::raise(SIGTERM);
        break;
      }
    }
  });
  const auto report = system.run_until_signal();
  killer.join();
  CHECK(report.complete);
  CHECK(a.is_terminated());
  struct sigaction after{};
  sigaction(SIGTERM, nullptr, &after);
  const bool ignored = after.sa_handler == SIG_IGN;  // doctest cannot print a function
  CHECK(!ignored);
}

TEST_CASE("waiting for a signal ends when somebody else terminates the system") {
  actor_system system("by_hand");
  std::thread other([&] { system.terminate_and_wait(patience); });
  CHECK(system.run_until_signal().complete);
  other.join();
}

TEST_CASE("a second signal gives up waiting for the shutdown") {
  std::atomic<std::uint32_t> until{0};
  actor_system system("stuck", {.shutdown_limit = patience});
  auto a = system.spawn<counter>({.name = "a", .dispatcher = "blocking"});
  a.tell<hold>(&until);
  std::thread killer([&] {
    std::atomic<std::uint32_t> never{0};
    auto& rt = system.get_runtime();
    for (int sent = 0; sent < 2;) {
      rt.wait(never, 0, rt.now(clock_domain::housekeeping) + 20ms);
      struct sigaction now{};
      sigaction(SIGINT, nullptr, &now);
      if (now.sa_handler == SIG_DFL || (sent == 1 && !system.is_terminating())) continue;
      std::raise(SIGINT);
      ++sent;
    }
  });
  const auto report = system.run_until_signal();
  CHECK(!report.complete);
  killer.join();
  release(system, until);
}

TEST_CASE("the hops of one chain are found across threads") {
  actor_system system("hops", {.workers = 2});
  auto last = system.spawn<counter>({.dispatcher = "pinned"});
  std::atomic<std::uint64_t> trace{0};
  auto first = system.spawn(behavior(last, [&](counter::ref& to, fan_out, context& c) -> task<int> {
    trace.store(c.trace());
    co_return co_await to.ask<get>() + 1;
  }));
  CHECK(first.ask<fan_out>(0).get() == 1);
  const auto hops = system.recent_hops(trace.load());
  REQUIRE(hops.size() == 2);
  std::set<std::uint64_t> actors;
  for (const auto& h : hops) actors.insert(h.actor);
  CHECK(actors == std::set<std::uint64_t>{first.uid(), last.uid()});
}

TEST_CASE("a snapshot is taken while everything runs") {
  actor_system system("watched");
  std::vector<counter::ref> to;
  for (int i = 0; i < 8; ++i) to.push_back(system.spawn<counter>());
  auto f = system.spawn<fan>(to);
  std::vector<future<int>> asked;
  for (int i = 0; i < 50; ++i) asked.push_back(f.ask<fan_out>(8).within(patience));
  for (int i = 0; i < 50; ++i) {
    CHECK(system.snapshot().actors == 9);
    CHECK(system.metrics().spawned == 9);
    (void)system.recent_hops();
  }
  int sum = 0;
  for (auto& a : asked) sum += a.get();
  CHECK(sum == 400);
}
