#pragma once

#include "interp.hpp"
#include <odeon/core/actor_ref.hpp>

/// @file The Python object `ActorRef`.

namespace odeon::python {

struct ref_object {
  PyObject_HEAD
  detail::cell* cell;  // with a reference
};

/// A new `ActorRef`, or None for the empty reference. Null with an exception set.
[[nodiscard]] PyObject* new_ref(interp& in, any_ref ref) noexcept;
/// The reference in an `ActorRef`; the empty one with TypeError set for any other object.
[[nodiscard]] any_ref read_ref(interp& in, PyObject* o) noexcept;
/// Reads ttl, key and priority. False: an exception is set.
[[nodiscard]] bool read_tell_option(interp& in, PyObject* name, PyObject* value, tell_options& out);
[[nodiscard]] bool add_ref_type(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
