#pragma once

#include <odeon/base/error.hpp>
#include <odeon/core/fwd.hpp>
#include <odeon/core/message.hpp>
#include <odeon/task/future.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

/// @file Mistakes told in one sentence. Each check is a `static_assert` that comes before anything
/// else is instantiated, and names the types where the compiler can (C++26 messages).

namespace odeon::detail {

/// A text made at compile time of pieces, as a `static_assert` message.
template <std::size_t N>
struct static_text {
  std::array<char, N> chars{};
  [[nodiscard]] constexpr std::size_t size() const { return N; }
  [[nodiscard]] constexpr const char* data() const { return chars.data(); }
};

template <std::size_t... Ns>
consteval auto concat(const char (&... parts)[Ns]) {
  static_text<(0 + ... + (Ns - 1))> out;
  std::size_t at = 0;
  auto add = [&](const char* p, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) out.chars[at++] = p[i];
  };
  (add(parts, Ns - 1), ...);
  return out;
}

template <class T>
struct name_text {
  static constexpr std::size_t n = type_name<T>.size();
  static consteval auto make() {
    static_text<n> t;
    for (std::size_t i = 0; i < n; ++i) t.chars[i] = type_name<T>[i];
    return t;
  }
};

template <std::size_t A, std::size_t B>
consteval auto operator+(const static_text<A>& a, const static_text<B>& b) {
  static_text<A + B> out;
  for (std::size_t i = 0; i < A; ++i) out.chars[i] = a.chars[i];
  for (std::size_t i = 0; i < B; ++i) out.chars[A + i] = b.chars[i];
  return out;
}
template <std::size_t A, std::size_t N>
consteval auto operator+(const static_text<A>& a, const char (&b)[N]) {
  return a + concat(b);
}

template <class T>
inline constexpr auto named = name_text<T>::make();

/// A mistake told in one sentence: with the types' names where messages may be computed (C++26),
/// else the plain text – the compiler then prints the failed requirement with its types beside it,
/// so the requirement is a variable whose name and arguments read well. Inside functions only.
#if defined(__cpp_static_assert) && __cpp_static_assert >= 202306L
#define ODEON_CHECK(condition, named_text, plain_text)                \
  do {                                                                \
    if constexpr (!(condition)) static_assert(condition, named_text); \
  } while (false)
#else
#define ODEON_CHECK(condition, named_text, plain_text) static_assert(condition, plain_text)
#endif

struct deduced {};

template <class M, class... As>
struct sent {
  using type = M;
};
template <class A>
struct sent<deduced, A> {
  using type = std::remove_cvref_t<A>;
};
template <class... As>
struct sent<deduced, As...> {
  static_assert(
      sizeof...(As) == 1,
      "odeon: tell and ask take one message, or its type and its constructor's arguments: "
      "tell(greet{\"x\"}) "
      "or tell<greet>(\"x\")");
};
template <class M, class... As>
using sent_type = typename sent<M, As...>::type;

template <class M, class... As>
inline constexpr bool constructible =
    std::is_constructible_v<M, As...> || requires(As&&... as) { M(static_cast<As&&>(as)...); };

// The requirements as the compiler prints them: their names are part of what the user reads.
template <class Message>
inline constexpr bool is_class_type = std::is_class_v<Message>;
template <class Message>
inline constexpr bool is_movable = std::is_move_constructible_v<Message>;
template <class Message>
inline constexpr bool has_destructor = std::is_destructible_v<Message>;
template <class Protocol, class Message>
inline constexpr bool accepts = Protocol::template contains<Message>;
template <class Message, class... Arguments>
inline constexpr bool made_from = constructible<Message, Arguments...>;
template <class Message>
inline constexpr bool is_copyable = std::is_copy_constructible_v<Message>;
template <class Message>
inline constexpr bool is_request = request<Message>;
template <class Message>
inline constexpr bool is_stream_request = stream_request<Message>;

template <class M>
consteval void check_message() {
  ODEON_CHECK(is_class_type<M>,
              (concat("odeon: a message is a class type, and '") + named<M> +
               "' is none: wrap it in a struct, or name the message: tell<greet>(\"x\")"),
              "odeon: a message is a class type, and this is none: wrap it in a struct, or name "
              "the message: tell<greet>(\"x\")");
  if constexpr (std::is_class_v<M>) {
    ODEON_CHECK(has_destructor<M>,
                (concat("odeon: the message '") + named<M> +
                 "' has no public destructor, and messages are destroyed once handled: make it "
                 "public"),
                "odeon: this message has no public destructor, and messages are destroyed once "
                "handled: make it public");
    if constexpr (std::is_destructible_v<M>)
      ODEON_CHECK(is_movable<M>,
                  (concat("odeon: the message '") + named<M> +
                   "' can neither be moved nor copied, and messages move: hold the unmovable part "
                   "by std::unique_ptr"),
                  "odeon: this message can neither be moved nor copied, and messages move: hold "
                  "the unmovable part by std::unique_ptr");
  }
}

