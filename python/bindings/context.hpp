#pragma once

#include "actor.hpp"
#include <odeon/core/timer.hpp>

/// @file The Python object `Context`: an actor's view of itself. One for each actor, made on first
/// need; it outlives its actor, and says so when it is used then.

namespace odeon::python {

struct context_object {
  PyObject_HEAD py_actor* actor;  // null: it has ended
  detail::cell* cell;             // with a reference
};

/// Null with an exception set.
[[nodiscard]] context_object* new_context(interp& in, py_actor& a) noexcept;
/// The right to answer that ask (null: nobody waits), with a reference of its own.
[[nodiscard]] PyObject* new_reply_to(interp& in, detail::ask_state_base* ask) noexcept;
[[nodiscard]] PyObject* new_timer(interp& in, timer t) noexcept;
[[nodiscard]] bool add_context_types(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
