#pragma once

#include "interp.hpp"
#include <odeon/runtime/simulated.hpp>

#include <memory>

/// @file The Python object `Simulation`: virtual time for `odeon.testing`.
///
/// One thread runs all: an event loop of `odeon.testing` whose selector never waits. When the loop
/// has nothing to do it steps the simulation, and when that has nothing either, moves the clock to
/// whatever is due next. Actors of Python have their turns in the drains of their host, a callback
/// of that loop, one a drain, chosen by the seed (`host::simulate`).

namespace odeon::python {

/// The runtime in a `Simulation`; null with TypeError set.
[[nodiscard]] std::shared_ptr<simulated_runtime> read_simulation(interp& in, PyObject* o) noexcept;
[[nodiscard]] bool add_simulation_type(PyObject* module) noexcept;

}  // namespace odeon::python
