#pragma once

/// @file
/// What every Odeon benchmark needs: a system with as many workers as the harness says and its
/// defaults otherwise, and an end to the actors of a pass.

#include "harness.hpp"
#include "workloads.hpp"
#include <odeon/odeon.hpp>

#include <atomic>
#include <latch>
#include <thread>
#include <vector>

namespace bench {

inline odeon::system_options system_options(const options& opt) { return {.workers = opt.threads}; }

/// Stops every actor of a pass and waits until all have ended.
template <class Ref>
void finish(odeon::actor_system& system, std::vector<Ref>& actors) {
  for (const Ref& a : actors) system.stop(a);
  for (const Ref& a : actors) {
    while (!a.is_terminated()) std::this_thread::yield();
  }
  actors.clear();
}

}  // namespace bench
