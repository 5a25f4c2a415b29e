#pragma once

#include "py.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/core/detail/envelope.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

/// @file What the layer keeps for each interpreter. No Python object is held by a global: an
/// `interp` is made when the module is executed in an interpreter, and never freed, so that whoever
/// finds a handle late can ask whether its interpreter still lives.

namespace odeon::python {

class host;
struct py_class;

/// Names that are looked up often.
#define ODEON_PY_NAMES(X) \
  X(add_done_callback)    \
  X(add_reader)           \
  X(call_soon)            \
  X(call_soon_threadsafe) \
  X(cancel)               \
  X(cancelling)           \
  X(context)              \
  X(is_closed)            \
  X(loop)                 \
  X(name)                 \
  X(post_restart)         \
  X(post_stop)            \
  X(pre_restart)          \
  X(pre_start)            \
  X(receive)              \
  X(remove_reader)        \
  X(result)               \
  X(throw_)               \
  X(uncancel)             \
  X(args)                 \
  X(dispatcher)           \
  X(supervision)          \
  X(mailbox)              \
  X(router)               \
  X(tags)                 \
  X(receive_timeout)      \
  X(stash_capacity)       \
  X(timeout)              \
  X(ttl)                  \
  X(key)                  \
  X(priority)             \
  X(__odeon_handlers__)   \
  X(on_unhandled)         \
  X(__code__)             \
  X(get_name)             \
  X(__cause__)            \
  X(add_note)             \
  X(call_cycle)           \
  X(on_signal)

struct names {
#define X(n) PyObject* n = nullptr;
  ODEON_PY_NAMES(X)
#undef X
};

/// Guards tables of an interpreter that attached threads share. Where one of them runs at a time
/// there is nothing to guard; not held while Python code may run.
#ifdef Py_GIL_DISABLED
using table_lock = detail::spin_lock;
using table_guard = detail::spin_guard;
#else
struct table_lock {};
struct table_guard {
  explicit table_guard(table_lock&) noexcept {}
  ~table_guard() {}
};
#endif

/// One interpreter's own things. Fields are written while the module is executed, and by attached
/// threads of that interpreter; `drop` may be called by any thread.
struct interp {
  std::atomic<PyInterpreterState*> state{
      nullptr};  // null again at the end: another may get its place
  std::atomic<bool> alive{true};
  names name;

  PyTypeObject* ref_type = nullptr;
  PyTypeObject* context_type = nullptr;
  PyTypeObject* ask_type = nullptr;
  PyTypeObject* reply_to_type = nullptr;
  PyTypeObject* timer_type = nullptr;
  PyTypeObject* host_type = nullptr;
  PyTypeObject* system_type = nullptr;
  PyTypeObject* driver_type = nullptr;
  PyTypeObject* waiter_type = nullptr;
  PyTypeObject* journal_type = nullptr;
  PyTypeObject* delivery_type = nullptr;
  PyTypeObject* permit_type = nullptr;
  PyTypeObject* watch_type = nullptr;
  PyTypeObject* endpoint_type = nullptr;
  PyTypeObject* relay_transport_type = nullptr;

  PyObject* errors = nullptr;           // the module odeon.errors
  PyObject* support = nullptr;          // the module odeon._support: cold paths in Python
  PyObject* codec = nullptr;            // of odeon.codecs.default, on first need
  PyObject* task_class = nullptr;       // asyncio.Task
  PyObject* cancelled_error = nullptr;  // asyncio.CancelledError
  PyObject* enter_task = nullptr;
  PyObject* leave_task = nullptr;
  PyObject* get_running_loop = nullptr;  // asyncio.events._get_running_loop: None without one
  PyObject* kw_context = nullptr;        // ("context",)
  PyObject* kw_loop = nullptr;           // ("loop",)

  // -- message types: one for each class of message
  // ------------------------------------------------
  struct known_type {
    PyTypeObject* type = nullptr;  // held
    const detail::message_type* as = nullptr;
  };
  static constexpr std::size_t cache_size = 256;
  table_lock tables;  // of these, and of `hosts`
  known_type cache[cache_size];
  std::unordered_map<PyTypeObject*, const detail::message_type*> message_types;
  std::unordered_map<PyObject*, std::unique_ptr<py_class>> classes;  // of actors; keys are held

  // -- drops: references given up by threads that are not attached
  // ----------------------------------
  /// @threadsafe
  void drop(PyObject* o) noexcept;
  /// Frees what was dropped. Attached. Cheap when there is nothing.
  void free_drops() noexcept {
    if (has_drops_.load(std::memory_order_relaxed)) [[unlikely]]
      free_drops_slow();
  }
  /// References that came after the interpreter's end, and are lost on purpose.
  std::atomic<std::uint64_t> leaked{0};

  std::vector<host*> hosts;  // attached threads only

