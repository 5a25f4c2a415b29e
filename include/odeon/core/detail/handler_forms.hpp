#pragma once

#include <odeon/core/detail/checks.hpp>
#include <odeon/core/reply_to.hpp>

#include <cstddef>
#include <expected>
#include <type_traits>
#include <utility>

/// @file Which form a handler has, and what is wrong with one that has none.

namespace odeon::detail {

template <class T>
inline constexpr bool is_expected = false;
template <class T, class E>
inline constexpr bool is_expected<std::expected<T, E>> = true;

/// The right end of a `replies_to` (core/request_stream.hpp), made of the message's ask.
template <class M>
struct replies_to_access;

template <class A, class M>
concept handles_plain = requires(A& a, M&& m) { a.on(std::move(m)); };
template <class A, class M>
concept handles_with_context = requires(A& a, M&& m, context& c) { a.on(std::move(m), c); };
template <class A, class M>
concept handles_later = request<M> && requires(A& a, M&& m, reply_to<reply_t<M>> r) {
  a.on(std::move(m), std::move(r));
};
template <class A, class M>
concept handles_later_with_context =
    request<M> && requires(A& a, M&& m, reply_to<reply_t<M>> r, context& c) {
      a.on(std::move(m), std::move(r), c);
    };
template <class A, class M>
concept handles_stream = stream_request<M> && requires(A& a, M&& m, replies_to_access<M> r) {
  a.on(std::move(m), r.make());
};
template <class A, class M>
concept handles_stream_with_context =
    stream_request<M> &&
    requires(A& a, M&& m, replies_to_access<M> r, context& c) { a.on(std::move(m), r.make(), c); };

template <class A, class M>
concept handles =
    handles_plain<A, M> || handles_with_context<A, M> || handles_later<A, M> ||
    handles_later_with_context<A, M> || handles_stream<A, M> || handles_stream_with_context<A, M>;

// Deduction against a set of overloads succeeds when exactly one of them has the form asked for.
template <class M, class A, class R>
void takes_const_ref(R (A::*)(const M&));
template <class M, class A, class R>
void takes_const_ref(R (A::*)(const M&) const);
template <class M, class A, class R>
void takes_const_ref(R (A::*)(const M&, context&));
template <class M, class A, class R>
void takes_const_ref(R (A::*)(const M&, reply_to<reply_t<M>>));
template <class M, class A, class R>
void takes_const_ref(R (A::*)(const M&, reply_to<reply_t<M>>, context&));

/// Whether the handler leaves the payload as it is: it takes `const M&`, or copying is moving. Then
/// the message in hand can be stashed and forwarded without giving it back.
template <class A, class M>
inline constexpr bool leaves_payload = std::is_trivially_copyable_v<M> || requires {
  takes_const_ref<M>(&A::on);
} || requires { requires A::template looks_only<M>; };

template <class R, class V>
inline constexpr bool reply_matches = [] {
  if constexpr (std::is_void_v<R>)
    return true;
  else if constexpr (std::is_void_v<V>)
    return false;
  else
    return std::is_convertible_v<V, R> || std::is_constructible_v<R, V>;
}();

template <class V>
struct unwrapped {
  using type = V;
};
template <class T>
struct unwrapped<task<T>> : unwrapped<T> {};
template <class T, class E>
struct unwrapped<std::expected<T, E>> {
  using type = T;
};

// -- handlers that are nearly right: only looked at where there is none ---------------------------

// Stand for whatever a handler's further parameters may be.
struct any_value {
  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor): never called, only asked about
  operator T() const noexcept;
};
struct any_lvalue {
  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor): never called, only asked about
  operator T&() const noexcept;
};
struct any_reply_to {
  template <class R>
  // NOLINTNEXTLINE(google-explicit-constructor): never called, only asked about
  operator reply_to<R>() const noexcept;
};

/// `void on(M&)`, in any form.
template <class A, class M>
concept handles_by_lvalue =
    requires(A& a, M& m) { a.on(m); } || requires(A& a, M& m, context& c) { a.on(m, c); } ||
    (requires(A& a, M& m) { a.on(m, any_value()); } &&
     !requires(A& a, M&& m) { a.on(std::move(m), any_value()); });
