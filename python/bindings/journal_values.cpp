#include "journal_values.hpp"

#include <cstring>

namespace odeon::python {

bool read_value(PyObject* o, std::string& out) { return read_text(o, "a text", out); }

bool read_value(PyObject* o, std::uint64_t& out) {
  owned number(PyNumber_Index(o));
  if (!number) return false;
  out = PyLong_AsUnsignedLongLong(number.get());
  return out != static_cast<std::uint64_t>(-1) || !PyErr_Occurred();
}

bool read_value(PyObject* o, std::uint32_t& out) {
  std::uint64_t wide = 0;
  if (!read_value(o, wide)) return false;
  if (wide > UINT32_MAX) {
    PyErr_SetString(PyExc_OverflowError, "a number is larger than 32 bits");
    return false;
  }
  out = static_cast<std::uint32_t>(wide);
  return true;
}

bool read_value(PyObject* o, bool& out) {
  const int yes = PyObject_IsTrue(o);
  out = yes == 1;
  return yes >= 0;
}

bool read_value(PyObject* o, wall_time& out) {
  owned number(PyNumber_Index(o));
  if (!number) return false;
  const long long ns = PyLong_AsLongLong(number.get());
  out = wall_time(duration(ns));
  return ns != -1 || !PyErr_Occurred();
}

bool read_value(PyObject* o, std::vector<std::byte>& out) {
  Py_buffer view;
  if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) != 0) return false;
  const auto* at = static_cast<const std::byte*>(view.buf);
  out.assign(at, at + view.len);
  PyBuffer_Release(&view);
  return true;
}

bool read_value(PyObject* o, event_record& out) {
  return read_fields(o, "an event", out.manifest, out.version, out.payload, out.tags);
}
bool read_value(PyObject* o, outbox_message& out) {
  return read_fields(o, "a message of the outbox", out.id, out.target, out.manifest, out.version,
                     out.payload);
}
bool read_value(PyObject* o, timer_record& out) {
  return read_fields(o, "a timer", out.id, out.due, out.manifest, out.version, out.payload);
}
bool read_value(PyObject* o, timer_change& out) {
  return read_fields(o, "a change of a timer", out.persistence_id, out.timer_id, out.only_if_due,
                     out.set);
}
bool read_value(PyObject* o, mark_record& out) {
  return read_fields(o, "a mark", out.name, out.value);
}
bool read_value(PyObject* o, state_record& out) {
  return read_fields(o, "a state", out.manifest, out.version, out.payload, out.keep);
}
bool read_value(PyObject* o, append_request& out) {
  return read_fields(o, "an append", out.persistence_id, out.epoch, out.expected_sequence,
                     out.events, out.state, out.outbox, out.change_timers, out.cancel_timers,
                     out.set_timers, out.marks);
}
bool read_value(PyObject* o, save_snapshot_request& out) {
  return read_fields(o, "a snapshot", out.persistence_id, out.epoch, out.sequence, out.manifest,
                     out.version, out.payload, out.keep);
}
bool read_value(PyObject* o, snapshot_criteria& out) {
  return read_fields(o, "criteria of snapshots", out.persistence_id, out.min_sequence,
                     out.max_sequence);
}
bool read_value(PyObject* o, timer_cursor& out) {
  return read_fields(o, "a place among timers", out.due, out.persistence_id, out.timer_id);
}

PyObject* to_object(const std::string& v) { return text_of(v); }
PyObject* to_object(std::uint64_t v) { return PyLong_FromUnsignedLongLong(v); }
PyObject* to_object(std::uint32_t v) { return PyLong_FromUnsignedLong(v); }
PyObject* to_object(bool v) { return PyBool_FromLong(v); }
PyObject* to_object(wall_time v) { return PyLong_FromLongLong(v.time_since_epoch().count()); }
PyObject* to_object(const std::vector<std::byte>& v) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(v.data()),
                                   static_cast<Py_ssize_t>(v.size()));
}
PyObject* to_object(const error& v) { return text_of(v.to_string()); }

PyObject* to_object(const append_ack& v) { return record_of("AppendAck", v.sequence, v.position); }
PyObject* to_object(const stored_event& v) {
  return record_of("StoredEvent", v.persistence_id, v.sequence, v.position, v.epoch, v.written,
                   v.event.manifest, v.event.version, v.event.payload, v.event.tags);
}
PyObject* to_object(const stored_snapshot& v) {
  return record_of("StoredSnapshot", v.sequence, v.written, v.manifest, v.version, v.payload);
}
PyObject* to_object(const snapshot_info& v) {
  return record_of("SnapshotInfo", v.sequence, v.written, v.manifest, v.version, v.bytes,
                   v.damaged);
}
PyObject* to_object(const loaded_snapshot& v) {
  return record_of("LoadedSnapshot", v.snapshot, v.damaged);
}
PyObject* to_object(const timer_record& v) {
  return record_of("TimerRecord", v.id, v.due, v.manifest, v.version, v.payload);
}
PyObject* to_object(const stored_timer& v) {
  return record_of("StoredTimer", v.persistence_id, v.timer);
}
PyObject* to_object(const outbox_entry& v) {
  return record_of("OutboxEntry", v.position, v.persistence_id, v.sequence, v.message.id,
                   v.message.target, v.message.manifest, v.message.version, v.message.payload);
}
PyObject* to_object(const mark_record& v) { return record_of("Mark", v.name, v.value); }

PyObject* make_record(const char* cls, std::initializer_list<PyObject*> stolen) {
  owned fields(PyTuple_New(static_cast<Py_ssize_t>(stolen.size())));
  bool good = static_cast<bool>(fields);
  Py_ssize_t i = 0;
  for (PyObject* o : stolen) {
    good = good && o;
    if (fields && o)
      PyTuple_SET_ITEM(fields.get(), i++, o);
    else
      Py_XDECREF(o);
  }
  if (!good) return nullptr;
  // The module was imported by whoever called; this is a look into sys.modules.
  owned records(PyImport_ImportModule("odeon.persistence.records"));
  owned made(records ? PyObject_GetAttrString(records.get(), cls) : nullptr);
  return made ? PyObject_CallObject(made.get(), fields.get()) : nullptr;
}

}  // namespace odeon::python
