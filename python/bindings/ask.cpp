// Asks. An `Ask` is registered with the core when somebody first waits for it; until then the
// answer simply stands in the core's state. The registration holds a reference of the object, given
// back when its node has arrived, or when the registration was taken back.

#include "ask.hpp"

#include "driver.hpp"
#include <odeon/core/actor_system.hpp>

#include <atomic>

namespace odeon::python {

namespace {

ask_object& as_ask(PyObject* o) noexcept { return *reinterpret_cast<ask_object*>(o); }
PyObject* object_of(ask_object& a) noexcept { return reinterpret_cast<PyObject*>(&a); }

/// Takes what the core has: a value, or an exception.
void take(ask_object& a) noexcept {
  detail::future_state_base* s = std::exchange(a.core, nullptr);
  a.now = ask_object::state::done;
  if (s->has_value()) {
    a.value = static_cast<py_value*>(s->storage())->take(*a.in);
  } else {
    raise(*a.in, s->take_error());
  }
  if (!a.value) a.exception = take_exception();
  s->let_go();
  s->drop_ref();
}

void look(ask_object& a) noexcept {
  if (a.now == ask_object::state::pending && a.core && !a.registered && a.core->is_done()) take(a);
}

/// Calls back through the loop, never inside the call.
void call_soon(ask_object& a, PyObject* call, PyObject* context) noexcept {
  PyObject* args[] = {a.at->loop(), call, object_of(a), context};
  owned r(PyObject_VectorcallMethod(a.in->name.call_soon, args, 3,
                                    context ? a.in->kw_context : nullptr));
  if (!r) PyErr_WriteUnraisable(call);
}

template <class F>
void each_callback(ask_object& a, F f) noexcept {
  owned call(std::exchange(a.call, nullptr));
  owned context(std::exchange(a.context, nullptr));
  owned more(std::exchange(a.more, nullptr));
  if (call) f(call.get(), context.get());
  for (Py_ssize_t i = 0; more && i < PyList_GET_SIZE(more.get()); ++i) {
    PyObject* pair = PyList_GET_ITEM(more.get(), i);
    PyObject* c = PyTuple_GET_ITEM(pair, 1);
    f(PyTuple_GET_ITEM(pair, 0), c == Py_None ? nullptr : c);
  }
}

void call_back(ask_object& a) noexcept;

bool wait_in_core(ask_object& a) noexcept {
  if (a.registered || !a.core) return true;
  if (!a.waiter) {
    a.waiter = std::make_unique<ask_waiter>(*a.at, a);
    a.waiter->rt = a.rt;
  }
  if (!a.core->add_waiter(*a.waiter, nullptr)) {
    take(a);
    return false;
  }
  a.registered = true;
  Py_INCREF(object_of(a));
  return true;
}

PyObject* outcome(ask_object& a) noexcept {
  switch (a.now) {
    case ask_object::state::cancelled:
      PyErr_SetObject(a.in->cancelled_error, a.value);  // with what `cancel` was told, if anything
      return nullptr;
    case ask_object::state::pending: {
      owned error(PyObject_GetAttrString(a.in->support, "InvalidStateError"));
      if (error) PyErr_SetString(error.get(), "the answer is not there yet");
      return nullptr;
    }
    case ask_object::state::done: break;
  }
  if (a.exception) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(a.exception)), a.exception);
    return nullptr;
  }
  return Py_NewRef(a.value);
}

bool has_loop(ask_object& a) noexcept {
  if (a.at) return true;
  PyErr_SetString(PyExc_RuntimeError,
                  "this ask was made where no event loop runs: use .wait(), or ask_blocking");
  return false;
}

PySendResult ask_send(PyObject* o, PyObject*, PyObject** out) {
  entry in_layer;
  ask_object& a = as_ask(o);
  look(a);
  if (a.now == ask_object::state::pending) {
    if (!has_loop(a)) return PYGEN_ERROR;
    a.blocking = true;
    *out = Py_NewRef(o);
    return PYGEN_NEXT;
  }
  *out = outcome(a);
  return *out ? PYGEN_RETURN : PYGEN_ERROR;
}

PyObject* ask_next(PyObject* o) {
  PyObject* out = nullptr;
  switch (ask_send(o, Py_None, &out)) {
    case PYGEN_NEXT: return out;
    case PYGEN_RETURN: {
      owned value(out);
      owned stop(PyObject_CallOneArg(PyExc_StopIteration, value.get()));
      if (stop) PyErr_SetObject(PyExc_StopIteration, stop.get());
      return nullptr;
    }
    default: return nullptr;
  }
}

