// Drivers and waiters; the order of things is in driver.hpp.
//
// Cancellation. `task.cancel()` reaches a handler as asyncio defines it. While its first step runs,
// the waiter refuses, because it is not what is being waited for: the task notes the request and
// throws into the driver at its next step, and `driver_throw` cancels the future that the handler
// had awaited meanwhile; where the handler ended in that step, the driver ends as well (`discard`).
// While the handler is suspended, the task cancels the awaited future, whose end throws as usual.
// While the driver is parked, the waiter ends it: that is what `asyncio.run` does at exit.
//
// A driver whose task still counts a request to cancel when its handler has ended ends with it, so
// that no other handler inherits the request, and who cancels all tasks of a loop sees them end.

#include "driver.hpp"

#include "ask.hpp"
#include "core/internal/extension.hpp"
#include "execution.hpp"

namespace odeon::python {

namespace {

interp& interp_at(PyObject* o) noexcept { return interp_of(Py_TYPE(o)); }

driver& as_driver(PyObject* o) noexcept { return *reinterpret_cast<driver*>(o); }
waiter& as_waiter(PyObject* o) noexcept { return *reinterpret_cast<waiter*>(o); }

// -- the waiter: the future protocol, as much as a task uses -------------------------------------

PyObject* waiter_get_blocking(PyObject* o, void*) { return PyBool_FromLong(as_waiter(o).blocking); }
int waiter_set_blocking(PyObject* o, PyObject* value, void*) {
  as_waiter(o).blocking = value && PyObject_IsTrue(value) == 1;
  return 0;
}

PyObject* waiter_add(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  waiter& w = as_waiter(o);
  if (n < 1) {
    PyErr_SetString(PyExc_TypeError, "add_done_callback takes a callable");
    return nullptr;
  }
  PyObject* context = kwnames && PyTuple_GET_SIZE(kwnames) == 1 ? args[n] : nullptr;
  Py_XSETREF(w.call, Py_NewRef(args[0]));
  Py_XSETREF(w.context, context == Py_None ? nullptr : Py_XNewRef(context));
  w.at->park(*w.of);
  Py_RETURN_NONE;
}

PyObject* waiter_result(PyObject* o, PyObject*) {
  waiter& w = as_waiter(o);
  if (std::exchange(w.cancelled, false)) {
    PyErr_SetNone(interp_at(o).cancelled_error);
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* waiter_loop(PyObject* o, PyObject*) {
  PyObject* loop = as_waiter(o).at->loop();
  return Py_NewRef(loop ? loop : Py_None);
}

/// The parked driver's task is woken by the loop, and ends. False: an exception is set.
bool end_parked(waiter& w) noexcept {
  PyObject* o = reinterpret_cast<PyObject*>(&w);
  w.cancelled = true;
  w.at->forget(*w.of);
  owned call(std::exchange(w.call, nullptr));
  owned context(std::exchange(w.context, nullptr));
  PyObject* args[] = {w.at->loop(), call.get(), o, context.get()};
  owned r(PyObject_VectorcallMethod(interp_at(o).name.call_soon, args, 3,
                                    context ? interp_at(o).kw_context : nullptr));
  return static_cast<bool>(r);
}

PyObject* waiter_cancel(PyObject* o, PyObject* const*, Py_ssize_t, PyObject*) {
  waiter& w = as_waiter(o);
  // Entered or about to be woken: the task is to note the request for its next step.
  if (w.of && w.call && w.at->entered_driver() == w.of) {
    w.of->asked = true;
    Py_RETURN_FALSE;
  }
  if (!w.of || !w.call || w.of->x) Py_RETURN_FALSE;
  if (!end_parked(w)) return nullptr;
  Py_RETURN_TRUE;
}

PyObject* waiter_done(PyObject*, PyObject*) { Py_RETURN_FALSE; }

int waiter_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(as_waiter(o).call);
  Py_VISIT(as_waiter(o).context);
  return 0;
}
int waiter_clear(PyObject* o) {
  Py_CLEAR(as_waiter(o).call);
  Py_CLEAR(as_waiter(o).context);
  return 0;
}
void waiter_dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  waiter_clear(o);
  type->tp_free(o);
  Py_DECREF(type);
}

// -- the driver ----------------------------------------------------------------------------------

/// The handler has ended; its result or its exception is in `x`.
void ended(driver& d) noexcept {
  execution* x = std::exchange(d.x, nullptr);
  x->by = nullptr;
  interp& in = interp_at(reinterpret_cast<PyObject*>(&d));
  owned requests(PyObject_CallMethodNoArgs(d.task, in.name.cancelling));
  d.spent = requests && PyLong_AsLong(requests.get()) > 0;
  if (PyErr_Occurred()) PyErr_Clear();
  x->finished();
}

/// Tells the core which ask a suspended handler waits for, directly: for diagnostics, for texts of
/// time-outs, and so that asks that wait for each other are found.
void note_wait(execution& x, PyObject* awaited) noexcept {
  if (!x.actor) return;
  detail::cell& c = x.actor->cell();
  detail::cell_extension* ext = c.extension_if();
  if (!ext || c.get_class().reentrant) return;
  const void* ask = nullptr;
  if (Py_TYPE(awaited) == x.in.ask_type) {
    const detail::future_state_base* core = reinterpret_cast<ask_object*>(awaited)->core;
    ask = core ? core->as_ask() : nullptr;
  }
  if (!ask && !ext->waiting_ask.load(std::memory_order_relaxed)) return;
  ext->waiting_ask.store(ask);
  if (!ask) return;
  // Of a cycle's actors, whoever begins to wait last sees that the others do.
  const_cast<detail::ask_state_base*>(static_cast<const detail::ask_state_base*>(ask))
      ->look_for_cycle();
}

/// Steps until the handler suspends (`out` is what it awaits), or there is nothing to drive. A
/// driver whose task was cancelled, or whose loop ends, returns then.
PySendResult run(driver& d, PyObject** out) noexcept {
  while (execution* x = d.x) {
    if (x->pending) {
      *out = std::exchange(x->pending, nullptr);
      note_wait(*x, *out);
      return PYGEN_NEXT;
    }
    if (x->step(out) == execution::state::suspended) {
      note_wait(*x, *out);
      return PYGEN_NEXT;
    }
    ended(d);
  }
  if (d.spent || d.at->is_detached()) {
    d.at->release(d);
    Py_CLEAR(d.task);
    *out = Py_NewRef(Py_None);
    return PYGEN_RETURN;
  }
  waiter& w = *d.parked_on;
  w.blocking = true;
  *out = Py_NewRef(reinterpret_cast<PyObject*>(&w));
  return PYGEN_NEXT;
}

PySendResult driver_send_slot(PyObject* o, PyObject*, PyObject** out) {
  entry in_layer;
  return run(as_driver(o), out);
}

PyObject* result_of(PySendResult r, PyObject* out) {
  if (r != PYGEN_RETURN) return out;
  Py_DECREF(out);  // None
  PyErr_SetNone(PyExc_StopIteration);
  return nullptr;
}

PyObject* driver_send(PyObject* o, PyObject*) {
  PyObject* out = nullptr;
  const PySendResult r = driver_send_slot(o, Py_None, &out);
  return result_of(r, out);
}

PyObject* driver_next(PyObject* o) { return driver_send(o, nullptr); }

PyObject* driver_throw(PyObject* o, PyObject* const* args, Py_ssize_t n) {
  entry in_layer;
  driver& d = as_driver(o);
  if (n < 1) {
    PyErr_SetString(PyExc_TypeError, "throw takes an exception");
    return nullptr;
  }
  execution* x = d.x;
  if (!x) {  // cancelled while parked: the task ends
    if (d.at) d.at->release(d);
    if (PyExceptionInstance_Check(args[0]))
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(args[0])), args[0]);
    else
      PyErr_SetNone(args[0]);
    Py_CLEAR(d.task);
    return nullptr;
  }
  interp& in = interp_at(o);
  if (x->pending) {
    // Asked while the first step ran: as a task does, the awaited future is cancelled.
    owned pending(std::exchange(x->pending, nullptr));
    owned cancelled(PyObject_CallMethodNoArgs(pending.get(), in.name.cancel));
    if (cancelled && PyObject_IsTrue(cancelled.get()) == 1) return pending.release();
    PyErr_Clear();
  }
  PyObject* out = nullptr;
  if (x->throw_in(args[0], &out) == execution::state::suspended) return out;
  ended(d);
  const PySendResult r = run(d, &out);
  return result_of(r, out);
}

