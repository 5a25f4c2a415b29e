/// @file The extension module odeon._native: multi-phase, so that each interpreter has its own.

#include "module.hpp"

#include "actor.hpp"
#include "ask.hpp"
#include "codec.hpp"
#include "configuration.hpp"
#include "context.hpp"
#include "diagnostics.hpp"
#include "dispatcher.hpp"
#include "driver.hpp"
#include "durable.hpp"
#include "events.hpp"
#include "host.hpp"
#include "interop.hpp"
#include "interp.hpp"
#include "journal.hpp"
#include "ref.hpp"
#include "remote.hpp"
#include "routing.hpp"
#include "sidecar.hpp"
#include "simulation.hpp"
#include "streams.hpp"
#include "system.hpp"

#include <string_view>

namespace odeon::python {

namespace {

PyObject* intern(std::string_view name) {
  if (name == "throw_") name = "throw";
  PyObject* o = PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
  if (o) PyUnicode_InternInPlace(&o);
  return o;
}

bool load_names(names& n) {
#define X(name) \
  if (!(n.name = intern(#name))) return false;
  ODEON_PY_NAMES(X)
#undef X
  return true;
}

bool load_asyncio(interp& in) {
  owned tasks(PyImport_ImportModule("asyncio.tasks"));
  owned events(PyImport_ImportModule("asyncio.events"));
  owned exceptions(PyImport_ImportModule("asyncio.exceptions"));
  if (!tasks || !events || !exceptions) return false;
  in.task_class = PyObject_GetAttrString(tasks.get(), "Task");
  // Documented for tasks that are not asyncio's own.
  in.enter_task = PyObject_GetAttrString(tasks.get(), "_enter_task");
  in.leave_task = PyObject_GetAttrString(tasks.get(), "_leave_task");
  in.cancelled_error = PyObject_GetAttrString(exceptions.get(), "CancelledError");
  in.get_running_loop = PyObject_GetAttrString(events.get(), "_get_running_loop");
  in.kw_context = PyTuple_Pack(1, in.name.context);
  in.kw_loop = PyTuple_Pack(1, in.name.loop);
  return in.task_class && in.enter_task && in.leave_task && in.cancelled_error &&
         in.get_running_loop && in.kw_context && in.kw_loop;
}

int execute(PyObject* module) {
  const entry in_layer;
  auto* in = new interp;
  *static_cast<interp**>(PyModule_GetState(module)) = in;
  in->state = PyThreadState_Get()->interp;
  if (!load_names(in->name) || !load_asyncio(*in)) return -1;
  in->errors = PyImport_ImportModule("odeon.errors");
  if (!in->errors) return -1;
  return add_host_type(module, *in) && add_driver_types(module, *in) && add_ask_type(module, *in) &&
                 add_ref_type(module, *in) && add_context_types(module, *in) &&
                 add_system_type(module, *in) && add_routing_functions(module) &&
                 add_journal_types(module, *in) && add_durable_types(module, *in) &&
                 add_interop_functions(module) && add_event_functions(module) &&
                 add_diagnostic_functions(module) && add_config_functions(module) &&
                 add_remote_type(module, *in) && add_relay_types(module, *in) &&
                 add_federation_type(module) && (!add_sidecar_type || add_sidecar_type(module)) &&
                 add_certificate_functions(module) && add_simulation_type(module) &&
                 add_stream_functions(module) && add_dispatcher_types(module, *in) &&
                 codec_add_to(module) == 0
             ? 0
             : -1;
}

/// The package's own module of cold paths, which imports this one.
PyObject* use_support(PyObject* module, PyObject* support) {
  Py_XSETREF(interp_of_module(module).support, Py_NewRef(support));
  Py_RETURN_NONE;
}

PyObject* leaked(PyObject* module, PyObject*) {
  return PyLong_FromUnsignedLongLong(interp_of_module(module).leaked.load());
}

/// From here on nothing is given back: the interpreter is about to end.
PyObject* finish(PyObject* module, PyObject*) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  in.free_drops();
  in.alive.store(false, std::memory_order_release);
  in.state.store(nullptr, std::memory_order_relaxed);
  Py_RETURN_NONE;
}

void free_module(void* module) {
  auto* state = static_cast<interp**>(PyModule_GetState(static_cast<PyObject*>(module)));
  if (state && *state) (*state)->alive.store(false, std::memory_order_release);
}

PyMethodDef functions[] = {{"_use_support", &use_support, METH_O, nullptr},
                           {"_leaked", &leaked, METH_NOARGS, nullptr},
                           {"_finish", &finish, METH_NOARGS, nullptr},
                           {}};

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(&execute)},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

}  // namespace

PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "odeon._native",
    .m_doc = "The native layer of the package odeon.",
    .m_size = sizeof(interp*),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = nullptr,
    .m_clear = nullptr,
    .m_free = &free_module,
};

}  // namespace odeon::python

PyMODINIT_FUNC PyInit__native() { return PyModuleDef_Init(&odeon::python::module_def); }
