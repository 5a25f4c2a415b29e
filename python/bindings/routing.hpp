#pragma once

#include "interp.hpp"
#include <odeon/core/actor_ref.hpp>
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
[[nodiscard]] odeon::router to_router(interp& in, PyObject* option);

/// The key of a message that is sent without one to `to`, which is no actor of Python: what the
/// function of `consistent_hash(n, key=…)` gives for it, else the message's own `routing_key()`,
/// where `to` is a router by key that was made here. 0: none is needed, or there is none. False: an
/// exception is set. Put it into `tell_options::key`.
[[nodiscard]] bool find_routing_key(interp& in, const detail::cell& to, PyObject* message,
                                    std::uint64_t& out);

/// A key is text, bytes (their FNV-1a), an int (modulo 2^64), or an enum of one of these: the same
/// bits as `detail::key_bits` gives in C++, but for 0, which a message cannot carry and which is
/// `zero_key`. False: it is none of these, and TypeError is set.
inline constexpr std::uint64_t zero_key = 0x9e3779b97f4a7c15;
[[nodiscard]] bool read_routing_key(PyObject* key, std::uint64_t& out);

/// Adds what `odeon.routing` calls: router_group, router_routees, router_stats, router_resize,
/// router_add, router_remove, troupe_status, troupe_set; and system_of for `odeon.patterns`. In
/// routing_control.cpp.
[[nodiscard]] bool add_routing_functions(PyObject* module) noexcept;

/// From now on `find_routing_key` asks `function` (borrowed; may be null or None) for that router.
/// Throws `std::bad_alloc`. In routing.cpp.
void note_keyed_router(interp& in, detail::cell& router, PyObject* function);

/// Reads an `odeon.routing.TroupeOptions`. False: an exception is set.
[[nodiscard]] bool read_troupe_options(PyObject* option, troupe_options& out);

}  // namespace odeon::python