PyObject* driver_close(PyObject* o, PyObject*) {
  entry in_layer;
  driver& d = as_driver(o);
  if (execution* x = std::exchange(d.x, nullptr)) {
    x->by = nullptr;
    x->close();
    x->finished();
  }
  if (d.at) d.at->release(d);
  Py_RETURN_NONE;
}

PyObject* driver_self(PyObject* o) { return Py_NewRef(o); }

int driver_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(as_driver(o).task);
  Py_VISIT(reinterpret_cast<PyObject*>(as_driver(o).parked_on));
  return 0;
}
int driver_clear(PyObject* o) {
  Py_CLEAR(as_driver(o).task);
  return 0;
}
void driver_dealloc(PyObject* o) {
  entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  driver& d = as_driver(o);
  if (execution* x = std::exchange(d.x, nullptr)) {  // its task was thrown away, with its loop
    x->by = nullptr;
    x->close();
    x->finished();
  }
  if (d.at) d.at->forget(d);
  driver_clear(o);
  if (d.parked_on) {
    d.parked_on->of = nullptr;
    Py_CLEAR(d.parked_on->call);
    Py_DECREF(reinterpret_cast<PyObject*>(d.parked_on));
  }
  std::destroy_at(&d.at);
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef waiter_methods[] = {
    {"add_done_callback", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&waiter_add)),
     METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"result", &waiter_result, METH_NOARGS, nullptr},
    {"get_loop", &waiter_loop, METH_NOARGS, nullptr},
    {"done", &waiter_done, METH_NOARGS, nullptr},
    {"cancel", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&waiter_cancel)),
     METH_FASTCALL | METH_KEYWORDS, nullptr},
    {}};
