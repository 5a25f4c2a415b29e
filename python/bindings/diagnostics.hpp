#pragma once

#include "interp.hpp"

/// @file What goes on, for Python: dead letters, metrics, snapshots and hops as plain values; the
/// runtime's log; and what a thread of Python has in hand.

namespace odeon::python {

/// Adds `_dead_letters`, `_late_replies`, `_metrics`, `_snapshot`, `_recent_hops`, `_host_metrics`,
/// `_log_forward`, `_log_take`, `_set_log_level`, `_thread_mark` and `_in_hand`.
[[nodiscard]] bool add_diagnostic_functions(PyObject* module) noexcept;

}  // namespace odeon::python
