#pragma once

#define PY_SSIZE_T_CLEAN
#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <Python.h>
#include <structmember.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

/// @file The C-API with owned references, and what differs between the versions of CPython (3.11
/// and up). Everything here is called with the interpreter attached.

namespace odeon::python {

/// A reference that is ours. Null is allowed: an exception is set then, most likely.
class owned {
 public:
  owned() noexcept = default;
  explicit owned(PyObject* stolen) noexcept : p_(stolen) {}
  owned(owned&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  owned& operator=(owned&& o) noexcept {
    if (this != &o) Py_XSETREF(p_, std::exchange(o.p_, nullptr));
    return *this;
  }
  ~owned() { Py_XDECREF(p_); }
  [[nodiscard]] static owned share(PyObject* borrowed) noexcept {
    return owned(Py_XNewRef(borrowed));
  }
  [[nodiscard]] PyObject* get() const noexcept { return p_; }
  [[nodiscard]] PyObject* release() noexcept { return std::exchange(p_, nullptr); }
  explicit operator bool() const noexcept { return p_ != nullptr; }

 private:
  PyObject* p_ = nullptr;
};

/// The exception that is set, taken out of the thread; with its traceback. Null: none is set.
[[nodiscard]] inline PyObject* take_exception() noexcept {
#if PY_VERSION_HEX >= 0x030c0000
  return PyErr_GetRaisedException();
#else
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  if (!type) return nullptr;
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

/// Sets an exception that was taken. Takes the reference.
inline void set_exception(PyObject* stolen) noexcept {
#if PY_VERSION_HEX >= 0x030c0000
  PyErr_SetRaisedException(stolen);
#else
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(stolen)), stolen);
  Py_DECREF(stolen);
#endif
}

/// Whether this thread is attached to an interpreter, and to which. Null: to none.
[[nodiscard]] inline PyThreadState* attached_state() noexcept {
#if PY_VERSION_HEX >= 0x030d0000
  return PyThreadState_GetUnchecked();
#else
  return _PyThreadState_UncheckedGet();
#endif
}

[[nodiscard]] inline PyObject* text_of(std::string_view s) noexcept {
  return PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "replace");
}

/// The UTF-8 of a str. False: it is none, and TypeError is set with `what`.
[[nodiscard]] inline bool read_text(PyObject* o, const char* what, std::string& out) {
  if (!PyUnicode_Check(o)) {
    PyErr_Format(PyExc_TypeError, "%s is a str, not %.200s", what, Py_TYPE(o)->tp_name);
    return false;
  }
  Py_ssize_t n = 0;
  const char* p = PyUnicode_AsUTF8AndSize(o, &n);
  if (!p) return false;
  out.assign(p, static_cast<std::size_t>(n));
  return true;
}

/// Seconds as a number. False: it is none, is negative or no number, and an exception is set.
[[nodiscard]] inline bool read_seconds(PyObject* o, const char* what, odeon::duration& out) {
  const double s = PyFloat_AsDouble(o);
  if (s == -1.0 && PyErr_Occurred()) return false;
  if (!(s >= 0)) {
    PyErr_Format(PyExc_ValueError, "%s is a number of seconds, not negative", what);
    return false;
  }
  constexpr double most = 9.0e9;
  out = std::chrono::duration_cast<odeon::duration>(
      std::chrono::duration<double>(s < most ? s : most));
  return true;
}

/// A function of any calling convention, for a `PyMethodDef` whose flags name that convention.
template <class F>
[[nodiscard]] PyCFunction fn(F* f) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}

}  // namespace odeon::python
