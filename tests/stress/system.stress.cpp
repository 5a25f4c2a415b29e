// Timers, supervision, events, dispatchers, and systems that end with traffic under way.

#include "stress/common.hpp"

#include <algorithm>

using namespace odeon;
using namespace odeon::stress;

namespace {

struct arm {
  std::uint32_t n = 0;
};
struct tick {
  std::uint32_t n = 0;
};
struct cancel_all {};
struct fails {};
struct count_of {
  using reply = std::uint64_t;
};
struct hop_on {
  std::uint32_t left = 0;
};
struct temperature {
  int degrees = 0;
};

/// Arms timers of all kinds, and cancels some of them.
class clocked : public actor<arm, tick, cancel_all, count_of, fails> {
 public:
  explicit clocked(std::atomic<std::uint64_t>* ticks) : ticks_(ticks) {}
  void on(arm m) {
    switch (m.n % 5) {
      case 0: timers_.push_back(ctx().send_after(1ms, tick{m.n})); break;
      case 1: timers_.push_back(ctx().send_every(1ms, 1ms, tick{m.n})); break;
      case 2: timers_.push_back(ctx().send_with_delay(1ms, 2ms, tick{m.n})); break;
      case 3: ctx().send_after(2ms, tick{m.n}); break;
      default: ctx().receive_timeout(1ms); break;
    }
    if (timers_.size() > 10) on(cancel_all{});
  }
  void on(tick) { ticks_->fetch_add(1); }
  void on(receive_timeout) { ticks_->fetch_add(1); }
  void on(cancel_all) {
    for (auto& t : timers_) t.cancel();
    timers_.clear();
  }
  std::uint64_t on(count_of) { return ticks_->load(); }
  void on(fails) { throw std::runtime_error("on request"); }

 private:
  std::atomic<std::uint64_t>* ticks_;
  std::vector<timer> timers_;
};

class hopper : public actor<hop_on, fails> {
 public:
  explicit hopper(std::vector<actor_ref<hop_on>>* all) : all_(all) {}
  void on(hop_on m) {
    if (m.left > 0) (*all_)[m.left % all_->size()].tell<hop_on>(m.left - 1);
  }
  void on(fails) { throw std::runtime_error("on request"); }

 private:
  std::vector<actor_ref<hop_on>>* all_;
};

class listener : public actor<temperature, count_of> {
 public:
  void on(temperature) { ++seen_; }
  std::uint64_t on(count_of) { return seen_; }

 private:
  std::uint64_t seen_ = 0;
};

}  // namespace

TEST_CASE("timers are armed, fire and are cancelled on many actors, which come and go") {
  std::atomic<std::uint64_t> ticks{0};
  actor_system system("timers", {.workers = 2});
  auto steady = system.spawn<clocked>(&ticks);
  steady.tell<arm>(1U);  // every millisecond
  await(system, [&] { return ticks.load() > 10; });
  on_threads(3, [&](int, dice& d) {
    for (int i = 0; i < rounds(60); ++i) {
      auto a = system.spawn<clocked>({.supervision = {.max_retries = 1000}}, &ticks);
      for (std::uint32_t k = 0; k < 40; ++k) {
        a.tell<arm>(d.below(1000));
        if (d.below(20) == 0) a.tell<fails>();
        if (d.below(10) == 0) a.tell<cancel_all>();
      }
      if (d.below(4) == 0) pause(system, 8ms);  // some fire, most are still armed at the end
      if (d.below(2))
        system.stop(a);
      else
        system.kill(a);
    }
  });
  system.stop(steady);
  await(system, [&] { return system.snapshot().actors == 0; });
  const auto before = ticks.load();
  pause(system, 10ms);
  CHECK(ticks.load() == before);
  CHECK(system.get_runtime().timers(clock_domain::user).size() == 0);
}

TEST_CASE("a timer's handle is cancelled on any thread while it fires") {
  actor_system system("handles", {.workers = 2});
  std::atomic<std::uint64_t> ticks{0};
  struct lend {
    std::atomic<timer*>* box;
  };
  struct lender : actor<lend, tick> {
    std::atomic<std::uint64_t>* ticks;
    explicit lender(std::atomic<std::uint64_t>* t) : ticks(t) {}
    void on(lend m) { m.box->store(new timer(ctx().send_every(1ms, 1ms, tick{}))); }
    void on(tick) { ticks->fetch_add(1); }
  };
  auto a = system.spawn<lender>(&ticks);
  std::atomic<int> bad{0};
  on_threads(3, [&](int, dice& d) {
    for (int i = 0; i < rounds(60); ++i) {
      std::atomic<timer*> box{nullptr};
      a.tell<lend>(&box);
      await(system, [&] { return box.load() != nullptr; });
      pause(system, std::chrono::microseconds(d.below(2500)));
      box.load()->cancel();
      if (box.load()->is_active()) bad.fetch_add(1);
      delete box.load();
    }
  });
  CHECK(bad.load() == 0);
  CHECK(system.get_runtime().timers(clock_domain::user).size() == 0);
}

