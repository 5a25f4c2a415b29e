// Interpreters with a lock of their own, and the Python objects of dispatchers of several hosts.
//
// A thread of the main interpreter makes an interpreter, runs `odeon._pool_host.serve` in it for as
// long as the pool lives, and ends it. Its thread state is made with it and ends with it. Whatever
// crosses meanwhile are cells, envelopes of bytes and asks: no object of Python.
//
// The end, in order: (1) the system's actors have ended, or its limit has passed; (2) the parent
// writes to the stop descriptor; (3) the interpreter's loop ends, the host is detached, its tasks
// are cancelled; (4) `_finish`: what is dropped later is lost; (5) Py_EndInterpreter; (6) the
// thread goes back to the main interpreter and is joined there.

#include "dispatcher.hpp"
#include "system.hpp"

#include <string>

namespace odeon::python {

namespace {

constexpr const char* capsule_name = "odeon.host_pool";

struct pool_object {
  PyObject_HEAD std::shared_ptr<host_pool> held;
};
pool_object& as_pool(PyObject* o) noexcept { return *reinterpret_cast<pool_object*>(o); }

bool read_quota(PyObject* dict, const char* key, std::size_t& out) {
  PyObject* v = PyDict_GetItemString(dict, key);
  if (!v || v == Py_None) return true;
  out = PyLong_AsSize_t(v);
  return !PyErr_Occurred();
}

/// HostPool(name, quota): quota is a dict.
PyObject* pool_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const entry in_layer;
  interp& in = interp_of(type);
  PyObject *name = nullptr, *dict = nullptr;
  if (!PyArg_ParseTuple(args, "UO!:HostPool", &name, &PyDict_Type, &dict)) return nullptr;
  return guarded(in, [&]() -> PyObject* {
    std::string text;
    pool_quota quota;
    if (!read_text(name, "a name", text) || !read_quota(dict, "max_actors", quota.max_actors) ||
        !read_quota(dict, "max_mailbox_total", quota.max_mailbox_total) ||
        !read_quota(dict, "memory_soft_limit_bytes", quota.memory_soft_limit_bytes))
      return nullptr;
    auto made = std::make_shared<host_pool>(std::move(text), quota);
    PyObject* o = type->tp_alloc(type, 0);
    if (o) ::new (&as_pool(o).held) std::shared_ptr<host_pool>(std::move(made));
    return o;
  });
}

void pool_dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  std::destroy_at(&as_pool(o).held);
  type->tp_free(o);
  Py_DECREF(type);
}

/// add(host): a host of this interpreter.
PyObject* pool_add(PyObject* o, PyObject* given) {
  const entry in_layer;
  interp& in = interp_of(o);
  if (Py_TYPE(given) != in.host_type) {
    PyErr_SetString(PyExc_TypeError, "a Host is expected");
    return nullptr;
  }
  return guarded(in, [&] {
    as_pool(o).held->add(reinterpret_cast<host_object*>(given)->held);
    return Py_NewRef(Py_None);
  });
}

PyObject* pool_metrics(PyObject* o, PyObject*) {
  const entry in_layer;
  return guarded(interp_of(o), [&] { return as_pool(o).held->metrics(); });
}

/// The host that was added last becomes one of the system's.
PyObject* system_add_last(interp& in, actor_system& system, host_pool& pool) {
  auto h = pool.last();
  if (!h) return raise(in, error(errc::internal, "the pool has no host"));
  system.add_dispatcher(h->name(), h);
  system.find_extension<system_link>()->hosts.emplace(h->name(), h);
  Py_RETURN_NONE;
}

/// attach(system): its last host becomes one of the system's executors.
PyObject* pool_attach(PyObject* o, PyObject* system) {
  const entry in_layer;
  interp& in = interp_of(o);
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, system);
    return s ? system_add_last(in, *s, *as_pool(o).held) : nullptr;
  });
}

/// open(system): from now on `spawn(dispatcher=name)` takes the pool.
PyObject* pool_open(PyObject* o, PyObject* system) {
  const entry in_layer;
  interp& in = interp_of(o);
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, system);
    if (!s) return nullptr;
    auto& pool = as_pool(o).held;
    auto link = s->find_extension<system_link>();
    if (!link->dispatchers.emplace(pool->name(), pool).second || link->hosts.contains(pool->name()))
      return raise(
          in, error(errc::name_taken, "the dispatcher name \"" + pool->name() + "\" is taken"));
    Py_RETURN_NONE;
  });
}

// -- interpreters --------------------------------------------------------------------------------

/// _join_pool(capsule, host), from inside a new interpreter.
PyObject* join_pool(PyObject* module, PyObject* args) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  PyObject *capsule = nullptr, *given = nullptr;
  if (!PyArg_ParseTuple(args, "OO!:_join_pool", &capsule, in.host_type, &given)) return nullptr;
  auto* pool = static_cast<host_pool*>(PyCapsule_GetPointer(capsule, capsule_name));
  if (!pool) return nullptr;
  return guarded(in, [&] {
    pool->add(reinterpret_cast<host_object*>(given)->held);
    return Py_NewRef(Py_None);
  });
}

#if PY_VERSION_HEX >= 0x030c0000

