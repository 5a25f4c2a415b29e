#include "journal.hpp"

#include "journal_values.hpp"
#include "simulation.hpp"

#include <string_view>
#include <vector>

namespace odeon::python {

namespace {

journal_object& as_journal(PyObject* o) noexcept { return *reinterpret_cast<journal_object*>(o); }

// -- the journal itself --------------------------------------------------------------------------

PyObject* journal_new(PyTypeObject* type, PyObject*, PyObject*) {
  auto* self = reinterpret_cast<journal_object*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  std::construct_at(&self->box, std::make_shared<journal_box>());
  std::construct_at(&self->memory);
  std::construct_at(&self->simulation);
  self->in = &interp_of(type);
  return reinterpret_cast<PyObject*>(self);
}

/// _open(kind, options, store, simulation): `store` is None, or a closed journal in memory to go on
/// with; `simulation` is None, or what it runs on.
PyObject* do_open(PyObject* o, PyObject* args) {
  const entry in_layer;
  journal_object& self = as_journal(o);
  const char* kind = nullptr;
  PyObject *options = nullptr, *store = nullptr, *simulation = nullptr;
  if (!PyArg_ParseTuple(args, "sO!OO:_open", &kind, &PyDict_Type, &options, &store, &simulation))
    return nullptr;
  return guarded(*self.in, [&]() -> PyObject* {
    owned copy(PyDict_Copy(options));
    if (!copy) return nullptr;
    if (self.box->get())
      return raise(*self.in, error(errc::invalid_argument, "it is open already"));
    if (store != Py_None) {
      if (!PyObject_TypeCheck(store, self.in->journal_type) || !as_journal(store).memory ||
          as_journal(store).box->get())
        return raise(*self.in, error(errc::invalid_argument,
                                     "store is a journal in memory that has been closed"));
      self.memory = as_journal(store).memory;
    }
    if (simulation != Py_None && !(self.simulation = read_simulation(*self.in, simulation)))
      return nullptr;
    if (!open_journal(*self.in, self, kind, copy.get())) return nullptr;
    Py_RETURN_NONE;
  });
}

PyObject* do_close(PyObject* o, PyObject*) {
  const entry in_layer;
  if (auto held = as_journal(o).box->take()) {
    const detached out;
    held->close();
    held.reset();
  }
  Py_RETURN_NONE;
}

PyObject* get_is_open(PyObject* o, void*) {
  return PyBool_FromLong(as_journal(o).box->get() != nullptr);
}

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

// -- failures on demand, of a journal in memory --------------------------------------------------

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
  if (auto held = as_journal(o).box->take()) {
    const detached out;
    held.reset();  // closes it, unless a system shares it
  }
  std::destroy_at(&as_journal(o).box);
  std::destroy_at(&as_journal(o).memory);
  std::destroy_at(&as_journal(o).simulation);
  type->tp_free(o);
  Py_DECREF(type);
}
int journal_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  return 0;
}

const PyMethodDef own_methods[] = {
    {"_open", &do_open, METH_VARARGS, nullptr},
    {"close", &do_close, METH_NOARGS,
     "Commits what was accepted, and releases the files. Blocks; calls after it fail."},
    {"stats", &do_stats, METH_NOARGS, "What it has done since it was opened: JournalStats."},
    {"_fail_commits", &do_fail_commits, METH_VARARGS, nullptr},
    {"_hold_commits", &do_hold_commits, METH_O, nullptr},
    {"_damage", &do_damage, METH_VARARGS, nullptr},
};
PyGetSetDef journal_fields[] = {
    {"is_open", &get_is_open, nullptr, "It was opened, and not closed since.", nullptr}, {}};
/// Both tables as the type takes them; kept for ever, as types point into it.
PyMethodDef* methods() {
  static std::vector<PyMethodDef>* const all = [] {
    auto* table = new std::vector<PyMethodDef>(std::begin(own_methods), std::end(own_methods));
    const auto calls = journal_calls();
    table->insert(table->end(), calls.begin(), calls.end());
    table->push_back({});
    return table;
  }();
  return all->data();
}

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
  if (auto held = as_journal(o).box->get()) return held;
  raise(in, error(errc::store_closed, "the journal has been closed"));
  return nullptr;
}

std::shared_ptr<journal_box> journal_box_of(PyObject* o) noexcept { return as_journal(o).box; }

bool add_journal_types(PyObject* module, interp& in) noexcept {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&journal_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(&journal_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(&journal_traverse)},
                         {Py_tp_methods, methods()},
                         {Py_tp_getset, journal_fields},
                         {0, nullptr}};
  PyType_Spec spec = {"odeon._native.Journal", sizeof(journal_object), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  in.journal_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return in.journal_type && PyModule_AddType(module, in.journal_type) == 0;
}

}  // namespace odeon::python
