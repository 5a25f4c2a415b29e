#pragma once

/// @file
/// What every CAF benchmark needs: a system with as many workers as the harness says, the atoms
/// that stand for empty messages, and an end to the actors of a pass. Written for CAF 0.17.

#include "harness.hpp"
#include "workloads.hpp"

#include <caf/all.hpp>

#include <latch>
#include <vector>

namespace bench {

using start_atom = caf::atom_constant<caf::atom("start")>;
using next_atom = caf::atom_constant<caf::atom("next")>;
using ping_atom = caf::atom_constant<caf::atom("ping")>;
using pong_atom = caf::atom_constant<caf::atom("pong")>;
using done_atom = caf::atom_constant<caf::atom("done")>;

/// A configuration with `threads` workers (CAF's own default is never below four), the default
/// work stealing policy and no other module.
class caf_config : public caf::actor_system_config {
 public:
  explicit caf_config(unsigned threads) {
    set("scheduler.max-threads", static_cast<std::size_t>(threads));
  }
};

/// Stops every actor of a pass and waits until the system has none left.
inline void finish(caf::actor_system& system, std::vector<caf::actor>& actors) {
  for (const caf::actor& a : actors) caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
  actors.clear();
  system.await_all_actors_done();
}

}  // namespace bench
