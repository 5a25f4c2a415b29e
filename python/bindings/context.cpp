#include "context.hpp"

#include "ask.hpp"
#include "execution.hpp"
#include "failure.hpp"
#include "interop.hpp"
#include "message.hpp"
#include "ref.hpp"
#include "spawn.hpp"
#include "system.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>

namespace odeon::python {

namespace {

context_object& as_context(PyObject* o) noexcept { return *reinterpret_cast<context_object*>(o); }

/// Calls `f(actor, core context)`; raises where the actor has ended, or another thread calls.
template <class F>
PyObject* with_actor(PyObject* o, F f) noexcept {
  const entry in_layer;
  interp& in = interp_of(o);
  context_object& c = as_context(o);
  return guarded(in, [&]() -> PyObject* {
    if (!c.actor || !c.actor->props().at->is_current())
      return raise(in, c.actor ? error(errc::invalid_argument,
                                       "a context is used on another thread than its actor's")
                               : error(errc::actor_stopped, c.cell->path() + " has ended"));
    return f(in, *c.actor, c.actor->ctx());
  });
}

/// The same inside a handler or hook, for what is about the message in hand or the mailbox.
template <class F>
PyObject* on_turn(PyObject* o, F f) noexcept {
  return with_actor(o, [&](interp& in, py_actor& a, context& ctx) -> PyObject* {
    const detail::turn* t = detail::this_turn();
    if (!t || t->self != &a.cell())
      return raise(in, error(errc::invalid_argument,
                             "this is for a handler's own code, not for a task beside it"));
    return f(in, a, ctx);
  });
}

template <class F>
PyObject* with_ref(PyObject* o, PyObject* ref, F f) noexcept {
  return on_turn(o, [&](interp& in, py_actor&, context& ctx) -> PyObject* {
    const any_ref r = read_ref(in, ref);
    if (!r) return nullptr;
    f(ctx, r);
    Py_RETURN_NONE;
  });
}

// -- who and where -------------------------------------------------------------------------------

PyObject* get_self(PyObject* o, void*) {
  return new_ref(interp_of(o), any_ref::share(as_context(o).cell));
}
PyObject* get_path(PyObject* o, void*) { return text_of(as_context(o).cell->path()); }
PyObject* get_sender(PyObject* o, void*) {
  return with_actor(o, [](interp& in, py_actor&, context& c) { return new_ref(in, c.sender()); });
}
PyObject* get_parent(PyObject* o, void*) {
  return with_actor(o, [](interp& in, py_actor&, context& c) { return new_ref(in, c.parent()); });
}
PyObject* get_children(PyObject* o, void*) {
  return with_actor(o, [](interp& in, py_actor&, context& c) -> PyObject* {
    const auto children = c.children();
    owned list(PyList_New(0));
    for (const any_ref& r : children) {
      owned ref(new_ref(in, r));
      if (!list || !ref || PyList_Append(list.get(), ref.get()) != 0) return nullptr;
    }
    return list.release();
  });
}
PyObject* get_system(PyObject* o, void*) {
  return with_actor(
      o, [](interp& in, py_actor&, context& c) { return system_object_of(in, c.system()); });
}
PyObject* get_trace(PyObject* o, void*) {
  return with_actor(
      o, [](interp&, py_actor&, context& c) { return PyLong_FromUnsignedLongLong(c.trace()); });
}
PyObject* get_log(PyObject* o, void*) {
  const entry in_layer;
  const detail::cell& c = *as_context(o).cell;
  return guarded(interp_of(o), [&]() -> PyObject* {
    owned logs(PyImport_ImportModule("odeon._logs"));
    if (!logs) return nullptr;
    const std::string_view cls = c.get_class().name;
    const std::string path = c.path();
    return PyObject_CallMethod(logs.get(), "ActorLog", "s#s#", cls.data(),
                               static_cast<Py_ssize_t>(cls.size()), path.data(),
                               static_cast<Py_ssize_t>(path.size()));
  });
}
PyObject* get_message(PyObject* o, void*) {
  return with_actor(
      o, [](interp&, py_actor& a, context&) { return Py_NewRef(a.message ? a.message : Py_None); });
}
PyObject* get_stash_size(PyObject* o, void*) {
  return with_actor(
      o, [](interp&, py_actor&, context& c) { return PyLong_FromSize_t(c.stash_size()); });
}
PyObject* get_exit_kind(PyObject* o, void*) {
  return with_actor(o, [](interp&, py_actor&, context& c) {
    static constexpr const char* kinds[] = {"stopped", "failed",        "killed",
                                            "linked",  "no_such_actor", "unreachable"};
    return PyUnicode_FromString(kinds[static_cast<std::size_t>(c.stopping_as())]);
  });
}
PyObject* do_child(PyObject* o, PyObject* name) {
  return with_actor(o, [&](interp& in, py_actor&, context& c) -> PyObject* {
    std::string text;
    if (!read_text(name, "a child's name", text)) return nullptr;
    return new_ref(in, c.child(text));
  });
}

// -- children, watching --------------------------------------------------------------------------

PyObject* do_spawn(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return with_actor(o, [&](interp& in, py_actor& a, context& c) {
    return spawn_from_python(in, c.system(), &a.cell(), a.props().at, args, n, kwnames);
  });
}
PyObject* do_stop(PyObject* o, PyObject* const* args, Py_ssize_t n) {
  return with_actor(o, [&](interp& in, py_actor&, context& c) -> PyObject* {
    if (n == 0) {
      c.stop();
    } else {
      const any_ref r = read_ref(in, args[0]);
      if (!r) return nullptr;
      c.stop(r);
    }
    Py_RETURN_NONE;
  });
}
PyObject* do_kill(PyObject* o, PyObject* ref) {
  return with_actor(o, [&](interp& in, py_actor&, context& c) -> PyObject* {
    const any_ref r = read_ref(in, ref);
    if (!r) return nullptr;
    c.kill(r);
    Py_RETURN_NONE;
  });
}
PyObject* do_watch(PyObject* o, PyObject* r) {
  return with_ref(o, r, [](context& c, const any_ref& ref) { c.watch(ref); });
}
PyObject* do_unwatch(PyObject* o, PyObject* r) {
  return with_ref(o, r, [](context& c, const any_ref& ref) { c.unwatch(ref); });
}
PyObject* do_link(PyObject* o, PyObject* r) {
  return with_ref(o, r, [](context& c, const any_ref& ref) { c.link(ref); });
}
PyObject* do_unlink(PyObject* o, PyObject* r) {
  return with_ref(o, r, [](context& c, const any_ref& ref) { c.unlink(ref); });
}
PyObject* do_trap_exits(PyObject* o, PyObject* on) {
  return on_turn(o, [&](interp&, py_actor&, context& c) -> PyObject* {
    const int yes = PyObject_IsTrue(on);
    if (yes < 0) return nullptr;
    c.trap_exits(yes == 1);
    Py_RETURN_NONE;
  });
}

// -- the message in hand -------------------------------------------------------------------------

/// The ask goes with the message: this handler does not answer it any more.
void give_away(py_actor& a) noexcept {
  if (a.slot) a.slot->ask = nullptr;
}

PyObject* do_reply(PyObject* o, PyObject* value) {
  return with_actor(o, [&](interp& in, py_actor& a, context&) -> PyObject* {
    if (!a.slot)
      return raise(in, error(errc::invalid_argument, "reply is for a handler's own code"));
    return PyBool_FromLong(answer(in, *a.slot, Py_NewRef(value)));
  });
}
PyObject* do_reply_to(PyObject* o, PyObject*) {
  return with_actor(o, [&](interp& in, py_actor& a, context&) -> PyObject* {
    if (!a.slot)
      return raise(in, error(errc::invalid_argument, "reply_to is for a handler's own code"));
    detail::ask_state_base* ask = a.slot->settled ? nullptr : a.slot->ask;
    if (ask) a.slot->settled = true;
    return new_reply_to(in, ask);
  });
}
PyObject* do_stash(PyObject* o, PyObject*) {
  return on_turn(o, [](interp&, py_actor& a, context& c) -> PyObject* {
    c.stash();
    give_away(a);
    Py_RETURN_NONE;
  });
}
PyObject* do_unstash_all(PyObject* o, PyObject*) {
  return on_turn(o, [](interp&, py_actor&, context& c) -> PyObject* {
    c.unstash_all();
    Py_RETURN_NONE;
  });
}
PyObject* do_forward(PyObject* o, PyObject* ref) {
  return on_turn(o, [&](interp& in, py_actor& a, context& c) -> PyObject* {
    const any_ref r = read_ref(in, ref);
    if (!r) return nullptr;
    c.forward(r);
    give_away(a);
    Py_RETURN_NONE;
  });
}

// -- behaviour -----------------------------------------------------------------------------------

PyObject* do_become(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return with_actor(o, [&](interp& in, py_actor& a, context&) -> PyObject* {
    if (n != 1 || !PyCallable_Check(args[0])) {
      PyErr_SetString(PyExc_TypeError, "become takes a callable of (message, ctx)");
      return nullptr;
    }
    bool keep = false;
    if (kwnames && PyTuple_GET_SIZE(kwnames) == 1) keep = PyObject_IsTrue(args[n]) == 1;
    owned call(PyObject_CallMethod(in.support, "behavior_function", "O", args[0]));
    if (!call) return nullptr;
    PyObject* all = a.need_behaviors();
    if (!all) return nullptr;
    const Py_ssize_t size = PyList_GET_SIZE(all);
    if (!keep && size && PyList_SetSlice(all, size - 1, size, nullptr) != 0) return nullptr;
    if (PyList_Append(all, call.get()) != 0) return nullptr;
    Py_RETURN_NONE;
  });
}
PyObject* do_unbecome(PyObject* o, PyObject*) {
  return with_actor(o, [](interp&, py_actor& a, context&) -> PyObject* {
    PyObject* all = a.behaviors();
    const Py_ssize_t size = all ? PyList_GET_SIZE(all) : 0;
    if (size && PyList_SetSlice(all, size - 1, size, nullptr) != 0) return nullptr;
    Py_RETURN_NONE;
  });
}

// -- time ----------------------------------------------------------------------------------------

PyObject* schedule(PyObject* o, PyObject* message, duration initial, duration interval, bool rate) {
  return with_actor(o, [&](interp& in, py_actor& a, context&) -> PyObject* {
    detail::envelope* e = make_py_envelope(in, Py_NewRef(message), true);
    detail::stamp(*e);
    return new_timer(
        in, detail::schedule(a.cell(), *e, interval > duration(0) ? e->type->copy : nullptr,
                             initial, interval, rate));
  });
}
PyObject* do_send_after(PyObject* o, PyObject* args) {
  PyObject *after = nullptr, *message = nullptr;
  duration d{};
  if (!PyArg_ParseTuple(args, "OO:send_after", &after, &message) ||
      !read_seconds(after, "a delay", d))
    return nullptr;
  return schedule(o, message, d, duration(0), false);
}
PyObject* repeated(PyObject* o, PyObject* args, const char* format, bool rate) {
  PyObject *first = nullptr, *every = nullptr, *message = nullptr;
  duration initial{}, interval{};
  if (!PyArg_ParseTuple(args, format, &first, &every, &message) ||
      !read_seconds(first, "the first delay", initial) ||
      !read_seconds(every, "an interval", interval))
    return nullptr;
  if (interval <= duration(0)) {
    PyErr_SetString(PyExc_ValueError, "an interval is longer than zero");
    return nullptr;
  }
  return schedule(o, message, initial, interval, rate);
}
PyObject* do_send_every(PyObject* o, PyObject* args) {
  return repeated(o, args, "OOO:send_every", true);
}
PyObject* do_send_with_delay(PyObject* o, PyObject* args) {
  return repeated(o, args, "OOO:send_with_delay", false);
}
PyObject* do_receive_timeout(PyObject* o, PyObject* seconds) {
  return on_turn(o, [&](interp&, py_actor&, context& c) -> PyObject* {
    duration d{};
    if (seconds != Py_None && !read_seconds(seconds, "a receive timeout", d)) return nullptr;
    c.receive_timeout(d);
    Py_RETURN_NONE;
  });
}
PyObject* do_pipe_to_self(PyObject* o, PyObject* const* args, Py_ssize_t n) {
  return with_actor(o, [&](interp& in, py_actor&, context&) -> PyObject* {
    if (n < 1 || n > 2) {
      PyErr_SetString(PyExc_TypeError,
                      "pipe_to_self takes an awaitable, and a function of its result");
      return nullptr;
    }
    return PyObject_CallMethod(in.support, "pipe_to_self", "OOO", o, args[0],
                               n == 2 ? args[1] : Py_None);
  });
}

void context_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  if (as_context(o).cell) as_context(o).cell->drop_ref();
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef context_methods[] = {
    {"child", &do_child, METH_O, "The child of that name, or None."},
    {"spawn", fn(&do_spawn), METH_FASTCALL | METH_KEYWORDS, "As ActorSystem.spawn: a child."},
    {"stop", fn(&do_stop), METH_FASTCALL,
     "Stops this actor after the message in hand, or another."},
    {"kill", &do_kill, METH_O, "Stops an actor now: a suspended handler is cancelled."},
    {"watch", &do_watch, METH_O, "Terminated will come exactly once."},
    {"unwatch", &do_unwatch, METH_O, "No Terminated of it comes any more."},
    {"link", &do_link, METH_O, "When one ends, the other is stopped, or told if it traps exits."},
    {"unlink", &do_unlink, METH_O, nullptr},
    {"trap_exits", &do_trap_exits, METH_O, "ExitSignal comes in place of the end."},
    {"reply", &do_reply, METH_O, "Answers the message in hand; false: nobody waits."},
    {"reply_to", &do_reply_to, METH_NOARGS, "The right to answer it later, from anywhere."},
    {"stash", &do_stash, METH_NOARGS, "Sets the message in hand aside, its ask with it."},
    {"unstash_all", &do_unstash_all, METH_NOARGS, "All that was set aside comes next."},
    {"forward", &do_forward, METH_O, "Passes the message on, with its sender and its ask."},
    {"become", fn(&do_become), METH_FASTCALL | METH_KEYWORDS,
     "become(handler, *, keep=False): messages go to handler(message, ctx) from now on."},
    {"unbecome", &do_unbecome, METH_NOARGS, "Back to the behaviour before."},
    {"send_after", &do_send_after, METH_VARARGS, "send_after(seconds, message): a Timer."},
    {"send_every", &do_send_every, METH_VARARGS,
     "send_every(first, interval, message): at a fixed rate."},
    {"send_with_delay", &do_send_with_delay, METH_VARARGS,
     "send_with_delay(first, delay, message): with a fixed delay."},
    {"receive_timeout", &do_receive_timeout, METH_O,
     "ReceiveTimeout comes each time no message came for so many seconds; None: no more."},
    {"pipe_to_self", fn(&do_pipe_to_self), METH_FASTCALL,
     "Awaits something beside the mailbox, and sends itself the result."},
    {}};
PyGetSetDef context_fields[] = {
    {"self", &get_self, nullptr, "This actor.", nullptr},
    {"path", &get_path, nullptr, nullptr, nullptr},
    {"sender", &get_sender, nullptr, "Who sent the message, or None.", nullptr},
    {"parent", &get_parent, nullptr, nullptr, nullptr},
    {"children", &get_children, nullptr, nullptr, nullptr},
    {"system", &get_system, nullptr, nullptr, nullptr},
    {"trace", &get_trace, nullptr, "The causal chain's id.", nullptr},
    {"log", &get_log, nullptr, "A logger of its class that names it.", nullptr},
    {"message", &get_message, nullptr, "The message in hand.", nullptr},
    {"stash_size", &get_stash_size, nullptr, nullptr, nullptr},
    {"stopping_as", &get_exit_kind, nullptr, nullptr, nullptr},
    {}};
PyType_Slot context_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&context_dealloc)},
                               {Py_tp_methods, context_methods},
                               {Py_tp_getset, context_fields},
                               {0, nullptr}};
