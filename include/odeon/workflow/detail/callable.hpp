#pragma once

#include <odeon/core/detail/checks.hpp>
#include <odeon/task/task.hpp>
#include <odeon/workflow/context.hpp>
#include <odeon/workflow/detail/values.hpp>

#include <concepts>
#include <expected>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file What a user's callable takes and gives.

namespace odeon::workflows::detail {

template <class... As>
struct parameters {
  static constexpr bool with_context = false;
  using type = std::tuple<std::remove_cvref_t<As>...>;
};
template <class A, class... As>
  requires std::same_as<std::remove_cvref_t<A>, step_context>
struct parameters<A, As...> {
  static_assert(sizeof...(As) == 0, "odeon: step_context is the last parameter of a step");
  static constexpr bool with_context = true;
  using type = std::tuple<>;
};
template <class A, class... As>
  requires(!std::same_as<std::remove_cvref_t<A>, step_context> && sizeof...(As) > 0)
struct parameters<A, As...> {
  using rest = parameters<As...>;
  static constexpr bool with_context = rest::with_context;
  using type = decltype(std::tuple_cat(std::declval<std::tuple<std::remove_cvref_t<A>>>(),
                                       std::declval<typename rest::type>()));
};

template <class R, class... As>
struct callable_shape {
  using returned = R;
  using inputs = typename parameters<As...>::type;
  static constexpr bool with_context = parameters<As...>::with_context;
};

template <class F>
struct shape_of_callable {};
template <class F>
  requires requires { &F::operator(); }
struct shape_of_callable<F> : shape_of_callable<decltype(&F::operator())> {};
template <class R, class... As>
struct shape_of_callable<R (*)(As...)> : callable_shape<R, As...> {};
template <class R, class... As>
struct shape_of_callable<R (*)(As...) noexcept> : callable_shape<R, As...> {};
template <class R, class C, class... As>
struct shape_of_callable<R (C::*)(As...)> : callable_shape<R, As...> {};
template <class R, class C, class... As>
struct shape_of_callable<R (C::*)(As...) const> : callable_shape<R, As...> {};
template <class R, class C, class... As>
struct shape_of_callable<R (C::*)(As...) noexcept> : callable_shape<R, As...> {};
template <class R, class C, class... As>
struct shape_of_callable<R (C::*)(As...) const noexcept> : callable_shape<R, As...> {};

template <class F>
inline constexpr bool has_one_signature =
    requires { typename shape_of_callable<std::decay_t<F>>::returned; };

// No input is `nothing`, several are a tuple.
template <class Tuple>
struct joined {
  using type = Tuple;
};
template <>
struct joined<std::tuple<>> {
  using type = nothing;
};
template <class T>
struct joined<std::tuple<T>> {
  using type = T;
};

template <class R>
struct given {
  using type = R;
};
template <>
struct given<void> {
  using type = nothing;
};
template <class R>
struct given<result<R>> : given<R> {};
template <class R>
struct given<task<R>> : given<R> {};

template <class R>
inline constexpr bool gives_task = false;
template <class R>
inline constexpr bool gives_task<task<R>> = true;
template <class R>
inline constexpr bool gives_result = false;
template <class R>
inline constexpr bool gives_result<result<R>> = true;

template <class F>
struct traits {
  using shape = shape_of_callable<std::decay_t<F>>;
  using in = typename joined<typename shape::inputs>::type;
  using out = typename given<typename shape::returned>::type;
};

template <class Value>
inline constexpr bool can_be_shared = std::is_copy_constructible_v<Value>;
template <class Function>
inline constexpr bool is_const_callable = false;
template <class Function>
  requires requires { typename shape_of_callable<Function>::returned; }
inline constexpr bool is_const_callable<Function> = [] {
  using shape = shape_of_callable<Function>;
  return []<class... As>(std::type_identity<std::tuple<As...>>) {
    if constexpr (shape::with_context)
      return std::is_invocable_v<const Function&, const As&..., const step_context&>;
    else
      return std::is_invocable_v<const Function&, const As&...>;
  }(std::type_identity<typename shape::inputs>());
}();

template <class F>
consteval void check_callable() {
  static_assert(has_one_signature<F>,
                "odeon: a step is a function or a lambda whose parameters have types (no auto), an "
                "actor_ref, or spawned<actor>(…)");
  if constexpr (has_one_signature<F>) {
    static_assert(
        is_const_callable<std::decay_t<F>>,
        "odeon: a step's function is shared by all runs: it is called as const, and takes "
        "its inputs by value or by const reference (no mutable lambda, no T&, no T&&)");
  }
}

template <class In, class Out>
consteval void check_values() {
  static_assert(can_be_shared<In>,
                "odeon: a step's input goes to several branches: make it copyable");
  static_assert(can_be_shared<Out>,
                "odeon: a step's output goes to several branches: make it copyable");
}

}  // namespace odeon::workflows::detail
