#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/sidecar/definition.hpp>
#include <odeon/task/task.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <charconv>
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// @file Sidecar actors in C++: functions as actions, and typed actors under a sidecar name.
///
///     struct sum { long cents = 0; };
///
///     auto account = sidecar::local_actor{"account", {.kind = sidecar::actor_kind::unnamed}}
///         .action("deposit", [](const sidecar::action_call& c) {
///           auto now = sidecar::unpack_or<sum>(c.state);
///           now.cents += sidecar::unpack<sum>(c.value).cents;
///           return sidecar::value().state(now).reply(now).checkpoint();
///         });
///     engine.register_app(sidecar::local_app(system, "bank", {account}));
///
/// An action is a function of `const action_call&` that gives a `value`, or a `task<value>` in
/// which it may `co_await engine.invoke(…)`. What it throws fails the action, and the state stays
/// as it was.

namespace odeon::sidecar {

// -- C++ values as what sidecar actors keep and say -----------------------------------------------

/// "odeon/<version>/<manifest>": the type of a C++ value in MessagePack, as `wire` encodes it.
template <class T>
[[nodiscard]] std::string type_url_of() {
  return "odeon/" + std::to_string(wire::version<T>) + "/" + std::string(wire::manifest<T>);
}
/// An `any` is itself.
template <class T>
[[nodiscard]] any pack(const T& x) {
  if constexpr (std::same_as<T, any>)
    return x;
  else
    return {type_url_of<T>(), std::string(wire::as_text(wire::encode(x)))};
}

namespace detail {

/// The version of a type URL of that manifest. Throws `actor_error`: `wrong_type`.
int version_in(std::string_view type_url, std::string_view manifest);

}  // namespace detail

/// The C++ value in it, of that version or an older one. Throws `actor_error`: `missing_field` for
/// none, `wrong_type`, and what `wire` says of its bytes.
template <class T>
[[nodiscard]] T unpack(const std::optional<any>& from) {
  if (!from) throw actor_error(errc::missing_field, "there is no value");
  auto out = wire::decode_version<T>(detail::version_in(from->type_url, wire::manifest<T>),
                                     wire::as_bytes(from->value));
  if (!out) throw actor_error(std::move(out.error()));
  return std::move(*out);
}
/// The same, and `otherwise` for none: for states.
template <class T>
[[nodiscard]] T unpack_or(const std::optional<any>& from, T otherwise = {}) {
  return from ? unpack<T>(from) : std::move(otherwise);
}

// -- what an action gives -------------------------------------------------------------------------

/// What an action did, said step by step. All values are C++ values or `any`.
class value {
 public:
  /// Goes to whoever asked.
  template <class Self, class T>
  Self&& reply(this Self&& self, const T& x) {
    self.answer_.value = pack(x);
    return std::forward<Self>(self);
  }
  /// Is the actor's state from now on.
  template <class Self, class T>
  Self&& state(this Self&& self, const T& x) {
    self.answer_.state = pack(x);
    return std::forward<Self>(self);
  }
  /// Invoked after this action; nobody hears what becomes of it. Any number.
  template <class Self>
  Self&& effect(this Self&& self, invocation what) {
    self.answer_.then.effects.push_back(std::move(what));
    return std::forward<Self>(self);
  }
  /// To all subscribers of the channel.
  template <class Self, class T>
  Self&& broadcast(this Self&& self, std::string channel, std::string action, const T& x) {
    self.answer_.then.to_channel =
        sidecar::broadcast{std::move(channel), std::move(action), pack(x)};
    return std::forward<Self>(self);
  }
  /// The request goes on to that actor, which answers it; in place of an earlier pipe or forward.
  template <class Self>
  Self&& forward(this Self&& self, std::string actor, std::string action) {
    self.answer_.then.route = forward_to{std::move(actor), std::move(action)};
    return std::forward<Self>(self);
  }
  /// The reply goes on to that actor as its request.
  template <class Self>
  Self&& pipe(this Self&& self, std::string actor, std::string action) {
    self.answer_.then.route = pipe_to{std::move(actor), std::move(action)};
    return std::forward<Self>(self);
  }
  /// The state is stored before the answer goes out.
  template <class Self>
  Self&& checkpoint(this Self&& self) {
    self.answer_.checkpoint = true;
    return std::forward<Self>(self);
  }