/// The exception that is set, as text.
std::string trouble() {
  owned exc(take_exception());
  if (!exc) return "it failed without an exception";
  std::string out;
  owned module(PyImport_ImportModule("traceback"));
  owned lines(module ? PyObject_CallMethod(module.get(), "format_exception", "O", exc.get())
                     : nullptr);
  owned empty(PyUnicode_FromString(""));
  owned text(lines && empty ? PyUnicode_Join(empty.get(), lines.get()) : PyObject_Repr(exc.get()));
  if (!text || !read_text(text.get(), "text", out)) out = Py_TYPE(exc.get())->tp_name;
  PyErr_Clear();
  return out;
}

/// The life of an interpreter, inside it. "": it ended well.
std::string serve(host_pool& pool, const std::string& boot) {
  static constexpr const char* code =
      "import json, sys\n"
      "boot = json.loads(boot)\n"
      "sys.path[:] = boot['path']\n"
      "from odeon import _pool_host\n"
      "_pool_host.serve(boot, pool)\n";
  owned names(PyDict_New());
  owned text(text_of(boot));
  owned capsule(PyCapsule_New(&pool, capsule_name, nullptr));
  if (!names || !text || !capsule ||
      PyDict_SetItemString(names.get(), "__builtins__", PyEval_GetBuiltins()) != 0 ||
      PyDict_SetItemString(names.get(), "boot", text.get()) != 0 ||
      PyDict_SetItemString(names.get(), "pool", capsule.get()) != 0)
    return trouble();
  owned done(PyRun_String(code, Py_file_input, names.get(), names.get()));
  return done ? std::string() : trouble();
}

/// run_interpreter(boot): makes an interpreter and runs in it until it is told to stop. Blocks.
PyObject* pool_run_interpreter(PyObject* o, PyObject* boot) {
  interp& in = interp_of(o);
  return guarded(in, [&]() -> PyObject* {
    std::string text;
    if (!read_text(boot, "boot", text)) return nullptr;
    const std::shared_ptr<host_pool> pool = as_pool(o).held;
    PyThreadState* const outer = PyThreadState_Get();
    const PyInterpreterConfig config = {.use_main_obmalloc = 0,
                                        .allow_fork = 0,
                                        .allow_exec = 0,
                                        .allow_threads = 1,
                                        .allow_daemon_threads = 0,
                                        .check_multi_interp_extensions = 1,
                                        .gil = PyInterpreterConfig_OWN_GIL};
    PyThreadState* own = nullptr;
    const PyStatus status = Py_NewInterpreterFromConfig(&own, &config);
    if (PyStatus_Exception(status)) {
      if (!attached_state()) PyThreadState_Swap(outer);
      return raise(in, error(errc::internal, std::string("no interpreter could be made: ") +
                                                 (status.err_msg ? status.err_msg : "?")));
    }
    const std::string why = serve(*pool, text);
    Py_EndInterpreter(own);
    PyThreadState_Swap(outer);
    if (why.empty()) Py_RETURN_NONE;
    PyErr_SetString(PyExc_RuntimeError, why.c_str());
    return nullptr;
  });
}

#else

PyObject* pool_run_interpreter(PyObject* o, PyObject*) {
  return raise(interp_of(o), error(errc::internal, "interpreters with their own lock need 3.12"));
}

#endif

PyMethodDef pool_methods[] = {
    {"add", &pool_add, METH_O, "A further host, of this interpreter."},
    {"attach", &pool_attach, METH_O, "The host added last becomes an executor of the system."},
    {"open", &pool_open, METH_O, "From now on spawn(dispatcher=name) takes the pool."},
    {"metrics", &pool_metrics, METH_NOARGS, "A dict for each host."},
    {"run_interpreter", &pool_run_interpreter, METH_O,
     "Makes an interpreter and runs in it until it is told to stop."},
    {}};
PyType_Slot pool_slots[] = {{Py_tp_new, reinterpret_cast<void*>(&pool_new)},
                            {Py_tp_dealloc, reinterpret_cast<void*>(&pool_dealloc)},
                            {Py_tp_methods, pool_methods},
                            {0, nullptr}};
PyType_Spec pool_spec = {"odeon._native.HostPool", sizeof(pool_object), 0, Py_TPFLAGS_DEFAULT,
                         pool_slots};

/// _open_dispatcher(system, name, make)
PyObject* open_dispatcher(PyObject* module, PyObject* args) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  PyObject *system = nullptr, *name = nullptr, *make = nullptr;
  if (!PyArg_ParseTuple(args, "OUO:_open_dispatcher", &system, &name, &make)) return nullptr;
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, system);
    std::string text;
    if (!s || !read_text(name, "a name", text)) return nullptr;
    auto link = s->find_extension<system_link>();
    auto made = std::make_shared<stand_in_dispatcher>(
        text, py_handle(in, Py_NewRef(make)), reinterpret_cast<system_object*>(system)->main);
    if (link->hosts.contains(text) || !link->dispatchers.emplace(text, std::move(made)).second)
      return raise(in, error(errc::name_taken, "the dispatcher name \"" + text + "\" is taken"));
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {{"_open_dispatcher", &open_dispatcher, METH_VARARGS, nullptr},
                           {"_join_pool", &join_pool, METH_VARARGS, nullptr},
                           {}};

}  // namespace

bool add_dispatcher_types(PyObject* module, interp&) noexcept {
  const owned type(PyType_FromModuleAndSpec(module, &pool_spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
