#pragma once

#include "hub.hpp"
#include <odeon/address/messages.hpp>
#include <odeon/core/actor_ref.hpp>

#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

/// @file What holds actors here and actors of one other node together.

namespace odeon::remote::detail {

enum class tie_kind : std::uint8_t {
  watches,     ///< the one here watches the far one
  is_watched,  ///< the far one watches the one here
  link,
};

struct tie {
  any_ref far;
  any_ref local;
  tie_kind kind = tie_kind::watches;
  friend auto operator<=>(const tie&, const tie&) = default;
};

/// Of the present incarnation of a peer: dropped whole when that is gone.
struct peer_ties {
  std::shared_ptr<peer> at;
  std::mutex mutex;
  std::set<tie> all;
  /// Asks of theirs that are being answered here; the handle is empty until it was sent.
  std::unordered_map<std::uint64_t, odeon::detail::ask_in_flight> served;
  bool stop_refused = false;  ///< it has asked for what is not permitted; logged once
};

}  // namespace odeon::remote::detail
