// Endpoints over their real hubs: the whole way from a reference to an actor of another node, over
// connections in memory, under virtual time.

#include <odeon/core/actor_system.hpp>
#include <odeon/core/signals.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::remote;
using namespace std::chrono_literals;

namespace remote_endpoint_hub_test {

struct number {
  int n = 0;
};
struct text {
  using reply = std::string;
  std::string body;
};
struct count {
  using reply = int;
};
struct silence {
  using reply = int;
};
class server : public actor<number, text, count, silence> {
 public:
  void on(number m) {
    if (m.n != count_) ++out_of_order;
    ++count_;
  }
  std::string on(text m) { return m.body + m.body; }
  int on(count) { return count_; }
  void on(silence, reply_to<int> to) { kept_ = std::move(to); }

  static inline int out_of_order = 0;

 private:
  int count_ = 0;
  reply_to<int> kept_;
};

struct look {
  any_ref at;
};
class onlooker : public actor<look> {
 public:
  explicit onlooker(std::shared_ptr<std::vector<exit_kind>> told) : told_(std::move(told)) {}
  void on(look m) { ctx().watch(m.at); }
  void on(terminated t) { told_->push_back(t.reason.kind); }

 private:
  std::shared_ptr<std::vector<exit_kind>> told_;
};

struct hosts {
  testkit::kit kit;
  std::unique_ptr<transport> wires = make_memory_transport(kit.get_runtime());

  struct host {
    actor_system system;
    endpoint net;
    host(hosts& of, const std::string& at, security how)
        : system("app", {.runtime = &of.kit.get_runtime()}),
          net(system, options(of, at, std::move(how))) {}
    static endpoint_options options(hosts& of, const std::string& at, security how) {
      endpoint_options o;
      o.listen = "memory://" + at;
      o.transport = of.wires.get();
      o.security = std::move(how);
      o.limits.give_up_after = 20s;
      return o;
    }
  };
  std::unique_ptr<host> make(const std::string& at, security how = plain{}) {
    return std::make_unique<host>(*this, at, std::move(how));
  }
};

}  // namespace remote_endpoint_hub_test

using namespace remote_endpoint_hub_test;

TEST_CASE("messages go the whole way in order, small and large, with every protection") {
  for (const security& how :
       {security(plain{}), security(shared_secret{"a secret that is long enough"})}) {
    hosts h;
    auto a = h.make("a:1", how);
    auto b = h.make("b:1", how);
    b->net.expose<server>();
    b->system.spawn<server>({.name = "s"});
    auto far = a->net.lookup<server>("b:1", "s").result();
    REQUIRE_MESSAGE(far, far.error().to_string());
    server::out_of_order = 0;
    constexpr int many = 2'000;
    for (int i = 0; i < many; ++i) far->tell<number>(i);
    CHECK(far->ask<count>().get() == many);
    CHECK(server::out_of_order == 0);
    const std::string large(3'000'000, 'x');
    CHECK(far->ask<text>(large).get().size() == 2 * large.size());
    std::vector<future<std::string>> open;
    for (int i = 0; i < 500; ++i) open.push_back(far->ask<text>(std::to_string(i)));
    for (int i = 0; i < 500; ++i)
      CHECK(open[static_cast<std::size_t>(i)].get() == std::to_string(i) + std::to_string(i));
  }
}

TEST_CASE("a node with another secret is refused with a code of its own, and told why") {
  hosts h;
  auto a = h.make("a:1", shared_secret{"a secret that is long enough"});
  auto b = h.make("b:1", shared_secret{"another secret, long enough"});
  b->net.expose<server>();
  b->system.spawn<server>({.name = "s"});
  const auto far = a->net.lookup<server>("b:1", "s").result();
  REQUIRE_FALSE(far);
  CHECK(far.error() == errc::authentication_failed);
  CHECK(far.error().text().find("b:1") != std::string_view::npos);
  CHECK(a->net.lookup<server>("c:1", "s").result().error() == errc::connection_refused);
}

TEST_CASE("a node that ends is unreachable at once, and another one at its address is another") {
  hosts h;
  auto a = h.make("a:1");
  auto b = h.make("b:1");
  b->net.expose<server>();
  b->system.spawn<server>({.name = "s"});
  const auto far = a->net.lookup<server>("b:1", "s").get();
  auto told = std::make_shared<std::vector<exit_kind>>();
  auto w = a->system.spawn<onlooker>(told);
  w.tell<look>(far);
  auto open = far.ask<silence>();
  h.kit.settle();
  b.reset();
  h.kit.settle();
  REQUIRE(told->size() == 1);
  // Its system ended first, and with it the actor.
  CHECK((told->front() == exit_kind::stopped || told->front() == exit_kind::unreachable));
  CHECK_FALSE(open.result());
  b = h.make("b:1");
  b->net.expose<server>();
  b->system.spawn<server>({.name = "s"});
  const auto again = a->net.lookup<server>("b:1", "s").result();
  REQUIRE_MESSAGE(again, again.error().to_string());
  CHECK(*again != far);
  CHECK(again->ask<count>().get() == 0);
}

TEST_CASE("a node that was dropped for ever is unreachable, and counted") {
  hosts h;
  auto a = h.make("a:1");
  auto b = h.make("b:1");
  b->net.expose<server>();
  b->system.spawn<server>({.name = "s"});
  const auto far = a->net.lookup<server>("b:1", "s").get();
  auto told = std::make_shared<std::vector<exit_kind>>();
  a->system.spawn<onlooker>(told).tell<look>(far);
  h.kit.settle();
  CHECK(a->net.metrics().peers.size() == 1);
  CHECK(a->net.metrics().sent.controls >= 2);
  REQUIRE(a->net.drop("b:1", true));
  h.kit.settle();
  CHECK(*told == std::vector{exit_kind::unreachable});
  CHECK_FALSE(far.ask<count>().result());
  CHECK(a->net.metrics().quarantined == 1);
}

TEST_CASE(
    "a node that only dials out is answered, and its actors are reached over its connection") {
  hosts h;
  auto b = h.make("b:1");
  b->net.expose<server>();
  b->system.spawn<server>({.name = "s"});
  actor_system quiet("quiet", {.runtime = &h.kit.get_runtime()});
  endpoint_options o;
  o.transport = h.wires.get();
  endpoint net(quiet, o);
  const auto far = net.lookup<server>("b:1", "s").result();
  REQUIRE_MESSAGE(far, far.error().to_string());
  CHECK(far->ask<text>("ho").get() == "hoho");
  auto told = std::make_shared<std::vector<exit_kind>>();
  auto w = quiet.spawn<onlooker>(told);
  w.tell<look>(*far);
  h.kit.settle();
  quiet.stop(*far);
  h.kit.settle();
  CHECK(*told == std::vector{exit_kind::stopped});
}
