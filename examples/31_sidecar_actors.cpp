// Actors whose code is functions: kept by the sidecar's engine, here in one program without an app.

#include <odeon/odeon.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/sidecar/actor.hpp>
#include <odeon/sidecar/engine.hpp>

#include <cstdio>
#include <string>

using namespace std::chrono_literals;
namespace sidecar = odeon::sidecar;
using sidecar::action_call;

struct amount {
  long cents = 0;
};

sidecar::value deposit(const action_call& c) {
  auto now = sidecar::unpack_or<amount>(c.state);
  now.cents += sidecar::unpack<amount>(c.value).cents;
  if (now.cents < 0) throw std::runtime_error("not enough money");
  // The state is stored before the answer goes out; the auditor hears of it and nobody waits.
  return sidecar::value()
      .state(now)
      .reply(now)
      .effect({.actor = {"", "auditor"}, .action = "note", .value = c.value})
      .checkpoint();
}

sidecar::value note(const action_call& c) {
  auto seen = sidecar::unpack_or<amount>(c.state);
  seen.cents += std::abs(sidecar::unpack<amount>(c.value).cents);
  return sidecar::value().state(seen);
}

int main() {
  odeon::actor_system system{"bank"};
  auto disk = std::make_shared<odeon::memory_store>();
  auto journal = odeon::make_memory_journal(system.get_runtime(), disk);
  sidecar::engine engine(system,
                         sidecar::make_state_store(system.get_runtime(), std::move(journal)));

  // A template, whose instances get their names as they are invoked, and one named actor.
  const auto ok = engine.register_app(sidecar::local_app(
      system, "bank",
      {sidecar::local_actor{"account", {.kind = sidecar::actor_kind::unnamed}}.action("deposit",
                                                                                      deposit),
       sidecar::local_actor{"auditor"}.action("note", note)}));
  if (!ok) return 1;

  const auto ask = [&](const char* name, const char* action, long cents) {
    auto a = engine
                 .invoke({.actor = {"bank", name, "account"},
                          .action = action,
                          .value = sidecar::pack(amount{cents})})
                 .get();
    if (a.status == sidecar::outcome::ok)
      std::printf("%s has %ld\n", name, sidecar::unpack<amount>(a.value).cents);
    else
      std::printf("%s: %s\n", name, a.message.c_str());
  };
  ask("ann", "deposit", 500);
  ask("joe", "deposit", 70);
  ask("ann", "deposit", -120);
  ask("joe", "deposit", -100);
  ask("joe", "withdraw", 1);

  // All that is queued ends, and every state is stored.
  const std::size_t lost = engine.stop(10s).get();
  auto state = engine.state_of({"bank", "auditor"}).get();
  const long seen = sidecar::unpack<amount>(state->state).cents;
  std::printf("the auditor saw %ld\n", seen);
  return lost == 0 && seen == 690 ? 0 : 1;
}