PyObject* ask_self(PyObject* o) { return Py_NewRef(o); }

PyObject* ask_add(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  entry in_layer;
  ask_object& a = as_ask(o);
  if (n != 1) {
    PyErr_SetString(PyExc_TypeError, "add_done_callback takes one callable");
    return nullptr;
  }
  if (!has_loop(a)) return nullptr;
  PyObject* given = kwnames && PyTuple_GET_SIZE(kwnames) == 1 ? args[n] : nullptr;
  owned context(given && given != Py_None ? Py_NewRef(given) : PyContext_CopyCurrent());
  if (!context) return nullptr;
  look(a);
  if (a.now == ask_object::state::pending) wait_in_core(a);
  if (a.now != ask_object::state::pending) {
    call_soon(a, args[0], context.get());
    if (PyErr_Occurred()) return nullptr;
    Py_RETURN_NONE;
  }
  if (!a.call) {
    a.call = Py_NewRef(args[0]);
    a.context = context.release();
    Py_RETURN_NONE;
  }
  if (!a.more && !(a.more = PyList_New(0))) return nullptr;
  owned pair(PyTuple_Pack(2, args[0], context.get()));
  if (!pair || PyList_Append(a.more, pair.get()) != 0) return nullptr;
  Py_RETURN_NONE;
}

PyObject* ask_remove(PyObject* o, PyObject* callback) {
  ask_object& a = as_ask(o);
  long removed = 0;
  if (a.call) {
    const int same = PyObject_RichCompareBool(a.call, callback, Py_EQ);
    if (same < 0) return nullptr;
    if (same) {
      Py_CLEAR(a.call);
      Py_CLEAR(a.context);
      ++removed;
    }
  }
  for (Py_ssize_t i = a.more ? PyList_GET_SIZE(a.more) : 0; i-- > 0;) {
    const int same =
        PyObject_RichCompareBool(PyTuple_GET_ITEM(PyList_GET_ITEM(a.more, i), 0), callback, Py_EQ);
    if (same < 0) return nullptr;
    if (same && PyList_SetSlice(a.more, i, i + 1, nullptr) != 0) return nullptr;
    removed += same;
  }
  return PyLong_FromLong(removed);
}

PyObject* ask_loop(PyObject* o, PyObject*) {
  ask_object& a = as_ask(o);
  if (!has_loop(a)) return nullptr;
  PyObject* loop = a.at->loop();
  return Py_NewRef(loop ? loop : Py_None);
}

PyObject* ask_result(PyObject* o, PyObject*) {
  entry in_layer;
  look(as_ask(o));
  return outcome(as_ask(o));
}

PyObject* ask_exception(PyObject* o, PyObject*) {
  entry in_layer;
  ask_object& a = as_ask(o);
  look(a);
  if (a.now != ask_object::state::done) return outcome(a);
  return Py_NewRef(a.exception ? a.exception : Py_None);
}

PyObject* ask_done(PyObject* o, PyObject*) {
  entry in_layer;
  look(as_ask(o));
  return PyBool_FromLong(as_ask(o).now != ask_object::state::pending);
}

PyObject* ask_cancelled(PyObject* o, PyObject*) {
  return PyBool_FromLong(as_ask(o).now == ask_object::state::cancelled);
}

// The producer is told that nobody waits; a registration that cannot be taken back arrives later.
void give_up(ask_object& a) noexcept {
  detail::future_state_base* s = std::exchange(a.core, nullptr);
  if (!s) return;
  if (a.registered) {
    a.registered = false;
    s->detach_waiter();
    if (!a.late) Py_DECREF(object_of(a));  // the registration's; else its node still comes
  }
  s->let_go();
  s->drop_ref();
}

PyObject* ask_cancel(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  entry in_layer;
  PyObject* told = n > 0 || (kwnames && PyTuple_GET_SIZE(kwnames) > 0) ? args[0] : nullptr;
  ask_object& a = as_ask(o);
  look(a);
  if (a.now != ask_object::state::pending) Py_RETURN_FALSE;
  owned keep = owned::share(o);
  a.now = ask_object::state::cancelled;
  Py_XSETREF(a.value, told == Py_None ? nullptr : Py_XNewRef(told));
  give_up(a);
  if (a.at)
    each_callback(a, [&](PyObject* call, PyObject* context) { call_soon(a, call, context); });
  Py_RETURN_TRUE;
}

PyObject* ask_wait(PyObject* o, PyObject*) {
  entry in_layer;
  return block_on(as_ask(o));
}