PyType_Spec context_spec = {"odeon._native.Context", sizeof(context_object), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, context_slots};

// -- the right to answer, and timers -------------------------------------------------------------

struct reply_to_object {
  PyObject_HEAD detail::ask_state_base*
      ask;  // with a reference; null: nobody waits, or it has been used
};
reply_to_object& as_reply_to(PyObject* o) noexcept {
  return *reinterpret_cast<reply_to_object*>(o);
}

PyObject* reply_to_call(PyObject* o, PyObject* args, PyObject* kwargs) {
  const entry in_layer;
  PyObject* value = nullptr;
  if (kwargs || !PyArg_ParseTuple(args, "O", &value)) return nullptr;
  detail::ask_state_base* s = std::exchange(as_reply_to(o).ask, nullptr);
  if (!s) Py_RETURN_FALSE;
  return guarded(interp_of(o), [&] {
    const bool taken = give_reply(interp_of(o), *s, value);
    s->drop_ref();
    return PyBool_FromLong(taken);
  });
}
PyObject* reply_to_fail(PyObject* o, PyObject* exc) {
  const entry in_layer;
  if (!PyExceptionInstance_Check(exc)) {
    PyErr_SetString(PyExc_TypeError, "fail takes an exception");
    return nullptr;
  }
  detail::ask_state_base* s = std::exchange(as_reply_to(o).ask, nullptr);
  if (!s) Py_RETURN_FALSE;
  if (s->quiet) {  // one of a router's several: a better answer may come
    const bool taken = s->fail(error_of(exc));
    s->drop_ref();
    return PyBool_FromLong(taken);
  }
  if (!asked_here(*s)) {
    return guarded(interp_of(o), [&] {
      const bool taken = give_failure(interp_of(o), *s, exc, "the request was refused");
      s->drop_ref();
      return PyBool_FromLong(taken);
    });
  }
  auto held = std::make_shared<py_handle>(interp_of(o), Py_NewRef(exc));
  const bool taken = detail::fulfil<py_value>(*s, [held](interp&) -> PyObject* {
    set_exception(Py_NewRef(held->get()));
    return nullptr;
  });
  s->drop_ref();
  return PyBool_FromLong(taken);
}
PyObject* reply_to_open(PyObject* o, void*) {
  return PyBool_FromLong(as_reply_to(o).ask && as_reply_to(o).ask->is_open());
}
void reply_to_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  if (detail::ask_state_base* s = std::exchange(as_reply_to(o).ask, nullptr)) {
    s->fail({errc::no_reply, "the right to answer was let go unused"});
    s->drop_ref();
  }
  type->tp_free(o);
  Py_DECREF(type);
}
PyMethodDef reply_to_methods[] = {
    {"fail", &reply_to_fail, METH_O, "Fails the ask with that exception, and not the actor."}, {}};
