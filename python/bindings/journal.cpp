#include "journal.hpp"

#include "ask.hpp"
#include "journal_values.hpp"

#include <optional>

namespace odeon::python {

namespace {

journal_object& as_journal(PyObject* o) noexcept { return *reinterpret_cast<journal_object*>(o); }

/// Starts `call(journal, completion)` and gives its `Ask`; `make(T&)` makes the value of it.
template <class T, class Call, class Make>
PyObject* start(PyObject* o, Call&& call, Make make) noexcept {
  const entry in_layer;
  interp& in = *as_journal(o).in;
  return guarded(in, [&]() -> PyObject* {
    const auto to = journal_in(in, o);
    if (!to) return nullptr;
    auto made = make_awaitable(in, runtime_of_journals());
    if (!made.ask) return nullptr;
    call(*to, [done = std::move(made.done),
               make = std::optional<Make>(std::move(make))](result<T> r) mutable {
      if (!r) {
        done.set([e = std::move(r.error())](interp& i) { return raise_of_store(i, e); });
      } else if constexpr (std::is_void_v<T>) {
        make.reset();
        done.set([](interp&) { return Py_NewRef(Py_None); });
      } else {
        auto value = std::make_shared<T>(std::move(*r));
        done.set([value, m = *make](interp&) -> PyObject* { return m(*value); });
      }
    });
    return made.ask;
  });
}
template <class T, class Call>
PyObject* start(PyObject* o, Call&& call) noexcept {
  return start<T>(o, std::forward<Call>(call), [](const auto& v) { return to_object(v); });
}

/// The arguments of a call, read into `fields`; then `go()`.
template <class Go, class... Fs>
PyObject* with_args(PyObject* o, PyObject* const* args, Py_ssize_t n, Go go,
                    Fs&... fields) noexcept {
  const entry in_layer;
  return guarded(*as_journal(o).in, [&]() -> PyObject* {
    if (n != static_cast<Py_ssize_t>(sizeof...(Fs))) {
      PyErr_Format(PyExc_TypeError, "%zu arguments are expected", sizeof...(Fs));
      return nullptr;
    }
    Py_ssize_t i = 0;
    if (!(read_value(args[i++], fields) && ...)) return nullptr;
    return go();
  });
}

using arguments = PyObject* const*;

// -- writing
// ------------------------------------------------------------------------------------------

PyObject* do_append(PyObject* o, arguments args, Py_ssize_t n) {
  append_request r;
  return with_args(
      o, args, n,
      [&] {
        return start<append_ack>(
            o, [&](journal& j, auto done) { j.append(std::move(r), std::move(done)); });
      },
      r.persistence_id, r.epoch, r.expected_sequence, r.events, r.state, r.outbox, r.change_timers,
      r.cancel_timers, r.set_timers, r.marks);
}
PyObject* do_open_writer(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(
            o, [&](journal& j, auto done) { j.open_writer(std::move(id), std::move(done)); });
      },
      id);
}
PyObject* do_save_snapshot(PyObject* o, arguments args, Py_ssize_t n) {
  save_snapshot_request r;
  return with_args(
      o, args, n,
      [&] {
        return start<void>(
            o, [&](journal& j, auto done) { j.save_snapshot(std::move(r), std::move(done)); });
      },
      r.persistence_id, r.epoch, r.sequence, r.manifest, r.version, r.payload, r.keep);
}
PyObject* do_delete_snapshots(PyObject* o, arguments args, Py_ssize_t n) {
  snapshot_criteria c;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(
            o, [&](journal& j, auto done) { j.delete_snapshots(std::move(c), std::move(done)); });
      },
      c.persistence_id, c.min_sequence, c.max_sequence);
}
PyObject* do_acknowledge(PyObject* o, arguments args, Py_ssize_t n) {
  std::vector<std::uint64_t> positions;
  return with_args(
      o, args, n,
      [&] {
        return start<void>(o, [&](journal& j, auto done) {
          j.acknowledge_outbox(std::move(positions), std::move(done));
        });
      },
      positions);
}
PyObject* do_change_timers(PyObject* o, arguments args, Py_ssize_t n) {
  std::vector<timer_change> changes;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(o, [&](journal& j, auto done) {
          j.change_timers(std::move(changes), std::move(done));
        });
      },
      changes);
}

