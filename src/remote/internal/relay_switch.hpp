#pragma once

#include "relay_frames.hpp"
#include <odeon/base/time.hpp>
#include <odeon/remote/relay.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

/// @file What a relay does, without I/O: bytes of numbered connections go in, bytes for them come
/// out. Not thread-safe. Nothing in it grows beyond `relay_limits`.

namespace odeon::remote::relay_detail {

/// Bytes that wait to be written to one connection, in blocks.
class output {
 public:
  /// The block to append to; call `added` after.
  bytes& tail();
  void added(std::size_t before);
  void add(const frame& f) {
    bytes& t = tail();
    const std::size_t before = t.size();
    append(t, f);
    added(before);
  }
  /// What is to be written next, at most `most` blocks; empty when nothing waits or the last batch
  /// is still being written.
  std::vector<bytes> take(std::size_t most = 16);
  /// The last batch was written.
  void wrote() noexcept { size_ -= std::exchange(under_way_, 0); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_writing() const noexcept { return under_way_ > 0; }

 private:
  std::deque<bytes> blocks_;
  std::size_t size_ = 0, under_way_ = 0;
};

class relay_switch {
 public:
  using id = std::uint64_t;

  /// "" for `secret`: nobody has to prove anything.
  relay_switch(std::string secret, const relay_limits& bounds,
               std::function<void(std::span<std::byte>)> random);
  ~relay_switch();

  /// A new connection. False: it is to be closed at once, and nothing of it is kept.
  bool opened(id c, std::string host, time_point now);
  void received(id c, const_bytes in, time_point now);
  /// It is gone, or is to be forgotten.
  void closed(id c, time_point now);
  void wrote(id c, time_point now);
  /// At least a few times a second.
  void tick(time_point now);
  /// Takes no more connections, tells all goodbye.
  void drain();

  /// The next batch for it, as `output::take`.
  std::vector<bytes> take(id c, time_point now);
  /// To be closed, when nothing is left to be written.
  [[nodiscard]] bool is_over(id c) const;
  /// Closed without waiting for that.
  [[nodiscard]] bool is_lost(id c) const;
  /// Not when it has sent more than its rate allows; `tick` lets it go on.
  [[nodiscard]] bool may_read(id c) const;

  /// Connections with something new to write or to close, or to read from again.
  std::vector<id> changed();
  /// What happened since the last call; taken after every other one, so it never grows.
  std::vector<relay_event> events();
  [[nodiscard]] relay_metrics metrics() const;
  [[nodiscard]] std::vector<relay_peer> peers(std::size_t most, time_point now) const;

 private:
  struct node;
  struct ack_run {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
  };
  void touch(node& n);
  bool handle(node& n, const_bytes body, time_point now, ack_run& run);
  bool on_register(node& n, const registration& f, time_point now);
  bool on_envelope(node& n, const envelope& f, ack_run& run);
  void refuse(node& n, std::uint64_t number, relay_refusal why, ack_run& run);
  void flush(node& n, ack_run& run);
  /// Says goodbye and marks it over.
  void end(node& n, relay_refusal why, std::string_view text = {});
  void forget_name(node& n, relay_refusal why);
  void say(node& n, const frame& f);
  void spend(node& n, std::size_t size, time_point now);
  void count(relay_refusal why) { ++totals_.refused_total[static_cast<std::size_t>(why)]; }

  const std::string secret_;
  const relay_limits limits_;
  const std::function<void(std::span<std::byte>)> random_;
  std::unordered_map<id, std::unique_ptr<node>> nodes_;
  std::map<std::string, node*, std::less<>> names_;
  std::unordered_map<std::string, std::size_t> hosts_;
  std::size_t handshakes_ = 0;
  bool draining_ = false;
  std::vector<id> changed_;
  std::vector<relay_event> events_;
  relay_metrics totals_;
  // The rate: what was forwarded since `window_began_`.
  time_point window_began_{};
  std::uint64_t window_envelopes_ = 0, window_bytes_ = 0;
};

}  // namespace odeon::remote::relay_detail
