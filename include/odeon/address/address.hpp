#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/codec.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// @file Where an actor is, as a value that can be written down.

namespace odeon {

/// The name of one actor among all systems. It can be stored, sent, shown and compared, and says
/// nothing of whether such an actor lives: that is what an `address_resolver` finds out. Its text
/// is a URI (RFC 3986):
///
///     odeon://orders/user/bank/account-17#1152921504606846977       in this process
///     odeon://orders@10.0.0.7:7001/user/bank/account-17#42          on a node
///     odeon://orders/user/bank                                      whoever has that name now
///
/// Characters that a URI does not allow where they stand are percent-encoded, so every address has
/// exactly one text. On the wire an address is that text, in every format, and may be a key.
struct address {
  static constexpr std::string_view scheme = "odeon";
  static constexpr std::size_t max_length = 4096;  ///< of the text; longer ones are refused

  std::string system;     ///< the name of the actor system; never empty
  std::string node;       ///< where that runs, in the words of the module that reaches it; "": here
  std::string path;       ///< as `any_ref::path`: it begins with '/', and has more than that
  std::uint64_t uid = 0;  ///< of one incarnation; 0: whichever has the path now

  /// The text, as above.
  [[nodiscard]] std::string to_string() const;

  /// Reads such a text. `errc::bad_encoding` with the offset when it is none, `limit_exceeded` when
  /// it is longer than `max_length`.
  [[nodiscard]] static result<address> parse(std::string_view text);

  friend bool operator==(const address&, const address&) = default;
  friend std::strong_ordering operator<=>(const address&, const address&) = default;
};

}  // namespace odeon

template <>
struct odeon::wire::codec<odeon::address> {
  using wire_type = std::string;
  /// An address without a system or a path is refused: `errc::invalid_argument`.
  static result<std::string> to_wire(const address& a);
  static result<address> from_wire(const std::string& text) { return address::parse(text); }
};
