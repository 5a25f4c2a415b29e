#pragma once

#include <odeon/base/error.hpp>
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/transport.hpp>

#include <memory>
#include <string>

/// @file Transports on which a relay is reached.

namespace odeon::remote::relay_detail {

/// The transport that a relay's address names, with what is below it.
struct relay_way {
  std::unique_ptr<transport> below;  // sockets
  std::unique_ptr<transport> over;   // WebSockets on them
  transport* use = nullptr;
  std::string address;  // as `use` takes it
};

/// `invalid_argument`: a scheme that there is none for.
[[nodiscard]] result<relay_way> make_relay_way(runtime& rt, const relay_transport_options& options);

/// The transport itself; `options` were checked.
[[nodiscard]] std::unique_ptr<relay_transport> make_relayed(runtime& rt,
                                                            relay_transport_options options,
                                                            relay_way way);

}  // namespace odeon::remote::relay_detail