/// Whether `As` is one message as it stands, not to be moved from.
template <class M, class... As>
inline constexpr bool is_lvalue_of =
    (std::is_same_v<As, const M&> && ...) || (std::is_same_v<As, M&> && ...);

template <class M, class Protocol, class... As>
consteval void check_tell() {
  check_message<M>();
  if constexpr (message<M>) {
    ODEON_CHECK((accepts<Protocol, M>),
                (concat("odeon: this actor does not accept the message '") + named<M> +
                 "': add it to the actor's list, or tell another that its actor_ref lists"),
                "odeon: this actor does not accept this message: add it to the actor's list, or "
                "tell another that its actor_ref lists");
    if constexpr (!Protocol::template contains<M>) {
    } else if constexpr (sizeof...(As) == 1 && is_lvalue_of<M, As...>) {
      ODEON_CHECK(is_copyable<M>,
                  (concat("odeon: the message '") + named<M> +
                   "' cannot be copied: move it, tell(std::move(message))"),
                  "odeon: this message cannot be copied: move it, tell(std::move(message))");
    } else {
      ODEON_CHECK((made_from<M, As...>),
                  (concat("odeon: the message '") + named<M> +
                   "' cannot be made from these arguments: give those of its constructor, or its "
                   "fields in their order"),
                  "odeon: the message cannot be made from these arguments: give those of its "
                  "constructor, or its fields in their order");
    }
  }
}

/// Of a message that a timer sends again and again.
template <class M>
consteval void check_repeated() {
  check_message<M>();
  if constexpr (message<M>)
    ODEON_CHECK(is_copyable<M>,
                (concat("odeon: the message '") + named<M> +
                 "' is sent repeatedly and cannot be copied: hold its unique part by "
                 "std::shared_ptr"),
                "odeon: a message that is sent repeatedly must be copyable: hold its unique part "
                "by std::shared_ptr");
}

template <class Map, class Result>
inline constexpr bool maps = std::is_invocable_v<Map&, Result>;

/// Of what `pipe_to_self` makes its message with.
template <class T, class Map>
consteval void check_map() {
  static_assert(maps<Map, result<T>>,
                "odeon: pipe_to_self takes a function from odeon::result<T> to the message that "
                "the actor is to get, T being what the task or future gives");
  if constexpr (maps<Map, result<T>>)
    check_message<std::remove_cvref_t<std::invoke_result_t<Map&, result<T>>>>();
}

template <class M, class Protocol, class... As>
consteval void check_ask() {
  check_tell<M, Protocol, As...>();
  if constexpr (accepts<Protocol, M>)
    ODEON_CHECK(is_request<M>,
                (concat("odeon: '") + named<M> +
                 "' is not a request, so it cannot be asked: tell it, or give it a reply type "
                 "(using reply = …)"),
                "odeon: this message is not a request, so it cannot be asked: tell it, or give it "
                "a reply type (using reply = …)");
}

template <class M, class Protocol, class... As>
consteval void check_stream() {
  check_tell<M, Protocol, As...>();
  if constexpr (accepts<Protocol, M>)
    ODEON_CHECK(is_stream_request<M>,
                (concat("odeon: '") + named<M> +
                 "' has no stream of replies: give it the type of one (using replies = …)"),
                "odeon: this message has no stream of replies: give it the type of one (using "
                "replies = …)");
}

// -- lists of messages ----------------------------------------------------------------------------

template <class T>
inline constexpr char identity_of{};

/// Whether no type stands twice in the list.
template <class... Ts>
inline constexpr bool are_distinct = [] {
  const char* all[] = {&identity_of<Ts>..., nullptr};
  for (std::size_t i = 0; i < sizeof...(Ts); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (all[i] == all[j]) return false;
  return true;
}();

template <class Protocol, class Message>
inline constexpr bool handles_only = Protocol::template contains<Message>;

template <class Protocol, class... Ms>
consteval void check_become(message_list<Ms...>) {
  (
      [] {
        ODEON_CHECK(
            (handles_only<Protocol, Ms>),
            (concat("odeon: this behavior handles '") + named<Ms> +
             "', which is not in the actor's list of messages, so nobody could send it: add it "
             "there"),
            "odeon: this behavior handles a message that is not in the actor's list, so nobody "
            "could send it: add it there");
      }(),
      ...);
}

/// Delivers or says why not. The envelope is taken in both cases.
result<void> try_deliver(cell& to, envelope& e);
/// Delivers now or when there is room.
future<void> deliver_wait(cell& to, envelope& e);

}  // namespace odeon::detail
