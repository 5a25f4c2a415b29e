#pragma once

#include <odeon/core/actor.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

/// @file Actors without a class: a state and handlers. The protocol is read off the handlers'
/// parameters.
///
///     auto counter = system.spawn(odeon::behavior(0,
///         [](int& n, increment m) { n += m.by; },
///         [](int& n, get_count)   { return n; },
///         [](int& n, reset, odeon::context& ctx) { n = 0; ctx.log().info("reset"); }));
///
/// A handler takes the state by reference, the message by value or reference, and, as class
/// handlers do, a last `context&`, or a `reply_to<R>`. Handlers are no templates: their parameters
/// name the message. The state and the handlers are copied for each new instance, so both are
/// copyable.

namespace odeon {

namespace detail {

template <class F>
struct second_parameter {};
template <class F>
  requires requires { &F::operator(); }
struct second_parameter<F> : second_parameter<decltype(&F::operator())> {};
template <class C, class R, class S, class M, class... Rest, bool N>
struct second_parameter<R (C::*)(S, M, Rest...) const noexcept(N)> {
  using type = std::remove_cvref_t<M>;
  using as_written = M;
  using state = S;
};
template <class C, class R, class S, class M, class... Rest, bool N>
struct second_parameter<R (C::*)(S, M, Rest...) noexcept(N)> {
  using type = std::remove_cvref_t<M>;
  using as_written = M;
  using state = S;
};

template <class F>
concept names_its_message = requires { typename second_parameter<F>::type; };

template <class Handler>
inline constexpr bool is_behavior_handler = names_its_message<Handler>;
template <class State>
inline constexpr bool is_behavior_state = std::is_copy_constructible_v<State>;
template <class Handler>
inline constexpr bool can_be_copied = std::is_copy_constructible_v<Handler>;

template <class F>
using handled_message = typename second_parameter<F>::type;

template <class... Lists>
struct joined;
template <class... As>
struct joined<message_list<As...>> {
  using type = message_list<As...>;
};
template <class... As, class... Bs, class... Rest>
struct joined<message_list<As...>, message_list<Bs...>, Rest...>
    : joined<message_list<As..., Bs...>, Rest...> {};

template <class M>
using unless_signal =
    std::conditional_t<requires { typename M::is_signal; }, message_list<>, message_list<M>>;

template <class List>
struct ref_for;
template <class... Ms>
struct ref_for<message_list<Ms...>> {
  using ref = actor_ref<Ms...>;
  using base = actor<Ms...>;
};

/// The one of `Hs` whose message is `M`; `void` without one.
template <class M, class... Hs>
struct handler_of_impl {
  using type = void;
};
template <class M, class H, class... Hs>
struct handler_of_impl<M, H, Hs...> {
  using type = typename std::conditional_t<std::same_as<M, handled_message<H>>,
                                           std::type_identity<H>, handler_of_impl<M, Hs...>>::type;
};
template <class M, class... Hs>
using handler_of = std::add_lvalue_reference_t<typename handler_of_impl<M, Hs...>::type>;

/// The object behind a behavior: state and handlers, with an `on` for each handled message.
template <class State, class... Hs>
class behavior_object {
 public:
  behavior_object(const State& s, const std::tuple<Hs...>& hs) : state_(s), handlers_(hs) {}

  template <class M, class... Rest>
    requires std::is_invocable_v<handler_of<M, Hs...>, State&, M&&, Rest&&...>
  decltype(auto) on(M&& m, Rest&&... rest) {
    return handler<M>()(state_, std::forward<M>(m), std::forward<Rest>(rest)...);
  }

  template <class M>
  auto& handler() noexcept {
    return find<M, 0>();
  }

  /// For `leaves_payload`: whether the handler of `M` takes it by const reference.
  template <class M>
  static constexpr bool looks_only =
      std::same_as<typename second_parameter<std::remove_cvref_t<handler_of<M, Hs...>>>::as_written,
                   const M&>;

