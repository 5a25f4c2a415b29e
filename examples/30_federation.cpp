// Two systems in a federation: each says what it can do, and an actor is made where what it needs
// is there.

#include <odeon/core/actor.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/federation/federation.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/runtime/runtime.hpp>

#include <cstdio>
#include <string>

using odeon::federation::placement;

struct where_are_you {
  using reply = std::string;
};

class renderer : public odeon::actor<where_are_you> {
 public:
  std::string on(where_are_you) { return ctx().system().name(); }
};

// A system, its endpoint, and its place in the federation.
struct site {
  site(const std::string& name, odeon::federation::federation_options options)
      : system(name),
        net(system,
            {.listen = "tcp://127.0.0.1:0", .security = odeon::remote::shared_secret{secret}},
            {.spawn = true}),
        members(system, net, std::move(options)) {
    members.offer<renderer>();
  }
  static inline const std::string secret = "a secret of this example";
  odeon::actor_system system;
  odeon::remote::endpoint net;
  odeon::federation::membership members;
};

int main() {
  site office("office", {.capabilities = {"printer"}});
  site lab("lab", {.seeds = {office.net.node()}, .capabilities = {"gpu"}});

  // The office waits until the lab is there.
  auto [found, ready] = odeon::promise<std::string>::make(office.system.get_runtime());
  bool told = false;
  const auto watching = office.members.watch([&](const odeon::federation::membership_event& event) {
    const auto* news = std::get_if<odeon::federation::member_updated>(&event);
    const auto* joined = std::get_if<odeon::federation::member_joined>(&event);
    const auto& who = news ? news->who : joined ? joined->who : odeon::federation::member{};
    if (!told && who.system == "lab" && !who.types.empty()) {
      told = true;
      found.set(who.system);
    }
  });
  std::printf("%s has joined\n", ready.get().c_str());

  auto here = office.members.spawn<renderer>({.on = placement::automatic}).get();
  auto there = office.members.spawn<renderer>({.on = placement::automatic, .needs = {"gpu"}}).get();
  const auto nowhere =
      std::move(office.members.spawn<renderer>({.on = placement::automatic, .needs = {"tpu"}}))
          .result();
  const std::string first = here.ask<where_are_you>().get();
  const std::string second = there.ask<where_are_you>().get();
  std::printf("without needs: %s; with a gpu: %s\n", first.c_str(), second.c_str());
  std::printf("with a tpu: %s\n", nowhere.error().to_string().c_str());
  return first == "office" && second == "lab" && !nowhere ? 0 : 1;
}
