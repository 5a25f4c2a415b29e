#pragma once

#include <odeon/base/error.hpp>
#include <odeon/sidecar/nats.hpp>

#include <nats/nats.h>

#include <memory>
#include <string>
#include <string_view>

/// @file The C client of NATS in C++: owners, texts and errors. Only where its library is there.

namespace odeon::sidecar::nats_client {

template <class T, void (*Free)(T*)>
struct freed_by {
  void operator()(T* p) const noexcept { Free(p); }
};
using options_ptr = std::unique_ptr<natsOptions, freed_by<natsOptions, &natsOptions_Destroy>>;
using connection_ptr =
    std::unique_ptr<natsConnection, freed_by<natsConnection, &natsConnection_Destroy>>;
using subscription_ptr =
    std::unique_ptr<natsSubscription, freed_by<natsSubscription, &natsSubscription_Destroy>>;
using message_ptr = std::unique_ptr<natsMsg, freed_by<natsMsg, &natsMsg_Destroy>>;

/// One part of a subject, in which the name may hold anything. `invalid_argument`: it is empty, or
/// makes more than a kilobyte.
[[nodiscard]] result<std::string> token_of(const std::string& name);

/// Valid as long as the message.
[[nodiscard]] std::string_view data_of(natsMsg* m);
/// Whom to answer; "": nobody.
[[nodiscard]] std::string reply_of(natsMsg* m);

[[nodiscard]] error error_of(natsStatus s, const std::string& what);

/// A list of servers without the users and passwords that may stand in it, for texts.
[[nodiscard]] std::string shown(std::string_view servers);

[[nodiscard]] result<options_ptr> make_options(const nats_options& o);

}  // namespace odeon::sidecar::nats_client
