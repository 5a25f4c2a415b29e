// Endpoints of two systems over real sockets, used by many threads while their connections are
// taken away, and ended in the middle of it.

#include "stress/common.hpp"
#include <odeon/core/signals.hpp>
#include <odeon/remote/endpoint.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>

using namespace odeon;
using namespace odeon::stress;

namespace {

struct number {
  int from = 0;
  int n = 0;
};
struct twice {
  using reply = int;
  int n = 0;
};
struct counters {
  static constexpr int senders = 4;
  std::atomic<long> taken{0};
  std::atomic<bool> in_order{true};
};
/// Whose numbers grow, for each sender.
class target : public actor<number, twice> {
 public:
  explicit target(std::shared_ptr<counters> c) : c_(std::move(c)) {}
  void on(number m) {
    int& last = last_.at(static_cast<std::size_t>(m.from));
    if (m.n <= last) c_->in_order = false;
    last = m.n;
    c_->taken.fetch_add(1);
  }
  int on(twice m) { return 2 * m.n; }

 private:
  std::shared_ptr<counters> c_;
  std::array<int, counters::senders> last_{};
};

struct look {
  any_ref at;
};
class onlooker : public actor<look> {
 public:
  explicit onlooker(std::shared_ptr<std::atomic<long>> ended) : ended_(std::move(ended)) {}
  void on(look m) { ctx().watch(m.at); }
  void on(terminated) { ended_->fetch_add(1); }

 private:
  std::shared_ptr<std::atomic<long>> ended_;
};

struct host {
  actor_system system{"app", {.workers = 2}};
  std::optional<remote::endpoint> net;
  explicit host(unsigned streams) {
    remote::endpoint_options o;
    o.listen = "tcp://127.0.0.1:0";
    o.limits.streams = streams;
    o.limits.backoff_least = 1ms;
    o.limits.backoff_most = 20ms;
    o.limits.silent_after = 60s;
    o.limits.handshake = o.limits.connect = 60s;
    net.emplace(system, o, remote::permissions{.spawn = true});
    net->expose<target>();
  }
};

}  // namespace

TEST_CASE("endpoints are used by many threads while links flap: order, answers and ends hold") {
  host a(3), b(2);
  auto c = std::make_shared<counters>();
  b.system.spawn<target>({.name = "t"}, c);
  const auto far = a.net->lookup<target>(b.net->node(), "t").within(60s).result();
  REQUIRE_MESSAGE(far.has_value(), far.error().to_string());
  auto ended = std::make_shared<std::atomic<long>>(0);
  const auto eyes = a.system.spawn<onlooker>(ended);
  const int each = rounds(300);
  std::atomic<long> watched{0}, answered{0}, failed{0};
  std::atomic<int> at_work{counters::senders};
  on_threads(counters::senders + 2, [&](int index, dice& d) {
    if (index >= counters::senders) {  // the links
      while (at_work.load() > 0) {
        pause(a.system, std::chrono::milliseconds(1 + d.below(15)));
        if (index % 2 == 0)
          (void)a.net->drop(b.net->node());
        else
          (void)b.net->drop(a.net->node());
        (void)a.net->metrics();
        (void)b.net->peers();
      }
      return;
    }
    for (int i = 1; i <= each; ++i) {
      far->tell<number>(index, i);
      if (d.below(10) == 0) {
        const auto r = far->ask<twice>(i).within(60s).result();
        if (r) CHECK(*r == 2 * i);
        (r ? answered : failed).fetch_add(1);
      }
      if (d.below(40) == 0) {
        // One of its own: watched, and ended from here or by itself.
        const auto own = b.system.spawn<target>(std::make_shared<counters>());
        const auto where = b.net->address_of(own).value().to_string();
        const auto there = a.net->resolve<target>(where).within(60s).result();
        if (!there) {
          b.system.stop(own);
          continue;
        }
        eyes.tell<look>(*there);
        watched.fetch_add(1);
        if (d.below(2) == 0)
          a.system.stop(*there);
        else
          b.system.stop(own);
      }
    }
    at_work.fetch_sub(1);
  });
  // Each end is told exactly once, over however many connections; messages at most once.
  int next = each;
  await(a.system, [&] {
    far->tell<number>(0, ++next);  // a need for a connection
    return ended->load() == watched.load();
  });
  MESSAGE(watched.load() << " ends, " << answered.load() << " answers, " << failed.load()
                         << " asks lost with their connection");
  CHECK(c->in_order.load());
  CHECK(answered.load() + failed.load() > 0);
}

TEST_CASE("endpoints that end while many threads use them settle every ask") {
  for (int round = 0; round < rounds(5); ++round) {
    host a(1), b(1);
    b.system.spawn<target>({.name = "t"}, std::make_shared<counters>());
    const auto far = a.net->lookup<target>(b.net->node(), "t").within(60s).result();
    REQUIRE_MESSAGE(far.has_value(), far.error().to_string());
    std::atomic<long> settled{0};
    on_threads(4, [&](int index, dice& d) {
      if (index == 3) {
        pause(a.system, std::chrono::milliseconds(1 + d.below(10)));
        (round % 2 == 0 ? a : b).net.reset();
        return;
      }
      for (int i = 0; i < 200; ++i) {
        far->tell<number>(index, i + 1);
        (void)far->ask<twice>(i).within(60s).result();
        settled.fetch_add(1);
      }
    });
    CHECK(settled.load() == 600);
  }
}
