#pragma once

#include <odeon/core/detail/checks.hpp>

#include <type_traits>

/// @file What is wrong with an actor's class, or with the arguments it is spawned with.

namespace odeon::detail {

class actor_base;

template <class Actor>
inline constexpr bool derives_from_actor = std::is_base_of_v<actor_base, Actor>;
template <class Actor>
inline constexpr bool derives_publicly = std::is_convertible_v<Actor*, actor_base*>;
template <class Argument>
inline constexpr bool can_be_kept = std::is_copy_constructible_v<Argument>;
template <class Actor, class... Arguments>
inline constexpr bool constructed_from = std::is_constructible_v<Actor, Arguments...>;

// A concept, so that the second is not looked at where the first fails.
template <class A>
concept can_be_hooked = requires(A& a) {
  a.pre_start();
  a.post_stop();
} && requires(A& a, const failure& why) {
  a.pre_restart(why);
  a.post_restart(why);
};
template <class Actor>
inline constexpr bool has_hooks_as_they_are_called = can_be_hooked<Actor>;

template <class A>
concept checks_itself = requires { A::template check_class<A>(); };

/// What `spawn` asks of an actor's class and arguments, before anything else looks at them.
template <class A, class... Args>
consteval void check_spawn() {
  ODEON_CHECK(derives_from_actor<A>,
              (concat("odeon: '") + named<A> +
               "' is no actor class: derive it publicly from odeon::actor<…>, its messages listed"),
              "odeon: this is no actor class: derive it publicly from odeon::actor<…>, its "
              "messages listed");
  if constexpr (derives_from_actor<A>) {
    ODEON_CHECK(derives_publicly<A>,
                (concat("odeon: '") + named<A> +
                 "' derives from odeon::actor<…> privately: write public before it"),
                "odeon: this class derives from odeon::actor<…> privately: write public before it");
    if constexpr (derives_publicly<A>) {
      static_assert((can_be_kept<Args> && ...),
                    "odeon: constructor arguments are kept for restarts, so they must be copyable: "
                    "pass a std::shared_ptr in place of a move-only one");
      if constexpr ((can_be_kept<Args> && ...))
        ODEON_CHECK(
            (constructed_from<A, const Args&...>),
            (concat("odeon: '") + named<A> +
             "' cannot be constructed from these arguments: they are kept for restarts, and "
             "each instance is made from them as const references, by a public "
             "constructor"),
            "odeon: the actor cannot be constructed from these arguments: they are kept "
            "for restarts, and each instance is made from them as const references, by a "
            "public constructor");
      ODEON_CHECK(has_hooks_as_they_are_called<A>,
                  (concat("odeon: a hook of '") + named<A> +
                   "' is private or has other parameters: they are pre_start(), post_stop(), "
                   "pre_restart(const odeon::failure&) and post_restart(const odeon::failure&)"),
                  "odeon: a hook of this actor is private or has other parameters: they are "
                  "pre_start(), post_stop(), pre_restart(const odeon::failure&) and "
                  "post_restart(const odeon::failure&)");
      if constexpr (checks_itself<A>) A::template check_class<A>();
    }
  }
}

}  // namespace odeon::detail