// -- reading
// ------------------------------------------------------------------------------------------

PyObject* do_read_events(PyObject* o, arguments args, Py_ssize_t n) {
  replay_request r;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<stored_event>>(
            o, [&](journal& j, auto done) { read_events(j, std::move(r), std::move(done)); });
      },
      r.persistence_id, r.from_sequence, r.to_sequence, r.max_events);
}
PyObject* do_highest(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(
            o, [&](journal& j, auto done) { j.highest_sequence(std::move(id), std::move(done)); });
      },
      id);
}
PyObject* do_describe(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<id_info>(
            o, [&](journal& j, auto done) { j.describe(std::move(id), std::move(done)); },
            [](const id_info& v) {
              return record_of("IdInfo", v.epoch, v.highest_sequence, v.keeps_states);
            });
      },
      id);
}
PyObject* do_ids(PyObject* o, arguments args, Py_ssize_t n) {
  std::string after;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<std::string>>(o, [&](journal& j, auto done) {
          j.persistence_ids(std::move(after), max, std::move(done));
        });
      },
      after, max);
}
PyObject* do_by_tag(PyObject* o, arguments args, Py_ssize_t n) {
  std::string tag;
  std::uint64_t after = 0, max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<stored_event>>(o, [&](journal& j, auto done) {
          j.by_tag(std::move(tag), after, max, std::move(done));
        });
      },
      tag, after, max);
}
PyObject* do_load_snapshot(PyObject* o, arguments args, Py_ssize_t n) {
  snapshot_criteria c;
  return with_args(
      o, args, n,
      [&] {
        return start<loaded_snapshot>(
            o, [&](journal& j, auto done) { j.load_snapshot(std::move(c), std::move(done)); });
      },
      c.persistence_id, c.min_sequence, c.max_sequence);
}
PyObject* do_snapshots_of(PyObject* o, arguments args, Py_ssize_t n) {
  snapshot_criteria c;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<snapshot_info>>(
            o, [&](journal& j, auto done) { j.snapshots_of(std::move(c), max, std::move(done)); });
      },
      c.persistence_id, c.min_sequence, c.max_sequence, max);
}
PyObject* do_read_mark(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id, name;
  return with_args(
      o, args, n,
      [&] {
        return start<std::uint64_t>(o, [&](journal& j, auto done) {
          j.read_mark(std::move(id), std::move(name), std::move(done));
        });
      },
      id, name);
}
PyObject* do_marks_of(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id, after;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<mark_record>>(o, [&](journal& j, auto done) {
          j.marks_of(std::move(id), std::move(after), max, std::move(done));
        });
      },
      id, after, max);
}
PyObject* do_timers_due(PyObject* o, arguments args, Py_ssize_t n) {
  wall_time until;
  std::optional<timer_cursor> after;
  std::uint64_t max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<stored_timer>>(o, [&](journal& j, auto done) {
          j.timers_due(until, after ? std::move(*after) : timer_cursor(), max, std::move(done));
        });
      },
      until, after, max);
}
PyObject* do_timers_of(PyObject* o, arguments args, Py_ssize_t n) {
  std::string id;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<timer_record>>(
            o, [&](journal& j, auto done) { j.timers_of(std::move(id), std::move(done)); });
      },
      id);
}
PyObject* do_take_outbox(PyObject* o, arguments args, Py_ssize_t n) {
  std::uint64_t after = 0, max = 0;
  return with_args(
      o, args, n,
      [&] {
        return start<std::vector<outbox_entry>>(
            o, [&](journal& j, auto done) { j.take_outbox(after, max, std::move(done)); });
      },
      after, max);
}

// -- the journal itself
// -------------------------------------------------------------------------------

PyObject* journal_new(PyTypeObject* type, PyObject*, PyObject*) {
  auto* self = reinterpret_cast<journal_object*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  std::construct_at(&self->held);
  std::construct_at(&self->memory);
  self->in = &interp_of(type);
  return reinterpret_cast<PyObject*>(self);
}

