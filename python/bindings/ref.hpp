#pragma once

#include "interp.hpp"
#include <odeon/core/actor_ref.hpp>

/// @file The Python object `ActorRef`.

namespace odeon::python {

struct ref_object {
  PyObject_HEAD detail::cell* cell;  // with a reference
  std::uintptr_t where;  // the interpreter; its lowest bit: objects go to that cell as they are

  [[nodiscard]] interp& home() const noexcept {
    return *reinterpret_cast<interp*>(where & ~std::uintptr_t{1});
  }
  [[nodiscard]] bool is_direct() const noexcept { return where & 1; }
};

/// A new `ActorRef`, or None for the empty reference. Null with an exception set.
[[nodiscard]] PyObject* new_ref(interp& in, any_ref ref) noexcept;
/// The reference in an `ActorRef`; the empty one with TypeError set for any other object.
[[nodiscard]] any_ref read_ref(interp& in, PyObject* o) noexcept;
/// Reads ttl, key and priority. False: an exception is set.
[[nodiscard]] bool read_tell_option(interp& in, PyObject* name, PyObject* value, tell_options& out);
[[nodiscard]] bool add_ref_type(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
