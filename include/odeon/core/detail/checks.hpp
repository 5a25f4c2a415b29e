#pragma once

#include <odeon/base/error.hpp>
#include <odeon/core/message.hpp>
#include <odeon/task/future.hpp>

#include <array>
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
/// else the plain text – compilers then print the failed requirement with its types beside it.
#if defined(__cpp_static_assert) && __cpp_static_assert >= 202306L
#define ODEON_CHECK(condition, named_text, plain_text) static_assert(condition, named_text)
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

template <class M>
consteval void check_message() {
  ODEON_CHECK(std::is_class_v<M>,
              (concat("odeon: a message is a class type, and '") + named<M> +
               "' is none: wrap it in a struct"),
              "odeon: a message is a class type: wrap it in a struct");
  ODEON_CHECK(std::is_move_constructible_v<M>,
              (concat("odeon: the message '") + named<M> +
               "' can neither be moved nor copied, and messages move: hold the "
               "unmovable part by std::unique_ptr"),
              "odeon: this message can neither be moved nor copied, and messages move");
}

template <class M, class Protocol, class... As>
consteval void check_tell() {
  check_message<M>();
  ODEON_CHECK(
      Protocol::template contains<M>,
      (concat("odeon: this actor does not accept the message '") + named<M> +
       "': it is not in the list of its actor_ref"),
      "odeon: this actor does not accept this message: it is not in the list of its actor_ref");
  if constexpr (Protocol::template contains<M>) {
    ODEON_CHECK(
        (constructible<M, As...>),
        (concat("odeon: the message '") + named<M> + "' cannot be made from these arguments"),
        "odeon: the message cannot be made from these arguments");
  }
}

template <class M, class Protocol, class... As>
consteval void check_ask() {
  check_tell<M, Protocol, As...>();
  ODEON_CHECK(request<M>,
              (concat("odeon: '") + named<M> +
               "' is not a request, so it cannot be asked: tell it, or give it a reply type "
               "(using reply = …)"),
              "odeon: this message is not a request, so it cannot be asked: give it a reply "
              "type (using reply = …)");
}

template <class M, class Protocol, class... As>
consteval void check_stream() {
  check_tell<M, Protocol, As...>();
  ODEON_CHECK(
      stream_request<M>,
      (concat("odeon: '") + named<M> +
       "' has no stream of replies: give it the type of one (using replies = …)"),
      "odeon: this message has no stream of replies: give it the type of one (using replies = …)");
}

/// Delivers or says why not. The envelope is taken in both cases.
result<void> try_deliver(cell& to, envelope& e);
/// Delivers now or when there is room.
future<void> deliver_wait(cell& to, envelope& e);

}  // namespace odeon::detail