/// A second parameter that is none of the forms'.
template <class A, class M>
concept handles_with_other =
    requires(A& a, M&& m) { a.on(std::move(m), any_value()); } ||
    requires(A& a, M&& m) { a.on(std::move(m), any_lvalue()); } ||
    requires(A& a, M&& m) { a.on(std::move(m), any_value(), any_value()); } ||
    requires(A& a, M&& m) { a.on(std::move(m), any_value(), any_lvalue()); };
template <class A, class M>
concept handles_with_reply_to = requires(A& a, M&& m) {
  a.on(std::move(m), any_reply_to());
} || requires(A& a, M&& m, context& c) { a.on(std::move(m), any_reply_to(), c); };

template <class M, class A, class R>
void takes_value(R (A::*)(M));
template <class M, class A, class R>
void takes_value(R (A::*)(M) const);
template <class M, class A, class R>
void takes_value(R (A::*)(M, context&));
template <class M, class A, class R>
void takes_value(R (A::*)(M, reply_to<reply_t<M>>));
/// There is one handler of a right form, and still no call: so there is another one.
template <class A, class M>
concept handles_twice = requires { takes_value<M>(&A::on); } || requires {
  takes_const_ref<M>(&A::on);
} || requires { takes_value<M&&>(&A::on); };

template <class Actor, class Message>
inline constexpr bool has_handler = handles<Actor, Message>;
template <class Actor, class Message>
inline constexpr bool has_one_handler =
    handles_plain<Actor, Message> + handles_with_context<Actor, Message> +
        handles_later<Actor, Message> + handles_later_with_context<Actor, Message> +
        handles_stream<Actor, Message> + handles_stream_with_context<Actor, Message> ==
    1;
template <class... Messages>
inline constexpr bool lists_each_once = are_distinct<Messages...>;

/// The sentence for a message without a handler.
template <class A, class M>
consteval void explain_no_handler() {
  if constexpr (handles_by_lvalue<A, M>) {
    ODEON_CHECK((has_handler<A, M>),
                (concat("odeon: the handler of '") + named<M> + "' in '" + named<A> +
                 "' takes its message by non-const reference: take it by value, by const reference "
                 "or by &&"),
                "odeon: this handler takes its message by non-const reference: take it by value, "
                "by const reference or by &&");
  } else if constexpr (handles_with_reply_to<A, M> && !request<M>) {
    ODEON_CHECK((has_handler<A, M>),
                (concat("odeon: the handler of '") + named<M> + "' in '" + named<A> +
                 "' takes a reply_to, but the message is no request: give it a reply type (using "
                 "reply = …), or leave the reply_to out"),
                "odeon: this handler takes a reply_to, but its message is no request: give it a "
                "reply type (using reply = …), or leave the reply_to out");
  } else if constexpr (handles_with_reply_to<A, M>) {
    ODEON_CHECK((has_handler<A, M>),
                (concat("odeon: the handler of '") + named<M> + "' in '" + named<A> +
                 "' takes a reply_to of another type than the message's reply '" +
                 named<reply_t<M>> + "': make them the same"),
                "odeon: this handler takes a reply_to of another type than the message's reply: "
                "make them the same");
  } else if constexpr (handles_twice<A, M>) {
    ODEON_CHECK((has_handler<A, M>),
                (concat("odeon: '") + named<A> + "' has two handlers for the message '" + named<M> +
                 "', and neither is the better one: keep one"),
                "odeon: this actor has two handlers for one message, and neither is the better "
                "one: keep one");
  } else if constexpr (handles_with_other<A, M>) {
    ODEON_CHECK((has_handler<A, M>),
                (concat("odeon: the handler of '") + named<M> + "' in '" + named<A> +
                 "' has a further parameter that is neither reply_to<R>, for the reply type R, nor "
                 "odeon::context&: take one of these, by value and by reference"),
                "odeon: this handler has a further parameter that is neither reply_to<R>, for the "
                "reply type R, nor odeon::context&: take one of these, by value and by reference");
  } else {
    ODEON_CHECK((has_handler<A, M>),
                (concat("odeon: '") + named<A> + "' lists the message '" + named<M> +
                 "' and has no handler for it: add a public on(" + named<M> + ")"),
                "odeon: this actor lists a message and has no handler for it: add a public "
                "on(message)");
  }
}