TEST_CASE("siblings fail together and are restarted together, again and again") {
  std::vector<actor_ref<hop_on>> all;  // the actors look at it to the end
  actor_system system("siblings", {.workers = 2});
  std::vector<actor_ref<hop_on, fails>> full;
  for (auto how : {scope::one_for_one, scope::all_for_one, scope::rest_for_one})
    for (int i = 0; i < 4; ++i) {
      full.push_back(system.spawn<hopper>(
          {.supervision = {.scope = how, .max_retries = 1'000'000, .within = 0s}}, &all));
    }
  for (auto& f : full) all.push_back(f);
  on_threads(3, [&](int, dice& d) {
    for (int i = 0; i < rounds(300); ++i) {
      full[d.below(12)].tell<hop_on>(d.below(50));
      if (d.below(5) == 0) full[d.below(12)].tell<fails>();
    }
  });
  await(system, [&] {
    const auto s = system.snapshot();
    return std::ranges::all_of(
        s.list, [](const auto& a) { return a.state == actor_state::idle && a.mailbox_depth == 0; });
  });
  CHECK(system.snapshot().actors == 12);
}

TEST_CASE("events are published while subscribers come and go") {
  actor_system system("events", {.workers = 2});
  std::atomic<std::uint64_t> called{0};
  auto steady = system.spawn<listener>();
  system.events().subscribe<temperature>(steady);
  const int each = rounds(600);
  on_threads(4, [&](int me, dice& d) {
    for (int i = 0; i < each; ++i) {
      if (me < 2) {
        system.events().publish(temperature{i});
        continue;
      }
      auto s = system.events().on<temperature>([&](const temperature&) { called.fetch_add(1); });
      auto a = system.spawn<listener>();
      system.events().subscribe<temperature>(a);
      if (d.below(2)) system.events().unsubscribe(a);
      system.stop(a);
    }
  });
  CHECK(steady.ask<count_of>().within(patience).get() == static_cast<std::uint64_t>(2 * each));
}

TEST_CASE("a system ends with traffic, timers and asks under way") {
  for (int round = 0; round < rounds(25); ++round) {
    std::atomic<std::uint64_t> ticks{0};
    std::vector<actor_ref<hop_on>> all;
    std::vector<clocked::ref> clocks;
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    {
      actor_system system("ends", {.workers = 2});
      for (int i = 0; i < 8; ++i)
        all.push_back(system.spawn<hopper>({.dispatcher = i == 3   ? "pinned"
                                                          : i == 4 ? "blocking"
                                                                   : ""},
                                           &all));
      for (int i = 0; i < 4; ++i) clocks.push_back(system.spawn<clocked>(&ticks));
      for (int t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
          dice d(static_cast<std::uint64_t>(100 * round + t));
          // A bound: what floods faster than it is handled would only fill the mailboxes.
          for (int i = 0; i < rounds(500) && !stop.load(); ++i) {
            all[d.below(8)].tell<hop_on>(d.below(1000));
            clocks[d.below(4)].tell<arm>(d.below(100));
            {
              auto dropped = clocks[d.below(4)].ask<count_of>();
            }
            // What is sent to an actor that has ended is lost, and nothing breaks.
            if (d.below(64) == 0) (void)all[0].path();
          }
        });
      pause(system, 2ms);
      system.terminate();
      CHECK(system.terminate_and_wait(patience).complete);
      stop.store(true);
      for (auto& t : threads) t.join();
    }
    for (auto& a : all) {
      CHECK(a.is_terminated());
      a.tell<hop_on>(5U);
    }
    for (auto& c : clocks) CHECK(!c.ask<count_of>().result());
  }
}

TEST_CASE("many systems live and end at once") {
  on_threads(3, [&](int, dice& d) {
    for (int i = 0; i < rounds(15); ++i) {
      std::vector<actor_ref<hop_on>> all;  // the actors look at it to the end
      actor_system system("one of many", {.workers = 1 + d.below(2)});
      for (int k = 0; k < 4; ++k) all.push_back(system.spawn<hopper>(&all));
      for (int k = 0; k < 20; ++k) all[d.below(4)].tell<hop_on>(d.below(200));
      if (d.below(2)) (void)system.terminate_and_wait(patience);
    }
  });
}

TEST_CASE("diagnostics are read while everything changes") {
  std::atomic<std::uint64_t> ticks{0};
  std::vector<actor_ref<hop_on>> all;  // the actors look at it to the end
  actor_system system("seen", {.workers = 2});
  for (int i = 0; i < 6; ++i) all.push_back(system.spawn<hopper>(&all));
  std::atomic<int> bad{0};
  on_threads(3, [&](int me, dice& d) {
    for (int i = 0; i < rounds(150); ++i) {
      if (me == 0) {
        const auto s = system.snapshot();
        if (s.actors < 6) bad.fetch_add(1);
        (void)system.metrics();
        (void)system.recent_hops();
        (void)system.dead_letters();
      } else {
        auto a = system.spawn<clocked>({.name = "c" + std::to_string(me)}, &ticks);
        for (int k = 0; k < 30; ++k) {
          all[d.below(6)].tell<hop_on>(d.below(40));
          a.tell<arm>(d.below(100));
        }
        if (d.below(3) == 0) a.tell<fails>();
        system.stop(a);
        await(system, [&] { return a.is_terminated(); });
      }
    }
  });
  CHECK(bad.load() == 0);
}
