#pragma once

#include <odeon/base/error.hpp>

#include <any>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace odeon {

/// The list of an event-sourced actor's event types.
template <class... Es>
struct events {
  using variant = std::variant<Es...>;
  template <class E>
  static constexpr bool contains = (std::same_as<E, Es> || ...);
  static constexpr std::size_t size = sizeof...(Es);
};

/// What a command handler of an event-sourced actor asks for: made by `persist`, `persist_all`,
/// `reply`, `none`, `stop` and `unhandled`, grown by the `then_…` members, carried out in this
/// order: commit the events (all or nothing), apply them to the state, call the callbacks, reply,
/// take a snapshot, stop. When the commit fails nothing of it happens: the asker gets the error,
/// and the actor fails with it, so that its supervision decides; a restart recovers from what the
/// journal holds.
template <class State, class Event>
class persistent_effect {
 public:
  using persistent_effect_tag = void;

  /// Replies with a value after the commit; its type is the request's reply type.
  template <class R>
    requires(!std::invocable<R&, const State&>)
  persistent_effect then_reply(R value) && {
    return std::move(*this).then_reply([v = std::move(value)](const State&) { return v; });
  }
  /// Replies with what `f(state)` gives, the events applied.
  template <class F>
    requires std::invocable<F&, const State&>
  persistent_effect then_reply(F f) && {
    reply_ = [f = std::move(f)](const State& s) mutable { return std::any(f(s)); };
    return std::move(*this);
  }
  /// Calls `f(state)` after the commit. It may send messages; it does not change the state.
  template <class F>
  persistent_effect then(F f) && {
    callbacks_.push_back(std::move(f));
    return std::move(*this);
  }
  /// Saves a snapshot after the commit. A snapshot that fails is logged: the events are the truth.
  persistent_effect then_snapshot() && {
    snapshot_ = true;
    return std::move(*this);
  }
  /// Stops the actor after all the rest.
  persistent_effect then_stop() && {
    stop_ = true;
    return std::move(*this);
  }

  // For event_sourced.
  std::vector<Event> events_ = {};
  std::move_only_function<std::any(const State&)> reply_ = nullptr;
  std::optional<error> refusal_ = std::nullopt;
  std::vector<std::move_only_function<void(const State&)>> callbacks_ = {};
  bool snapshot_ = false;
  bool stop_ = false;
};

}  // namespace odeon
