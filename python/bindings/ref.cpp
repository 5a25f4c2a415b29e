#include "ref.hpp"

#include "actor.hpp"
#include "ask.hpp"
#include "interop.hpp"
#include "message.hpp"
#include "routing.hpp"
#include "system.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>

#include <optional>

namespace odeon::python {

namespace {

ref_object& as_ref(PyObject* o) noexcept { return *reinterpret_cast<ref_object*>(o); }

/// Whether objects of this interpreter go to that cell as they are.
bool takes_objects(interp& in, const detail::cell& c) noexcept {
  if (is_python(c)) return &static_cast<host&>(c.where()).home() == &in && !class_of(c).outgoing;
  if (detail::far_target_of(c)) return false;
  const detail::stand_in* s = detail::stand_in_of(c);
  return s && s->accepts(message_type_for(in, in.ref_type)) && !is_mixed_router(c);
}

/// Delivers; lets the interpreter go first where a full mailbox is waited for.
void deliver(detail::cell& to, detail::envelope& e) {
  if (to.extension_if() && !detail::this_ambient && detail::tell_may_wait(to)) {
    const detached out;
    to.deliver(e);
    return;
  }
  to.deliver(e);
}

bool read_options(interp& in, PyObject* const* values, PyObject* kwnames, tell_options& out) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); ++i)
    if (!read_tell_option(in, PyTuple_GET_ITEM(kwnames, i), values[i], out)) return false;
  return true;
}

PyObject* need_message(Py_ssize_t n, const char* what) {
  if (n != 1) PyErr_Format(PyExc_TypeError, "%s takes one message, and options by name", what);
  return nullptr;
}

PyObject* ref_tell(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const entry in_layer;
  interp& in = as_ref(o).home();
  if (n != 1) [[unlikely]]
    return need_message(n, "tell");
  return guarded(in, [&]() -> PyObject* {
    detail::cell& to = *as_ref(o).cell;
    std::optional<tell_options> options;
    if (kwnames && PyTuple_GET_SIZE(kwnames)) [[unlikely]] {
      if (!read_options(in, args + n, kwnames, options.emplace())) return nullptr;
    }
    if (!as_ref(o).is_direct() && !takes_objects(in, to)) [[unlikely]] {
      if (send_foreign(in, to, args[0], options ? &*options : nullptr) != 0) return nullptr;
      Py_RETURN_NONE;
    }
    if (!as_ref(o).is_direct() && (!options || options->key == 0)) [[unlikely]] {
      std::uint64_t key = 0;
      if (!find_routing_key(in, to, args[0], key)) return nullptr;
      if (key) (options ? *options : options.emplace()).key = key;
    }
    detail::envelope* e = make_py_envelope(in, Py_NewRef(args[0]), options.has_value());
    detail::stamp(*e);
    if (options) detail::set_options(*e, to, *options);
    deliver(to, *e);
    Py_RETURN_NONE;
  });
}

PyObject* ref_try_tell(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject*) {
  const entry in_layer;
  interp& in = as_ref(o).home();
  if (n != 1) return need_message(n, "try_tell");
  return guarded(in, [&]() -> PyObject* {
    detail::cell& to = *as_ref(o).cell;
    if (!takes_objects(in, to)) {
      if (send_foreign(in, to, args[0], nullptr) != 0) return nullptr;
      Py_RETURN_NONE;
    }
    detail::envelope* e = make_py_envelope(in, Py_NewRef(args[0]), false);
    detail::stamp(*e);
    const auto outcome = detail::try_deliver(to, *e);
    if (!outcome) return raise(in, outcome.error());
    Py_RETURN_NONE;
  });
}

PyObject* ref_tell_wait(PyObject* o, PyObject* message) {
  const entry in_layer;
  interp& in = as_ref(o).home();
  return guarded(in, [&]() -> PyObject* {
    detail::cell& to = *as_ref(o).cell;
    runtime* rt = detail::runtime_of(to.system());
    if (!rt) return raise(in, error(errc::system_stopped, "the actor system has ended"));
    auto [ask, done] = make_awaitable(in, *rt);
    if (!ask) return nullptr;
    owned held(ask);
    if (!takes_objects(in, to)) {
      if (send_foreign(in, to, message, nullptr) != 0) return nullptr;
      done.set([](interp&) { return Py_NewRef(Py_None); });
      return held.release();
    }
    detail::envelope* e = make_py_envelope(in, Py_NewRef(message), false);
    detail::stamp(*e);
    auto shared = std::make_shared<completion>(std::move(done));
    detail::deliver_wait(to, *e).then([shared](result<void> r) {
      if (r)
        shared->set([](interp&) { return Py_NewRef(Py_None); });
      else
        shared->fail(std::move(r.error()));
    });
    return held.release();
  });
}

