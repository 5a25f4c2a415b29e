#pragma once

#include "interp.hpp"
#include <odeon/core/detail/envelope.hpp>
#include <odeon/core/events.hpp>

/// @file The runtime's own events for Python: subscriptions, and the dataclasses of `odeon.events`.

namespace odeon::python {

/// A message that is one of the runtime's events, as an object: a new reference. Null with an
/// exception set: it cannot be made; null without: it is no event.
[[nodiscard]] PyObject* event_to_python(interp& in, detail::envelope& e) noexcept;

/// An instance of the dataclass: a new reference, or null with an exception set. Attached.
[[nodiscard]] PyObject* to_python(interp& in, const dead_letter& e);
[[nodiscard]] PyObject* to_python(interp& in, const late_reply& e);

/// Seconds since 1970.
[[nodiscard]] double seconds_of(wall_time at) noexcept;
[[nodiscard]] double seconds_of(duration d) noexcept;

/// Adds `_event_subscribe`, `_event_unsubscribe`, `_event_on`, `_post`, `_close_relay`.
[[nodiscard]] bool add_event_functions(PyObject* module) noexcept;

}  // namespace odeon::python
