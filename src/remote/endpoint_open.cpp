// Endpoints over the real hub.

#include "internal/endpoint_state.hpp"
#include "internal/hub.hpp"
#include <odeon/remote/endpoint.hpp>

namespace odeon::remote {

namespace {

std::shared_ptr<detail::endpoint_state> opened(actor_system& system,
                                               const endpoint_options& options,
                                               permissions allowed) {
  if (auto ok = options.check(); !ok) throw actor_error(std::move(ok).error());
  return detail::endpoint_state::make(system, options, std::move(allowed), &detail::hub::make);
}

endpoint_options configured(actor_system& system) {
  auto read = endpoint_options::from(system.config());
  if (!read) throw actor_error(std::move(read).error());
  return *std::move(read);
}

}  // namespace

endpoint::endpoint(actor_system& system, endpoint_options options, permissions allowed)
    : state_(opened(system, options, std::move(allowed))) {}

endpoint::endpoint(actor_system& system) : endpoint(system, configured(system)) {}

}  // namespace odeon::remote
