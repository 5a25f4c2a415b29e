#pragma once

#include "messages.hpp"
#include <odeon/base/error.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/remote/metrics.hpp>
#include <odeon/remote/options.hpp>
#include <odeon/task/future.hpp>
#include <odeon/wire/bytes.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file The hub: what an endpoint knows of other nodes, and its associations with them. Above it
/// are actors (endpoint, far_actor), below it sessions and transports.
///
/// An association is with one incarnation of one node. It outlives its connections: control records
/// are kept until the other side has acknowledged them, and are sent again on the next connection.
/// It ends when the incarnation is gone: it said goodbye, another one took its address, or it was
/// silent for longer than `limits::give_up_after`; then it is quarantined for ever.

namespace odeon::detail {
struct travelling;
}

namespace odeon::remote::detail {

class peer;
struct peer_ties;

/// Who is told what comes. Calls come on the transport's threads, one at a time for one peer; they
/// must be short, must not block and must not throw. Views live for the call.
class hub_listener {
 public:
  virtual void on_message(peer& from, const user_message& m) noexcept = 0;
  /// Exactly once and in order, as long as the incarnation lives.
  virtual void on_control(peer& from, std::span<const std::byte> record) noexcept = 0;
  /// A connection to this incarnation stands (again).
  virtual void on_up(peer& with, const peer_info& who) noexcept = 0;
  /// There is none any more, and another is being tried for. Asks that wait for an answer from it
  /// fail now.
  virtual void on_down(peer& with, const error& why) noexcept = 0;
  /// That incarnation is gone for good: who watches an actor there is told so. A later one of the
  /// same address comes as another `on_up`.
  virtual void on_gone(peer& with, std::uint64_t incarnation, const error& why) noexcept = 0;
  /// A message that had been taken by `send`, and was not wholly handed to a connection before that
  /// ended. Of a write that was under way just then it is not known how far it came: its messages
  /// are told here as well, and may have arrived. What was handed over before may be lost, too, and
  /// nobody knows: that is told of no message.
  virtual void on_unsent(peer& to, const user_message& m, const error& why) noexcept = 0;
  /// Whether an answer of it is waited for: a connection is kept, or made, for that.
  [[nodiscard]] virtual bool awaits(const peer& /*from*/) const noexcept { return false; }

 protected:
  ~hub_listener() = default;
};

/// What a listener keeps from one message to the next of those that came in one read: most are for
/// one actor, and of one type. The hub empties it after them.
struct burst {
  name_serial receiver = 0;  ///< whose actor `to` is; 0: none
  any_ref to;
  bool waits = false;    ///< its mailbox makes senders wait, which others must not
  name_serial type = 0;  ///< whose table `travels` is
  const odeon::detail::travelling* travels = nullptr;
  std::shared_ptr<peer_ties> ties;  ///< with the node that they came from
};

/// One other node. Lives until the hub and everybody else lets go of it. @threadsafe
class peer {
 public:
  virtual ~peer() = default;

  /// For `on_message` alone, while it is called; null: this peer keeps nothing.
  [[nodiscard]] virtual burst* together() noexcept { return nullptr; }

  /// "10.0.0.7:7400", as addresses write it.
  [[nodiscard]] virtual const std::string& node() const noexcept = 0;
  /// Who it is, when a handshake has told; of the last incarnation seen.
  [[nodiscard]] virtual std::shared_ptr<const peer_info> info() const noexcept = 0;

  /// Queues a message; the bytes are copied. Errors: `peer_overloaded` (the queue is at its bound),
  /// `quarantined`, `limit_exceeded` (larger than `limits::message_bytes`), or why there is no
  /// connection while none is to be had (`connection_refused`, `unreachable`, …). While the first
  /// connection is being made, messages are queued. Never blocks; about 150 ns.
  [[nodiscard]] virtual result<void> send(const user_message& m) noexcept = 0;
  /// Waits for room instead of `peer_overloaded`.
  [[nodiscard]] virtual future<void> send_wait(const user_message& m) = 0;
  /// Queues a control record: it arrives exactly once and in order, before user messages that wait,
  /// or `on_gone` comes. Bounded by `limits::control_records`; when that is reached the incarnation
  /// is given up. Makes a connection when there is none.
  virtual void send_control(wire::bytes record) noexcept = 0;

  /// When a connection stands; why not, after `limit` at the latest.
  [[nodiscard]] virtual future<peer_info> ready(duration limit) = 0;
};

class hub {
 public:
  /// `options` must be checked already; the listener must outlive the hub.
  static std::unique_ptr<hub> make(actor_system& system, const endpoint_options& options,
                                   hub_listener& listener);
  /// Says goodbye to all peers, for `limits::goodbye` at most; no call comes after it.
  virtual ~hub() = default;

  /// Listens. Errors as `transport::listen`.
  [[nodiscard]] virtual result<void> start() = 0;
  /// The node part of this side's addresses: "10.0.0.5:7400"; with the real port after `start`.
  [[nodiscard]] virtual std::string node() const = 0;
  /// Of this side; random, made with the hub, never 0.
  [[nodiscard]] virtual std::uint64_t incarnation() const noexcept = 0;

  /// The peer of that address; a connection is begun when there is none. The same object for the
  /// same address. `invalid_argument` for a text that is no address, or this side's own.
  [[nodiscard]] virtual result<std::shared_ptr<peer>> find(std::string_view node) = 0;
  /// The same, and no connection is begun before something is to be sent: for references that
  /// others have sent, which may name anybody.
  [[nodiscard]] virtual result<std::shared_ptr<peer>> know(std::string_view node) {
    return find(node);
  }
  [[nodiscard]] virtual std::vector<std::shared_ptr<peer>> peers() const = 0;
  /// Closes the association on purpose: `quarantine` for ever, else until somebody needs it.
  virtual void drop(peer& p, bool quarantine, std::string_view why) noexcept = 0;
  /// The peer has sent what no peer sends: that is counted, and its connections end. May be called
  /// by the listener, about the peer that it is called for.
  virtual void violated(peer& /*by*/, const error& /*why*/) noexcept {}
  /// How everything is doing. Costs time in the number of peers, and holds up nobody.
  [[nodiscard]] virtual endpoint_metrics metrics() const { return {}; }
};

}  // namespace odeon::remote::detail
