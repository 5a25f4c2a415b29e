#pragma once

#include "hub.hpp"
#include "stream.hpp"
#include <odeon/remote/failure_detector.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// @file What the hub knows of one other node, and its association with it.
///
/// Protocol. Three locks, taken in this order, with the hub's own between the first two:
///   delivery   held during every call of the listener about this peer, and while a link gives what
///              it has read. Who holds it may change the life of the association.
///   mutex_     the state; short, nothing is called under it.
///   control    the outbox of the association, between senders and the writer of stream 0.
///
/// | phase | means | leaves by |
/// |---|---|---|
/// | idle | no connection, none tried for | a need (a message, `ready`), the peer's connection |
/// | connecting | the first attempt since the last connection or need | success, failure |
/// | up | stream 0 has a link | that link's end |
/// | down | the last attempt failed; senders are told why | the next attempt's success, giving up |
/// | blocked | this incarnation is quarantined | the connection of another incarnation |
///
/// Both sides dial at once: the acceptor decides, when the dialer has proven itself. If its own
/// dial has been answered already, the one dialled by the greater incarnation stays; else the one
/// that is there. So exactly one stays, and no message was written on the other.
///
/// Messages are dealt by their receiver to so many streams as this side's options say. When the
/// other side takes fewer connections, each stream without one hands its messages to one that has,
/// from then on and for good (`agree`, `stream::fold`).

namespace odeon::remote::detail {

/// What lives as long as an incarnation.
struct association {
  explicit association(std::size_t records) : outbox(records) {}
  std::mutex control;
  control_outbox outbox;  // under `control`
  control_inbox inbox;    // the read half's, under the peer's delivery lock
};

/// Sums; each is a figure for people, so no order is needed.
struct counters {
  using count = std::atomic<std::uint64_t>;
  count sent_bytes{0}, sent_writes{0}, sent_messages{0}, sent_controls{0};
  count got_bytes{0}, got_reads{0}, got_messages{0}, got_controls{0};
  count reconnects{0}, unsent{0}, overloads{0};
  void add_to(traffic& sent, traffic& received) const noexcept;
};
inline void bump(std::atomic<std::uint64_t>& c, std::uint64_t by = 1) noexcept {
  c.fetch_add(by, std::memory_order_relaxed);
}

/// As errors name it.
[[nodiscard]] inline std::string quoted(const std::string& node) { return "node '" + node + "'"; }

class peer_core final : public std::enable_shared_from_this<peer_core> {
 public:
  peer_core(std::shared_ptr<hub_core> hub, std::string node);
  ~peer_core();

  // -- the public face
  // -----------------------------------------------------------------------------
  const std::string node;
  std::weak_ptr<peer> handle;  // set once, by the hub
  [[nodiscard]] std::shared_ptr<const peer_info> info() const;
  [[nodiscard]] result<void> send(const user_message& m) noexcept;
  [[nodiscard]] future<void> send_wait(const user_message& m);
  void send_control(wire::bytes record) noexcept;
  [[nodiscard]] future<peer_info> ready(duration limit);
  /// Begins a connection when there is none and none is tried for.
  void want() noexcept;
  void want_soon();  ///< by the hub, whatever is locked now
  void drop(bool quarantine, std::string_view why);
  [[nodiscard]] peer_metrics metrics() const;

  // -- links, under `delivery`
  // -----------------------------------------------------------------------
  std::mutex delivery;
  burst together;
  /// Holds `delivery`, and the face by which the listener knows the peer.
  class section {
   public:
    explicit section(peer_core& p);
    ~section() {
      core_.face_ = nullptr;
      let_go_ = std::exchange(core_.together, {});
    }
    section(const section&) = delete;

   private:
    burst let_go_;  // outside of the lock
    std::lock_guard<std::mutex> hold_;
    peer_core& core_;
    std::shared_ptr<peer> face_;
  };
  /// The acceptor's decision about a connection that came.
  [[nodiscard]] result<void> may_open(link& l);
  /// The peer has answered a dial: before the last word is said, which makes the other side take
  /// it. False: it is not to be said, another connection is there.
  [[nodiscard]] bool dial_heard(const link& l);
  void link_opened(const std::shared_ptr<link>& l);
  void link_ended(link& l, const error& why);
  void got_message(const user_message& m) noexcept;
  void got_control(std::span<const std::byte> record) noexcept;
  /// Whether the peer stays below `limits::messages_per_second`.
  [[nodiscard]] bool within_rate(std::uint64_t messages, time_point now) noexcept;