/// Sends the request; the `Ask`.
PyObject* begin_ask(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  interp& in = as_ref(o).home();
  if (n != 1) [[unlikely]]
    return need_message(n, "ask");
  if (process_forked.load(std::memory_order_relaxed)) [[unlikely]]
    return raise_forked(in);
  return guarded(in, [&]() -> PyObject* {
    detail::cell& to = *as_ref(o).cell;
    duration limit{-1};
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); ++i) {
      if (PyTuple_GET_ITEM(kwnames, i) != in.name.timeout &&
          PyUnicode_Compare(PyTuple_GET_ITEM(kwnames, i), in.name.timeout) != 0) {
        PyErr_Format(PyExc_TypeError, "ask has no option %R", PyTuple_GET_ITEM(kwnames, i));
        return nullptr;
      }
      if (args[n + i] == Py_None)
        limit = duration(0);
      else if (!read_seconds(args[n + i], "timeout", limit))
        return nullptr;
      else if (limit == duration(0))
        limit = duration(1);
    }
    const bool direct = as_ref(o).is_direct();
    if (!direct && !takes_objects(in, to)) [[unlikely]]
      return ask_foreign(in, to, args[0], limit);
    runtime* rt = detail::runtime_of(to.system());
    if (!rt) return raise(in, error(errc::system_stopped, "the actor system has ended"));
    tell_options routed;
    if (!direct && !find_routing_key(in, to, args[0], routed.key)) return nullptr;
    detail::envelope* e = make_py_envelope(in, Py_NewRef(args[0]), routed.key != 0);
    if (routed.key) detail::set_options(*e, to, routed);
    auto* s = new py_ask_state();
    detail::stamp(*e);
    s->trace = e->trace;
    s->begin(to, *e->type, true);
    if (limit >= duration(0)) s->set_timeout(limit);
    e->from = s;
    e->flags |= detail::envelope::is_ask;
    deliver(to, *e);
    return new_ask(in, *rt, s);
  });
}

PyObject* ref_ask(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const entry in_layer;
  return begin_ask(o, args, n, kwnames);
}

PyObject* ref_ask_blocking(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  const entry in_layer;
  interp& in = as_ref(o).home();
  const host* here = host::current();
  if (here && static_cast<const executor*>(here) == &as_ref(o).cell->where() &&
      (detail::this_ambient || !here->is_simulated()))
    return raise(in, error(errc::would_block,
                           "ask_blocking on the thread that runs " + as_ref(o).cell->path() +
                               ": it would wait for itself; use `await ref.ask(…)`"));
  owned ask(begin_ask(o, args, n, kwnames));
  if (!ask) return nullptr;
  return guarded(in, [&] { return block_on(*reinterpret_cast<ask_object*>(ask.get())); });
}

PyObject* ref_path(PyObject* o, void*) { return text_of(as_ref(o).cell->path()); }
PyObject* ref_name(PyObject* o, void*) {
  const std::string path = as_ref(o).cell->path();
  return text_of(std::string_view(path).substr(path.rfind('/') + 1));
}
PyObject* ref_uid(PyObject* o, void*) { return PyLong_FromUnsignedLongLong(as_ref(o).cell->uid()); }
PyObject* ref_terminated(PyObject* o, PyObject*) {
  return PyBool_FromLong(as_ref(o).cell->is_terminated());
}