/// _open(kind, options, store): `store` is None, or a closed journal in memory to go on with.
PyObject* do_open(PyObject* o, PyObject* args) {
  const entry in_layer;
  journal_object& self = as_journal(o);
  const char* kind = nullptr;
  PyObject *options = nullptr, *store = nullptr;
  if (!PyArg_ParseTuple(args, "sO!O:_open", &kind, &PyDict_Type, &options, &store)) return nullptr;
  return guarded(*self.in, [&]() -> PyObject* {
    owned copy(PyDict_Copy(options));
    if (!copy) return nullptr;
    if (self.held) return raise(*self.in, error(errc::invalid_argument, "it is open already"));
    if (store != Py_None) {
      if (!PyObject_TypeCheck(store, self.in->journal_type) || !as_journal(store).memory ||
          as_journal(store).held)
        return raise(*self.in, error(errc::invalid_argument,
                                     "store is a journal in memory that has been closed"));
      self.memory = as_journal(store).memory;
    }
    if (!open_journal(*self.in, self, kind, copy.get())) return nullptr;
    Py_RETURN_NONE;
  });
}

PyObject* do_close(PyObject* o, PyObject*) {
  const entry in_layer;
  if (auto held = std::exchange(as_journal(o).held, nullptr)) {
    const detached out;
    held->close();
    held.reset();
  }
  Py_RETURN_NONE;
}

PyObject* get_is_open(PyObject* o, void*) { return PyBool_FromLong(as_journal(o).held != nullptr); }

PyObject* do_stats(PyObject* o, PyObject*) {
  const entry in_layer;
  interp& in = *as_journal(o).in;
  return guarded(in, [&]() -> PyObject* {
    const auto j = journal_in(in, o);
    if (!j) return nullptr;
    const journal_stats s = j->stats();
    return record_of("JournalStats", s.commits, s.failed_commits, s.appends, s.events, s.refused,
                     s.pending_appends, s.pending_bytes, s.pending_reads);
  });
}

// -- failures on demand, of a journal in memory
// --------------------------------------------------------

template <class F>
PyObject* with_memory(PyObject* o, F f) noexcept {
  const entry in_layer;
  journal_object& self = as_journal(o);
  return guarded(*self.in, [&]() -> PyObject* {
    if (!self.memory)
      return raise(*self.in, error(errc::invalid_argument, "this is no journal in memory"));
    return f(*self.memory);
  });
}
PyObject* do_fail_commits(PyObject* o, PyObject* args) {
  unsigned count = 0;
  int full = 0;
  if (!PyArg_ParseTuple(args, "I|p:_fail_commits", &count, &full)) return nullptr;
  return with_memory(o, [&](memory_store& m) -> PyObject* {
    m.fail_next_commits(count, full ? error(errc::store_full, "no space is left in the store")
                                    : error(errc::io_failed, "the store was told to fail"));
    Py_RETURN_NONE;
  });
}
PyObject* do_hold_commits(PyObject* o, PyObject* hold) {
  return with_memory(o, [&](memory_store& m) -> PyObject* {
    if (hold == Py_True)
      m.hold_commits();
    else
      m.release_commits();
    Py_RETURN_NONE;
  });
}
PyObject* do_damage(PyObject* o, PyObject* args) {
  const char *what = nullptr, *id = nullptr;
  unsigned long long sequence = 0;
  if (!PyArg_ParseTuple(args, "ssK:_damage", &what, &id, &sequence)) return nullptr;
  return with_memory(o, [&](memory_store& m) {
    return PyBool_FromLong(std::string_view(what) == "event" ? m.damage_event(id, sequence)
                                                             : m.damage_snapshot(id, sequence));
  });
}

void journal_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  if (PyType_IS_GC(type)) PyObject_GC_UnTrack(o);
  owned closed;
  if (auto held = std::exchange(as_journal(o).held, nullptr)) {
    const detached out;
    held.reset();  // closes it, unless a system shares it
  }
  std::destroy_at(&as_journal(o).held);
  std::destroy_at(&as_journal(o).memory);
  type->tp_free(o);
  Py_DECREF(type);
}
int journal_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  return 0;
}

template <class F>
PyCFunction fn(F* f) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}

