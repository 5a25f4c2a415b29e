#pragma once

#include "actor.hpp"
#include "driver.hpp"
#include <odeon/task/future.hpp>

/// @file A coroutine of an actor that was suspended: shared by the core, for which it is a handler
/// that has not ended, and the driver that steps it. On the host's thread only.

namespace odeon::python {

struct execution {
  enum class state { suspended, ended };

  execution(py_actor& a, PyObject* coroutine, std::string what) noexcept;

  /// One step. Suspended: `out` is what is awaited, a new reference. Ended: `result` or
  /// `exception`.
  state step(PyObject** out) noexcept;
  state throw_in(PyObject* exc, PyObject** out) noexcept;
  /// Ends it where it is.
  void close() noexcept;
  /// The driver's share: the coroutine has ended, and the core is told.
  void finished() noexcept;
  /// The core's share: nobody waits for it any more; a coroutine that goes on is cancelled.
  void let_go() noexcept;

  host& at;
  interp& in;
  py_actor* actor;  // null: it has ended
  any_ref self;
  PyObject* coroutine;
  PyObject* pending = nullptr;    // what the first step awaits, until the task has it
  PyObject* result = nullptr;     // once it has ended
  PyObject* exception = nullptr;  // or this
  driver* by = nullptr;
  reply_slot slot;
  detail::envelope* message = nullptr;
  py_handle message_object;
  std::uint64_t hop = 0;
  std::uint64_t trace = 0;
  promise<int> done;
  std::string what;  // of the message or the hook, for texts
  bool began = false;
  bool over = false;

 private:
  ~execution();
  void drop() noexcept {
    if (--holders_ == 0) delete this;
  }
  void waits_no_more() noexcept;
  state after(PySendResult r, PyObject* value, PyObject** out) noexcept;
  int holders_ = 2;
};

/// Runs a handler's or a hook's coroutine. True: it has ended, and `value` is its result. False: it
/// was suspended, or has yet to begin; `x` is it, with both its shares. Throws `python_error`.
/// Takes the coroutine.
bool run_coroutine(py_actor& a, PyObject* stolen, std::string_view what, reply_slot& slot,
                   PyObject** value, execution** x);
/// Ends when the coroutine has ended; throws `python_error`.
task<void> ended(execution& x);

/// The core's share, as a parameter of the coroutine that stands for it: let go with its frame.
class core_share {
 public:
  explicit core_share(execution& x) noexcept : x_(&x) {}
  core_share(core_share&& o) noexcept : x_(std::exchange(o.x_, nullptr)) {}
  core_share& operator=(core_share&&) = delete;
  ~core_share() {
    if (x_) x_->let_go();
  }
  execution& operator*() const noexcept { return *x_; }

 private:
  execution* x_;
};

/// For a scope: the actor's own context variables are the current ones.
class in_variables {
 public:
  explicit in_variables(py_actor* a) noexcept {
    if (!a) return;
    context_ = a->variables();
    if (!context_ || PyContext_Enter(context_) != 0) {
      PyErr_Clear();
      context_ = nullptr;
    }
    Py_XINCREF(context_);
  }
  ~in_variables() {
    if (!context_) return;
    if (PyContext_Exit(context_) != 0) PyErr_Clear();
    Py_DECREF(context_);
  }
  in_variables(const in_variables&) = delete;

 private:
  PyObject* context_ = nullptr;
};

}  // namespace odeon::python
