#pragma once

#include "interp.hpp"
#include <odeon/core/detail/ask.hpp>
#include <odeon/persistence/receivers.hpp>

#include <memory>

/// @file The Python objects `Delivery`, `Permit` and `Watch`.

namespace odeon::python {

/// A message of an outbox or a timer, which its receiver settles; takes the reference of `ask` when
/// it can be made. Null with an exception set.
[[nodiscard]] PyObject* new_delivery(interp& in, const persistence::delivery& what,
                                     detail::ask_state_base* ask);
/// Holds `held` until it is released, or let go.
[[nodiscard]] PyObject* new_permit(interp& in, std::shared_ptr<void> held);

[[nodiscard]] bool add_durable_objects(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
