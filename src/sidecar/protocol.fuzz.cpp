#include "sidecar/internal/protocol.hpp"

#include <cstdlib>
#include <string>

/// @file libFuzzer on what apps and their callers send: it is read or refused, within the bounds,
/// and what was read can be said again.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace odeon::sidecar;
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const protocol::bounds few{.actors = 8, .per_actor = 8, .effects = 8, .tags = 8};
  switch (data[0] % 4U) {
    case 0:
      if (const auto read = protocol::read_registration(bytes, few)) {
        if (read->system.empty() || read->actors.size() > few.actors) std::abort();
        for (const auto& [name, def] : read->actors)
          if (name != def.name || name.empty() || def.actions.size() > few.per_actor) std::abort();
      }
      break;
    case 1:
      if (const auto read = protocol::read_spawn(bytes, "bank", few))
        for (const actor_id& id : *read)
          if (id.name.empty() || id.system != "bank") std::abort();
      break;
    case 2:
      if (auto read = protocol::read_invocation(bytes, "bank", "joe", few)) {
        if (read->actor.name != "joe" || read->action.empty()) std::abort();
        (void)protocol::actor_invocation(
            {.actor = read->actor, .action = read->action, .value = read->value});
      }
      break;
    default:
      if (const auto read = protocol::read_answer(bytes, {"bank", "joe"}, few))
        if (read->then.effects.size() > few.effects) std::abort();
      break;
  }
  return 0;
}
