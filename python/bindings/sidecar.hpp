#pragma once

#include "py.hpp"
#include "relay.hpp"
#include <odeon/sidecar/definition.hpp>

#include <memory>
#include <string>

/// @file The Python object `Sidecar`, the base of `odeon.sidecar.Sidecar`; and what sidecar actors
/// say as tuples: a value is (type URL, bytes) or None, an actor (system, name, parent). A package
/// that is built without protobuf is without it.

namespace odeon::python {

/// None for no value. A new reference, or null with an exception set. Attached, as all of these.
[[nodiscard]] PyObject* payload_of(const sidecar::payload& p);
/// False with an exception set: it is no such tuple.
[[nodiscard]] bool read_payload(PyObject* o, sidecar::payload& out);
[[nodiscard]] bool read_actor(PyObject* o, sidecar::actor_id& out);
/// (actor, action, value, wait, seconds since 1970 or None, caller or None, metadata, revision)
[[nodiscard]] bool read_invocation(PyObject* o, sidecar::invocation& out);
/// (name, kind, stateful, snapshot_every, deactivate_after, min_pool, max_pool, channel, tags,
/// actions, ((timer's action, every), …), initial state)
[[nodiscard]] bool read_definition(PyObject* o, sidecar::actor_def& out);

/// Functions of Python as actions: `run(call, answer, seconds)` is called where the system's main
/// host runs, and must give `answer` to `answer_call` in the end; one that is lost fails the
/// action. In so many seconds nobody waits for it any more. `rt` is there as long as actors are.
[[nodiscard]] std::shared_ptr<sidecar::host_app> python_app(std::shared_ptr<relay> to,
                                                            py_handle run, runtime& rt);
/// (answer, failure or None, (state, value, effects, broadcast, route, checkpoint) or None). Null
/// with an exception set; the action is not answered then.
[[nodiscard]] PyObject* answer_call(interp& in, PyObject* args);

/// Not there in a package without the sidecar.
[[gnu::weak]] bool add_sidecar_type(PyObject* module) noexcept;

}  // namespace odeon::python