PyGetSetDef reply_to_fields[] = {
    {"is_open", &reply_to_open, nullptr, "Whether someone still waits.", nullptr}, {}};
PyType_Slot reply_to_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&reply_to_dealloc)},
                                {Py_tp_call, reinterpret_cast<void*>(&reply_to_call)},
                                {Py_tp_methods, reply_to_methods},
                                {Py_tp_getset, reply_to_fields},
                                {0, nullptr}};
PyType_Spec reply_to_spec = {"odeon._native.ReplyTo", sizeof(reply_to_object), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             reply_to_slots};

struct timer_object {
  PyObject_HEAD timer held;
};
timer& timer_in(PyObject* o) noexcept { return reinterpret_cast<timer_object*>(o)->held; }
PyObject* timer_cancel_it(PyObject* o, PyObject*) {
  const entry in_layer;
  timer_in(o).cancel();
  Py_RETURN_NONE;
}
PyObject* timer_is_active(PyObject* o, void*) { return PyBool_FromLong(timer_in(o).is_active()); }
void timer_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  std::destroy_at(&timer_in(o));
  type->tp_free(o);
  Py_DECREF(type);
}
PyMethodDef timer_methods[] = {{"cancel", &timer_cancel_it, METH_NOARGS, "Idempotent."}, {}};
PyGetSetDef timer_fields[] = {{"is_active", &timer_is_active, nullptr,
                               "Neither cancelled nor, for a single one, fired.", nullptr},
                              {}};