 private:
  void free_drops_slow() noexcept;
  detail::spin_lock drops_lock_;
  std::vector<PyObject*> drops_;
  std::atomic<bool> has_drops_{false};
};

/// The module's interpreter; for the functions of a type of the module, and classes derived from
/// it.
[[nodiscard]] interp& interp_of(PyTypeObject* type) noexcept;
[[nodiscard]] inline interp& interp_of(PyObject* o) noexcept { return interp_of(Py_TYPE(o)); }
[[nodiscard]] interp& interp_of_module(PyObject* module) noexcept;

#if PY_VERSION_HEX < 0x030c0000
/// Whether this layer's code on this thread runs attached. CPython 3.11 cannot be asked: its
/// current thread state is the process's, not the thread's.
extern constinit thread_local bool entered;
#endif

/// Marks that the thread is attached, for as long as a function of this layer runs that Python
/// called. On 3.12 and up it costs nothing: the interpreter knows.
class entry {
 public:
#if PY_VERSION_HEX < 0x030c0000
  entry() noexcept : before_(std::exchange(entered, true)) {}
  ~entry() { entered = before_; }
  entry(const entry&) = delete;

 private:
  bool before_;
#else
  entry() noexcept {}
  ~entry() {}
#endif
};

/// Lets the interpreter go for a scope: for calls that may block.
class detached {
 public:
  detached() noexcept : state_(PyEval_SaveThread()) {
#if PY_VERSION_HEX < 0x030c0000
    entered = false;
#endif
  }
  ~detached() {
    PyEval_RestoreThread(state_);
#if PY_VERSION_HEX < 0x030c0000
    entered = true;
#endif
  }
  detached(const detached&) = delete;

 private:
  PyThreadState* state_;
};

/// Whether the calling thread is attached to that interpreter.
[[nodiscard]] inline bool is_attached(const interp& in) noexcept {
#if PY_VERSION_HEX < 0x030c0000
  if (!entered) return false;
#endif
  const PyThreadState* s = attached_state();
  return s && s->interp == in.state.load(std::memory_order_relaxed);  // written by attached threads
}

/// A reference that may be given up on any thread: at once where that is allowed, else it is put on
/// the interpreter's list of drops. Made, copied and read only when attached.
class py_handle {
 public:
  py_handle() noexcept = default;
  py_handle(interp& home, PyObject* stolen) noexcept : object_(stolen), home_(&home) {}
  py_handle(py_handle&& o) noexcept : object_(std::exchange(o.object_, nullptr)), home_(o.home_) {}
  py_handle& operator=(py_handle&& o) noexcept {
    if (this != &o) {
      reset();
      object_ = std::exchange(o.object_, nullptr);
      home_ = o.home_;
    }
    return *this;
  }
  ~py_handle() { reset(); }

  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  [[nodiscard]] PyObject* take() noexcept { return std::exchange(object_, nullptr); }
  [[nodiscard]] interp* home() const noexcept { return home_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  void reset() noexcept {
    if (PyObject* o = std::exchange(object_, nullptr)) give_up(*home_, o);
  }
  /// @threadsafe
  static void give_up(interp& home, PyObject* o) noexcept {
    if (is_attached(home)) [[likely]]
      Py_DECREF(o);
    else
      home.drop(o);
  }

 private:
  PyObject* object_ = nullptr;
  interp* home_ = nullptr;
};

/// A value that is a Python object in the end: one, or what makes one when it is taken. How asks of
/// Python are answered.
class py_value {
 public:
  using maker = std::function<PyObject*(interp&)>;

  py_value() noexcept = default;
  explicit py_value(py_handle h) noexcept : handle_(std::move(h)) {}
  /// `make` is called once, attached; it returns a new reference, or null with an exception set.
  explicit py_value(maker make) : make_(std::make_unique<maker>(std::move(make))) {}

  /// A new reference, or null with an exception set. Attached; leaves it empty.
  [[nodiscard]] PyObject* take(interp& in) noexcept;
  /// What would make it, when that is a `Maker`; else null.
  template <class Maker>
  [[nodiscard]] const Maker* made_by() const noexcept {
    return make_ ? make_->target<Maker>() : nullptr;
  }

 private:
  py_handle handle_;
  std::unique_ptr<maker> make_;
};

// -- errors --------------------------------------------------------------------------------------

/// Sets the exception of `odeon.errors` for it. Returns null.
PyObject* raise(interp& in, const error& e) noexcept;
/// The same with a cause, whose reference is taken (it may be null).
PyObject* raise_from(interp& in, const error& e, PyObject* cause) noexcept;
/// Sets the exception for the C++ exception in flight; to be called in a catch block. Returns null.
PyObject* raise_current(interp& in) noexcept;

/// Calls `f`, which returns a PyObject* (or int), and turns C++ exceptions into Python's.
template <class F>
auto guarded(interp& in, F&& f) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    raise_current(in);
    if constexpr (std::is_same_v<decltype(f()), int>)
      return -1;
    else
      return nullptr;
  }
}

}  // namespace odeon::python
