#pragma once

#include "sidecar/internal/app_gate.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

/// @file What actors there may be: definitions, instances of templates, channels.

namespace odeon::sidecar::detail {

/// A definition with the app that has its code. Never changes: a registration makes a new one.
struct definition {
  std::string system;
  actor_def def;
  std::shared_ptr<app_gate> app;
  std::string init = {};  ///< its init action; empty: none

  /// Whether `action` is one of its actions or timers.
  [[nodiscard]] bool has(const std::string& action) const;
};
using definition_ptr = std::shared_ptr<const definition>;

/// Who is meant by a name.
struct found_actor {
  definition_ptr what;     ///< null: nobody
  std::string why = {};    ///< why there is nobody
  bool no_system = false;  ///< the system itself is not registered
  bool pool = false;
  bool may_be_instance = false;  ///< an earlier process may have known it: there are templates
  bool unrecorded = false;       ///< an instance that is named with its template for the first time
};

/// @threadsafe
class registry {
 public:
  explicit registry(std::size_t bound) : bound_(bound) {}

  /// Checks all, and takes all or nothing. What the same app (the same `where()`) had registered
  /// before and does not any more is forgotten. Gives the new definitions.
  result<std::vector<definition_ptr>> add(const registration& what,
                                          const std::shared_ptr<app_gate>& app);
  /// Records an instance of a template. `active` says whether it is active: then `revision` is of
  /// no use. Gives whether it is not stored yet, as far as `kept` has said.
  result<bool> add_instance(const actor_id& who, std::uint64_t revision, bool active);
  /// Who that is. `parent` not empty: an instance that need not have been recorded.
  [[nodiscard]] found_actor find(const actor_id& who) const;
  /// The present definition of that name.
  [[nodiscard]] definition_ptr template_of(const std::string& system,
                                           const std::string& name) const;
  /// The record that `who` is an instance of its parent is stored.
  void kept(const actor_id& who);
  /// The revision of an instance's record, once.
  std::uint64_t take_revision(const actor_id& who);

  /// An instance of a template with a channel hears it from its first activation on.
  void subscribe(const std::string& system, const std::string& channel, const std::string& name);
  [[nodiscard]] std::vector<std::string> subscribers(const std::string& system,
                                                     const std::string& channel) const;

  [[nodiscard]] std::map<std::string, actor_def> definitions(const std::string& system) const;
  [[nodiscard]] std::vector<std::string> systems() const;
  /// Changes with each registration.
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_.load(); }
  [[nodiscard]] std::size_t calls_under_way() const;

 private:
  struct instance {
    std::string parent;
    std::uint64_t revision = 0;
    bool kept = false;
  };
  struct system_part {
    std::map<std::string, definition_ptr> definitions;
    std::unordered_map<std::string, instance> instances;
    std::map<std::string, std::set<std::string>> channels;  // of instances; definitions say theirs
  };

  const std::size_t bound_;
  std::atomic<std::uint64_t> generation_{1};
  mutable std::shared_mutex mutex_;  // guards what follows
  std::map<std::string, system_part> systems_;
  std::size_t count_ = 0;  // definitions and instances
};

}  // namespace odeon::sidecar::detail
