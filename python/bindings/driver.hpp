#pragma once

#include "host.hpp"

/// @file Drivers: coroutine objects of our own that tasks of the event loop step, so that handlers
/// run with a current task and everything of asyncio works in them.
///
/// A handler's first step is run by the host inside a turn, with a parked driver's task entered as
/// the current one. Only a handler that suspends there is handed to that driver, whose task then
/// yields the awaited future in the usual way, steps the handler to its end, and parks the driver
/// again. So a loop has one task more than there are handlers suspended.

namespace odeon::python {

struct execution;

/// What a parked driver yields to its task: a future that ends when the driver is woken.
struct waiter {
  PyObject_HEAD host* at;  // held by the driver
  driver* of;
  PyObject* call;  // the task's wake-up
  PyObject* context;
  bool blocking;
  bool cancelled;
};

struct driver {
  PyObject_HEAD std::shared_ptr<host> at;
  execution* x;  // what it drives; null: nothing
  waiter* parked_on;
  PyObject* task;  // held; the cycle ends when the task does
  bool asked;      // to cancel, while its task was entered: it is noted for the task's next step
  bool spent;      // cancelled while it drove a handler: its task ends with that handler
};

/// A new driver with its task, which begins in the loop's next round; drives `first`, if any. Null
/// with an exception set.
[[nodiscard]] driver* new_driver_object(host& at, execution* first) noexcept;
/// Whether its task waits for it to be woken.
[[nodiscard]] inline bool is_parked(const driver& d) noexcept {
  return d.parked_on && d.parked_on->call;
}
/// Runs the task's next step here and now. Not while another task is current.
void wake(driver& d) noexcept;
/// Ends a driver whose task has noted a cancellation that was meant for a handler which has ended.
/// Its task is no longer the current one, and it drives nothing.
void discard(driver& d) noexcept;
/// Calls `call(arg)` inside `context` (which may be null), or has the loop do it when that context
/// is entered already. Exceptions are reported, not raised.
void call_in_context(host& at, PyObject* call, PyObject* context, PyObject* arg) noexcept;
[[nodiscard]] bool add_driver_types(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