// -- what a handler returns -----------------------------------------------------------------------

template <class Actor, class Message, class Returned, class Reply>
inline constexpr bool returns_reply = reply_matches<Reply, Returned>;
template <class Error>
inline constexpr bool is_an_error = std::is_convertible_v<Error, error>;

template <class V>
inline constexpr bool fails_as_it_should = true;
template <class T, class E>
inline constexpr bool fails_as_it_should<std::expected<T, E>> = is_an_error<E>;
template <class T>
inline constexpr bool fails_as_it_should<task<T>> = fails_as_it_should<T>;

/// A handler that returns the reply, or the task or expected of one.
template <class A, class M, class V>
consteval void check_reply() {
  using returned = typename unwrapped<V>::type;
  if constexpr (!requires { typename returned::persistent_effect_tag; }) {
    ODEON_CHECK(
        (returns_reply<A, M, returned, reply_t<M>>),
        (concat("odeon: the handler on(") + named<M> + ") of '" + named<A> + "' returns '" +
         named<returned> + "', but the message's reply type is '" + named<reply_t<M>> +
         "': return that, or correct 'using reply'"),
        "odeon: this handler returns another type than the message's reply: return that, or "
        "correct 'using reply'");
    ODEON_CHECK(fails_as_it_should<V>,
                (concat("odeon: the handler on(") + named<M> + ") of '" + named<A> +
                 "' returns a std::expected whose error is no odeon::error: make it "
                 "odeon::result<R>"),
                "odeon: this handler returns a std::expected whose error is no odeon::error: make "
                "it odeon::result<R>");
  }
}

template <class Actor, class Message, class Returned>
inline constexpr bool returns_nothing = std::is_void_v<typename unwrapped<Returned>::type>;

/// A handler that answers through a `reply_to` or `replies_to`.
template <class A, class M, class V>
consteval void check_later() {
  ODEON_CHECK(
      (returns_nothing<A, M, V>),
      (concat("odeon: the handler on(") + named<M> + ", reply_to) of '" + named<A> + "' returns '" +
       named<V> + "', which nobody gets: return void or task<void>, and answer by the reply_to"),
      "odeon: this handler takes a reply_to and returns a value, which nobody gets: return "
      "void or task<void>, and answer by the reply_to");
}

template <class A, class M>
consteval void check_return() {
  if constexpr (handles_plain<A, M>) {
    check_reply<A, M, decltype(std::declval<A&>().on(std::declval<M>()))>();
  } else if constexpr (handles_with_context<A, M>) {
    check_reply<A, M,
                decltype(std::declval<A&>().on(std::declval<M>(), std::declval<context&>()))>();
  } else if constexpr (handles_later<A, M>) {
    using R = reply_to<reply_t<M>>;
    check_later<A, M, decltype(std::declval<A&>().on(std::declval<M>(), R()))>();
  } else if constexpr (handles_later_with_context<A, M>) {
    using R = reply_to<reply_t<M>>;
    check_later<
        A, M, decltype(std::declval<A&>().on(std::declval<M>(), R(), std::declval<context&>()))>();
  }
}

// -- all of it ------------------------------------------------------------------------------------

template <class A, class M>
consteval void check_handler() {
  check_message<M>();
  if constexpr (handles<A, M>) {
    ODEON_CHECK((has_one_handler<A, M>),
                (concat("odeon: '") + named<A> + "' has two handlers for the message '" + named<M> +
                 "', of different forms: keep one"),
                "odeon: this actor has two handlers for one message, of different forms: keep one");
    if constexpr (has_one_handler<A, M>) check_return<A, M>();
  } else if constexpr (message<M>) {
    explain_no_handler<A, M>();
  }
}

/// Of each message of an actor's protocol, before its table is made.
template <class A, class... Ms>
consteval void check_protocol() {
  static_assert(lists_each_once<Ms...>,
                "odeon: a message stands twice in the list of this actor or among the handlers of "
                "this behavior: leave one out");
  (check_handler<A, Ms>(), ...);
}

/// Of a signal without a handler, which is none of the protocol: nearly right is wrong.
template <class A, class M>
consteval void check_no_handler() {
  if constexpr (handles_by_lvalue<A, M>) explain_no_handler<A, M>();
}

}  // namespace odeon::detail
