#pragma once

#include "sidecar/internal/reply.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

/// @file Who waits for whom: runs of actions, and the actors whose answers they wait for.

namespace odeon::sidecar::detail {

/// The number of one run of an action at an app; 0: none.
using run_id = std::uint64_t;

/// A graph: an actor has at most one run under way, a run waits for answers of actors. A wait that
/// closes a circle would last until its deadline, and is found instead. @threadsafe
class waits {
 public:
  /// The name of the entry in an action's metadata that says which run it is. An app that hands its
  /// metadata on with what it invokes lets a circle be found.
  static constexpr const char* metadata_key = "odeon-run";

  run_id begin(const std::string& actor);
  void end(run_id run);

  /// The run on whose behalf something is invoked, as far as that can be told: by its number in the
  /// metadata, else by the calling actor's name, when that actor has a run under way.
  [[nodiscard]] run_id caller_of(const tags& metadata, const std::optional<actor_id>& caller) const;

  /// `run` waits for an answer of `actor` until `reply` is answered. Gives the circle that this
  /// would close, as "bank/a → bank/b → bank/a", and does not wait then.
  std::optional<std::string> wait(run_id run, const std::string& actor,
                                  const std::shared_ptr<reply_once>& reply);
  /// That answer has come, or comes from another actor now.
  void unwait(run_id run, const std::string& actor);

  [[nodiscard]] std::size_t under_way() const;

 private:
  struct edge {
    std::string to;
    std::shared_ptr<reply_once> reply;
  };
  struct node {
    std::string actor;
    std::vector<edge> on;
  };
  bool reaches(const std::string& from, run_id wanted, std::vector<std::string>& path,
               std::size_t& steps) const;

  mutable std::mutex mutex_;
  run_id last_ = 0;
  std::unordered_map<run_id, node> runs_;
  std::unordered_map<std::string, run_id> current_;
};

/// "system/name": the actor in texts and keys. A system's name holds no slash.
[[nodiscard]] inline std::string key_of(const std::string& system, const std::string& name) {
  return system + "/" + name;
}

}  // namespace odeon::sidecar::detail
