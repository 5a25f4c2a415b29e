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
/// when there is a secret, and one of the tenant's. Then the node that the joiner says it is, is
/// asked over its own association whether that join is its: `confirm`. So nobody joins under
/// another's address. The answer has the other's record, its proofs, the nodes of the members that
/// it knows, and a ticket, which everything later must show: so no third node can speak for the
/// joiner. Both sides join each other.
///
/// A tenant's names are told to members of that tenant alone, when they are known as such: in the
/// answer, and by an `update` that follows the joiner's own join.

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
  wire::bytes tenant_proof;
};
struct join {
  static constexpr auto manifest = "odeon.federation.join";
  using reply = welcomed;
  member who;
  wire::bytes nonce;
  wire::bytes proof;
  wire::bytes tenant_proof;
};
/// Of the node that a join has named: has it joined with that nonce?
struct confirm {
  static constexpr auto manifest = "odeon.federation.confirm";
  using reply = bool;
  wire::bytes nonce;
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
using steward_ref = actor_ref<knock, join, confirm, beat, update, farewell>;

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
  std::atomic<std::uint32_t> alive{2};  // the steward and its witness
  any_ref steward;                      // for its own side

  /// One of the two has ended.
  void ended() {
    runtime& rt = system.get_runtime();
    if (alive.fetch_sub(1) == 1) rt.wake(alive);
  }
};
using core_ptr = std::shared_ptr<membership_core>;

/// Ends when the steward has ended and its name is free, of which the steward itself cannot tell:
/// its own last word comes before. When all actors of the system are stopped, either may be first.
struct attend {
  any_ref steward;
};
class witness : public actor<attend> {
 public:
  explicit witness(core_ptr core) : core_(std::move(core)) {}
  void on(attend m) { ctx().watch(m.steward); }
  void on(terminated) { ctx().stop(); }
  void post_stop() {
    const core_ptr kept = core_;
    kept->ended();
  }

 private:
  core_ptr core_;
};

// From this side.
struct tick {};
struct changed {};
struct depart {};
struct met {
  std::string node;
  steward_ref at;
  result<welcomed> outcome;
  std::uint64_t said = 0;   // the version of this side's record that the join had
  std::uint64_t asked = 0;  // which of the asks this was
};
struct beaten {
  std::string node;
  std::uint64_t incarnation = 0;
  result<int> outcome;
  std::uint64_t asked = 0;
};
struct confirmed {
  std::uint64_t which = 0;  // of the joins that wait
  result<bool> outcome;
};
using watcher = std::function<void(const membership_event&)>;
struct add_watch {
  std::weak_ptr<watcher> f;
};

class steward : public actor<knock, join, confirm, beat, update, farewell, tick, changed, depart,
                             met, beaten, confirmed, add_watch> {
 public:
  explicit steward(core_ptr core) : core_(std::move(core)) {}
  void pre_start();
  void post_stop();

  result<knocked> on(knock m);
  void on(join m, reply_to<welcomed> to);
  bool on(confirm m);
  int on(beat m);
  void on(update m);
  void on(farewell m);
  void on(tick);
  void on(changed);
  void on(depart);
  void on(met m);
  void on(beaten m);
  void on(confirmed m);
  void on(add_watch m);

 private:
  struct peer {
    steward_ref at;
    std::uint64_t ticket = 0;  // of this side there; 0: to be joined
    std::uint64_t incarnation = 0;
    unsigned failures = 0;
    bool is_own_tenant = false;  // as it was joined
    std::uint64_t asked = 0;     // the ask under way; 0: none
    wire::bytes joining = {};    // the nonce of the join under way
  };
  struct waiting_join {
    join what;
    wire::bytes nonce;  // that was given to it
    reply_to<welcomed> to;
  };
  [[nodiscard]] time_point now() const;
  [[nodiscard]] member spoken(bool to_own_tenant) const;
  [[nodiscard]] bool is_own_tenant(const member& who) const;
  [[nodiscard]] result<void> announced(const member& who) const;
  [[nodiscard]] result<welcomed> welcome(const waiting_join& w);
  [[nodiscard]] wire::bytes nonce_for(const std::string& node, std::uint64_t epoch) const;
  [[nodiscard]] bool is_ticket(const std::string& node, std::uint64_t ticket) const;
  [[nodiscard]] bool is_seed(const std::string& node) const;
  [[nodiscard]] peer* answered(const std::string& node, std::uint64_t asked);
  task<met> join_with(std::string node, steward_ref at, wire::bytes mine);
  task<confirmed> confirm_with(std::uint64_t which, std::string node, wire::bytes nonce);
  void approach(const std::string& node);
  void candidate(const std::string& node);
  void publish();
  wire::bytes nonce() const;

  core_ptr core_;
  std::map<std::string, peer> peers_;
  wire::bytes key_;          // of the nonces that are given to who knocks: nothing is kept
  std::uint64_t epoch_ = 1;  // a nonce is good in its own and the next
  std::uint64_t last_join_ = 0;
  std::uint64_t last_ask_ = 0;
  std::map<std::uint64_t, waiting_join> joins_;   // being confirmed
  std::map<std::string, std::uint64_t> tickets_;  // that others have from here
  std::vector<std::weak_ptr<watcher>> watchers_;
};

}  // namespace odeon::federation::detail
