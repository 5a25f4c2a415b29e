#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/bytes.hpp>
#include <odeon/wire/context.hpp>
#include <odeon/wire/describe.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

/// @file Values to bytes and back.
///
///     odeon::wire::bytes b = odeon::wire::encode(deposit{"a-1", 100});
///     odeon::result<deposit> d = odeon::wire::decode<deposit>(b);
///     odeon::wire::bytes text = odeon::wire::encode(*d, odeon::wire::format::json);
///
/// `docs/reference/wire-format.md` says which bytes stand for which value, so that other languages
/// can read them. Everything here may be called from any thread. Decoding never trusts its input:
/// every length, count and depth is bounded, nothing is allocated that the input could not fill,
/// and every malformed input is an error with its offset and field, never undefined behaviour.

namespace odeon::wire {

/// How values become bytes. The numbers are stored and sent; they do not change.
enum class format : std::uint8_t {
  msgpack = 1,  ///< MessagePack, fields by name: may be reordered, added, dropped
  compact = 2,  ///< MessagePack, fields by position: smaller, fields may only be added at the end
  json = 3,     ///< JSON, fields by name
  cbor = 4,     ///< CBOR, fields by name
  raw = 5,      ///< the bytes themselves, of a type whose only content is bytes
};

/// "msgpack", "compact", "json", "cbor", "raw"; "unknown" for another value.
[[nodiscard]] std::string_view to_string(format f) noexcept;

/// The format of that name, or nothing.
[[nodiscard]] std::optional<format> format_named(std::string_view name) noexcept;

/// What decoding accepts at most; past it the error is `errc::limit_exceeded`. Encoding keeps to
/// `max_depth`.
struct limits {
  std::size_t max_bytes = std::size_t{64} << 20U;  ///< of input
  std::uint32_t max_depth = 64;  ///< of maps and arrays in each other; at most 512
  std::size_t max_items = std::size_t{16}
                          << 20U;  ///< elements and members of all maps and arrays together
  std::size_t max_string = std::size_t{16} << 20U;  ///< bytes of one string or of one run of bytes
  std::size_t max_memory = std::size_t{512}
                           << 20U;  ///< bytes of the values made, as sizeof counts them
};

namespace detail {

[[nodiscard]] result<void> write(buffer& out, const schema& s, const void* value, format f,
                                 const context& c);
[[nodiscard]] result<void> read(void* value, const schema& s, std::span<const std::byte> in,
                                format f, const limits& bounds, const context& c);
[[nodiscard]] error version_refused(std::string_view manifest, int known, int found);

/// Bytes of one value, and how to read them.
struct source {
  std::span<const std::byte> in;
  format form;
  const limits& bounds;
  const context& with;
};

template <class T>
result<void> read_version(T& out, int found, const source& from) {
  if (found == version<T>) {
    return read(&out, schema_of<T>, from.in, from.form, from.bounds, from.with);
  }
  if constexpr (upcastable<T>) {
    using old_type = previous_version<T>;
    static_assert(version<old_type> < version<T>, "upcast must take an older version of the type");
    require_decodable<old_type>();
    if (found <= version<old_type>) {  // versions may have been left out
      old_type old = blank<old_type>();
      if (auto done = read_version(old, found, from); !done) return done;
      auto newer = T::upcast(std::as_const(old));
      if constexpr (is_result<decltype(newer)>) {
        if (!newer) return std::unexpected(std::move(newer).error());
        out = *std::move(newer);
      } else {
        out = std::move(newer);
      }
      return {};
    }
  }
  return std::unexpected(version_refused(manifest<T>, version<T>, found));
}

template <class T>
result<T> blank_result() {
  if constexpr (std::default_initializable<T>) {
    return result<T>(std::in_place);
  } else {
    return result<T>(std::in_place, blank<T>());
  }
}

}  // namespace detail

/// Appends `value` to `out`. Fails, leaving `out` as it was, when the value is deeper than
/// `limits::max_depth`, holds a string that is not UTF-8 or one of 4 GiB, a valueless variant, or
/// when a `codec<T>` refuses. `format::raw` takes only types whose whole content is bytes
/// (`errc::no_codec` for others, `invalid_argument` for a null pointer to bytes).
template <class T>
[[nodiscard]] result<void> try_encode_to(buffer& out, const T& value, format f = format::msgpack,
                                         const context& c = {}) {
  require_encodable<T>();
  if constexpr (encodable<T>) {
    return detail::write(out, schema_of<T>, &value, f, c);
  } else {
    return {};
  }
}

/// The same, throwing `actor_error`.
template <class T>
void encode_to(buffer& out, const T& value, format f = format::msgpack, const context& c = {}) {
  if (auto done = try_encode_to(out, value, f, c); !done)
    throw actor_error(std::move(done).error());
}

/// `value` as bytes of exactly its size: one allocation for a value of up to half a kilobyte.
/// Errors as `try_encode_to`.
template <class T>
[[nodiscard]] result<bytes> try_encode(const T& value, format f = format::msgpack,
                                       const context& c = {}) {
  std::byte scratch[512];
  buffer out{std::span(scratch)};
  if (auto done = try_encode_to(out, value, f, c); !done)
    return std::unexpected(std::move(done).error());
  return out.to_bytes();
}

/// The same, throwing `actor_error`.
template <class T>
[[nodiscard]] bytes encode(const T& value, format f = format::msgpack, const context& c = {}) {
  auto made = try_encode(value, f, c);
  if (!made) throw actor_error(std::move(made).error());
  return *std::move(made);
}

/// Reads a T of its present version. Unknown fields are skipped; a field that is missing keeps the
/// value it has in `T{}`, its default member initialiser or zero. Bytes behind the value are an
/// error. Errors: `truncated`, `bad_encoding`, `wrong_type`, `limit_exceeded`, `no_codec` (of the
/// format), and what a `codec<T>` gives; with a text such as "at byte 17, field limits[3].amount:
/// expected an integer, found a string".
template <class T>
[[nodiscard]] result<T> decode(std::span<const std::byte> in, format f = format::msgpack,
                               const limits& bounds = {}, const context& c = {}) {
  require_decodable<T>();
  if constexpr (decodable<T>) {
    result<T> out = detail::blank_result<T>();
    if (auto done = detail::read(&*out, schema_of<T>, in, f, bounds, c); !done) {
      out = std::unexpected(std::move(done).error());
    }
    return out;
  } else {
    return fail(errc::no_codec, {});
  }
}

/// Reads a T from bytes that were written by version `found` of its type: an older version goes
/// through the chain of `upcast` functions. A newer one is `newer_version`; an older one that no
/// upcast starts from is `no_codec`.
template <class T>
[[nodiscard]] result<T> decode_version(int found, std::span<const std::byte> in,
                                       format f = format::msgpack, const limits& bounds = {},
                                       const context& c = {}) {
  require_decodable<T>();
  if constexpr (decodable<T>) {
    result<T> out = detail::blank_result<T>();
    const detail::source from{in, f, bounds, c};
    if (auto done = detail::read_version(*out, found, from); !done) {
      out = std::unexpected(std::move(done).error());
    }
    return out;
  } else {
    return fail(errc::no_codec, {});
  }
}

}  // namespace odeon::wire
