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

/// The manifest by which the codec names what has no class: numbers, texts, lists.
inline constexpr std::string_view plain_value = "python.value";

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
/// The same, to or from another node: no pickle, and nothing is imported to read it. A type of its
/// own, so that whoever has the message or its ask knows.
struct far_payload : encoded_payload {
  explicit far_payload(encoded_payload body) noexcept : encoded_payload(std::move(body)) {}
};

/// The codec of the interpreter (`odeon.codecs.default`), borrowed; null with an exception set.
[[nodiscard]] PyObject* codec_of(interp& in) noexcept;

/// `value` as bytes. With `far` they go from that system to another node, and references in them
/// are addresses that its endpoint gives; else to another interpreter of this process, where
/// pickles and imports are allowed. Null with `EncodingError` set. Attached.
[[nodiscard]] encoded_payload encode_object(interp& in, PyObject* value,
                                            const detail::system_anchor* far = nullptr);
/// A new object, or null with `DecodingError` set; `far` is the system to which it came from
/// another node. Attached.
[[nodiscard]] PyObject* decode_object(interp& in, const encoded_body& body,
                                      const detail::system_anchor* far = nullptr) noexcept;

/// The system whose values are being encoded for other nodes, or decoded, on this thread; null:
/// none.
[[nodiscard]] const detail::system_anchor* far_system() noexcept;

/// What makes an object of bytes when it is taken: for `py_value`.
struct decoded_later {
  encoded_payload body;
  const detail::system_anchor* far = nullptr;
  PyObject* operator()(interp& taker) const { return decode_object(taker, *body, far); }
};

/// Whether it is a type of encoded messages, one for each manifest: near or far. Past 65,536 of
/// them there is one for all others.
[[nodiscard]] bool is_encoded(const detail::message_type& type) noexcept;
/// Whether it is one of messages to and from other nodes.
[[nodiscard]] bool is_far_message(const detail::message_type& type) noexcept;
[[nodiscard]] inline const encoded_body& body_in(detail::envelope& e) noexcept {
  return is_far_message(*e.type) ? **static_cast<far_payload*>(e.payload())
                                 : **static_cast<encoded_payload*>(e.payload());
}
/// An envelope with it; its origin is left to the caller. Throws `std::bad_alloc`. @threadsafe
[[nodiscard]] detail::envelope* make_encoded_envelope(encoded_payload body, bool extra);
/// The same for a message to or from another node.
[[nodiscard]] detail::envelope* make_far_envelope(encoded_payload body, bool extra);

}  // namespace odeon::python
