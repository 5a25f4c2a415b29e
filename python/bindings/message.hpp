#pragma once

#include "interp.hpp"
#include <odeon/core/detail/envelope.hpp>

/// @file Python objects as messages: an envelope whose payload is one reference. Each class of
/// messages has a `message_type` of its own, so that dead letters, hops and diagnostics name it.

namespace odeon::python {

/// The payload: 16 bytes, so that an envelope is one block of 64. Between threads an object is
/// copied by sharing it in a box with a count of its own, because who copies may not be attached.
class py_message {
 public:
  py_message(interp& home, PyObject* stolen) noexcept
      : word_(reinterpret_cast<std::uintptr_t>(stolen)),
        home_(&home) {}
  py_message(py_message&& o) noexcept : word_(std::exchange(o.word_, 0)), home_(o.home_) {}
  /// On any thread that owns `o`. May throw `std::bad_alloc`.
  py_message(const py_message& o);
  py_message& operator=(const py_message&) = delete;
  ~py_message() {
    if (word_) drop();
  }

  [[nodiscard]] interp& home() const noexcept { return *home_; }
  /// Borrowed. Attached.
  [[nodiscard]] PyObject* get() const noexcept;
  /// A new reference; leaves it empty. Attached.
  [[nodiscard]] PyObject* take() noexcept;

 private:
  struct box {
    std::atomic<std::uint32_t> refs;
    PyObject* object;
  };
  static constexpr std::uintptr_t boxed = 1;
  [[nodiscard]] box* in_box() const noexcept { return reinterpret_cast<box*>(word_ & ~boxed); }
  void drop() noexcept;

  mutable std::uintptr_t word_;
  interp* home_;
};
static_assert(sizeof(py_message) == 16);

/// The type of messages of that class. Attached. Never fails: without memory, or past 65,536
/// classes, it is the type of all others ("object").
[[nodiscard]] const detail::message_type& message_type_for(interp& in, PyTypeObject* cls) noexcept;
[[nodiscard]] bool is_py_message(const detail::message_type& type) noexcept;

/// An envelope with that message; takes the reference. Its origin is left to the caller. Throws
/// `std::bad_alloc`. Attached.
[[nodiscard]] detail::envelope* make_py_envelope(interp& in, PyObject* stolen, bool extra);

}  // namespace odeon::python