  [[nodiscard]] action_answer take() && { return std::move(answer_); }

 private:
  action_answer answer_;
};

/// An invocation in the name of the actor whose action is under way: with it a circle of calls is
/// found at once.
[[nodiscard]] invocation calling(const action_call& from, std::string actor, std::string action,
                                 payload value = {});

// -- definitions ----------------------------------------------------------------------------------

struct local_options {
  actor_kind kind = actor_kind::named;
  bool stateful = true;
  duration snapshot_every = std::chrono::seconds(2);
  duration deactivate_after = std::chrono::seconds(30);
  std::uint32_t min_pool = 0, max_pool = 0;
  std::string channel = {};
  tags actor_tags = {};
  std::optional<any> initial_state = {};
};

/// A definition whose actions are functions. A value: copies share the functions.
class local_actor {
 public:
  using action_fn = std::function<task<value>(action_call)>;

  explicit local_actor(std::string name, local_options options = {});

  template <class F>
  local_actor& action(std::string name, F f) & {
    return add(std::move(name), erase(std::move(f)), nullptr);
  }
  template <class F>
  local_actor&& action(std::string name, F f) && {
    return std::move(add(std::move(name), erase(std::move(f)), nullptr));
  }
  /// Run `every` so long after the end of its last run, while the actor is active.
  template <class F>
  local_actor& timer_action(std::string name, duration every, F f) & {
    return add(std::move(name), erase(std::move(f)), &every);
  }
  template <class F>
  local_actor&& timer_action(std::string name, duration every, F f) && {
    return std::move(add(std::move(name), erase(std::move(f)), &every));
  }
  /// An action that is a message to a typed actor: the request's value is an `M`, and the reply is
  /// packed when `M` is a request; else it is told and there is none.
  template <class M, class Ref>
  local_actor&& typed_action(std::string name, Ref to) && {
    return std::move(*this).action(std::move(name), typed<M>(std::move(to)));
  }
  template <class M, class Ref>
  local_actor& typed_action(std::string name, Ref to) & {
    return action(std::move(name), typed<M>(std::move(to)));
  }

  [[nodiscard]] const actor_def& definition() const noexcept { return def_; }

 private:
  friend struct local_actor_access;
  template <class F>
  static action_fn erase(F f) {
    using R = std::invoke_result_t<F&, const action_call&>;
    static_assert(std::same_as<R, value> || std::same_as<R, task<value>>,
                  "odeon: an action is a function of const action_call& that gives a "
                  "sidecar::value or a task of one");
    return [f = std::make_shared<F>(std::move(f))](action_call c) -> task<value> {
      if constexpr (std::same_as<R, value>)
        return run_plain(f, std::move(c));
      else
        return run_task(f, std::move(c));
    };
  }
  template <class F>
  static task<value> run_plain(std::shared_ptr<F> f, action_call c) {
    co_return (*f)(c);
  }
  template <class F>
  static task<value> run_task(std::shared_ptr<F> f, action_call c) {
    co_return co_await (*f)(c);
  }
  template <class M, class Ref>
  static auto typed(Ref to) {
    return
        [to = std::move(to)](const action_call& c) { return ask_typed<M>(to, unpack<M>(c.value)); };
  }
  template <class M, class Ref>
  static task<value> ask_typed(Ref to, M message) {
    if constexpr (std::is_void_v<reply_t<M>>) {
      to.tell(std::move(message));
      co_return value();
    } else {
      auto reply = co_await to.ask(std::move(message));
      co_return value().reply(reply);
    }
  }
  local_actor& add(std::string name, action_fn f, const duration* every);

  actor_def def_;
  std::shared_ptr<std::map<std::string, action_fn>> functions_;
};

/// The registration of such actors: their functions run on `runners` actors of `where`, which take
/// turns; a plain function holds up one of them while it runs, a suspended task none. `where` runs
/// as long as the registration is used. Throws `actor_error(invalid_argument)`: two actors of one
/// name, no runner.
[[nodiscard]] registration local_app(actor_system& where, std::string system,
                                     std::vector<local_actor> actors, std::size_t runners = 8);

}  // namespace odeon::sidecar
