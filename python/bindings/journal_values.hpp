#pragma once

#include "interp.hpp"
#include <odeon/persistence/record.hpp>
#include <odeon/persistence/snapshot.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

/// @file What goes into a journal and comes out of it, as Python has it: tuples in the order of the
/// classes of `odeon.persistence.records`. Everything here is called with the interpreter attached.

namespace odeon::python {

// -- from Python: false with an exception set ----------------------------------------------------

[[nodiscard]] bool read_value(PyObject* o, std::string& out);
[[nodiscard]] bool read_value(PyObject* o, std::uint64_t& out);
[[nodiscard]] bool read_value(PyObject* o, std::uint32_t& out);
[[nodiscard]] bool read_value(PyObject* o, bool& out);
[[nodiscard]] bool read_value(PyObject* o, wall_time& out);  // nanoseconds since the epoch
[[nodiscard]] bool read_value(PyObject* o, std::vector<std::byte>& out);
[[nodiscard]] bool read_value(PyObject* o, event_record& out);
[[nodiscard]] bool read_value(PyObject* o, outbox_message& out);
[[nodiscard]] bool read_value(PyObject* o, timer_record& out);
[[nodiscard]] bool read_value(PyObject* o, timer_change& out);
[[nodiscard]] bool read_value(PyObject* o, mark_record& out);
[[nodiscard]] bool read_value(PyObject* o, state_record& out);
[[nodiscard]] bool read_value(PyObject* o, append_request& out);
[[nodiscard]] bool read_value(PyObject* o, save_snapshot_request& out);
[[nodiscard]] bool read_value(PyObject* o, snapshot_criteria& out);
[[nodiscard]] bool read_value(PyObject* o, timer_cursor& out);

template <class T>
[[nodiscard]] bool read_value(PyObject* o, std::optional<T>& out) {
  if (o == Py_None) return true;
  return read_value(o, out.emplace());
}

template <class T>
[[nodiscard]] bool read_value(PyObject* o, std::vector<T>& out) {
  owned items(PySequence_Fast(o, "a sequence is expected"));
  if (!items) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(items.get());
  out.reserve(static_cast<std::size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i)
    if (!read_value(PySequence_Fast_GET_ITEM(items.get(), i), out.emplace_back())) return false;
  return true;
}

/// The fields of a tuple. `what` names it in the TypeError for another number of them.
template <class... Fs>
[[nodiscard]] bool read_fields(PyObject* o, const char* what, Fs&... fields) {
  owned items(PySequence_Fast(o, what));
  if (!items) return false;
  if (PySequence_Fast_GET_SIZE(items.get()) != static_cast<Py_ssize_t>(sizeof...(Fs))) {
    PyErr_Format(PyExc_TypeError, "%s has %zu fields", what, sizeof...(Fs));
    return false;
  }
  Py_ssize_t i = 0;
  return (read_value(PySequence_Fast_GET_ITEM(items.get(), i++), fields) && ...);
}

// -- to Python: a new reference, or null with an exception set -----------------------------------

[[nodiscard]] PyObject* to_object(const std::string& v);
[[nodiscard]] PyObject* to_object(std::uint64_t v);
[[nodiscard]] PyObject* to_object(std::uint32_t v);
[[nodiscard]] PyObject* to_object(bool v);
[[nodiscard]] PyObject* to_object(wall_time v);
[[nodiscard]] PyObject* to_object(const std::vector<std::byte>& v);
[[nodiscard]] PyObject* to_object(const error& v);
[[nodiscard]] PyObject* to_object(const append_ack& v);
[[nodiscard]] PyObject* to_object(const stored_event& v);
[[nodiscard]] PyObject* to_object(const stored_snapshot& v);
[[nodiscard]] PyObject* to_object(const snapshot_info& v);
[[nodiscard]] PyObject* to_object(const loaded_snapshot& v);
[[nodiscard]] PyObject* to_object(const timer_record& v);
[[nodiscard]] PyObject* to_object(const stored_timer& v);
[[nodiscard]] PyObject* to_object(const outbox_entry& v);
[[nodiscard]] PyObject* to_object(const mark_record& v);

template <class T>
[[nodiscard]] PyObject* to_object(const std::vector<T>& v) {
  owned list(PyList_New(static_cast<Py_ssize_t>(v.size())));
  if (!list) return nullptr;
  Py_ssize_t i = 0;
  for (const T& one : v) {
    PyObject* o = to_object(one);
    if (!o) return nullptr;
    PyList_SET_ITEM(list.get(), i++, o);
  }
  return list.release();
}
template <class T>
[[nodiscard]] PyObject* to_object(const std::optional<T>& v) {
  return v ? to_object(*v) : Py_NewRef(Py_None);
}

/// The instance of that class of `odeon.persistence.records`; takes the fields' references, of
/// which any may be null.
[[nodiscard]] PyObject* make_record(const char* cls, std::initializer_list<PyObject*> stolen);
template <class... Fs>
[[nodiscard]] PyObject* record_of(const char* cls, const Fs&... fields) {
  return make_record(cls, {to_object(fields)...});
}

}  // namespace odeon::python
