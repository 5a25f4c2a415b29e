#pragma once

#include <odeon/core/actor_ref.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace odeon {

/// One routee, at one moment.
struct routee_stats {
  any_ref ref;
  std::string path;
  std::size_t waiting = 0;  ///< messages in its mailbox; counted up to 100,000
  bool idle = false;
};

/// A router, at one moment; the numbers since it began.
struct router_stats {
  std::string_view strategy;  ///< "round_robin"
  std::vector<routee_stats> routees;
  std::size_t waiting = 0;     ///< in the shared mailbox of `balancing`, or a troupe's queue
  std::size_t open_asks = 0;   ///< to several routees, that have no reply yet
  std::uint64_t routed = 0;    ///< messages that came to the router
  std::uint64_t refused = 0;   ///< of these: without a key, without routees, not copyable, …
  std::string last_refusal;    ///< the sentence of the last one
  std::uint64_t added = 0;     ///< routees, with the first ones
  std::uint64_t removed = 0;   ///< routees: shrunk, or taken out of a group
  std::uint64_t stopped = 0;   ///< routees that stopped for good by themselves
  std::uint64_t replaced = 0;  ///< of these
  std::size_t leaving = 0;     ///< removed, but not yet ended: they finish what they have
};

/// What is known of a router, and what can be changed while it runs. @threadsafe
class router_control {
 public:
  /// Throws `errc::wrong_type` when `ref` is no router.
  explicit router_control(any_ref ref);

  /// Those that messages go to now. O(n).
  [[nodiscard]] std::vector<any_ref> routees() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] router_stats stats() const;

  /// A pool of `n` routees, within the resizer's bounds when it has one. Gives the number reached.
  /// New routees get messages from then on. Routees in surplus, the youngest, get none from then
  /// on, finish what they have (mailbox, stash, suspended handlers), and stop: nothing is lost.
  /// Fails with `invalid_argument` (0, more than 10,000, a group, a troupe), or as a spawn does;
  /// what was made before that stays.
  [[nodiscard]] future<std::size_t> resize(std::size_t n) const;

  /// A further member of a group; one that is there already is not added twice. Fails for a pool,
  /// and for a router that would lead to itself.
  [[nodiscard]] future<std::size_t> add(any_ref member) const;
  /// Takes a member out; it is not stopped, and handles what it has. Gives the number left.
  [[nodiscard]] future<std::size_t> remove(any_ref member) const;

 private:
  any_ref ref_;
};

}  // namespace odeon