PyGetSetDef waiter_fields[] = {
    {"_asyncio_future_blocking", &waiter_get_blocking, &waiter_set_blocking, nullptr, nullptr}, {}};
PyType_Slot waiter_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&waiter_dealloc)},
                              {Py_tp_traverse, reinterpret_cast<void*>(&waiter_traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(&waiter_clear)},
                              {Py_tp_methods, waiter_methods},
                              {Py_tp_getset, waiter_fields},
                              {0, nullptr}};
PyType_Spec waiter_spec = {
    "odeon._native.Waiter", sizeof(waiter), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, waiter_slots};

PyMethodDef driver_methods[] = {
    {"send", &driver_send, METH_O, nullptr},
    {"throw", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&driver_throw)), METH_FASTCALL,
     nullptr},
    {"close", &driver_close, METH_NOARGS, nullptr},
    {}};
PyType_Slot driver_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&driver_dealloc)},
                              {Py_tp_traverse, reinterpret_cast<void*>(&driver_traverse)},
                              {Py_tp_clear, reinterpret_cast<void*>(&driver_clear)},
                              {Py_tp_methods, driver_methods},
                              {Py_tp_iter, reinterpret_cast<void*>(&driver_self)},
                              {Py_tp_iternext, reinterpret_cast<void*>(&driver_next)},
                              {Py_am_await, reinterpret_cast<void*>(&driver_self)},
                              {Py_am_send, reinterpret_cast<void*>(&driver_send_slot)},
                              {0, nullptr}};
PyType_Spec driver_spec = {
    "odeon._native.Driver", sizeof(driver), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, driver_slots};

}  // namespace

driver* new_driver_object(host& at, execution* first) noexcept {
  interp& in = at.home();
  auto* w = reinterpret_cast<waiter*>(in.waiter_type->tp_alloc(in.waiter_type, 0));
  if (!w) return nullptr;
  w->at = &at;
  auto* d = reinterpret_cast<driver*>(in.driver_type->tp_alloc(in.driver_type, 0));
  if (!d) {
    Py_DECREF(reinterpret_cast<PyObject*>(w));
    return nullptr;
  }
  w->of = d;
  std::construct_at(&d->at, at.shared_from_this());
  at.add(*d);
  d->parked_on = w;
  PyObject* args[] = {nullptr, reinterpret_cast<PyObject*>(d), at.loop()};
  d->task =
      PyObject_Vectorcall(in.task_class, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, in.kw_loop);
  if (!d->task) {
    Py_DECREF(reinterpret_cast<PyObject*>(d));
    return nullptr;
  }
  if (PyObject_SetAttrString(d->task, "_log_destroy_pending", Py_False) != 0) PyErr_Clear();
  if (first) {
    d->x = first;
    first->by = d;
  }
  Py_DECREF(reinterpret_cast<PyObject*>(d));  // the task holds it
  return d;
}

void call_in_context(host& at, PyObject* call, PyObject* context, PyObject* arg) noexcept {
  interp& in = at.home();
  if (context && PyContext_Enter(context) != 0) {
    PyErr_Clear();
    PyObject* args[] = {at.loop(), call, arg, context};
    owned r(PyObject_VectorcallMethod(in.name.call_soon, args, 3, in.kw_context));
    if (!r) PyErr_WriteUnraisable(call);
    return;
  }
  owned r(PyObject_CallOneArg(call, arg));
  if (!r) PyErr_WriteUnraisable(call);
  if (context && PyContext_Exit(context) != 0) PyErr_WriteUnraisable(call);
}

void wake(driver& d) noexcept {
  waiter& w = *d.parked_on;
  if (!w.call) return;  // its task has yet to begin: it looks at `x` then
  owned keep = owned::share(reinterpret_cast<PyObject*>(&w));
  owned call(std::exchange(w.call, nullptr));
  owned context(std::exchange(w.context, nullptr));
  call_in_context(*d.at, call.get(), context.get(), keep.get());
}

void discard(driver& d) noexcept {
  if (is_parked(d) && !end_parked(*d.parked_on)) PyErr_WriteUnraisable(d.task);
}

bool add_driver_types(PyObject* module, interp& in) noexcept {
  in.waiter_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &waiter_spec, nullptr));
  in.driver_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &driver_spec, nullptr));
  return in.waiter_type && in.driver_type;
}

}  // namespace odeon::python