PyObject* ask_get_blocking(PyObject* o, void*) { return PyBool_FromLong(as_ask(o).blocking); }
int ask_set_blocking(PyObject* o, PyObject* value, void*) {
  as_ask(o).blocking = value && PyObject_IsTrue(value) == 1;
  return 0;
}

/// What `asyncio.gather` looks at of a future that was cancelled.
PyObject* ask_cancel_message(PyObject* o, void*) {
  const ask_object& a = as_ask(o);
  const bool is_there = a.now == ask_object::state::cancelled && a.value;
  return Py_NewRef(is_there ? a.value : Py_None);
}

int ask_traverse(PyObject* o, visitproc visit, void* arg) {
  ask_object& a = as_ask(o);
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(a.value);
  Py_VISIT(a.exception);
  Py_VISIT(a.call);
  Py_VISIT(a.context);
  Py_VISIT(a.more);
  return 0;
}
int ask_clear(PyObject* o) {
  ask_object& a = as_ask(o);
  Py_CLEAR(a.value);
  Py_CLEAR(a.exception);
  Py_CLEAR(a.call);
  Py_CLEAR(a.context);
  Py_CLEAR(a.more);
  return 0;
}
void ask_dealloc(PyObject* o) {
  entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  ask_object& a = as_ask(o);
  if (a.weak) PyObject_ClearWeakRefs(o);
  if (detail::future_state_base* s = std::exchange(a.core, nullptr)) {
    s->let_go();
    s->drop_ref();
  }
  ask_clear(o);
  std::destroy_at(&a.waiter);
  std::destroy_at(&a.at);
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef ask_methods[] = {
    {"add_done_callback", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&ask_add)),
     METH_FASTCALL | METH_KEYWORDS, "As asyncio.Future's."},
    {"remove_done_callback", &ask_remove, METH_O, "As asyncio.Future's."},
    {"get_loop", &ask_loop, METH_NOARGS, "The loop that it is awaited on."},
    {"result", &ask_result, METH_NOARGS, "The answer; raises when it failed or is not there yet."},
    {"exception", &ask_exception, METH_NOARGS, "Why it failed, or None."},
    {"done", &ask_done, METH_NOARGS, "Whether it has ended."},
    {"cancelled", &ask_cancelled, METH_NOARGS, "Whether it was cancelled."},
    {"cancel", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&ask_cancel)),
     METH_FASTCALL | METH_KEYWORDS, "Gives it up; false: it has ended already."},
    {"wait", &ask_wait, METH_NOARGS, "Blocks the thread until it has ended: the answer."},
    {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS, nullptr},
    {}};
PyGetSetDef ask_fields[] = {
    {"_asyncio_future_blocking", &ask_get_blocking, &ask_set_blocking, nullptr, nullptr},
    {"_cancel_message", &ask_cancel_message, nullptr, nullptr, nullptr},
    {}};
PyMemberDef ask_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ask_object, weak), READONLY, nullptr}, {}};
PyType_Slot ask_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&ask_dealloc)},
                           {Py_tp_traverse, reinterpret_cast<void*>(&ask_traverse)},
                           {Py_tp_clear, reinterpret_cast<void*>(&ask_clear)},
                           {Py_tp_methods, ask_methods},
                           {Py_tp_getset, ask_fields},
                           {Py_tp_members, ask_members},
                           {Py_tp_iter, reinterpret_cast<void*>(&ask_self)},
                           {Py_tp_iternext, reinterpret_cast<void*>(&ask_next)},
                           {Py_am_await, reinterpret_cast<void*>(&ask_self)},
                           {Py_am_send, reinterpret_cast<void*>(&ask_send)},
                           {0, nullptr}};
PyType_Spec ask_spec = {"odeon._native.Ask", sizeof(ask_object), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        ask_slots};

/// Woken by a post; for threads that block.
class blocked_thread final : public task_driver {
 public:
  explicit blocked_thread(runtime& rt) noexcept : rt_(rt) {}
  void post(driver_node& node) noexcept override {
    node_.store(&node, std::memory_order_release);
    word.store(1, std::memory_order_release);
    rt_.wake(word);
  }
  void expect_late_node() noexcept override {}
  [[nodiscard]] bool stop_requested() const noexcept override { return false; }
  [[nodiscard]] std::stop_token stop_token() override { return {}; }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return rt_; }
  void arrive() noexcept {
    if (driver_node* n = node_.exchange(nullptr, std::memory_order_acquire)) n->arrive(*n);
  }

  std::atomic<std::uint32_t> word{0};

 private:
  runtime& rt_;
  std::atomic<driver_node*> node_{nullptr};
};

}  // namespace

