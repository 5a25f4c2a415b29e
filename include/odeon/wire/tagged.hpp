#pragma once

#include <odeon/wire/codec.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>

/// @file An encoded value together with what is needed to read it again: what a journal stores and
/// a node sends.

namespace odeon::wire {

/// Names and bytes that someone else owns: a row of a store, a part of a frame.
struct tagged_view {
  std::string_view manifest;
  int version = 1;
  format form = format::msgpack;
  std::span<const std::byte> payload;
};

/// An encoded value that knows its type's manifest, its version and its format. It is itself
/// encodable, so it can be a field of a message.
struct tagged {
  std::string manifest;
  int version = 1;
  format form = format::msgpack;
  bytes payload;

  operator tagged_view()
      const noexcept {  // NOLINT(google-explicit-constructor): a tagged is its own view
    return {manifest, version, form, payload};
  }
  friend bool operator==(const tagged&, const tagged&) = default;
};

namespace detail {
[[nodiscard]] error wrong_manifest(std::string_view wanted, std::string_view found);
}  // namespace detail

/// `value` under the manifest and version of T. Errors as `try_encode_to`.
template <class T>
[[nodiscard]] result<tagged> try_encode_tagged(const T& value, format f = format::msgpack,
                                               const context& c = {}) {
  auto made = try_encode(value, f, c);
  if (!made) return std::unexpected(std::move(made).error());
  return tagged{std::string(manifest<T>), version<T>, f, *std::move(made)};
}

/// The same, throwing `actor_error`.
template <class T>
[[nodiscard]] tagged encode_tagged(const T& value, format f = format::msgpack,
                                   const context& c = {}) {
  return {std::string(manifest<T>), version<T>, f, encode(value, f, c)};
}

/// Reads a T, from an older version too (`decode_version`). `errc::wrong_type` when the manifest is
/// another's.
template <class T>
[[nodiscard]] result<T> decode_tagged(const tagged_view& from, const limits& bounds = {},
                                      const context& c = {}) {
  if (from.manifest != manifest<T>) {
    return std::unexpected(detail::wrong_manifest(manifest<T>, from.manifest));
  }
  return decode_version<T>(from.version, from.payload, from.form, bounds, c);
}

}  // namespace odeon::wire
