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

[[nodiscard]] bool add_remote_type(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
