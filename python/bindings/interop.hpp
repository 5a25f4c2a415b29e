#pragma once

#include "actor.hpp"
#include <odeon/core/detail/envelope.hpp>

/// @file Messages that are no Python objects of this interpreter: the core's signals, and messages
/// of C++ actors and of other interpreters; and answers to those who are not of this interpreter.

namespace odeon::python {

/// The message of `e` as an object for `a`: a new reference. Null with an exception set: it cannot
/// be made one; null without: `a` has no use for it, and `wanted` says whether that is worth
/// telling.
[[nodiscard]] PyObject* message_to_python(interp& in, py_actor& a, detail::envelope& e,
                                          bool& wanted) noexcept;

/// Puts `message` into a mailbox that is not of an actor of this interpreter. 0: done; -1: an
/// exception is set (it cannot be encoded, or the target does not take it).
[[nodiscard]] int send_foreign(interp& in, detail::cell& to, PyObject* message,
                               const tell_options* options);

/// The same for a request: its `Ask`, a new reference. `limit` below zero: the system's default.
[[nodiscard]] PyObject* ask_foreign(interp& in, detail::cell& to, PyObject* message,
                                    duration limit);

/// Notes that a router has `member`, of any interpreter or process. Where that is not of `in`, what
/// is sent to the router is encoded from now on. Throws `std::bad_alloc`.
void note_member(interp& in, detail::cell& router, const detail::cell& member);
/// Whether that router has such a member. @threadsafe
[[nodiscard]] bool is_mixed_router(const detail::cell& c) noexcept;

/// Whether who asked takes objects of this interpreter as they are.
[[nodiscard]] bool asked_here(const detail::ask_state_base& ask) noexcept;
/// Gives `value` (borrowed) to an asker of any kind. False: nobody waits, or it cannot be encoded
/// for the asker, whose ask has failed then. Attached.
bool give_reply(interp& in, detail::ask_state_base& ask, PyObject* value);
/// Fails an asker of any kind with the exception; `text` says where it was raised. Attached.
bool give_failure(interp& in, detail::ask_state_base& ask, PyObject* exception, std::string text);

/// Adds `_ref_to_text` and `_ref_from_text`, by which references travel.
[[nodiscard]] bool add_interop_functions(PyObject* module) noexcept;

/// Systems by name, for references that arrive. @threadsafe
void note_system(actor_system& system);
void forget_system(actor_system& system) noexcept;

}  // namespace odeon::python
