#pragma once

#include "asks.hpp"
#include "contract_book.hpp"
#include "far_table.hpp"
#include "hub.hpp"
#include "peer_ties.hpp"
#include "records.hpp"
#include <odeon/address/messages.hpp>
#include <odeon/address/resolver.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/core/events.hpp>
#include <odeon/remote/metrics.hpp>
#include <odeon/remote/permissions.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>

/// @file What is behind an endpoint: shared by it, its far actors, and what is under way.

namespace odeon::remote::detail {

namespace core = odeon::detail;

using found_taker = std::move_only_function<void(result<any_ref>)>;
using hub_maker =
    std::function<std::unique_ptr<hub>(actor_system&, const endpoint_options&, hub_listener&)>;
/// Makes an actor of decoded arguments. May throw.
using actor_maker = std::function<result<any_ref>(
    actor_system&, spawn_options, std::span<const std::byte> arguments, const wire::context&)>;

/// Uids that travel are the local ones mixed with the endpoint's incarnation, so that an actor of
/// an earlier process is never taken for one of the present.
///
/// Life: `open`, …, `close` (by the endpoint's end or the system's last phase, whichever comes
/// first); after it everything that is sent is `unreachable`, and nothing comes in.
class endpoint_state final : public hub_listener,
                             public address_resolver,
                             public std::enable_shared_from_this<endpoint_state> {
 public:
  static constexpr std::size_t senders_kept = 4096;    ///< far senders whose cells are kept
  static constexpr std::size_t receivers_kept = 4096;  ///< cells found without a look-up
  static constexpr std::size_t types_kept = 512;
  static constexpr std::size_t questions_most = 65'536;  ///< resolves and spawns under way
  static constexpr std::size_t claims_most = 4096;       ///< messages in one of them

  /// Opened, and closed with the system's last phase at the latest.
  static std::shared_ptr<endpoint_state> make(actor_system& system, const endpoint_options& options,
                                              permissions allowed, const hub_maker& hub);

  endpoint_state(actor_system& system, permissions allowed);
  ~endpoint_state() override;

  /// Makes the hub and listens. Throws what that says.
  void open(const endpoint_options& options, const hub_maker& make);
  void close() noexcept;
  [[nodiscard]] bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  // -- names
  // ---------------------------------------------------------------------------------------
  [[nodiscard]] const std::string& system_name() const noexcept { return system_name_; }
  /// As others reach it; with the real port once it listens.
  [[nodiscard]] const std::string& own_node() const noexcept { return *node_.load(); }
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
  [[nodiscard]] core::system_anchor& anchor() const noexcept { return anchor_; }
  [[nodiscard]] runtime& rt() const noexcept { return rt_; }
  [[nodiscard]] actor_system& system() const noexcept { return system_; }
  [[nodiscard]] records::name name_of(const any_ref& local) const;
  [[nodiscard]] std::uint64_t far_uid(std::uint64_t local) const noexcept {
    return local ^ incarnation_;
  }

  result<address> address_of(const any_ref& ref) const override;
  result<any_ref> resolve(const address& a, wanted_messages wanted) const override;
  [[nodiscard]] const wire::context& travels_with() const noexcept { return context_; }

  // -- sending
  // -------------------------------------------------------------------------------------
  [[nodiscard]] const core::travelling* type_of(const core::message_type& type) noexcept;
  /// Who sent it, as a name that lives until the thread's next call; empty: nobody.
  [[nodiscard]] actor_name sender_name(core::cell* from, std::uint32_t generation);
  [[nodiscard]] message_table& messages() noexcept { return *messages_; }
  ask_table asks;
  far_table far;

  // -- watches.cpp
  // ---------------------------------------------------------------------------------
  void tie(far_actor& f, core::cell& self, any_ref local, tie_kind kind);
  void untie(far_actor& f, core::cell& self, any_ref local, tie_kind kind);
  void stop(far_actor& f, bool kill);
  void ended_here(far_actor& f, core::cell& self, const any_ref& who, const exit_reason& reason,
                  tie_kind kind);

  // -- resolving.cpp, spawning.cpp
  // -----------------------------------------------------------------
  /// An address as text; `wants`: constants.
  void find_far(std::string_view text, std::span<const core::travelling* const> wants,
                found_taker done);
  void find_at(const address& a, std::span<const core::travelling* const> wants, found_taker done);
  void spawn_far(std::string_view node, std::string type, std::string called, wire::bytes arguments,
                 std::span<const core::travelling* const> wants, found_taker done);
  void register_maker(std::string type, actor_maker make);

  // -- hub_listener
  // --------------------------------------------------------------------------------
  void on_message(peer& from, const user_message& m) noexcept override;
  void on_control(peer& from, std::span<const std::byte> record) noexcept override;
  void on_up(peer& with, const peer_info& who) noexcept override;
  void on_down(peer& with, const error& why) noexcept override;
  void on_gone(peer& with, std::uint64_t incarnation, const error& why) noexcept override;
  void on_unsent(peer& to, const user_message& m, const error& why) noexcept override;
  [[nodiscard]] bool awaits(const peer& from) const noexcept override { return asks.any_of(from); }

  [[nodiscard]] std::vector<peer_info> peers() const;
  [[nodiscard]] endpoint_metrics metrics() const;
  [[nodiscard]] result<void> drop(std::string_view node, bool quarantine);
  /// Watches and links to and from other nodes.
  [[nodiscard]] std::size_t tie_count() const;

 private:
  struct question {
    const peer* at = nullptr;
    std::vector<const core::travelling*> wants;
    std::string what;  // for texts
    found_taker done;
    wire::bytes record = {};  // asked once more of the next incarnation; empty: not to be
  };
  struct sender_slot {
    core::spin_lock lock;
    const peer* at = nullptr;
    std::uint64_t uid = 0;
    std::string path;  // of one of a third node, which has no uid here
    any_ref ref;
  };
  /// Weak, as envelopes have it.
  struct sender {
    core::cell* cell = nullptr;
    std::uint32_t generation = 0;
  };

  // -- delivery.cpp
  // --------------------------------------------------------------------------------
  void deliver(peer& from, const user_message& m);
  void settle(peer& from, const user_message& m);
  /// `at` has whom it is for, and of which type it is.
  void serve(peer& from, const user_message& m, const any_ref& asker, burst& at, core::envelope& e);
  void cancelled(peer& from, std::uint64_t ask);
  void answer(peer_ties& asker, std::uint64_t ask, result<core::reply_bytes> r) noexcept;
  void fail_ask(peer& to, std::uint64_t ask, const error& why);
  void refuse(peer& from, const user_message& m, const core::travelling* type, error why);
  void fail_asks_of(const peer* at, const error& why) noexcept;
  static void cancel_served(peer_ties& of) noexcept;
  [[nodiscard]] const core::travelling* type_of(const wire::tagged_view& m,
                                                name_serial serial) noexcept;

  // -- finding
  // -------------------------------------------------------------------------------------
  /// The live actor of that name here; why not: `no_such_actor`, `stale`.
  [[nodiscard]] result<any_ref> find_here(std::string_view path, std::uint64_t uid) const;
  [[nodiscard]] result<std::shared_ptr<peer>> find_peer(std::string_view node) const;
  [[nodiscard]] result<any_ref> far_ref(const address& where) const;
  /// The sender of what came; it is kept for a while, and longer in `held`, when that is not null.
  [[nodiscard]] sender far_sender(peer& from, const actor_name& name, any_ref* held);
  [[nodiscard]] any_ref far_of(peer& from, std::string_view path, std::uint64_t uid);

  [[nodiscard]] std::shared_ptr<peer_ties> ties_of(peer& p);
  [[nodiscard]] std::shared_ptr<peer_ties> ties_if(const peer& p) const;

  // -- control
  // -------------------------------------------------------------------------------------
  void on(peer& from, records::watch& r);
  void on(peer& from, records::unwatch& r);
  void on(peer& from, records::link& r);
  void on(peer& from, records::unlink& r);
  void on(peer& from, records::ended& r);
  void on(peer& from, records::stop& r);
  void on(peer& from, records::resolve& r);
  void on(peer& from, records::spawn& r);
  void on(peer& from, records::answer& r);
  void on(peer& from, records::ask_failed& r);
  void tied_from_there(peer& from, const records::name& target, const records::name& other,
                       tie_kind kind);
  void untied_from_there(peer& from, const records::name& target, const records::name& other,
                         tie_kind kind);
  void untie_all(peer_ties& of, const error& why) noexcept;
  void spawn_here(const std::shared_ptr<peer_ties>& from, const records::spawn& r);

  void put_question(const std::shared_ptr<peer>& at, question q,
                    const std::function<records::any(std::uint64_t id)>& record);
  void send_question(const std::shared_ptr<peer>& at, std::uint64_t id, wire::bytes record);
  void fail_questions_of(const peer* at, const error& why) noexcept;
  /// What `wants` is not met by `here`, or how it differs.
  [[nodiscard]] records::answer check_claims(std::uint64_t id, const any_ref& here,
                                             const std::vector<records::claim>& wants);

  actor_system& system_;
  core::system_anchor& anchor_;
  runtime& rt_;
  const std::string system_name_;
  const permissions allowed_;
  std::shared_ptr<message_table> messages_;
  wire::context context_;
  contract_book contracts_;

  // Written by `open`, before anything comes; `close` takes it out under the lock.
  mutable std::shared_mutex hub_mutex_;
  std::unique_ptr<hub> hub_;
  std::array<std::string, 2> nodes_;  // before it listens, and after
  std::atomic<const std::string*> node_{&nodes_[0]};
  std::uint64_t incarnation_ = 0;
  duration connect_limit_{};  // for a connection and its handshake
  std::atomic<bool> closed_{false};

  mutable std::shared_mutex ties_mutex_;
  std::unordered_map<const peer*, std::shared_ptr<peer_ties>> ties_;

  std::mutex questions_mutex_;
  std::unordered_map<std::uint64_t, question> questions_;
  std::uint64_t next_question_ = 1;

  std::mutex makers_mutex_;
  std::map<std::string, actor_maker, std::less<>> makers_;
  std::vector<any_ref> spawned_;
  std::size_t spawning_ = 0;  // asked for and not made yet; counts with them

  // Found once. Direct-mapped; what is found there is checked before it is used.
  mutable std::array<std::atomic<core::cell*>, receivers_kept> receivers_{};
  std::array<std::atomic<const core::travelling*>, types_kept> outgoing_types_{};
  std::array<std::atomic<const core::travelling*>, types_kept> incoming_types_{};
  std::unique_ptr<std::array<sender_slot, senders_kept>> senders_;
};

}  // namespace odeon::remote::detail
