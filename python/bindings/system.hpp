#pragma once

#include "host.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/runtime/simulated.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <string>

/// @file The Python object `System`, the base of `odeon.ActorSystem`.

namespace odeon::python {

struct system_object {
  PyObject_HEAD std::unique_ptr<actor_system> system;  // null once closed
  std::shared_ptr<host> main;
  std::shared_ptr<simulated_runtime> simulation;  // where it runs on one; freed after it
  interp* in;
};

/// What a system of C++ knows of its Python side.
struct system_link {
  PyObject* object = nullptr;  // borrowed; null once it is gone
  interp* home = nullptr;
  subscription failures;
  std::map<std::string, std::shared_ptr<host>, std::less<>> hosts;
  std::map<std::string, std::shared_ptr<class python_dispatcher>, std::less<>> dispatchers;
};

/// Whether this process was forked from one that ran actors: none of its threads are here.
extern std::atomic<bool> process_forked;
/// Null with the exception for that set.
PyObject* raise_forked(interp& in) noexcept;

/// The `System` that stands for it: a new reference, or None.
[[nodiscard]] PyObject* system_object_of(interp& in, actor_system& system) noexcept;
/// The live system in a `System`, or null with an exception set.
[[nodiscard]] actor_system* system_in(interp& in, PyObject* o) noexcept;
/// The host of that dispatcher's name, or null.
[[nodiscard]] std::shared_ptr<host> host_named(actor_system& system, const std::string& name);
/// The dispatcher of several hosts of that name, or null.
[[nodiscard]] std::shared_ptr<python_dispatcher> dispatcher_named(actor_system& system,
                                                                  const std::string& name);
[[nodiscard]] bool add_system_type(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