PyType_Slot timer_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&timer_dealloc)},
                             {Py_tp_methods, timer_methods},
                             {Py_tp_getset, timer_fields},
                             {0, nullptr}};
PyType_Spec timer_spec = {"odeon._native.Timer", sizeof(timer_object), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, timer_slots};

}  // namespace

context_object* new_context(interp& in, py_actor& a) noexcept {
  auto* c = reinterpret_cast<context_object*>(in.context_type->tp_alloc(in.context_type, 0));
  if (!c) return nullptr;
  c->actor = &a;
  c->cell = &a.cell();
  c->cell->add_ref();
  return c;
}

PyObject* new_reply_to(interp& in, detail::ask_state_base* ask) noexcept {
  auto* r = reinterpret_cast<reply_to_object*>(in.reply_to_type->tp_alloc(in.reply_to_type, 0));
  if (!r) return nullptr;
  if (ask) ask->add_ref();
  r->ask = ask;
  return reinterpret_cast<PyObject*>(r);
}

PyObject* new_timer(interp& in, timer t) noexcept {
  auto* o = reinterpret_cast<timer_object*>(in.timer_type->tp_alloc(in.timer_type, 0));
  if (!o) return nullptr;
  std::construct_at(&o->held, std::move(t));
  return reinterpret_cast<PyObject*>(o);
}

bool add_context_types(PyObject* module, interp& in) noexcept {
  const auto make = [module](PyType_Spec& spec, PyTypeObject*& out) {
    out = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
    return out && PyModule_AddType(module, out) == 0;
  };
  return make(context_spec, in.context_type) && make(reply_to_spec, in.reply_to_type) &&
         make(timer_spec, in.timer_type);
}

}  // namespace odeon::python