PyMethodDef journal_methods[] = {
    {"_open", &do_open, METH_VARARGS, nullptr},
    {"_append", fn(&do_append), METH_FASTCALL, nullptr},
    {"_open_writer", fn(&do_open_writer), METH_FASTCALL, nullptr},
    {"_save_snapshot", fn(&do_save_snapshot), METH_FASTCALL, nullptr},
    {"_delete_snapshots", fn(&do_delete_snapshots), METH_FASTCALL, nullptr},
    {"_acknowledge_outbox", fn(&do_acknowledge), METH_FASTCALL, nullptr},
    {"_change_timers", fn(&do_change_timers), METH_FASTCALL, nullptr},
    {"_read_events", fn(&do_read_events), METH_FASTCALL, nullptr},
    {"_highest_sequence", fn(&do_highest), METH_FASTCALL, nullptr},
    {"_describe", fn(&do_describe), METH_FASTCALL, nullptr},
    {"_persistence_ids", fn(&do_ids), METH_FASTCALL, nullptr},
    {"_by_tag", fn(&do_by_tag), METH_FASTCALL, nullptr},
    {"_load_snapshot", fn(&do_load_snapshot), METH_FASTCALL, nullptr},
    {"_snapshots_of", fn(&do_snapshots_of), METH_FASTCALL, nullptr},
    {"_read_mark", fn(&do_read_mark), METH_FASTCALL, nullptr},
    {"_marks_of", fn(&do_marks_of), METH_FASTCALL, nullptr},
    {"_timers_due", fn(&do_timers_due), METH_FASTCALL, nullptr},
    {"_timers_of", fn(&do_timers_of), METH_FASTCALL, nullptr},
    {"_take_outbox", fn(&do_take_outbox), METH_FASTCALL, nullptr},
    {"close", &do_close, METH_NOARGS,
     "Commits what was accepted, and releases the files. Blocks; calls after it fail."},
    {"stats", &do_stats, METH_NOARGS, "What it has done since it was opened: JournalStats."},
    {"_fail_commits", &do_fail_commits, METH_VARARGS, nullptr},
    {"_hold_commits", &do_hold_commits, METH_O, nullptr},
    {"_damage", &do_damage, METH_VARARGS, nullptr},
    {}};
PyGetSetDef journal_fields[] = {
    {"is_open", &get_is_open, nullptr, "It was opened, and not closed by this object.", nullptr},
    {}};
PyType_Slot journal_slots[] = {{Py_tp_new, reinterpret_cast<void*>(&journal_new)},
                               {Py_tp_dealloc, reinterpret_cast<void*>(&journal_dealloc)},
                               {Py_tp_traverse, reinterpret_cast<void*>(&journal_traverse)},
                               {Py_tp_methods, journal_methods},
                               {Py_tp_getset, journal_fields},
                               {0, nullptr}};
PyType_Spec journal_spec = {"odeon._native.Journal", sizeof(journal_object), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                            journal_slots};

}  // namespace

runtime& runtime_of_journals() {
  static runtime* const rt = make_threaded_runtime().release();
  return *rt;
}

PyObject* raise_of_store(interp& in, const error& e) noexcept {
  if (e.code() != errc::limit_exceeded) return raise(in, e);
  // A bound of the store, not of what is decoded.
  owned cls(PyObject_GetAttrString(in.errors, "QuotaExceeded"));
  owned text(text_of(e.text()));
  if (cls && text) PyErr_SetObject(cls.get(), text.get());
  return nullptr;
}

std::shared_ptr<journal> journal_in(interp& in, PyObject* o) noexcept {
  if (!PyObject_TypeCheck(o, in.journal_type)) {
    PyErr_Format(PyExc_TypeError, "a Journal is expected, not %.200s", Py_TYPE(o)->tp_name);
    return nullptr;
  }
  if (auto held = as_journal(o).held) return held;
  raise(in, error(errc::store_closed, "the journal has been closed"));
  return nullptr;
}

bool add_journal_types(PyObject* module, interp& in) noexcept {
  in.journal_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &journal_spec, nullptr));
  return in.journal_type && PyModule_AddType(module, in.journal_type) == 0;
}

}  // namespace odeon::python
