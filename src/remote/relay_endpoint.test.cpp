// Actors of nodes that meet at a relay: associations, their secret and their order run through it.

#include <odeon/core/actor.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/remote/relay.hpp>
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::remote;
using namespace std::chrono_literals;

namespace relay_endpoint_test {

struct add {
  int n = 0;
};
struct get_all {
  using reply = std::vector<int>;
};
class collector : public actor<add, get_all> {
 public:
  void on(add m) { all_.push_back(m.n); }
  std::vector<int> on(get_all) { return all_; }

 private:
  std::vector<int> all_;
};

const std::string relay_secret = "a secret of the relay";

struct site {
  site(runtime& rt, transport& way, const std::string& name, const std::string& secret)
      : system(name, {.runtime = &rt}),
        through(make_relay_transport(
            rt, {.relay = "relay:1", .name = name, .secret = relay_secret, .through = &way})),
        net(system, {.listen = name + ":7400",
                     .security = shared_secret{secret},
                     .transport = through.get()}) {
    net.expose<collector>();
  }
  actor_system system;
  std::unique_ptr<relay_transport> through;
  endpoint net;
};

struct meeting {
  simulated_runtime rt{{.seed = 3}};
  std::unique_ptr<transport> way = make_memory_transport(rt);
  std::unique_ptr<relay_server> relay = start();
  std::unique_ptr<relay_server> start() {
    return relay_server::start(rt, *way, {.listen = "relay:1", .secret = relay_secret}).value();
  }
};

}  // namespace relay_endpoint_test

using namespace relay_endpoint_test;

TEST_CASE("actors are reached through a relay in order, and again after it was started anew") {
  meeting m;
  site a(m.rt, *m.way, "a", "a secret of both nodes"),
      b(m.rt, *m.way, "b", "a secret of both nodes");
  b.system.spawn<collector>({.name = "c"});
  auto far = a.net.lookup<collector>("b:7400", "c").within(20s).get();
  std::vector<int> wanted;
  for (int i = 0; i < 1000; ++i) {
    far.tell<add>(i);
    wanted.push_back(i);
  }
  CHECK(far.ask<get_all>().within(20s).get() == wanted);
  m.relay.reset();
  m.rt.advance(1s);
  const auto lost = far.ask<get_all>().within(2s).result();
  CHECK_FALSE(lost.has_value());
  m.relay = m.start();
  m.rt.advance(15s);
  CHECK(far.ask<get_all>().within(20s).get() == wanted);
}

TEST_CASE("a node with the relay's secret and not the nodes' is let in by the relay alone") {
  meeting m;
  site a(m.rt, *m.way, "a", "a secret of both nodes"),
      b(m.rt, *m.way, "b", "the secret of a stranger");
  b.system.spawn<collector>({.name = "c"});
  const auto no = a.net.lookup<collector>("b:7400", "c").within(20s).result();
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::authentication_failed);
  CHECK(m.relay->metrics().registered == 2);
}
