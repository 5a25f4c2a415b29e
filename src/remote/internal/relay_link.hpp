#pragma once

#include "relay_frames.hpp"
#include "relay_switch.hpp"
#include <odeon/base/time.hpp>
#include <odeon/remote/relay_transport.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

/// @file A node's connection to its relay, without I/O: registration, heartbeats, and envelopes
/// that are acknowledged, or repeated once, or given back. Not thread-safe.

namespace odeon::remote::relay_detail {

/// Who uses a link. Calls come from within calls of the link.
class link_user {
 public:
  virtual void on_registered(time_point now) = 0;
  /// The connection is over: `error` is for those whose connections went through it.
  virtual void on_lost(const error& why) = 0;
  virtual void on_delivery(std::string_view source, const_bytes payload, time_point now) = 0;
  virtual void on_taken(std::string_view target, std::uint64_t tag, bool again) = 0;
  /// It was refused, or not acknowledged in time; it is sent once more.
  virtual void on_retry(std::string_view target, std::uint64_t tag, relay_refusal why) = 0;
  /// It was sent once more, in vain. `none`: no acknowledgement came.
  virtual void on_undelivered(std::string_view target, std::uint64_t tag, relay_refusal why) = 0;

 protected:
  ~link_user() = default;
};

class relay_link {
 public:
  enum class state : std::uint8_t { down, waiting, registering, ready, over };

  relay_link(const relay_transport_options& options,
             std::function<void(std::span<std::byte>)> random, link_user& user);

  /// A connection to the relay stands.
  void begin(time_point now);
  void received(const_bytes in, time_point now);
  /// It has ended; `begin` may follow.
  void end(error why);
  void tick(time_point now);

  /// Only when `is_ready`. `tag` is the user's.
  void send(std::string_view target, bytes payload, std::uint64_t tag, time_point now);
  [[nodiscard]] std::size_t payload_max(std::string_view target) const noexcept;

  [[nodiscard]] bool is_ready() const noexcept { return state_ == state::ready; }
  [[nodiscard]] state now_is() const noexcept { return state_; }
  /// Another connection has taken the name.
  [[nodiscard]] bool was_replaced() const noexcept { return replaced_; }
  /// Why the last connection ended, or the last error.
  [[nodiscard]] const error& why() const noexcept { return why_; }

  output out;

 private:
  struct pending {
    std::uint64_t tag;
    std::string target;
    bytes payload;
    time_point at;  // sent, or to be sent again
    relay_refusal why = relay_refusal::none;
    bool again = false;  // this is the second time
    bool done = false;
  };
  bool handle(const_bytes body, time_point now);
  bool on_challenge(const challenge& f);
  bool on_welcome(const welcome& f, time_point now);
  void taken(std::uint64_t number);
  void refused(std::uint64_t number, relay_refusal why, time_point now);
  void transmit(pending p, time_point now);
  [[nodiscard]] pending* find(std::uint64_t number);
  void settle(pending& p);
  void give_up(errc code, std::string why);
  [[nodiscard]] error told(relay_refusal why, std::string_view text) const;

  const relay_transport_options& options_;
  const std::function<void(std::span<std::byte>)> random_;
  link_user& user_;
  state state_ = state::down;
  frame_reader reader_{handshake_frame_max};
  challenge challenge_;
  nonce random_bytes_ = {};
  time_point began_{}, heard_{}, asked_{};
  std::uint64_t next_ = 1;         // number of the next envelope
  std::deque<pending> unsettled_;  // numbers up to `next_`, the first one that is not done first
  std::deque<pending> waiting_;    // refused, to be sent again
  bool replaced_ = false;
  error why_{errc::cancelled, "nothing has gone wrong"};
};

}  // namespace odeon::remote::relay_detail
