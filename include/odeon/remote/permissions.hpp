#pragma once

#include <odeon/remote/options.hpp>

#include <cstddef>
#include <functional>
#include <string_view>

/// @file What other nodes may do here beside sending messages. Whoever passes the handshake may
/// send to every actor below "/user", and watch it: an actor is protected by what it accepts.

namespace odeon::remote {

struct permissions {
  bool spawn = false;                        ///< of the types that were registered
  std::size_t spawned = 10'000;              ///< alive at a time; one more is `limit_exceeded`
  bool stop = true;                          ///< and kill, any actor below "/user"
  std::size_t watches_per_peer = 1'000'000;  ///< and links; one more is told `unreachable` at once
  std::size_t asks_per_peer = 100'000;       ///< unanswered; one more fails with `peer_overloaded`
  /// When set, asked before each spawn, on a transport's thread: who wants which type. False:
  /// `refused`.
  std::function<bool(const peer_info& who, std::string_view type)> may_spawn = {};
};

}  // namespace odeon::remote
