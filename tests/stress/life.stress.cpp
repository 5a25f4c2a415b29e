// Spawning, stopping, watching and linking from everywhere at once.

#include "stress/common.hpp"

#include <algorithm>
#include <set>

using namespace odeon;
using namespace odeon::stress;

namespace {

struct ping {
  using reply = int;
};
struct watch_this {
  any_ref what;
  bool then_unwatch = false;
};
struct link_this {
  any_ref what;
};
struct heard {
  using reply = int;
};
struct grow {
  int depth = 0;
};
struct late {};

class plain : public actor<ping, late> {
 public:
  plain() = default;
  explicit plain(std::atomic<int>* alive) : alive_(alive) { alive_->fetch_add(1); }
  ~plain() {
    if (alive_) alive_->fetch_sub(1);
  }
  int on(ping) { return 1; }
  void on(late) {}

 private:
  std::atomic<int>* alive_ = nullptr;
};

class observer : public actor<watch_this, heard> {
 public:
  void on(watch_this m) {
    ctx().watch(m.what);
    if (m.then_unwatch) {
      ctx().unwatch(m.what);
      given_up_.insert(m.what);
    }
  }
  void on(terminated t) {
    ++heard_;
    if (given_up_.contains(t.ref)) ++wrong_;
  }
  int on(heard) { return wrong_ ? -wrong_ : heard_; }

 private:
  std::set<any_ref> given_up_;
  int heard_ = 0;
  int wrong_ = 0;
};

class linked : public actor<link_this, ping> {
 public:
  void on(link_this m) { ctx().link(m.what); }
  int on(ping) { return 1; }
};

/// Grows children, each of which grows some.
class tree : public actor<grow, ping> {
 public:
  explicit tree(std::atomic<int>* alive) : alive_(alive) { alive_->fetch_add(1); }
  ~tree() { alive_->fetch_sub(1); }
  void on(grow m) {
    if (m.depth == 0) return;
    for (int i = 0; i < 3; ++i) ctx().spawn<tree>(alive_).tell<grow>(m.depth - 1);
  }
  int on(ping) { return 1; }

 private:
  std::atomic<int>* alive_;
};

}  // namespace

TEST_CASE("actors are spawned, told, asked and stopped from many threads, and all go") {
  std::atomic<int> alive{0};
  {
    actor_system system("storm", {.workers = 2});
    const int each = rounds(1500);
    on_threads(4, [&](int, dice& d) {
      std::vector<plain::ref> held;
      for (int i = 0; i < each; ++i) {
        auto a = system.spawn<plain>(&alive);
        a.tell<late>();
        switch (d.below(4)) {
          case 0: system.stop(a); break;
          case 1: system.kill(a); break;
          case 2: held.push_back(std::move(a)); break;
          default: {
            auto dropped = a.ask<ping>();
          } break;
        }
        if (held.size() > 50) {
          for (auto& h : held) system.stop(h);
          held.clear();
        }
      }
    });
    CHECK(system.metrics().spawned == static_cast<std::uint64_t>(4 * each));
  }
  CHECK(alive.load() == 0);
}

TEST_CASE("references are dropped on other threads than they were made on") {
  std::atomic<int> alive{0};
  {
    actor_system system("refs", {.workers = 2});
    std::atomic<any_ref*> boxes[8] = {};
    on_threads(4, [&](int, dice& d) {
      for (int i = 0; i < rounds(2000); ++i) {
        auto* mine = new any_ref(system.spawn<plain>(&alive));
        if (d.below(2)) system.stop(*mine);
        delete boxes[d.below(8)].exchange(mine);
      }
    });
    for (auto& b : boxes) delete b.load();
  }
  CHECK(alive.load() == 0);
}

TEST_CASE("each watch is answered once, however it races with the end") {
  actor_system system("watches", {.workers = 2});
  std::vector<observer::ref> observers;
  for (int i = 0; i < 4; ++i) observers.push_back(system.spawn<observer>());
  std::atomic<int> expected[4] = {};
  const int n = rounds(400);
  std::vector<plain::ref> targets;
  for (int i = 0; i < n; ++i) targets.push_back(system.spawn<plain>());
  on_threads(3, [&](int me, dice& d) {
    if (me == 2) {
      for (auto& t : targets) d.below(2) ? system.stop(t) : system.kill(t);
      return;
    }
    for (auto& t : targets) {
      const unsigned o = static_cast<unsigned>(2 * me) + d.below(2);
      const bool give_up = d.below(3) == 0;
      observers[o].tell<watch_this>(t, give_up);
      if (!give_up) expected[o].fetch_add(1);
      if (d.below(4) == 0) observers[o].tell<watch_this>(t, give_up);  // once more is no more
    }
  });
  for (std::size_t i = 0; i < 4; ++i) {
    int seen = 0;
    await(system, [&] {
      seen = observers[i].ask<heard>().within(patience).get();
      return seen < 0 || seen >= expected[i].load();
    });
    CHECK(seen >= expected[i].load());
  }
}

