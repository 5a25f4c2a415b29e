// Routers while everything moves: many senders, a pool that is resized, routees that die.

#include "stress/common.hpp"
#include <odeon/pattern/router_group.hpp>
#include <odeon/pattern/troupe.hpp>

#include <memory>

using namespace odeon;
using namespace odeon::stress;

namespace {

struct work {
  std::size_t n = 0;
  [[nodiscard]] std::uint64_t routing_key() const { return n % 64; }
};
struct get {
  std::size_t n = 0;
  using reply = std::size_t;
};

/// How often each message was handled.
struct tally {
  explicit tally(std::size_t n) : times(n) {}
  std::vector<std::atomic<int>> times;
  std::atomic<std::size_t> handled{0};
  std::atomic<int> deaths{0};

  void note(std::size_t n) {
    times[n].fetch_add(1);
    handled.fetch_add(1);
  }
  [[nodiscard]] bool each_once() const {
    for (const auto& t : times)
      if (t.load() != 1) return false;
    return true;
  }
};

class worker : public actor<work, get> {
 public:
  explicit worker(std::shared_ptr<tally> t) : tally_(std::move(t)) {}
  void on(work m) {
    // One in 31 kills the worker, the first time.
    if (tally_->deaths.load() > 0 && m.n % 31 == 0 && tally_->deaths.fetch_sub(1) > 0)
      throw std::runtime_error("dies");
    tally_->note(m.n);
  }
  std::size_t on(get m) {
    if (m.n % 17 == 0) throw std::runtime_error("fails");
    return m.n;
  }

