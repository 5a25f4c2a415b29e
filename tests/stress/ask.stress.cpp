// Asks, their timeouts, drops and cancels, from threads and actors at once.

#include "stress/common.hpp"

using namespace odeon;
using namespace odeon::stress;

namespace {

struct get {
  using reply = std::uint64_t;
  std::uint64_t n = 0;
};
struct slow {
  using reply = std::uint64_t;
  std::uint64_t n = 0;
};
struct keep {
  using reply = std::uint64_t;
  std::uint64_t n = 0;
};
struct release_kept {};
struct work {
  using reply = std::uint64_t;
  std::uint64_t n = 0;
};
struct rows {
  using replies = int;
  int n = 0;
};
struct read_rows {
  using reply = int;
  int n = 0;
  int stop_after = 0;
};

class server : public actor<get, slow, keep, release_kept, rows> {
 public:
  std::uint64_t on(get m) { return m.n + 1; }
  task<std::uint64_t> on(slow m) {
    co_await sleep(1ms);
    co_return m.n + 2;
  }
  void on(keep m, reply_to<std::uint64_t> r) {
    kept_.emplace_back(m.n, std::move(r));
    if (kept_.size() > 20) on(release_kept{});
  }
  void on(release_kept) {
    for (auto& [n, r] : kept_) r(n + 3);
    kept_.clear();
  }
  task<void> on(rows m, replies_to<int> out) {
    for (int i = 0; i < m.n; ++i)
      if (!co_await out.send(i)) co_return;
    out.finish();
  }

 private:
  std::vector<std::pair<std::uint64_t, reply_to<std::uint64_t>>> kept_;
};

/// Several asks at once, some awaited, some dropped, some timed out.
class client : public actor<work, read_rows> {
 public:
  static constexpr bool reentrant = true;
  explicit client(std::vector<server::ref> s) : servers_(std::move(s)) {}
  task<std::uint64_t> on(work m) {
    dice d(m.n);
    std::uint64_t wrong = 0;
    for (int i = 0; i < 20; ++i) {
      auto& s = servers_[d.below(static_cast<unsigned>(servers_.size()))];
      const std::uint64_t n = d.below(1000);
      switch (d.below(6)) {
        case 0: wrong += co_await s.ask<get>(n).within(patience) != n + 1; break;
        case 1: wrong += co_await s.ask<slow>(n).within(patience) != n + 2; break;
        case 2: {
          auto r = co_await s.try_ask<slow>(n).within(duration(d.below(3'000'000) + 1));
          wrong += r ? *r != n + 2 : r.error() != errc::ask_timeout;
          break;
        }
        case 3: {
          auto dropped = s.ask<keep>(n);
        } break;
        case 4: {
          auto r = co_await s.try_ask<keep>(n).within(1ms);
          wrong += r ? *r != n + 3 : r.error() != errc::ask_timeout;
          break;
        }
        default: s.tell<release_kept>(); break;
      }
    }
    co_return wrong;
  }
  task<int> on(read_rows m) {
    auto s = servers_[0].request_stream<rows>(m.n);
    int seen = 0;
    while (auto r = co_await s.next()) {
      if (*r != seen) co_return -1;
      if (++seen == m.stop_after) break;
    }
    co_return seen;
  }

 private:
  std::vector<server::ref> servers_;
};

}  // namespace

TEST_CASE("asks, timeouts and drops race, and each answer is the right one") {
  actor_system system("asks", {.workers = 2});
  std::vector<server::ref> servers;
  for (int i = 0; i < 4; ++i) servers.push_back(system.spawn<server>());
  std::vector<client::ref> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(system.spawn<client>(servers));
  const int each = rounds(40);
  std::atomic<std::uint64_t> wrong{0};
  on_threads(4, [&](int me, dice& d) {
    for (int i = 0; i < each; ++i) {
      auto& s = servers[d.below(4)];
      auto f = clients[static_cast<std::size_t>(me)].ask<work>(d.below(100'000)).within(patience);
      if (d.below(8) == 0) continue;  // dropped: its work is asked to stop, or ends unheard
      wrong.fetch_add(s.ask<get>(5U).within(patience).get() != 6);
      auto r = s.ask<slow>(1U).within(duration(d.below(2'500'000) + 1)).result();
      wrong.fetch_add(r ? *r != 3 : r.error() != errc::ask_timeout);
      wrong.fetch_add(f.get());
    }
  });
  CHECK(wrong.load() == 0);
}

TEST_CASE("an ask's timeout, its answer and its drop race, many times") {
  actor_system system("races", {.workers = 2});
  auto s = system.spawn<server>();
  std::atomic<int> bad{0};
  on_threads(3, [&](int, dice& d) {
    for (int i = 0; i < rounds(300); ++i) {
      auto f = s.ask<keep>(7U).within(duration(d.below(1'500'000) + 1));
      if (d.below(2) == 0) s.tell<release_kept>();
      if (d.below(3) == 0) continue;
      auto r = f.result();
      if (r ? *r != 10 : r.error() != errc::ask_timeout) bad.fetch_add(1);
    }
  });
  CHECK(bad.load() == 0);
}

TEST_CASE("asks race with the end of their targets, and each one ends") {
  actor_system system("targets", {.workers = 2});
  std::atomic<int> bad{0};
  for (int life = 0; life < rounds(100); ++life) {
    auto s = system.spawn<server>();
    auto c = system.spawn<client>(std::vector{s});
    on_threads(3, [&](int me, dice& d) {
      for (int i = 0; i < 20; ++i) {
        if (me == 0 && i == 10) {
          if (d.below(2) == 0)
            system.stop(s);
          else
            system.kill(s);
        }
        auto r = me == 1 ? c.ask<work>(d.below(1000)).within(patience).result()
                         : s.ask<slow>(1U).within(patience).result();
        if (!r && r.error() == errc::ask_timeout) bad.fetch_add(1);
      }
    });
  }
  CHECK(bad.load() == 0);
}

TEST_CASE("streams of replies are whole and in order, read to their end or dropped") {
  actor_system system("streams", {.workers = 2});
  auto s = system.spawn<server>({.dispatcher = "default"});
  std::vector<client::ref> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(system.spawn<client>(std::vector{s}));
  std::atomic<int> bad{0};
  on_threads(3, [&](int me, dice& d) {
    auto& c = clients[static_cast<std::size_t>(me)];
    for (int i = 0; i < rounds(30); ++i) {
      const int n = static_cast<int>(d.below(2500));
      const int stop = d.below(2) ? static_cast<int>(d.below(1500)) + 1 : 0;
      const int seen = c.ask<read_rows>(n, stop).within(patience).get();
      if (seen != (stop && stop < n ? stop : n)) bad.fetch_add(1);
      // From a thread, too.
      auto own = s.request_stream<rows>(10);
      int sum = 0;
      while (auto r = own.next().get()) sum += *r;
      if (sum != 45) bad.fetch_add(1);
    }
  });
  CHECK(bad.load() == 0);
}
