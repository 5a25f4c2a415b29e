// Mailboxes and the life of their actors under many senders: nothing is lost, nothing comes twice,
// and the order of each sender is kept.

#include "stress/common.hpp"

using namespace odeon;
using namespace odeon::stress;

namespace {

struct numbered {
  std::uint32_t sender = 0;
  std::uint32_t n = 0;
};
struct fails {};
struct totals {
  using reply = std::uint64_t;
};

constexpr int senders = 4;

/// Checks the order of each sender; counts what it took in a place that outlives restarts.
struct tally {
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> disorder{0};
  std::atomic<int> inside{0};
  std::atomic<int> together{0};
  std::uint32_t last[senders] = {};  // the actor's alone
};

class receiver : public actor<numbered, fails, totals> {
 public:
  explicit receiver(tally* t) : tally_(t) {}
  void on(numbered m) {
    if (tally_->inside.fetch_add(1) != 0) tally_->together.fetch_add(1);
    if (m.n <= tally_->last[m.sender]) tally_->disorder.fetch_add(1);
    tally_->last[m.sender] = m.n;
    tally_->inside.fetch_sub(1);
    tally_->taken.fetch_add(1);  // last: who counts on it lets the tally go
  }
  void on(fails) { throw std::runtime_error("on request"); }
  std::uint64_t on(totals) { return tally_->taken.load(); }

 private:
  tally* tally_;
};

void check(const tally& t) {
  CHECK(t.disorder.load() == 0);
  CHECK(t.together.load() == 0);
}

}  // namespace

TEST_CASE("many senders lose nothing and keep their order, in bursts with pauses") {
  actor_system system("bursts", {.workers = 2});
  for (auto box : {mailbox::unbounded(), mailbox::bounded(100'000'000), mailbox::priority()}) {
    tally t;
    auto r = system.spawn<receiver>({.mailbox = box}, &t);
    const int bursts = rounds(20);
    on_threads(senders, [&](int me, dice& d) {
      std::uint32_t n = 0;
      for (int b = 0; b < bursts; ++b) {
        for (unsigned i = d.below(300); i > 0; --i) r.tell<numbered>(me, ++n);
        if (d.below(4) == 0) pause(system, 1ms);  // long enough to park the workers
      }
    });
    const auto sent = [&] {
      std::uint64_t sum = 0;
      for (auto l : t.last) sum += l;
      return sum;
    };
    (void)r.ask<totals>().within(patience).get();
    check(t);
    CHECK(t.taken.load() == sent());
  }
}

TEST_CASE("one message at a time to a sleeping actor wakes it each time") {
  actor_system system("wakes", {.workers = 2});
  tally t;
  auto r = system.spawn<receiver>(&t);
  const int n = rounds(3000);
  for (int i = 0; i < n; ++i) {
    r.tell<numbered>(0U, static_cast<std::uint32_t>(i + 1));
    if (i % 2) {
      CHECK(r.ask<totals>().within(patience).get() == static_cast<std::uint64_t>(i + 1));
    } else {
      await(system, [&] { return t.taken.load() == static_cast<std::uint64_t>(i + 1); });
    }
  }
  check(t);
}

TEST_CASE("actors that send to each other in rings neither stop nor repeat") {
  struct token {
    std::uint32_t left = 0;
  };
  struct member : actor<token, numbered> {
    actor_ref<token> next;
    std::atomic<int>* done;
    explicit member(std::atomic<int>* d) : done(d) {}
    void on(token m) {
      if (m.left == 0)
        done->fetch_add(1);
      else
        next.tell<token>(m.left - 1);
    }
    void on(numbered) { next = self(); }
  };
  actor_system system("rings", {.workers = 2});
  std::atomic<int> done{0};
  std::vector<actor_ref<token, numbered>> members;
  for (int i = 0; i < 16; ++i) members.push_back(system.spawn<member>(&done));
  for (auto& m : members) m.tell<numbered>();
  const int tokens = 64;
  for (int i = 0; i < tokens; ++i)
    members[static_cast<std::size_t>(i % 16)].tell<token>(static_cast<std::uint32_t>(rounds(500)));
  await(system, [&] { return done.load() == tokens; });
}

TEST_CASE("senders race with restarts: what is told is handled or a dead letter") {
  actor_system system("restarts", {.workers = 2});
  tally t;
  auto r = system.spawn<receiver>({.supervision = {.max_retries = 1'000'000, .within = 0s}}, &t);
  const int each = rounds(2000);
  std::atomic<int> failures{0};
  on_threads(senders, [&](int me, dice& d) {
    for (int i = 0; i < each; ++i) {
      r.tell<numbered>(me, static_cast<std::uint32_t>(i + 1));
      if (d.below(50) == 0) {
        r.tell<fails>();
        failures.fetch_add(1);
      }
    }
  });
  CHECK(r.ask<totals>().within(patience).get() == static_cast<std::uint64_t>(senders * each));
  check(t);
  CHECK(system.metrics().restarts == static_cast<std::uint64_t>(failures.load()));
  CHECK(system.metrics().dead_letters == static_cast<std::uint64_t>(failures.load()));
}

TEST_CASE("senders race with stop and kill: what is told is handled or a dead letter") {
  const int lives = rounds(150);
  actor_system system("ends", {.workers = 2});
  for (auto box :
       {mailbox::unbounded(), mailbox::bounded(64, overflow::drop_oldest), mailbox::priority()}) {
    for (int life = 0; life < lives; ++life) {
      tally t;
      const auto letters = system.metrics().dead_letters;
      auto r = system.spawn<receiver>({.mailbox = box}, &t);
      std::atomic<std::uint64_t> sent{0};
      on_threads(3, [&](int me, dice& d) {
        for (std::uint32_t i = 1; i <= 100; ++i) {
          if (me == 2 && i == 40 + d.below(20)) {
            if (life % 2)
              system.stop(r);
            else
              system.kill(r);
          }
          r.tell<numbered>(static_cast<std::uint32_t>(me), i);
          sent.fetch_add(1);
        }
      });
      system.stop(r);
      await(system, [&] {
        return r.is_terminated() &&
               t.taken.load() + system.metrics().dead_letters - letters == sent.load();
      });
      check(t);
    }
  }
}

TEST_CASE("blocked tellers all get on, and are let go when the actor ends") {
  actor_system system("blocked", {.workers = 2});
  {
    tally t;
    auto r = system.spawn<receiver>({.mailbox = mailbox::bounded(4, overflow::block)}, &t);
    const int each = rounds(1000);
    on_threads(senders, [&](int me, dice&) {
      for (int i = 0; i < each; ++i) r.tell<numbered>(me, static_cast<std::uint32_t>(i + 1));
    });
    await(system, [&] { return t.taken.load() == static_cast<std::uint64_t>(senders * each); });
    check(t);
  }
  for (int life = 0; life < rounds(50); ++life) {
    tally t;
    auto r = system.spawn<receiver>({.mailbox = mailbox::bounded(2, overflow::block)}, &t);
    on_threads(senders, [&](int me, dice&) {
      for (std::uint32_t i = 1; i <= 50; ++i) {
        if (me == 0 && i == 25) system.kill(r);
        r.tell<numbered>(static_cast<std::uint32_t>(me), i);
      }
    });
    await(system, [&] { return r.is_terminated(); });
  }
}