namespace {

void call_back(ask_object& a) noexcept {
  host& at = *a.at;
  each_callback(a, [&](PyObject* call, PyObject* context) {
    if (at.is_detached())
      call_soon(a, call, context);
    else
      call_in_context(at, call, context, object_of(a));
  });
}

}  // namespace

void ask_waiter::expect_late_node() noexcept { owner_.late = true; }

void ask_waiter::arrived(driver_node& node) noexcept {
  ask_object& a = owner_;
  owned keep(object_of(a));  // the registration's reference
  node.arrive(node);
  if (std::exchange(a.late, false) || a.now != ask_object::state::pending || !a.core) return;
  a.registered = false;
  take(a);
  call_back(a);
}

PyObject* new_ask(interp& in, runtime& rt, detail::future_state_base* state) noexcept {
  auto* a = reinterpret_cast<ask_object*>(in.ask_type->tp_alloc(in.ask_type, 0));
  if (!a) {
    state->let_go();
    state->drop_ref();
    return nullptr;
  }
  std::construct_at(&a->at);
  std::construct_at(&a->waiter);
  a->core = state;
  a->rt = &rt;
  a->in = &in;
  if (host* h = host_of_running_loop(in)) a->at = h->shared_from_this();
  if (PyErr_Occurred()) {
    Py_DECREF(object_of(*a));
    return nullptr;
  }
  return object_of(*a);
}

void completion::set(py_value::maker make) {
  auto* s = std::exchange(state_, nullptr);
  detail::fulfil<py_value>(*s, std::move(make));
  s->drop_ref();
}

void completion::fail(error e) noexcept {
  auto* s = std::exchange(state_, nullptr);
  s->fail(std::move(e));
  s->drop_ref();
}

awaitable make_awaitable(interp& in, runtime& rt) {
  auto* s = new detail::value_state<py_value, detail::promise_state>(rt);
  PyObject* ask = new_ask(in, rt, s);
  completion done(s);
  return {ask, std::move(done)};
}

namespace {

constexpr const char* word_name = "odeon.word";

PyObject* has_come(PyObject* capsule, PyObject*) {
  const auto* word =
      static_cast<const std::atomic<std::uint32_t>*>(PyCapsule_GetPointer(capsule, word_name));
  return word ? PyBool_FromLong(word->load() != 0) : nullptr;
}
PyMethodDef has_come_function = {"has_come", &has_come, METH_NOARGS, nullptr};

/// One thread runs all of a simulation: its kit goes on until the word is set. False: an exception
/// is set.
bool run_simulation(ask_object& a, std::atomic<std::uint32_t>& word) {
  owned kits(PyImport_ImportModule("odeon.testing.virtual"));
  owned id(PyLong_FromVoidPtr(a.rt));
  owned capsule(PyCapsule_New(&word, word_name, nullptr));
  owned ends(capsule ? PyCFunction_New(&has_come_function, capsule.get()) : nullptr);
  if (!kits || !id || !ends) return false;
  owned done(PyObject_CallMethod(kits.get(), "run_until", "OO", id.get(), ends.get()));
  return static_cast<bool>(done);
}

}  // namespace

PyObject* block_on(ask_object& a) {
  look(a);
  if (a.now != ask_object::state::pending || a.registered) return outcome(a);
  blocked_thread self(*a.rt);
  if (a.core->add_waiter(self, nullptr)) {
    bool interrupted = a.rt->is_simulated() && !run_simulation(a, self.word);
    if (interrupted) {
      owned why(take_exception());
      a.core->fail(errc::cancelled);
      set_exception(why.release());
    }
    while (self.word.load(std::memory_order_acquire) == 0) {
      {
        const detached out;
        if (!detail::spin_until([&] { return self.word.load(std::memory_order_acquire) != 0; })) {
          // In slices: a signal's handler is Python's, and runs on the main thread only.
          a.rt->wait(self.word, 0,
                     a.rt->now(clock_domain::housekeeping) + std::chrono::milliseconds(100));
        }
      }
      if (!interrupted && PyErr_CheckSignals() != 0) {
        interrupted = true;
        a.core->fail(errc::cancelled);  // its node comes now, if it is not on its way already
      }
    }
    self.arrive();
    if (interrupted) {
      owned signal(take_exception());
      take(a);
      set_exception(signal.release());
      return nullptr;
    }
  }
  take(a);
  return outcome(a);
}

bool add_ask_type(PyObject* module, interp& in) noexcept {
  in.ask_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &ask_spec, nullptr));
  return in.ask_type && PyModule_AddType(module, in.ask_type) == 0;
}

}  // namespace odeon::python