  // -- for streams
  // -----------------------------------------------------------------------------------
  hub_core& hub() noexcept { return *hub_; }
  counters count;
  void messages_unsent(std::vector<std::pair<held_message, error>> all);
  void room_again() noexcept;  ///< cheap when nobody waits
  void note_round_trip(duration d) noexcept;
  void wake_stream(unsigned index) noexcept;

  // -- for the hub
  // -----------------------------------------------------------------------------------
  /// Nothing is called any more.
  void silence() noexcept;
  void say_goodbye();
  /// It has sent what no peer sends. Under `delivery` or not.
  void violated(const error& why) noexcept;
  /// Nothing would be lost with it but, when `also_idle`, the count of control records.
  [[nodiscard]] bool is_forgettable(bool also_idle) const;
  /// It is known no more: what it was connected to is gone.
  void forget();
  void tick() noexcept;
  void dial_done(unsigned index, std::uint64_t attempt, result<std::unique_ptr<connection>> c);

 private:
  enum class phase : std::uint8_t { idle, connecting, up, down, blocked };
  struct waiter {
    promise<peer_info> to;
    time_point until;
  };
  struct sender {
    held_message what;
    promise<void> to;
  };
  using lock = std::unique_lock<std::mutex>;

  // By any thread.
  stream& stream_for(const user_message& m) noexcept;
  std::unexpected<error> refusal() const;
  void serve_senders();

  // Under `delivery`, without the mutex.
  void call_listener(auto&& f) noexcept;  // with the listener and the face; in hub_core.hpp
  void gone(const error& why, bool block);
  void connection_lost(link& l, const error& why);
  void check_links(lock& held, time_point now);

  // Under the mutex; those that are given the lock may let go of it.
  void begin_attempt(lock& held);
  void attempt_failed(lock& held, error why);
  /// `carry`: as `stream::use`.
  void drop_links(const error& why, bool carry = false) noexcept;
  void agree(unsigned streams) noexcept;
  static void bury(link& l, const error& why, bool in_order = false) noexcept;
  [[nodiscard]] bool needed(bool held_outside) const;
  [[nodiscard]] bool idle_long(time_point now) const;
  [[nodiscard]] bool queues_empty() const noexcept;
  void close_queues(const error& why) noexcept;
  void open_queues() noexcept;
  void fail_waiters(lock& held, const error& why);
  void reschedule();
  [[nodiscard]] failure_detector new_detector() const;
  [[nodiscard]] duration pause_after(unsigned failures);
  [[nodiscard]] error addressed(error why) const;

  const std::shared_ptr<hub_core> hub_;
  std::vector<std::unique_ptr<stream>> streams_;
  peer* face_ = nullptr;  // under `delivery`
  mutable std::mutex mutex_;
  // Under the mutex.
  phase phase_ = phase::idle;
  bool silenced_ = false;  // changes under `delivery` as well
  std::uint64_t incarnation_ = 0;
  bool was_up_ = false;  // with this incarnation
  std::shared_ptr<association> association_;
  std::shared_ptr<const peer_info> info_;
  std::array<std::shared_ptr<link>, streams_max> links_;
  bool we_dialled_ = false;
  unsigned agreed_ = 1;         // streams of the present or last connection
  std::shared_ptr<link> dial_;  // of stream 0, shaking hands
  bool dial_heard_ = false;
  std::uint64_t attempt_ = 0;  // the present one's number
  bool attempting_ = false;    // from the call of `connect` to the end of its handshake
  unsigned failures_ = 0;      // attempts in a row
  unsigned short_lives_ = 0;   // connections in a row that ended soon
  std::optional<error> last_error_;
  time_point opened_at_{}, down_since_{}, redial_at_{}, beat_at_{};
  std::optional<time_point> probe_until_;
  failure_detector detector_;  // of stream 0's connection
  std::vector<waiter> waiters_;
  std::deque<sender> senders_;
  std::size_t senders_bytes_ = 0;
  bool armed_ = false;
  time_point armed_for_{};
  bool looked_ = true;              // whether an idle peer is needed was found out
  std::uint64_t seen_traffic_ = 0;  // messages both ways at the last tick …
  time_point quiet_since_{};        // … and since when it is the same
  alarm alarm_;

  std::atomic<bool> has_senders_{false}, overloaded_{false};
  std::atomic<unsigned> folded_;  // streams from this one on go by others; it never grows
  std::atomic<std::int64_t> round_trip_{0};
  double tokens_ = 0;  // of messages_per_second; under `delivery`
  time_point tokens_at_{};
};

}  // namespace odeon::remote::detail
