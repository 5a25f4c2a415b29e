#pragma once

#include "table.hpp"
#include <odeon/core/actor.hpp>
#include <odeon/net/crypto.hpp>
#include <odeon/wire/bytes.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

/// @file The actor that speaks for a member, and what it says to others'. Nodes find it by its
/// name, "federation".
///
/// Joining is two asks: `knock` gets a nonce; `join` has the joiner's own, and a proof over both
/// when there is a secret. The answer has the other's record, its proof, the nodes of the members
/// that it knows, and a ticket, which everything later must show: so no third node can speak for
/// the joiner. Both sides join each other.

namespace odeon::federation::detail {

struct knocked {
  wire::bytes nonce;
};
struct knock {
  static constexpr auto manifest = "odeon.federation.knock";
  using reply = knocked;
  std::string node;
};
struct welcomed {
  member who;
  std::vector<std::string> nodes;
  std::uint64_t ticket = 0;
  wire::bytes proof;
};
struct join {
  static constexpr auto manifest = "odeon.federation.join";
  using reply = welcomed;
  member who;
  wire::bytes nonce;
  wire::bytes proof;
};
struct beat {
  static constexpr auto manifest = "odeon.federation.beat";
  using reply = int;  // 1: it is known; 0: it must join anew
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t ticket = 0;
};
struct update {
  static constexpr auto manifest = "odeon.federation.update";
  member who;
  std::uint64_t ticket = 0;
};
struct farewell {
  static constexpr auto manifest = "odeon.federation.farewell";
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t ticket = 0;
};
using steward_ref = actor_ref<knock, join, beat, update, farewell>;

/// By which a joiner, and who answers it, show that they know the secret.
[[nodiscard]] wire::bytes proof(std::string_view secret, std::string_view role,
                                const wire::bytes& nonce, const wire::bytes& other,
                                const member& who);

/// What the steward shares with `membership`.
class membership_core {
 public:
  membership_core(actor_system& s, remote::endpoint& n, federation_options o, member self)
      : system(s),
        net(n),
        options(std::move(o)),
        known(std::move(self), options.lease, options.limits) {}
  actor_system& system;
  remote::endpoint& net;
  const federation_options options;
  mutable std::mutex mutex;
  table known;                          // under it; events are taken by the steward alone
  std::atomic<std::uint32_t> ended{0};  // the steward is no more
  any_ref steward;                      // for its own side
};
using core_ptr = std::shared_ptr<membership_core>;

// From this side.
struct tick {};
struct changed {};
struct depart {};
struct met {
  std::string node;
  steward_ref at;
  result<welcomed> outcome;
};
struct beaten {
  std::string node;
  std::uint64_t incarnation = 0;
  result<int> outcome;
};
using watcher = std::function<void(const membership_event&)>;
struct add_watch {
  std::weak_ptr<watcher> f;
};

class steward : public actor<knock, join, beat, update, farewell, tick, changed, depart, met,
                             beaten, add_watch> {
 public:
  explicit steward(core_ptr core) : core_(std::move(core)) {}
  void pre_start();
  void post_stop();

  result<knocked> on(knock m);
  result<welcomed> on(join m);
  int on(beat m);
  void on(update m);
  void on(farewell m);
  void on(tick);
  void on(changed);
  void on(depart);
  void on(met m);
  void on(beaten m);
  void on(add_watch m);

 private:
  struct peer {
    steward_ref at;
    std::uint64_t ticket = 0;  // of this side there; 0: to be joined
    std::uint64_t incarnation = 0;
    unsigned failures = 0;
    bool busy = false;
  };
  [[nodiscard]] time_point now() const;
  [[nodiscard]] member spoken() const;
  [[nodiscard]] bool is_ticket(const std::string& node, std::uint64_t ticket) const;
  [[nodiscard]] bool is_seed(const std::string& node) const;
  task<met> join_with(std::string node, steward_ref at);
  void approach(const std::string& node);
  void candidate(const std::string& node);
  void publish();
  wire::bytes nonce() const;

  core_ptr core_;
  std::map<std::string, peer> peers_;
  std::map<std::string, wire::bytes> nonces_;     // given to who knocked; for one join each
  std::map<std::string, std::uint64_t> tickets_;  // that others have from here
  std::vector<std::weak_ptr<watcher>> watchers_;
};

}  // namespace odeon::federation::detail
