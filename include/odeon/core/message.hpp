#pragma once

#include <odeon/base/time.hpp>
#include <odeon/base/type_name.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

/// @file What a message is.
///
/// A message is any movable class type, best an aggregate. A request is a message that names its
/// reply type:
///
///     struct greet     { std::string name; };
///     struct get_count { using reply = int; };
///     struct prices    { std::string symbol; using replies = double; };   // many replies to one
///     ask

namespace odeon {

/// A movable class type that is no reference.
template <class M>
concept message =
    std::is_class_v<M> && std::same_as<M, std::remove_cvref_t<M>> && std::move_constructible<M>;

/// A message that names the type of its one reply.
template <class M>
concept request = message<M> && requires { typename M::reply; };

/// A message that names the type of its many replies (`actor_ref::request_stream`).
template <class M>
concept stream_request = message<M> && requires { typename M::replies; };

/// The list of messages that an actor accepts: its protocol.
template <class... Ms>
struct message_list {
  template <class M>
  static constexpr bool contains = (std::same_as<M, Ms> || ...);
  static constexpr std::size_t size = sizeof...(Ms);
};

/// How one message is sent, beyond what it says.
struct tell_options {
  duration ttl{
      0};  ///< how long it may wait; taken later, it is a dead letter `expired`. Zero: for ever
  std::uint64_t key = 0;  ///< for consistent hashing; see `message_key`
  int priority = 0;       ///< for `mailbox::priority`: the higher one is taken first
};

/// A key for `tell_options::key` from text.
[[nodiscard]] constexpr std::uint64_t message_key(std::string_view text) noexcept {
  return fnv1a(text);
}

namespace detail {

template <class M>
struct reply_of {
  using type = void;
};
template <request M>
struct reply_of<M> {
  using type = typename M::reply;
};

}  // namespace detail

/// The type of a message's reply: `void` where it is no request.
template <class M>
using reply_t = typename detail::reply_of<M>::type;

}  // namespace odeon
