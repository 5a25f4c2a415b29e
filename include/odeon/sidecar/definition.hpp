#pragma once

#include <odeon/base/error.hpp>
#include <odeon/sidecar/message.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// @file What actors there are, and the program that has their code.

namespace odeon::sidecar {

enum class actor_kind : std::uint8_t {
  named = 1,    ///< one actor, of the definition's name
  unnamed = 2,  ///< a template: instances get their names when they are spawned
  pooled = 3,   ///< several workers under one name
};

struct timer_def {
  std::string action = {};
  duration every{};  ///< after the end of each run
};

/// One definition, as an app registers it.
struct actor_def {
  std::string name = {};
  actor_kind kind = actor_kind::named;
  bool stateful = true;
  duration snapshot_every = std::chrono::seconds(2);
  duration deactivate_after = std::chrono::seconds(30);  ///< without a message
  std::uint32_t min_pool = 0;                            ///< 0: the engine chooses
  std::uint32_t max_pool = 0;
  std::string channel = {};  ///< subscribed to; empty: none
  tags actor_tags = {};
  std::vector<std::string> actions = {};
  std::vector<timer_def> timers = {};
  std::optional<any> initial_state = {};
};

/// Runs the actions of its actors: a program behind HTTP, or C++ functions in this process.
class host_app {
 public:
  using done_fn = std::move_only_function<void(result<action_answer>)>;
  host_app() = default;
  host_app(const host_app&) = delete;
  virtual ~host_app() = default;

  /// Runs one action; `done` is called once, on any thread or inside the call, at `deadline` of the
  /// user's clock: what comes later is of no effect. Does not block. Errors: `unreachable` (it
  /// cannot have run: only then it is tried again), `ask_timeout`, `bad_encoding` (what came back
  /// is no answer), `handler_failed` (the app says it failed, or threw). None of them changes a
  /// state. @threadsafe
  virtual void call(action_call what, time_point deadline, done_fn done) = 0;

  /// Where it is, for texts: "127.0.0.1:8091".
  [[nodiscard]] virtual std::string where() const = 0;
};

/// An app says what actors it has. Saying it again replaces the app and the definitions; states
/// stay, and active actors go on with the new ones from their next action.
struct registration {
  std::string system = {};
  std::map<std::string, actor_def> actors = {};
  std::shared_ptr<host_app> app = {};
};

}  // namespace odeon::sidecar