PyObject* ref_repr(PyObject* o) {
  return PyUnicode_FromFormat("<ActorRef %s%s>", as_ref(o).cell->path().c_str(),
                              as_ref(o).cell->is_terminated() ? " (stopped)" : "");
}
Py_hash_t ref_hash(PyObject* o) {
  const auto h = static_cast<Py_hash_t>(reinterpret_cast<std::uintptr_t>(as_ref(o).cell) >> 6);
  return h == -1 ? -2 : h;
}
PyObject* ref_compare(PyObject* a, PyObject* b, int op) {
  if (Py_TYPE(a) != Py_TYPE(b)) Py_RETURN_NOTIMPLEMENTED;
  const auto x = reinterpret_cast<std::uintptr_t>(as_ref(a).cell);
  const auto y = reinterpret_cast<std::uintptr_t>(as_ref(b).cell);
  Py_RETURN_RICHCOMPARE(x, y, op);
}
void ref_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  if (as_ref(o).cell) as_ref(o).cell->drop_ref();
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef ref_methods[] = {
    {"tell", fn(&ref_tell), METH_FASTCALL | METH_KEYWORDS,
     "tell(message, *, ttl=None, key=None, priority=0)\n--\n\nSends, and never waits."},
    {"try_tell", fn(&ref_try_tell), METH_FASTCALL | METH_KEYWORDS,
     "Sends; raises ActorStopped or MailboxFull, as far as that is known now."},
    {"tell_wait", &ref_tell_wait, METH_O,
     "Sends; awaited, it waits for room in a full mailbox that blocks."},
    {"ask", fn(&ref_ask), METH_FASTCALL | METH_KEYWORDS,
     "ask(message, *, timeout=…)\n--\n\nSends a request; awaited, it gives the reply."},
    {"ask_blocking", fn(&ref_ask_blocking), METH_FASTCALL | METH_KEYWORDS,
     "ask_blocking(message, *, timeout=…)\n--\n\nSends a request and blocks for the reply."},
    {"is_terminated", &ref_terminated, METH_NOARGS, "Whether the actor has stopped for good."},
    {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS, nullptr},
    {}};
PyGetSetDef ref_fields[] = {{"path", &ref_path, nullptr, "\"/user/bank/account-17\"", nullptr},
                            {"name", &ref_name, nullptr, "The last part of the path.", nullptr},
                            {"uid", &ref_uid, nullptr, "Of this incarnation.", nullptr},
                            {}};
PyType_Slot ref_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&ref_dealloc)},
                           {Py_tp_methods, ref_methods},
                           {Py_tp_getset, ref_fields},
                           {Py_tp_repr, reinterpret_cast<void*>(&ref_repr)},
                           {Py_tp_hash, reinterpret_cast<void*>(&ref_hash)},
                           {Py_tp_richcompare, reinterpret_cast<void*>(&ref_compare)},
                           {0, nullptr}};
PyType_Spec ref_spec = {"odeon._native.ActorRef", sizeof(ref_object), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, ref_slots};

}  // namespace

bool read_tell_option(interp& in, PyObject* name, PyObject* value, tell_options& out) {
  if (PyUnicode_Compare(name, in.name.ttl) == 0)
    return value == Py_None || read_seconds(value, "ttl", out.ttl);
  if (PyUnicode_Compare(name, in.name.key) == 0)
    return value == Py_None || read_routing_key(value, out.key);
  if (PyUnicode_Compare(name, in.name.priority) == 0) {
    out.priority = static_cast<int>(PyLong_AsLong(value));
    return !PyErr_Occurred();
  }
  PyErr_Format(PyExc_TypeError, "tell has no option %R: there are ttl, key and priority", name);
  return false;
}

PyObject* new_ref(interp& in, any_ref ref) noexcept {
  if (!ref) Py_RETURN_NONE;
  auto* r = reinterpret_cast<ref_object*>(in.ref_type->tp_alloc(in.ref_type, 0));
  if (!r) return nullptr;
  r->cell = ref.get();
  r->cell->add_ref();
  r->where =
      reinterpret_cast<std::uintptr_t>(&in) | (is_python(*r->cell) && takes_objects(in, *r->cell));
  return reinterpret_cast<PyObject*>(r);
}

any_ref read_ref(interp& in, PyObject* o) noexcept {
  if (Py_TYPE(o) == in.ref_type) return any_ref::share(as_ref(o).cell);
  PyErr_Format(PyExc_TypeError, "an ActorRef is expected, not %.200s", Py_TYPE(o)->tp_name);
  return {};
}

bool add_ref_type(PyObject* module, interp& in) noexcept {
  in.ref_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &ref_spec, nullptr));
  return in.ref_type && PyModule_AddType(module, in.ref_type) == 0;
}

}  // namespace odeon::python
