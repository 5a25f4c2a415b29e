// Two nodes that can only connect outward, as behind NAT: each registers its name at a relay, and
// from then on one's actors are reached from the other. What they say is protected from end to end
// by a secret that the relay does not have.

#include <odeon/core/actor.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/remote/relay.hpp>
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/runtime.hpp>

#include <cstdio>
#include <string>

struct reverse {
  using reply = std::string;
  std::string text;
};

class mirror : public odeon::actor<reverse> {
 public:
  std::string on(reverse m) { return {m.text.rbegin(), m.text.rend()}; }
};

int main() {
  const std::string relay_secret = "known to the relay and its nodes";
  const std::string node_secret = "known to the nodes alone";
  const auto rt = odeon::make_threaded_runtime();

  // As a program: odeon relay --protocol tcp --auth-secret-env RELAY_SECRET
  const auto tcp = odeon::make_tcp_transport(*rt);
  const auto relay =
      odeon::remote::relay_server::start(*rt, *tcp, {.secret = relay_secret}).value();

  // A node: a transport through the relay, which an endpoint uses like any other.
  const auto through = [&](const char* name) {
    return odeon::remote::make_relay_transport(
        *rt, {.relay = "tcp://" + relay->address(), .name = name, .secret = relay_secret});
  };
  const auto bobs_way = through("bob"), alices_way = through("alice");
  odeon::actor_system bob{"bob", {.runtime = rt.get()}}, alice{"alice", {.runtime = rt.get()}};
  const odeon::remote::shared_secret secret{node_secret};
  odeon::remote::endpoint bobs_net{
      bob, {.listen = "bob:7400", .security = secret, .transport = bobs_way.get()}};
  odeon::remote::endpoint alices_net{
      alice, {.listen = "alice:7400", .security = secret, .transport = alices_way.get()}};

  bobs_net.expose<mirror>();
  bob.spawn<mirror>({.name = "mirror"});
  auto far = alices_net.lookup<mirror>("bob:7400", "mirror").get();
  const std::string said = far.ask<reverse>("outward").get();
  const auto seen = relay->metrics();
  std::printf("bob says %s; the relay has %zu nodes\n", said.c_str(), seen.registered);
  return said == "drawtuo" && seen.registered == 2 && seen.envelopes_total > 0 ? 0 : 1;
}
