#pragma once

#include "interp.hpp"
#include "relay.hpp"
#include "system.hpp"

#include <memory>
#include <mutex>
#include <utility>

/// @file Python objects that stand for a part of a running system: a federation, a sidecar.
///
/// Such a part ends with its object or with its system, whichever comes first, and is used by other
/// threads meanwhile. A `Part` has a `mutex` under which it is used and ended, `is_there()`, asked
/// under it, and `end()`, which takes it, may block, and may be called again. The lock is only
/// waited for with the interpreter let go.

namespace odeon::python {

template <class Part>
struct part_object {
  PyObject_HEAD std::shared_ptr<Part> held;  // shared with the system's end
  std::shared_ptr<relay> calls;              // to the system's main host
  actor_system* system;                      // there as long as the part is
  runtime* rt;                               // the system's
  interp* home;

  /// Made by a type's `tp_new`; null with an exception set.
  static PyObject* make(PyTypeObject* type, interp& in, actor_system& of,
                        std::shared_ptr<Part> held, std::shared_ptr<relay> calls) {
    auto* self = reinterpret_cast<part_object*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
    std::construct_at(&self->held, std::move(held));
    std::construct_at(&self->calls, std::move(calls));
    self->system = &of;
    self->rt = &of.get_runtime();
    self->home = &in;
    return reinterpret_cast<PyObject*>(self);
  }
  static part_object& of(PyObject* o) noexcept { return *reinterpret_cast<part_object*>(o); }

  /// Calls `f(part)` without the interpreter. False with an exception set: it has ended.
  template <class F>
  bool with(const char* ended, F f) {
    bool there = false;
    if (process_forked.load()) return raise_forked(*home) != nullptr;
    {
      const auto part = held;
      const detached out;
      const std::lock_guard guard(part->mutex);
      there = part->is_there();
      if (there) f(*part);
    }
    if (!there) raise(*home, error(errc::system_stopped, ended));
    return there;
  }

  /// Ends the part, the interpreter let go meanwhile.
  void end() {
    const auto part = held;
    if (process_forked.load()) {
      static_cast<void>(new std::shared_ptr(part));  // its threads are not here
      return;
    }
    const detached out;
    part->end();
  }

  static PyObject* close(PyObject* o, PyObject*) {
    const entry in_layer;
    of(o).end();
    Py_RETURN_NONE;
  }
  static void dealloc(PyObject* o) {
    const entry in_layer;
    auto& self = of(o);
    PyTypeObject* type = Py_TYPE(o);
    self.end();
    std::destroy_at(&self.held);
    std::destroy_at(&self.calls);
    type->tp_free(o);
    Py_DECREF(type);
  }
};

}  // namespace odeon::python
