#pragma once

#include <odeon/address/resolver.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/wire/codec.hpp>

#include <array>
#include <string>

/// @file References to actors in messages that travel: they leave as an address and arrive as a
/// live reference.
///
///     struct subscribe { odeon::actor_ref<price> to; };
///
///     odeon::local_resolver resolver(system);
///     auto bytes = odeon::wire::encode(subscribe{ref}, odeon::wire::format::msgpack,
///                                      odeon::addressed_by(resolver));
///
/// The `wire::context` needs an `address_resolver`; without one both ways are
/// `errc::invalid_argument`. An empty reference is the empty text. When the actor found does not
/// take every message of the reference's type, the message is refused with `errc::wrong_type`; when
/// nothing lives at the address, with `errc::no_such_actor` (see `when_missing`). What is stored
/// for long holds an `address` rather than a reference, since actors come and go.

namespace odeon::detail {

[[nodiscard]] result<std::string> write_reference(const any_ref& ref, const wire::context& c);
[[nodiscard]] result<any_ref> read_reference(std::string_view text, wanted_messages wanted,
                                             const wire::context& c);

template <class... Ms>
inline constexpr std::array<const message_type*, sizeof...(Ms)> wanted_of = {
    &message_type_of<Ms>...};

}  // namespace odeon::detail

template <>
struct odeon::wire::codec<odeon::any_ref> {
  using wire_type = std::string;

  static result<std::string> to_wire(const any_ref& ref, const context& c) {
    return odeon::detail::write_reference(ref, c);
  }
  static result<any_ref> from_wire(const std::string& text, const context& c) {
    return odeon::detail::read_reference(text, {}, c);
  }
};

template <class... Ms>
struct odeon::wire::codec<odeon::actor_ref<Ms...>> {
  using wire_type = std::string;

  static result<std::string> to_wire(const actor_ref<Ms...>& ref, const context& c) {
    return odeon::detail::write_reference(ref, c);
  }
  static result<actor_ref<Ms...>> from_wire(const std::string& text, const context& c) {
    auto found = odeon::detail::read_reference(text, odeon::detail::wanted_of<Ms...>, c);
    if (!found) return std::unexpected(std::move(found).error());
    return actor_ref<Ms...>::assume(*std::move(found));
  }
};
