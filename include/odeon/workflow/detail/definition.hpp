#pragma once

#include <odeon/base/time.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/task/task.hpp>
#include <odeon/workflow/context.hpp>
#include <odeon/workflow/detail/values.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file Steps and edges as the engine sees them: without their types.

namespace odeon::workflows {

/// How often a step is tried, and how long it waits in between: `min`, then twice as long each
/// time, at most `max`. A failure with `errc::refused` (a rule of the application said no) is not
/// tried again.
struct retry_options {
  unsigned attempts = 1;  ///< in all; 1 to 1,000
  duration min = std::chrono::milliseconds(100);
  duration max = std::chrono::seconds(30);
};

struct step_options {
  retry_options retry = {};
  /// Of one attempt. Zero: none; for a step that asks an actor the system's
  /// default ask timeout. A plain function cannot be interrupted, so it may not have one.
  duration timeout{0};
  /// How often the step may run in one run: the bound of a cycle. Zero: as often as the workflow's
  /// `max_steps` allows.
  unsigned max_visits = 0;
  /// Of the step's meaning: raise it when the code changes so that a durable run begun with the old
  /// code must not go on with the new one.
  int version = 1;
};

namespace detail {

using done_fn = std::move_only_function<void(result<value_ptr>)>;

enum class step_kind : std::uint8_t {
  function,  // called on the run's turn
  task,      // a coroutine, in an actor of its own
  actor,     // an actor that was there is asked
  spawned,   // an actor of the run is asked
  relay,     // gives what it takes; not visited, only passed
};

struct step_def {
  std::string name;
  step_options options;
  step_kind kind = step_kind::function;
  const input_shape* in = nullptr;
  const value_type* out = nullptr;
  bool hidden = false;  // made by a spelling, not by the user

  std::function<result<value_ptr>(const value_ptr&, const step_context&)> call;
  std::function<task<result<value_ptr>>(value_ptr, step_context)> make_task;
  any_ref target;
  std::function<any_ref(context&)> spawn;
  std::function<void(const any_ref&, const value_ptr&, duration, done_fn)> ask;
  std::function<task<result<value_ptr>>(value_ptr in, value_ptr out, step_context)> undo;
};
using step_ptr = std::shared_ptr<const step_def>;

/// A condition with the type that it looks at.
struct condition_def {
  const value_type* type = nullptr;  // null: no condition
  std::function<bool(const void*)> holds;
};

struct edge_def {
  static constexpr std::uint32_t nowhere = 0xffffffff;
  std::uint32_t from = nowhere;
  std::uint32_t to = nowhere;
  condition_def when;
  int priority = 0;
  duration delay{0};
  bool otherwise = false;
  std::string trouble;  // why an end is nowhere
};

/// A workflow as it was written down, right or wrong.
struct graph {
  std::string name = "workflow";
  std::vector<step_ptr> steps;
  std::vector<edge_def> edges;
  std::optional<std::uint32_t> start;
  std::optional<std::uint32_t> end;
  const value_type* in = nullptr;
  const value_type* out = nullptr;
  std::size_t max_steps = 10'000;
  bool bounded = false;  // max_steps was said
  int version = 1;
  std::vector<int> compatible;
  std::vector<std::string> troubles;

  std::uint32_t add(step_ptr s);
};

[[nodiscard]] graph named_graph(std::string name);

/// Puts `b` behind or beside `a`: appends its steps and edges. Returns where its steps begin.
std::uint32_t append(graph& a, const graph& b);

/// A step that passes its input on.
[[nodiscard]] step_ptr make_relay(std::string name, const input_shape& in);

}  // namespace detail

}  // namespace odeon::workflows
