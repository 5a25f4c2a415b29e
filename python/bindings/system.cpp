#include "system.hpp"

#include "ask.hpp"
#include "configuration.hpp"
#include "dispatcher.hpp"
#include "failure.hpp"
#include "interop.hpp"
#include "ref.hpp"
#include "simulation.hpp"
#include "spawn.hpp"

#include <optional>

namespace odeon::python {

namespace {

system_object& as_system(PyObject* o) noexcept { return *reinterpret_cast<system_object*>(o); }

template <class F>
PyObject* with_system(PyObject* o, F f) noexcept {
  const entry in_layer;
  interp& in = *as_system(o).in;
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, o);
    return s ? f(in, *s) : nullptr;
  });
}

bool read_system_options(interp& in, PyObject* dict, system_object& self, system_options& out) {
  if (PyObject* v = PyDict_GetItemString(dict, "config"); v && v != Py_None) {
    const loaded_config* c = read_config(v);
    if (!c) return false;
    out = system_options::from(c->values);
  }
  if (PyObject* v = PyDict_GetItemString(dict, "simulation"); v && v != Py_None) {
    self.simulation = read_simulation(in, v);
    if (!self.simulation) return false;
    out.runtime = self.simulation.get();
  }
  const auto seconds = [&](const char* key, duration& to) {
    PyObject* v = PyDict_GetItemString(dict, key);
    return !v || v == Py_None || read_seconds(v, key, to);
  };
  if (PyObject* v = PyDict_GetItemString(dict, "workers"); v && v != Py_None) {
    const long n = PyLong_AsLong(v);
    if (n < 0 || n > 4096) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "workers is 0 to 4096");
      return false;
    }
    out.workers = static_cast<unsigned>(n);
  }
  return seconds("ask_timeout", out.ask_timeout) && seconds("slow_handler", out.slow_handler) &&
         seconds("shutdown_limit", out.shutdown_limit);
}

PyObject* system_new(PyTypeObject* type, PyObject*, PyObject*) {
  auto* self = reinterpret_cast<system_object*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  std::construct_at(&self->system);
  std::construct_at(&self->main);
  std::construct_at(&self->simulation);
  self->in = &interp_of(type);
  return reinterpret_cast<PyObject*>(self);
}

/// An exception that asks the program to end, and that went past the top, does end it.
void note_failure(const actor_failed& e) {
  const detail::cell* c = e.ref.get();
  if (e.decided != directive::escalate || !c || !is_python(*c) || !c->parent() ||
      c->parent()->parent())
    return;
  try {
    std::rethrow_exception(e.why.exception);
  } catch (const python_error& p) {
    PyObject* exc = is_attached(p.home()) ? p.exception() : nullptr;
    if (exc && (PyErr_GivenExceptionMatches(exc, PyExc_KeyboardInterrupt) ||
                PyErr_GivenExceptionMatches(exc, PyExc_SystemExit)))
      static_cast<host&>(c->where()).end_with(py_handle(p.home(), Py_NewRef(exc)));
  } catch (...) {
  }
}

/// open(name, host, options): makes the system of C++.
PyObject* system_open(PyObject* o, PyObject* args) {
  const entry in_layer;
  interp& in = *as_system(o).in;
  PyObject *name = nullptr, *host_given = nullptr, *dict = nullptr;
  if (!PyArg_ParseTuple(args, "UO!O!:_open", &name, in.host_type, &host_given, &PyDict_Type, &dict))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    auto& self = as_system(o);
    std::string text;
    system_options options;
    if (!read_text(name, "a name", text) || !read_system_options(in, dict, self, options))
      return nullptr;
    self.main = reinterpret_cast<host_object*>(host_given)->held;
    self.system = std::make_unique<actor_system>(std::move(text), std::move(options));
    note_system(*self.system);
    auto link = std::make_shared<system_link>();
    link->object = o;
    link->home = &in;
    link->failures = self.system->events().on<actor_failed>(&note_failure);
    self.system->add_extension(link);
    self.system->add_dispatcher(self.main->name(), self.main);
    link->hosts.emplace(self.main->name(), self.main);
    Py_RETURN_NONE;
  });
}