 private:
  template <class M, std::size_t I>
  auto& find() noexcept {
    using H = std::tuple_element_t<I, std::tuple<Hs...>>;
    if constexpr (std::same_as<M, handled_message<H>>)
      return std::get<I>(handlers_);
    else
      return find<M, I + 1>();
  }

 public:
  State state_;

 private:
  std::tuple<Hs...> handlers_;
};

template <class State, class... Hs>
using behavior_messages =
    typename joined<message_list<>, unless_signal<handled_message<Hs>>...>::type;

/// The actor class of a behavior.
template <class State, class... Hs>
class behavior_actor final : public ref_for<behavior_messages<State, Hs...>>::base,
                             public behavior_object<State, Hs...> {
 public:
  behavior_actor(const State& s, const std::tuple<Hs...>& hs)
      : behavior_object<State, Hs...>(s, hs) {}
  using behavior_object<State, Hs...>::on;
};

template <class State, class Handler>
concept takes_state = requires { typename second_parameter<Handler>::state; } &&
                      std::is_convertible_v<State&, typename second_parameter<Handler>::state>;
template <class Handler, class State>
inline constexpr bool handles_with_state = takes_state<State, Handler>;

/// What `behavior` asks of its state and handlers.
template <class State, class... Hs>
consteval bool check_behavior() {
  static_assert(sizeof...(Hs) > 0, "odeon: a behavior has at least one handler");
  static_assert((is_behavior_handler<Hs> && ...),
                "odeon: a handler of a behavior is a lambda that takes the state and then names "
                "the message, without auto: [](int& state, increment m) { … }");
  if constexpr ((is_behavior_handler<Hs> && ...)) {
    static_assert((handles_with_state<Hs, State> && ...),
                  "odeon: a handler of this behavior does not take its state first: "
                  "[](state_type& state, message m) { … }");
    static_assert(are_distinct<handled_message<Hs>...>,
                  "odeon: this behavior has two handlers for one message: keep one");
    static_assert(is_behavior_state<State>,
                  "odeon: the state of a behavior is copied for each instance: hold its unique "
                  "part by std::shared_ptr");
    static_assert((can_be_copied<Hs> && ...),
                  "odeon: the handlers of a behavior are copied for each instance: capture a "
                  "std::shared_ptr in place of what cannot be copied");
  }
  return true;
}

}  // namespace detail

/// A state and its handlers. Made by `behavior`.
template <class State, class... Hs>
struct behavior_of {
  State state;
  std::tuple<Hs...> handlers;

  using messages = detail::behavior_messages<State, Hs...>;
  using ref = typename detail::ref_for<messages>::ref;
};

/// For `spawn` and `context::become`.
template <class State, class... Hs>
  requires(detail::check_behavior<State, Hs...>())
[[nodiscard]] behavior_of<State, Hs...> behavior(State state, Hs... handlers) {
  return {std::move(state), {std::move(handlers)...}};
}

namespace detail {

template <class S, class... Hs>
auto spawn_behavior(system_anchor& system, cell* parent, behavior_of<S, Hs...>&& b,
                    spawn_options* options) {
  return spawn_with<behavior_actor<S, Hs...>>(system, parent, options, std::move(b.state),
                                              std::move(b.handlers));
}

}  // namespace detail

template <class S, class... Hs>
auto context::spawn(behavior_of<S, Hs...> b, spawn_options options) {
  return detail::spawn_behavior(cell_->system(), cell_, std::move(b), &options);
}

template <class S, class... Hs>
void context::become(behavior_of<S, Hs...> b) {
  using object = detail::behavior_object<S, Hs...>;
  detail::push_behavior(
      *cell_,
      {&detail::table_of<object, typename behavior_of<S, Hs...>::messages>::value,
       new object(b.state, b.handlers), [](void* p) noexcept { delete static_cast<object*>(p); }});
}

}  // namespace odeon
