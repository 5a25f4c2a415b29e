#pragma once

#define PY_SSIZE_T_CLEAN
#include <odeon/wire/bytes.hpp>

#include <Python.h>

#include <cstddef>
#include <span>
#include <string_view>

/// @file Python values to bytes and back, in the form that C++ writes and reads by manifest.
///
/// A codec is a Python object (`_native.Codec`, made by `odeon.codecs`) that holds the tables of
/// one interpreter: which class has which manifest, and how its fields are written. Nothing here is
/// global, so each interpreter has its own. All functions need the thread state of the interpreter
/// the codec belongs to; they report failure by a Python exception, which is the codec's
/// `EncodingError` or `DecodingError` unless memory ran out or a call was interrupted.
///
/// Bytes: the named MessagePack form of `docs/reference/wire-format.md`, and the extensions of
/// `docs/guide/python-codecs.md` where a value's place has no declared type.

namespace odeon::python {

/// What a codec may do beyond its tables. Bits.
enum codec_flags : unsigned {
  codec_plain = 0,
  codec_pickle = 1,   ///< values without a codec travel as pickles; both sides must say so
  codec_import = 2,   ///< a manifest that is no registered one is imported as a class path
  codec_buffers = 4,  ///< large buffers go beside the payload, to be handed over without a copy
};

/// A message as bytes. Owns references while it lives; clear it with the thread state attached.
struct encoded_message {
  PyObject* manifest = nullptr;  ///< str, owned
  int version = 1;
  wire::buffer payload;
  PyObject* buffers = nullptr;  ///< list of memoryview, owned; null when there are none

  encoded_message() = default;
  encoded_message(const encoded_message&) = delete;
  encoded_message& operator=(const encoded_message&) = delete;
  ~encoded_message() { clear(); }

  /// Drops the references and the content; keeps the payload's memory.
  void clear() noexcept {
    Py_CLEAR(manifest);
    Py_CLEAR(buffers);
    payload.clear();
  }
};

/// Writes `value` with its class's manifest. `out` must be empty. False with an exception set:
/// `EncodingError` with the place inside the message ("Order.items[3].price: expected ...").
[[nodiscard]] bool codec_encode(PyObject* codec, PyObject* value, unsigned flags,
                                encoded_message& out);

/// The value of a message, a new reference, or null with `DecodingError` set, which names the
/// offset and the field. `buffers` is null or a sequence of objects with the buffer protocol, what
/// `encoded_message::buffers` held: decoded views share their memory and keep them alive. The
/// payload is not kept.
[[nodiscard]] PyObject* codec_decode(PyObject* codec, std::string_view manifest, int version,
                                     std::span<const std::byte> payload, PyObject* buffers,
                                     unsigned flags);

/// True when `object` is a codec of this interpreter's module, made by `codec_add_to`.
[[nodiscard]] bool codec_check(PyObject* object) noexcept;

/// Adds the types `Channel` and `Segment` to `_native`. -1 with an exception set on failure.
[[nodiscard]] int ring_add_to(PyObject* module);

/// Adds the types `Codec` and `Plan` to `_native`, and those of `ring_add_to`. -1 with an exception
/// set on failure.
[[nodiscard]] int codec_add_to(PyObject* module);

}  // namespace odeon::python