PyObject* system_add_host(PyObject* o, PyObject* given) {
  return with_system(o, [&](interp& in, actor_system& s) -> PyObject* {
    if (Py_TYPE(given) != in.host_type) {
      PyErr_SetString(PyExc_TypeError, "a Host is expected");
      return nullptr;
    }
    auto h = reinterpret_cast<host_object*>(given)->held;
    s.add_dispatcher(h->name(), h);
    s.find_extension<system_link>()->hosts.emplace(h->name(), h);
    Py_RETURN_NONE;
  });
}

PyObject* system_spawn(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* kwnames) {
  return with_system(o, [&](interp& in, actor_system& s) {
    return spawn_from_python(in, s, nullptr, as_system(o).main, args, n, kwnames);
  });
}

PyObject* system_lookup(PyObject* o, PyObject* path) {
  return with_system(o, [&](interp& in, actor_system& s) -> PyObject* {
    std::string text;
    if (!read_text(path, "a name or path", text)) return nullptr;
    return new_ref(in, s.lookup(text));
  });
}

PyObject* system_stop_actor(PyObject* o, PyObject* ref) {
  return with_system(o, [&](interp& in, actor_system& s) -> PyObject* {
    const any_ref r = read_ref(in, ref);
    if (!r) return nullptr;
    s.stop(r);
    Py_RETURN_NONE;
  });
}
PyObject* system_kill_actor(PyObject* o, PyObject* ref) {
  return with_system(o, [&](interp& in, actor_system& s) -> PyObject* {
    const any_ref r = read_ref(in, ref);
    if (!r) return nullptr;
    s.kill(r);
    Py_RETURN_NONE;
  });
}

PyObject* system_terminate(PyObject* o, PyObject*) {
  return with_system(o, [&](interp&, actor_system& s) -> PyObject* {
    s.terminate();
    Py_RETURN_NONE;
  });
}

PyObject* system_when_terminated(PyObject* o, PyObject*) {
  return with_system(o, [&](interp& in, actor_system& s) -> PyObject* {
    auto [ask, done] = make_awaitable(in, s.get_runtime());
    if (!ask) return nullptr;
    auto shared = std::make_shared<completion>(std::move(done));
    s.when_terminated().then([shared](result<shutdown_report> r) {
      if (r)
        shared->set([](interp&) { return Py_NewRef(Py_None); });
      else
        shared->fail(std::move(r.error()));
    });
    return ask;
  });
}

/// Frees the system of C++; blocks, the interpreter let go, until its threads have ended.
PyObject* system_close(PyObject* o, PyObject*) {
  const entry in_layer;
  auto& self = as_system(o);
  if (auto link = self.system ? self.system->find_extension<system_link>() : nullptr)
    link->object = nullptr;
  if (process_forked.load()) {
    static_cast<void>(self.system.release());
    Py_RETURN_NONE;
  }
  if (auto s = std::move(self.system)) {
    forget_system(*s);
    // A simulation's actors run on this thread while it ends.
    std::optional<detached> out;
    if (!self.simulation) out.emplace();
    s.reset();
  }
  Py_RETURN_NONE;
}

/// Kills all actors, from the leaves up: what a shutdown does that is past its limit.
PyObject* system_kill_all(PyObject* o, PyObject*) {
  return with_system(o, [&](interp&, actor_system& s) -> PyObject* {
    const auto all = s.snapshot().list;
    for (auto a = all.rbegin(); a != all.rend(); ++a)
      if (const any_ref r = s.lookup(a->path)) s.kill(r);
    Py_RETURN_NONE;
  });
}

/// In the child of a fork: the threads are gone, so nothing of it can be stopped, waited for or
/// freed.
PyObject* system_note_fork(PyObject*, PyObject*) {
  process_forked.store(true);
  Py_RETURN_NONE;
}

PyObject* system_name(PyObject* o, void*) {
  return with_system(o, [](interp&, actor_system& s) { return text_of(s.name()); });
}
PyObject* system_is_open(PyObject* o, void*) {
  return PyBool_FromLong(as_system(o).system != nullptr);
}
PyObject* system_is_terminating(PyObject* o, void*) {
  return PyBool_FromLong(!as_system(o).system || as_system(o).system->is_terminating());
}

