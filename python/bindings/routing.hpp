#pragma once

#include "py.hpp"
#include <odeon/core/router.hpp>
#include <odeon/pattern/detail/router_plan.hpp>

#include <cstdint>

/// @file The options of `odeon.routing` for the core, and the keys that messages are routed by.
/// Everything here is called with the interpreter attached.

namespace odeon::python {

/// Reads an `odeon.routing.Router`. False: it is none, or a field of it is out of its type's range,
/// and an exception is set. What makes no sense beyond that is refused by the spawn.
[[nodiscard]] bool read_router_plan(PyObject* option, detail::router_plan& out);

/// A pool of that option, for `spawn_options::router`. Empty: an exception is set. Throws
/// `std::bad_alloc`.
[[nodiscard]] odeon::router to_router(PyObject* option);

/// A key is text, bytes (their FNV-1a), an int (modulo 2^64), or an enum of one of these: the same
/// bits as `detail::key_bits` gives in C++, but for 0, which a message cannot carry and which is
/// `zero_key`. False: it is none of these, and TypeError is set.
inline constexpr std::uint64_t zero_key = 0x9e3779b97f4a7c15;
[[nodiscard]] bool read_key(PyObject* key, std::uint64_t& out);

/// The key of a message that is sent without one: what `function` (the option's; may be null or
/// None) gives for it, else the message's own `routing_key()`. 0: it has none. False: an exception
/// is set.
[[nodiscard]] bool key_of_message(PyObject* function, PyObject* message, std::uint64_t& out);

}  // namespace odeon::python
