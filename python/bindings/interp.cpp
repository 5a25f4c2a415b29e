// What an interpreter keeps; drops; errors.

#include "interp.hpp"

#include "actor.hpp"
#include "failure.hpp"
#include "module.hpp"
#include <odeon/base/detail/exceptions.hpp>

#include <mutex>

namespace odeon::python {

#if PY_VERSION_HEX < 0x030c0000
constinit thread_local bool entered = false;
#endif

interp& interp_of_module(PyObject* module) noexcept {
  return **static_cast<interp**>(PyModule_GetState(module));
}

interp& interp_of(PyTypeObject* type) noexcept {
  PyObject* module = PyType_GetModuleByDef(type, &module_def);
  return interp_of_module(module);
}

// -- drops ---------------------------------------------------------------------------------------

void interp::drop(PyObject* o) noexcept {
  if (!alive.load(std::memory_order_acquire)) {
    leaked.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  try {
    std::lock_guard guard(drops_lock_);
    drops_.push_back(o);
    has_drops_.store(true, std::memory_order_relaxed);
  } catch (...) {
    leaked.fetch_add(1, std::memory_order_relaxed);  // no memory to note it
  }
}

// What a destructor of Python code does may drop more: those wait for the next call.
void interp::free_drops_slow() noexcept {
  std::vector<PyObject*> now;
  {
    std::lock_guard guard(drops_lock_);
    now.swap(drops_);
    has_drops_.store(false, std::memory_order_relaxed);
  }
  for (PyObject* o : now) Py_DECREF(o);
}

// -- values --------------------------------------------------------------------------------------

PyObject* py_value::take(interp& in) noexcept {
  if (make_) {
    auto make = std::move(make_);
    return guarded(in, [&] { return (*make)(in); });
  }
  if (handle_) return handle_.take();
  Py_RETURN_NONE;
}

// -- errors --------------------------------------------------------------------------------------

PyObject* raise_from(interp& in, const error& e, PyObject* cause) noexcept {
  owned held(cause);
  const std::string_view code = to_string(e.code());
  owned text(text_of(e.text()));
  if (!text) return nullptr;
  owned exc(PyObject_CallMethod(in.errors, "from_code", "s#O", code.data(),
                                static_cast<Py_ssize_t>(code.size()), text.get()));
  if (!exc) return nullptr;
  if (held) PyException_SetCause(exc.get(), held.release());
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exc.get())), exc.get());
  return nullptr;
}

PyObject* raise(interp& in, const error& e) noexcept { return raise_from(in, e, nullptr); }

PyObject* raise_current(interp& in) noexcept {
  try {
    throw;
  } catch (const python_error& e) {
    set_exception(Py_NewRef(e.exception()));
  } catch (const actor_error& e) {
    return raise(in, e.reason());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (...) {
    return raise(in, error(errc::internal, odeon::detail::what_of(std::current_exception())));
  }
  return nullptr;
}

}  // namespace odeon::python
