#pragma once

#include "actor.hpp"
#include <odeon/core/detail/envelope.hpp>

/// @file What durable actors of Python have of C++: the system's journal, permits to recover,
/// messages of the outbox and of timers, the service of durable timers.

namespace odeon::python {

/// A message of C++ for durable actors as an object: a `Delivery` (whose ask it takes over), or an
/// `Activation`. Null without an exception: it is none of these.
[[nodiscard]] PyObject* durable_to_python(interp& in, detail::envelope& e);

/// Adds the types `Delivery`, `Permit` and `Watch`, and the functions that `odeon.persistence`
/// calls.
[[nodiscard]] bool add_durable_types(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