 private:
  std::shared_ptr<tally> tally_;
};

constexpr int senders = 4;

/// `n` messages from each of the senders, while `meanwhile` is called again and again.
void send_while(const worker::ref& to, std::size_t n, const std::function<void(dice&)>& meanwhile) {
  std::atomic<int> sending{senders};
  on_threads(senders + 1, [&](int i, dice& d) {
    if (i == senders) {
      while (sending.load() > 0) meanwhile(d);
      return;
    }
    for (std::size_t k = 0; k < n; ++k) to.tell<work>(static_cast<std::size_t>(i) * n + k);
    sending.fetch_sub(1);
  });
}

void resized_while_sending(const char* name, const router& how) {
  CAPTURE(name);
  const auto n = static_cast<std::size_t>(rounds(5'000));
  actor_system system("stress");
  auto t = std::make_shared<tally>(senders * n);
  auto pool = system.spawn<worker>({.name = "pool", .router = how}, t);
  router_control control(pool);
  send_while(pool, n, [&](dice& d) { (void)control.resize(1 + d.below(8)).get(); });
  await(system, [&] { return t->handled.load() >= senders * n; });
  CHECK(t->each_once());
  CHECK(system.dead_letters().empty());
  CHECK(control.resize(1).get() == 1);
  await(system, [&] { return control.stats().leaving == 0; });
  CHECK(system.snapshot().actors == 2);
}

}  // namespace

TEST_CASE("a pool that is resized while many send loses nothing and doubles nothing") {
  resized_while_sending("round_robin", round_robin(4));
  resized_while_sending("random", odeon::random(4));
  resized_while_sending("smallest_mailbox", smallest_mailbox(4));
  resized_while_sending("consistent_hash", consistent_hash(4));
  resized_while_sending("balancing", balancing(4));
}

TEST_CASE("members of a group come and go while many send: each message is handled once") {
  const auto n = static_cast<std::size_t>(rounds(5'000));
  actor_system system("stress");
  auto t = std::make_shared<tally>(senders * n);
  std::vector<worker::ref> members;
  for (int i = 0; i < 6; ++i) members.push_back(system.spawn<worker>(t));
  auto group = router_group(system, smallest_mailbox(), members);
  router_control control(group);
  send_while(group, n, [&](dice& d) {
    const auto& m = members[1 + d.below(5)];
    if (d.below(2))
      (void)control.add(m).get();
    else
      (void)control.remove(m).result();
  });
  await(system, [&] { return t->handled.load() >= senders * n; });
  CHECK(t->each_once());
  CHECK(system.dead_letters().empty());
}

TEST_CASE("every ask to several routees ends, whatever becomes of these") {
  actor_system system("stress");
  auto t = std::make_shared<tally>(1);
  const spawn_options options{.supervision = {.max_retries = 1'000'000}};
  for (const router& how : {router(broadcast<worker>(4)), router(scatter_gather<worker>(4, 5s)),
                            router(tail_chopping<worker>(4, 1ms, 5s))}) {
    spawn_options o = options;
    o.router = how;
    auto pool = system.spawn<worker>(o, t);
    router_control control(pool);
    std::atomic<int> asking{senders};
    std::atomic<std::size_t> good{0};
    std::atomic<std::size_t> bad{0};
    const auto n = static_cast<std::size_t>(rounds(1'000));
    on_threads(senders + 1, [&](int i, dice& d) {
      if (i == senders) {
        while (asking.load() > 0) (void)control.resize(1 + d.below(6)).get();
        return;
      }
      for (std::size_t k = 1; k <= n; ++k) {
        if (d.below(8) == 0) {
          auto dropped = pool.ask<get>(k);
          continue;
        }
        auto r = pool.ask<get>(k).result();
        if (k % 17 == 0) {
          CHECK(!r);
          bad.fetch_add(1);
        } else {
          CHECK((r && *r == k));
          good.fetch_add(1);
        }
      }
      asking.fetch_sub(1);
    });
    CHECK(good.load() > bad.load());
    await(system, [&] { return control.stats().open_asks == 0; });
    system.stop(pool);
    await(system, [&] { return pool.is_terminated(); });
  }
}

TEST_CASE("a troupe whose workers die does every job once, and answers every ask") {
  const auto n = static_cast<std::size_t>(rounds(3'000));
  actor_system system("stress");
  auto t = std::make_shared<tally>(senders * n);
  t->deaths = rounds(200);
  auto pool = system.spawn<worker>(
      {.name = "pool",
       .supervision = {.otherwise = directive::stop},
       .router = troupe(
           {.max = 6, .idle = 1, .max_pending = 0, .idle_time = 4ms, .attempts = 1'000'000})},
      t);
  troupe_control control(pool);
  send_while(pool, n, [&](dice& d) {
    const std::size_t max = 1 + d.below(6);
    control.set({.max = max, .idle = 1, .max_pending = 0, .idle_time = 4ms, .attempts = 1'000'000})
        .get();
    if (d.below(3) == 0) CHECK(pool.ask<get>(5).within(patience).get() == 5);
  });
  await(system, [&] { return t->handled.load() >= senders * n; });
  CHECK(t->each_once());
  CHECK(system.dead_letters().empty());
  CHECK(control.status().requeued == static_cast<std::uint64_t>(rounds(200)));
}

TEST_CASE("a router that is stopped while many send: each message is handled or a dead letter") {
  for (const router& how : {router(round_robin(3)), router(balancing(3)),
                            router(troupe({.max = 3, .max_pending = 0}))}) {
    for (int round = 0; round < rounds(10); ++round) {
      const std::size_t n = 500;
      actor_system system("stress");
      auto t = std::make_shared<tally>(senders * n);
      auto pool = system.spawn<worker>({.router = how}, t);
      on_threads(senders + 1, [&](int i, dice&) {
        if (i == senders) {
          if (round % 2)
            system.kill(pool);
          else
            system.stop(pool);
          return;
        }
        for (std::size_t k = 0; k < n; ++k) pool.tell<work>(static_cast<std::size_t>(i) * n + k);
      });
      await(system, [&] { return pool.is_terminated(); });
      await(system,
            [&] { return t->handled.load() + system.metrics().dead_letters >= senders * n; });
      CHECK(t->handled.load() + system.metrics().dead_letters == senders * n);
    }
  }
}