TEST_CASE("links pass ends on while they are made, and everything linked goes") {
  actor_system system("links", {.workers = 2});
  for (int round = 0; round < rounds(60); ++round) {
    std::vector<linked::ref> all;
    for (int i = 0; i < 12; ++i) all.push_back(system.spawn<linked>());
    std::size_t stopped = 0;
    on_threads(3, [&](int me, dice&) {
      if (me == 2) {
        stopped = static_cast<std::size_t>(round) % all.size();
        system.stop(all[stopped]);
        return;
      }
      for (std::size_t i = static_cast<std::size_t>(me); i + 1 < all.size(); i += 2)
        all[i].tell<link_this>(all[i + 1]);
    });
    // Who ended before it was told to link is linked by its predecessor alone: the chain may have
    // two parts, and the end of the last one is the end of the second.
    const auto ended = [](const auto& r) { return r.is_terminated(); };
    await(system, [&] {
      return std::all_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(stopped) + 1,
                         ended);
    });
    system.stop(all.back());
    await(system, [&] { return std::ranges::all_of(all, ended); });
  }
}

TEST_CASE("trees of actors are stopped while they grow, and nobody is left") {
  std::atomic<int> alive{0};
  actor_system system("trees", {.workers = 2});
  for (int round = 0; round < rounds(40); ++round) {
    std::vector<tree::ref> roots;
    for (int i = 0; i < 3; ++i) roots.push_back(system.spawn<tree>(&alive));
    on_threads(2, [&](int me, dice& d) {
      for (auto& r : roots) {
        if (me == 0)
          r.tell<grow>(4);
        else if (d.below(2))
          system.stop(r);
        else
          system.kill(r);
      }
    });
    for (auto& r : roots) system.stop(r);
    await(system, [&] { return system.snapshot().actors == 0; });
    await(system, [&] { return alive.load() == 0; });
  }
}

TEST_CASE("names are taken and freed by many threads, one holder at a time") {
  actor_system system("names", {.workers = 2});
  std::atomic<int> holders{0};
  std::atomic<int> most{0};
  std::atomic<int> got{0};
  on_threads(4, [&](int, dice&) {
    for (int i = 0; i < rounds(400); ++i) {
      try {
        auto a = system.spawn<plain>({.name = "one"});
        const int n = holders.fetch_add(1) + 1;
        if (n > most.load()) most.store(n);
        got.fetch_add(1);
        auto found = system.lookup("one");
        if (found && found != a) most.store(100);
        holders.fetch_sub(1);
        system.stop(a);
        await(system, [&] { return a.is_terminated(); });
      } catch (const actor_error& e) {
        if (e.which() != errc::name_taken) most.store(1000);
        (void)system.lookup("one").path();
      }
    }
  });
  CHECK(most.load() == 1);
  CHECK(got.load() > 0);
}

TEST_CASE("an actor that is found by name while it is constructed handles nothing before") {
  struct early : actor<ping> {
    std::atomic<bool>* built;
    bool ok = false;
    early(std::atomic<bool>* b, std::atomic<std::uint32_t>* go) : built(b) {
      go->store(1);
      for (int i = 0; i < 3000; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      ok = true;
      built->store(true);
    }
    int on(ping) { return ok && built->load() ? 1 : 0; }
  };
  actor_system system("early", {.workers = 2});
  std::atomic<int> bad{0};
  for (int round = 0; round < rounds(200); ++round) {
    std::atomic<bool> built{false};
    std::atomic<std::uint32_t> go{0};
    on_threads(2, [&](int me, dice&) {
      if (me == 0) {
        auto a = system.spawn<early>({.name = "early"}, &built, &go);
        if (a.ask<ping>().within(patience).get() != 1) bad.fetch_add(1);
        system.stop(a);
        await(system, [&] { return a.is_terminated(); });
      } else {
        while (go.load() == 0) {
        }
        auto found = system.lookup("early").as<actor_ref<ping>>();
        if (!found) return;
        auto r = found.ask<ping>().within(patience).result();
        if (r ? *r != 1 : r.error() != errc::actor_stopped) bad.fetch_add(1);
      }
    });
  }
  CHECK(bad.load() == 0);
}
