#pragma once

#include <odeon/base/time.hpp>
#include <odeon/core/mailbox.hpp>
#include <odeon/core/router.hpp>
#include <odeon/core/supervision.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace odeon {

/// What happens to an ask whose target waits, directly or through others, for the asker.
enum class call_cycle : std::uint8_t {
  deny,            ///< the ask fails with `errc::call_cycle` and the whole chain
  allow_in_chain,  ///< the target takes this one message although its handler is suspended
};

/// How an actor is spawned. An aggregate: `spawn<worker>({.name = "w1", .dispatcher = "blocking"},
/// args…)`.
struct spawn_options {
  std::string name =
      {};  ///< unique among live siblings; letters, digits and `-_.:@+`; empty: a generated one
  std::string dispatcher =
      {};  ///< "default", "pinned", "blocking", or one from the configuration; empty: "default"
  mailbox_options mailbox = {};
  odeon::supervision supervision = {};
  /// Not empty: a pool of such actors behind one reference; all options but the name are then those
  /// of each of them. See <odeon/pattern/routers.hpp>.
  odeon::router router = {};
  duration receive_timeout{0};  ///< see `context::receive_timeout`; zero: none
  std::vector<std::string> tags = {};
  std::size_t stash_capacity = 10'000;  ///< messages; past it `stash()` throws `errc::stash_full`
  odeon::call_cycle call_cycle = odeon::call_cycle::deny;
};

}  // namespace odeon
