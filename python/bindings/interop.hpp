#pragma once

#include "actor.hpp"
#include <odeon/core/detail/envelope.hpp>

/// @file Messages that are no Python objects of this interpreter: the core's signals, and messages
/// of C++ actors and of other interpreters.

namespace odeon::python {

/// The message of `e` as an object for `a`: a new reference. Null with an exception set: it cannot
/// be made one; null without: `a` has no use for it, and `wanted` says whether that is worth telling.
[[nodiscard]] PyObject* message_to_python(interp& in, py_actor& a, detail::envelope& e,
                                          bool& wanted) noexcept;

/// Puts `message` into a mailbox that is not of an actor of this interpreter. 0: done; -1: an
/// exception is set (it cannot be encoded, or the target does not take it).
[[nodiscard]] int send_foreign(interp& in, detail::cell& to, PyObject* message,
                               const tell_options* options);

/// The same for a request: its `Ask`, a new reference. `limit` below zero: the system's default.
[[nodiscard]] PyObject* ask_foreign(interp& in, detail::cell& to, PyObject* message,
                                    duration limit);

}  // namespace odeon::python
