#pragma once

#include "actor.hpp"
#include <odeon/core/actor_system.hpp>

/// @file `spawn(cls, *args, name=…, dispatcher=…, …, **kwargs)`, of systems and contexts alike.

namespace odeon::python {

/// The options by name that are the runtime's own; every other named argument is the constructor's.
/// `at`: the host when no dispatcher is named. A new `ActorRef`, or null with an exception set.
[[nodiscard]] PyObject* spawn_from_python(interp& in, actor_system& system, detail::cell* parent,
                                          const std::shared_ptr<host>& at, PyObject* const* args,
                                          Py_ssize_t n, PyObject* kwnames);

}  // namespace odeon::python
