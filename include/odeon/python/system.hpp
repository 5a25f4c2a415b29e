#pragma once

#define PY_SSIZE_T_CLEAN
#include <odeon/core/actor_ref.hpp>
#include <odeon/core/actor_system.hpp>

#include <Python.h>

/// @file Programs of both languages: an extension module of C++ gets at the system and the
/// references of Python, and the other way round.
///
/// The extension links to the `libodeon.so` of the installed package, and is imported after
/// `odeon.native`, so that both have one copy of each message's type:
///
///     import odeon.native
///     import my_extension
///
/// Its messages are added to the system once (`odeon::messages_of(system).add<…>()`); from then on
/// classes of Python with the same manifests stand for them. Everything here is called with the
/// interpreter attached; on failure a Python exception is set.

namespace odeon::python {

namespace detail {

/// What `odeon._native.<function>(argument)` gives, as the pointer in a capsule; null: an exception
/// is set. The capsule goes to `keep`, a new reference.
inline void* capsule_of(const char* function, PyObject* argument, const char* name,
                        PyObject*& keep) noexcept {
  keep = nullptr;
  PyObject* native = PyImport_ImportModule("odeon._native");
  if (!native) return nullptr;
  keep = PyObject_CallMethod(native, function, "O", argument);
  Py_DECREF(native);
  void* out = keep ? PyCapsule_GetPointer(keep, name) : nullptr;
  if (!out) Py_CLEAR(keep);
  return out;
}

}  // namespace detail

/// The system of an `odeon.ActorSystem`, which owns it; null with an exception set when it is none,
/// or has ended.
[[nodiscard]] inline actor_system* system_of(PyObject* system) noexcept {
  PyObject* capsule = nullptr;
  auto* found = static_cast<actor_system*>(
      detail::capsule_of("_system_capsule", system, "odeon.actor_system", capsule));
  Py_XDECREF(capsule);
  return found;
}

/// The reference in an `odeon.ActorRef`; the empty one with an exception set for another object.
[[nodiscard]] inline any_ref ref_of(PyObject* ref) noexcept {
  PyObject* capsule = nullptr;
  any_ref out;
  if (auto* found =
          static_cast<any_ref*>(detail::capsule_of("_ref_capsule", ref, "odeon.any_ref", capsule)))
    out = *found;
  Py_XDECREF(capsule);
  return out;
}

/// A new `odeon.ActorRef`; null with an exception set. `ref` is not empty.
[[nodiscard]] inline PyObject* new_ref(any_ref ref) noexcept {
  PyObject* native = PyImport_ImportModule("odeon._native");
  PyObject* capsule = native ? PyCapsule_New(&ref, "odeon.any_ref", nullptr) : nullptr;
  PyObject* made = capsule ? PyObject_CallMethod(native, "_ref_of_capsule", "O", capsule) : nullptr;
  Py_XDECREF(capsule);
  Py_XDECREF(native);
  return made;
}

}  // namespace odeon::python
