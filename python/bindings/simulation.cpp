#include "simulation.hpp"

#include "module.hpp"
#include "runtime/internal/timer_wheel.hpp"

#include <algorithm>
#include <atomic>

namespace odeon::python {

namespace {

constexpr const char* type_name = "odeon._native.Simulation";

struct simulation_object {
  PyObject_HEAD std::shared_ptr<simulated_runtime> held;
  time_point began;
};
simulation_object& as_simulation(PyObject* o) noexcept {
  return *reinterpret_cast<simulation_object*>(o);
}

/// Sets a word when it is due.
class alarm final : public timer_node {
 public:
  alarm() noexcept
      : timer_node([](timer_node& n) noexcept { static_cast<alarm&>(n).word.store(1); }) {}
  std::atomic<std::uint32_t> word{0};
};

PyObject* simulation_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const entry in_layer;
  interp& in = interp_of(type);
  const char* keys[] = {"seed", nullptr};
  unsigned long long seed = 1;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|K", const_cast<char**>(keys), &seed))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    auto held = std::make_shared<simulated_runtime>(simulation_options{.seed = seed});
    auto* self = reinterpret_cast<simulation_object*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
    self->began = held->now();
    std::construct_at(&self->held, std::move(held));
    return reinterpret_cast<PyObject*>(self);
  });
}

PyObject* simulation_step(PyObject* o, PyObject*) {
  const entry in_layer;
  return PyBool_FromLong(as_simulation(o).held->step());
}

PyObject* simulation_now(PyObject* o, PyObject*) {
  const auto& s = as_simulation(o);
  return PyFloat_FromDouble(std::chrono::duration<double>(s.held->now() - s.began).count());
}

PyObject* simulation_wall(PyObject* o, PyObject*) {
  return PyFloat_FromDouble(
      std::chrono::duration<double>(as_simulation(o).held->wall_now().time_since_epoch()).count());
}

/// Seconds until a timer of the runtime is due, or None.
PyObject* simulation_next_due(PyObject* o, PyObject*) {
  auto& rt = *as_simulation(o).held;
  duration least = duration::max();
  for (const clock_domain d : {clock_domain::user, clock_domain::housekeeping}) {
    const time_point due = static_cast<timer_wheel&>(rt.timers(d)).next_due();
    if (due != time_point::max()) least = std::min(least, due - rt.now(d));
  }
  if (least == duration::max()) Py_RETURN_NONE;
  return PyFloat_FromDouble(
      std::chrono::duration<double>(std::max(least, duration::zero())).count());
}

/// Moves the clocks by so many seconds, to the millisecond, and fires what is due then; runs
/// nothing. Nothing may be ready, and nothing due before.
PyObject* simulation_move(PyObject* o, PyObject* seconds) {
  const entry in_layer;
  auto& rt = *as_simulation(o).held;
  duration d{};
  if (!read_seconds(seconds, "a span of time", d)) return nullptr;
  return guarded(interp_of(o), [&]() -> PyObject* {
    alarm end;
    rt.timers(clock_domain::user).arm(end, rt.now() + d);
    try {
      rt.wait(end.word, 0, time_point::max());
    } catch (...) {
      rt.timers(clock_domain::user).disarm(end);
      throw;
    }
    Py_RETURN_NONE;
  });
}

PyObject* simulation_steps(PyObject* o, void*) {
  return PyLong_FromUnsignedLongLong(as_simulation(o).held->steps());
}
/// What `block_on` finds the kit by.
PyObject* simulation_id(PyObject* o, void*) {
  return PyLong_FromVoidPtr(static_cast<runtime*>(as_simulation(o).held.get()));
}

void simulation_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  std::destroy_at(&as_simulation(o).held);
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"step", &simulation_step, METH_NOARGS, "Runs one runnable of C++; false: none is ready."},
    {"now", &simulation_now, METH_NOARGS, "Virtual seconds since it began."},
    {"wall", &simulation_wall, METH_NOARGS, "The virtual wall clock, as time.time()."},
    {"next_due", &simulation_next_due, METH_NOARGS, "Seconds until a timer is due, or None."},
    {"move", &simulation_move, METH_O, "Moves the clocks on; nothing may be due before."},
    {}};
PyGetSetDef fields[] = {{"steps", &simulation_steps, nullptr, "Runnables run so far.", nullptr},
                        {"id", &simulation_id, nullptr, nullptr, nullptr},
                        {}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&simulation_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(&simulation_dealloc)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, fields},
                       {0, nullptr}};
PyType_Spec spec = {type_name, sizeof(simulation_object), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

std::shared_ptr<simulated_runtime> read_simulation(interp&, PyObject* o) noexcept {
  if (std::string_view(Py_TYPE(o)->tp_name) == type_name) return as_simulation(o).held;
  PyErr_SetString(PyExc_TypeError, "a Simulation is expected");
  return nullptr;
}

bool add_simulation_type(PyObject* module) noexcept {
  owned type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0;
}

}  // namespace odeon::python
