#pragma once

#include "interp.hpp"
#include <odeon/address/resolver.hpp>
#include <odeon/core/fwd.hpp>
#include <odeon/wire/tagged.hpp>

#include <memory>

/// @file The Python object `Endpoint`, the base of `odeon.remote.Endpoint`, and how messages of
/// Python travel to other nodes: in the bytes of `encoded.hpp`, without pickles, and read without
/// importing anything.

namespace odeon::remote {
class endpoint;
struct endpoint_metrics;
}  // namespace odeon::remote

namespace odeon {
class transport;
}

namespace odeon::python {

/// The open endpoint of that system, or null. @threadsafe
[[nodiscard]] std::shared_ptr<remote::endpoint> endpoint_of(const detail::system_anchor& system);
/// The address by which other nodes find `ref`. Errors as `endpoint::address_of`; `unreachable`
/// when the system has no endpoint.
[[nodiscard]] result<address> far_address_of(const detail::system_anchor& system,
                                             const any_ref& ref);
/// What lives at an address with a node, seen from that system.
[[nodiscard]] result<any_ref> resolve_far(const detail::system_anchor& system, const address& a);

/// The same by an `Endpoint`, which stays open for as long as it is held; null with an exception
/// set.
[[nodiscard]] std::shared_ptr<remote::endpoint> endpoint_in(interp& in, PyObject* o);
/// The transport in a `RelayTransport`; null with an exception set.
[[nodiscard]] std::shared_ptr<transport> transport_in(interp& in, PyObject* o);

/// What an endpoint tells of itself, as a dict.
[[nodiscard]] PyObject* metrics_to_python(const remote::endpoint_metrics& m);

/// Each adds its types, or functions, to `_native`. False with an exception set.
[[nodiscard]] bool add_remote_type(PyObject* module, interp& in) noexcept;
[[nodiscard]] bool add_relay_types(PyObject* module, interp& in) noexcept;
[[nodiscard]] bool add_federation_type(PyObject* module) noexcept;
[[nodiscard]] bool add_certificate_functions(PyObject* module) noexcept;

}  // namespace odeon::python