void system_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  owned closed(system_close(o, nullptr));
  std::destroy_at(&as_system(o).system);
  std::destroy_at(&as_system(o).main);
  std::destroy_at(&as_system(o).simulation);
  type->tp_free(o);
  Py_DECREF(type);
}
int system_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  return 0;
}

PyMethodDef system_methods[] = {
    {"_open", &system_open, METH_VARARGS, nullptr},
    {"_add_host", &system_add_host, METH_O, nullptr},
    {"_kill_all", &system_kill_all, METH_NOARGS, nullptr},
    {"_note_fork", &system_note_fork, METH_NOARGS | METH_STATIC, nullptr},
    {"_close", &system_close, METH_NOARGS, nullptr},
    {"spawn", fn(&system_spawn), METH_FASTCALL | METH_KEYWORDS,
     "spawn(what, /, *args, name=None, dispatcher=None, supervision=None, mailbox=None, "
     "router=None, tags=(), receive_timeout=None, stash_capacity=10000, call_cycle='deny', "
     "**kwargs)\n--\n\nA new actor."},
    {"lookup", &system_lookup, METH_O, "The live actor of that name or path, or None."},
    {"stop_actor", &system_stop_actor, METH_O, "Stops it after the message in hand."},
    {"kill", &system_kill_actor, METH_O, "Stops it now."},
    {"terminate", &system_terminate, METH_NOARGS, "Begins the shutdown, and returns at once."},
    {"when_terminated", &system_when_terminated, METH_NOARGS,
     "Awaited, it ends with the shutdown."},
    {}};
PyGetSetDef system_fields[] = {
    {"name", &system_name, nullptr, nullptr, nullptr},
    {"is_open", &system_is_open, nullptr, nullptr, nullptr},
    {"is_terminating", &system_is_terminating, nullptr, nullptr, nullptr},
    {}};
PyType_Slot system_slots[] = {{Py_tp_new, reinterpret_cast<void*>(&system_new)},
                              {Py_tp_dealloc, reinterpret_cast<void*>(&system_dealloc)},
                              {Py_tp_traverse, reinterpret_cast<void*>(&system_traverse)},
                              {Py_tp_methods, system_methods},
                              {Py_tp_getset, system_fields},
                              {0, nullptr}};
PyType_Spec system_spec = {"odeon._native.System", sizeof(system_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                           system_slots};

}  // namespace

std::atomic<bool> process_forked{false};

PyObject* raise_forked(interp& in) noexcept {
  return raise(in,
               error(errc::system_stopped,
                     "this process was forked from one that ran actors; start a new one instead "
                     "(multiprocessing: use the spawn method)"));
}

actor_system* system_in(interp& in, PyObject* o) noexcept {
  if (!PyObject_TypeCheck(o, in.system_type)) {
    PyErr_Format(PyExc_TypeError, "an ActorSystem is expected, not %.200s", Py_TYPE(o)->tp_name);
    return nullptr;
  }
  if (auto& s = as_system(o).system) return s.get();
  raise(in, error(errc::system_stopped, "the actor system has ended"));
  return nullptr;
}

PyObject* system_object_of(interp& in, actor_system& system) noexcept {
  const auto link = system.find_extension<system_link>();
  if (!link || !link->object || link->home != &in) Py_RETURN_NONE;
  return Py_NewRef(link->object);
}

std::shared_ptr<host> host_named(actor_system& system, const std::string& name) {
  const auto link = system.find_extension<system_link>();
  if (!link) return nullptr;
  auto found = link->hosts.find(name);
  return found == link->hosts.end() ? nullptr : found->second;
}

std::shared_ptr<python_dispatcher> dispatcher_named(actor_system& system, const std::string& name) {
  const auto link = system.find_extension<system_link>();
  if (!link) return nullptr;
  auto found = link->dispatchers.find(name);
  return found == link->dispatchers.end() ? nullptr : found->second;
}

bool add_system_type(PyObject* module, interp& in) noexcept {
  in.system_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &system_spec, nullptr));
  return in.system_type && PyModule_AddType(module, in.system_type) == 0;
}

}  // namespace odeon::python
