// Actors of two systems over real connections, on real threads: traffic both ways, deaths, peers
// that restart, and ends in the middle of it.

#include <odeon/core/actor_system.hpp>
#include <odeon/core/signals.hpp>
#include <odeon/remote/endpoint.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace remote_actors_test {

struct add {
  int n = 0;
};
struct total {
  using reply = long;
};
struct twice {
  using reply = std::string;
  std::string text;
};
struct hold {
  using reply = int;
};
struct report {
  long n = 0;
};
struct subscribe {
  actor_ref<report> to;
};

class ledger : public actor<add, total, twice, hold, subscribe> {
 public:
  void on(add m) {
    in_order_ = in_order_ && m.n == next_++;
    if (to_ && m.n % 100 == 99) to_.tell<report>(m.n);
  }
  long on(total) { return in_order_ ? next_ : -1; }
  std::string on(twice m) { return m.text + m.text; }
  void on(hold, reply_to<int> to) { kept_.push_back(std::move(to)); }
  void on(subscribe m) { to_ = std::move(m.to); }

 private:
  int next_ = 0;
  bool in_order_ = true;
  std::vector<reply_to<int>> kept_;
  actor_ref<report> to_;
};

struct look {
  any_ref at;
};
/// Counts what it is told.
class observer : public actor<report, look> {
 public:
  explicit observer(std::shared_ptr<std::atomic<int>> seen) : seen_(std::move(seen)) {}
  void on(report) { seen_->fetch_add(1); }
  void on(look m) { ctx().watch(m.at); }
  void on(terminated) { seen_->fetch_add(1'000'000); }

 private:
  std::shared_ptr<std::atomic<int>> seen_;
};

struct host {
  actor_system system;
  remote::endpoint net;
  explicit host(const std::string& listen = "tcp://127.0.0.1:0")
      : system("app", {.workers = 2}),
        net(system, options(listen)) {
    net.expose<ledger, report>();
  }
  static remote::endpoint_options options(const std::string& listen) {
    remote::endpoint_options o;
    o.listen = listen;
    o.security = remote::shared_secret{"known to both of them"};
    o.limits.backoff_least = 10ms;
    o.limits.backoff_most = 50ms;
    return o;
  }
};

/// Until it holds; false: it took too long.
bool soon(actor_system& s, const std::function<bool()>& holds) {
  for (int i = 0; i < 2'000 && !holds(); ++i) {
    const std::atomic<std::uint32_t> never{0};
    s.get_runtime().wait(never, 0, s.get_runtime().now(clock_domain::housekeeping) + 5ms);
  }
  return holds();
}

/// The ledger of a node that may be starting.
ledger::ref find_ledger(host& from, const std::string& node) {
  ledger::ref found;
  REQUIRE(soon(from.system, [&] {
    if (auto r = from.net.lookup<ledger>(node, "ledger").result()) found = *r;
    return bool(found);
  }));
  return found;
}

}  // namespace remote_actors_test

using namespace remote_actors_test;

TEST_CASE(
    "two systems over TCP: messages in order, answers to each ask, reports to who subscribed") {
  host a;
  host b;
  b.system.spawn<ledger>({.name = "ledger"});
  const auto far = find_ledger(a, b.net.node());
  auto seen = std::make_shared<std::atomic<int>>(0);
  auto eye = a.system.spawn<observer>(seen);
  far.tell<subscribe>(eye);
  constexpr int many = 20'000;
  for (int i = 0; i < many; ++i) far.tell<add>(i);
  std::vector<future<std::string>> open;
  for (int i = 0; i < 2'000; ++i) open.push_back(far.ask<twice>(std::to_string(i)));
  for (int i = 0; i < 2'000; ++i)
    REQUIRE(open[static_cast<std::size_t>(i)].get() == std::to_string(i) + std::to_string(i));
  CHECK(far.ask<total>().get() == many);
  CHECK(soon(a.system, [&] { return seen->load() == many / 100; }));
  const auto failed = a.net.lookup<ledger>("127.0.0.1:1", "ledger").result();
  REQUIRE_FALSE(failed);
  CHECK(failed.error() == errc::connection_refused);
}

TEST_CASE(
    "a node that restarts at its address: asks fail, who watches is told, it is found again") {
  host a;
  std::optional<host> b(std::in_place);
  const std::string node = b->net.node();
  auto seen = std::make_shared<std::atomic<int>>(0);
  auto eye = a.system.spawn<observer>(seen);
  for (int round = 1; round <= 3; ++round) {
    b->system.spawn<ledger>({.name = "ledger"});
    const auto far = find_ledger(a, node);
    eye.tell<look>(far);
    CHECK(far.ask<twice>("x").get() == "xx");
    std::vector<future<int>> open;
    for (int i = 0; i < 100; ++i) open.push_back(far.ask<hold>().within(10s));
    b.reset();
    for (auto& f : open) CHECK_FALSE(f.result());
    CHECK(soon(a.system, [&] { return seen->load() == round * 1'000'000; }));
    CHECK_FALSE(far.ask<total>().result());
    b.emplace("tcp://" + node);
  }
}

TEST_CASE("endpoints close in the middle of traffic from many threads, and every ask ends") {
  for (int round = 0; round < 3; ++round) {
    auto a = std::make_unique<host>();
    host b;
    b.system.spawn<ledger>({.name = "ledger"});
    const auto far = find_ledger(*a, b.net.node());
    struct go {};
    auto ended = std::make_shared<std::atomic<int>>(0);
    for (int i = 0; i < 4; ++i) {
      auto busy = a->system.spawn(behavior(0, [far, ended](int&, go) -> task<void> {
        for (int n = 0; n < 200; ++n) {
          (void)co_await far.try_ask<twice>("y");
          far.tell<add>(n);
        }
        ended->fetch_add(1);
      }));
      busy.tell<go>();
    }
    CHECK(soon(a->system, [&] { return a->net.metrics().received.messages > 50; }));
    if (round == 0) b.system.terminate();
    if (round == 1) CHECK(a->net.drop(b.net.node(), true));
    if (round == 2)
      a.reset();
    else
      CHECK(soon(a->system, [&] { return ended->load() == 4; }));
  }
}
