#pragma once

#include "interp.hpp"
#include <odeon/core/detail/ask.hpp>
#include <odeon/core/detail/envelope.hpp>
#include <odeon/wire/bytes.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

/// @file Messages of Python on their way to another interpreter: encoded at `tell`, in the sender;
/// decoded on the receiver's turn. Each manifest has a `message_type` of its own, so that dead
/// letters, hops and diagnostics name it.

namespace odeon::python {

/// How many messages of one quota are on their way; null members: no quota. @threadsafe
struct waiting_count {
  std::atomic<std::size_t> now{0};
  std::size_t most = 0;  ///< 0: any number
};

/// Immutable once sent; shared by its copies. It counts as waiting for as long as it lives.
struct encoded_body {
  std::string manifest;
  int version = 1;
  wire::bytes payload;
  std::shared_ptr<waiting_count> counted;

  encoded_body() = default;
  encoded_body(const encoded_body&) = delete;
  encoded_body& operator=(const encoded_body&) = delete;
  ~encoded_body() {
    if (counted) counted->now.fetch_sub(1, std::memory_order_relaxed);  // a count, no order
  }
};
using encoded_payload = std::shared_ptr<encoded_body>;

/// The codec of the interpreter (`odeon.codecs.default`), borrowed; null with an exception set.
[[nodiscard]] PyObject* codec_of(interp& in) noexcept;

/// `value` as bytes, as it goes to another interpreter of this process: pickles and imports are
/// allowed there. Null with `EncodingError` set. Attached.
[[nodiscard]] encoded_payload encode_object(interp& in, PyObject* value);
/// A new object, or null with `DecodingError` set. Attached.
[[nodiscard]] PyObject* decode_object(interp& in, const encoded_body& body) noexcept;

/// The type of messages of that manifest. Past 65,536 of them it is the type of all others.
/// Throws `std::bad_alloc`. @threadsafe
[[nodiscard]] const detail::message_type& encoded_type_for(std::string_view manifest);
[[nodiscard]] bool is_encoded(const detail::message_type& type) noexcept;
[[nodiscard]] inline const encoded_body& body_in(detail::envelope& e) noexcept {
  return **static_cast<encoded_payload*>(e.payload());
}
/// An envelope with it; its origin is left to the caller. Throws `std::bad_alloc`. @threadsafe
[[nodiscard]] detail::envelope* make_encoded_envelope(encoded_payload body, bool extra);

}  // namespace odeon::python
