#pragma once

#include <odeon/base/error.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/persistence/durable_timer.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <any>
#include <concepts>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// @file What a handler of a durable actor asks for.

namespace odeon {

/// The list of an event-sourced actor's event types.
template <class... Es>
struct events {
  using variant = std::variant<Es...>;
  template <class E>
  static constexpr bool contains = (std::same_as<E, Es> || ...);
  static constexpr std::size_t size = sizeof...(Es);
};

/// Where a durable receiver of class `A` (or `actor_ref`) is: its persistence id, or the name that
/// `persistence::receive` gave it. It need not run now, nor be known here. A message can hold one's
/// `address` and make it again.
template <class A>
struct durable_ref {
  std::string address;
};

namespace detail {

/// A message that leaves with a commit.
struct outgoing_message {
  std::string address;  // empty: the actor's, as it is known at the commit
  any_ref actor;
  std::string manifest;
  std::uint32_t version = 1;
  wire::bytes payload;
};

template <class Protocol, class M>
consteval void check_durable_send() {
  ODEON_CHECK((Protocol::template contains<M>),
              (concat("odeon: '") + named<M> +
               "' is not in the protocol of the durable receiver it is sent to: add it there, or "
               "send another message"),
              "odeon: this message is not in the protocol of the durable receiver it is sent to");
  wire::require_decodable<M>();
}

template <class M>
outgoing_message make_outgoing(std::string address, any_ref actor, const M& msg) {
  return {std::move(address), std::move(actor), std::string(wire::manifest<M>),
          static_cast<std::uint32_t>(wire::version<M>), wire::encode(msg)};
}

}  // namespace detail

/// What a command handler of an event-sourced or durable-state actor asks for: made by `persist`,
/// `persist_all`, `checkpoint`, `send`, `reply`, `none`, `stop` and `unhandled`, grown by the
/// `then_…` members, carried out in this order: commit events, state, outgoing messages and timers
/// (all or nothing), apply the events to the state, call the callbacks, reply, take a snapshot,
/// stop. When the commit fails nothing of it happens: the asker gets the error, and the actor fails
/// with it, so that its supervision decides; a restart recovers from what the journal holds.
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
  /// Sends `msg` with the commit: it is stored in the same transaction and delivered afterwards, at
  /// least once; a durable receiver drops what it has had before, so that its effects happen once.
  /// Messages of this actor to one receiver are handled in the order of their commits.
  template <class A, message M>
  persistent_effect then_send(const durable_ref<A>& to, const M& msg) && {
    detail::check_durable_send<typename detail::ref_of<A>::type::protocol, M>();
    outgoing_.push_back(detail::make_outgoing(to.address, {}, msg));
    return std::move(*this);
  }
  /// The same to an actor that is a durable receiver at the time of the commit; otherwise that
  /// fails with `errc::invalid_argument`.
  template <class... Ms, message M>
  persistent_effect then_send(const actor_ref<Ms...>& to, const M& msg) && {
    detail::check_durable_send<message_list<Ms...>, M>();
    outgoing_.push_back(detail::make_outgoing({}, to, msg));
    return std::move(*this);
  }
  /// Sets a timer of this actor with the commit; it replaces the one with its id. Its message comes
  /// at least once, and the timer goes, or goes on, with the commit of its handler's effects.
  persistent_effect then_schedule(durable_timer t) && {
    timers_.push_back(std::move(t));
    return std::move(*this);
  }
  /// Removes a timer with the commit; one that is not there is no error.
  persistent_effect then_cancel(std::string timer_id) && {
    cancelled_.push_back(std::move(timer_id));
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

  // For the durable actors.
  [[nodiscard]] bool writes() const noexcept {
    return !events_.empty() || save_ || !outgoing_.empty() || !timers_.empty() ||
           !cancelled_.empty();
  }
  std::vector<Event> events_ = {};
  std::vector<detail::outgoing_message> outgoing_ = {};
  std::vector<durable_timer> timers_ = {};
  std::vector<std::string> cancelled_ = {};
  std::move_only_function<std::any(const State&)> reply_ = nullptr;
  std::optional<error> refusal_ = std::nullopt;
  std::vector<std::move_only_function<void(const State&)>> callbacks_ = {};
  bool save_ = false;
  bool snapshot_ = false;
  bool stop_ = false;
};

}  // namespace odeon
