#pragma once

#include "relay_link.hpp"
#include <odeon/runtime/transport.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

/// @file Many connections over one link, without I/O. Each is a channel: a stream of bytes in each
/// direction, counted from 0, sent as pieces with their offsets. Envelopes may come late, twice or
/// in another order (one was repeated): a piece that is ahead waits, within the window; one that
/// was there already is dropped. Windows are granted as absolute offsets, so all that channels say
/// may be said twice. Not thread-safe.
///
/// Completions are collected, not called: whoever drives this calls them without its lock.

namespace odeon::remote::relay_detail {

/// What nodes say to each other inside of envelopes; the relay does not read it.
enum class word : std::uint8_t {
  open = 1,     // to port, from port, limit
  accept = 2,   // limit
  refuse = 3,   // why: a refuse_reason
  data = 4,     // offset, bytes
  end = 5,      // offset: no more will be written
  grant = 6,    // limit: up to which offset may be sent
  stop = 7,     // nobody reads here any more
  abort = 8,    // both directions are over
  probe = 9,    // token
  answer = 10,  // token
};
inline constexpr std::uint8_t by_opener = 0x80;  // beside the word: the sender has opened it
/// Whether another attempt in a moment would end like the one before.
[[nodiscard]] bool is_lasting(errc code) noexcept;

enum class refuse_reason : std::uint8_t { closed = 1, backlog = 2, full = 3 };

struct port_state;

/// One end of a connection.
struct channel {
  std::string peer;
  std::uint64_t id = 0;      // the opener's choice
  std::uint64_t handle = 0;  // of this end, in this mux
  bool opener = false;
  std::string local_address, peer_address;
  enum class stage : std::uint8_t { opening, open, gone } at = stage::opening;
  bool let_go = false;   // the user's object is no more
  bool aborted = false;  // this side gave it up

  // Opening.
  std::uint16_t to_port = 0, from_port = 0;
  bool asked = false;  // the open was sent on this registration
  time_point until{};
  transport::connect_done connecting;

  // Out.
  std::vector<const_bytes> from;
  std::size_t piece = 0, offset = 0;  // in `from`
  connection::write_done writing;
  std::uint64_t sent = 0, limit = 0;  // stream offsets
  std::size_t unsettled = 0;          // envelopes that the relay has not taken yet
  std::size_t retried = 0;            // of them, those that are being repeated
  bool ended = false;                 // by the user
  bool end_said = false;              // to the peer
  bool out_broken = false, listed = false;

  // In.
  std::span<std::byte> into;
  connection::read_done reading;
  std::deque<bytes> ready;   // in order, not read yet
  std::size_t ready_at = 0;  // in the first
  std::size_t ready_bytes = 0;
  std::map<std::uint64_t, bytes> early;
  std::size_t early_bytes = 0;
  std::uint64_t got = 0, granted = 0;
  std::string why;  // it broke
  std::optional<std::uint64_t> end_at;
  bool end_read = false, in_broken = false;
  time_point lingers_until{};
};
using channel_ptr = std::shared_ptr<channel>;

/// A port that is listened on.
struct port_state {
  std::uint16_t port = 0;
  std::size_t backlog = 1;
  bool closed = false;
  std::deque<channel_ptr> waiting;
  listener::accept_done accepting;
};
using port_ptr = std::shared_ptr<port_state>;

class relay_mux final : private link_user {
 public:
  using wrap_fn = std::function<std::unique_ptr<connection>(channel_ptr)>;
  using completion = std::move_only_function<void()>;

  /// `wrap` makes the user's object of a channel. `options` must outlive the mux.
  relay_mux(const relay_transport_options& options,
            std::function<void(std::span<std::byte>)> random, wrap_fn wrap);

  // -- the user's side ----------------------------------------------------------------------------
  [[nodiscard]] result<port_ptr> listen(std::string_view address, std::size_t backlog);
  void accept(port_state& p, listener::accept_done done);
  void close(port_state& p);
  void connect(std::string_view address, duration limit, transport::connect_done done,
               time_point now);
  void read(channel& c, std::span<std::byte> into, connection::read_done done);
  void write(channel& c, std::span<const const_bytes> pieces, connection::write_done done);
  void end_writing(channel& c, connection::write_done done);
  void abort(channel& c);
  void let_go(channel& c, time_point now);
  /// The end: everything that waits is cancelled.
  void cancel_all();

  // -- the link's side ----------------------------------------------------------------------------
  relay_link link;
  void tick(time_point now);
  /// Sends what can be sent; to be called after everything else.
  void pump(time_point now);
  std::vector<completion> completions() { return std::exchange(completions_, {}); }

  [[nodiscard]] std::size_t connections() const noexcept { return channels_.size(); }
  [[nodiscard]] std::uint64_t registrations() const noexcept { return registrations_; }
  [[nodiscard]] std::vector<relay_route> routes(time_point now) const;
  [[nodiscard]] std::string here(std::uint16_t port) const;

 private:
  struct route {
    relay_route seen;
    std::uint64_t session = 0;  // of the other node's registration; 0: not known yet
    time_point heard{}, asked{};
    std::size_t retrying = 0;
  };
  void on_registered(time_point now) override;
  void on_lost(const error& why) override;
  void on_delivery(std::string_view source, const_bytes payload, time_point now) override;
  void on_taken(std::string_view target, std::uint64_t tag, bool again) override;
  void on_retry(std::string_view target, std::uint64_t tag, relay_refusal why) override;
  void on_undelivered(std::string_view target, std::uint64_t tag, relay_refusal why) override;

  void opened(std::string_view source, std::uint64_t id, field_reader& r);
  bool heard(channel& c, word w, field_reader& r);
  void arrived(channel& c, std::uint64_t offset, const_bytes data);
  void give(channel& c);
  void settle(channel& c, time_point now);
  void ask(channel& c, time_point now);
  void pump_one(channel& c, time_point now);
  void list(channel& c);

  template <class R>
  void complete(std::move_only_function<void(R)>& done, R r);
  bytes head(word w, bool opener, std::uint64_t id) const;
  void say(std::string_view target, std::uint64_t tag, bytes b);
  void say(channel& c, word w);
  template <class N>
  void say(channel& c, word w, N number);
  void answer_abort(std::string_view target, bool opener, std::uint64_t id);

  /// Both directions are over, and the user does not know yet.
  void fail_channel(channel& c, const std::string& why);
  void fail_route(std::string_view peer, const std::string& why);
  void break_out(channel& c);
  void refuse_connect(channel& c, error why);
  /// Nothing will be heard or said any more.
  void forget(channel& c);
  [[nodiscard]] channel* find(std::string_view peer, bool opener, std::uint64_t id);
  route* known(std::string_view peer);
  channel_ptr make(std::string peer, bool opener, std::uint64_t id, std::uint16_t here,
                   std::uint16_t there);

  const relay_transport_options& options_;
  const std::function<void(std::span<std::byte>)> random_;
  const wrap_fn wrap_;
  std::uint64_t session_ = 0, next_id_ = 0, next_handle_ = 1, registrations_ = 0;
  std::uint16_t next_port_ = 0;
  std::unordered_map<std::uint64_t, channel_ptr> channels_;  // by handle
  using end_key = std::pair<std::uint64_t, bool>;            // id, opener
  std::map<std::string, std::map<end_key, channel*>, std::less<>> by_peer_;
  std::map<std::string, route, std::less<>> routes_;
  std::map<std::uint16_t, port_ptr> ports_;
  std::deque<channel_ptr> writable_;
  std::vector<completion> completions_;
  time_point now_{};  // of the call under way
};

template <class R>
void relay_mux::complete(std::move_only_function<void(R)>& done, R r) {
  if (!done) return;
  completions_.emplace_back(
      [d = std::exchange(done, nullptr), r = std::move(r)]() mutable { d(std::move(r)); });
}

template <class N>
void relay_mux::say(channel& c, word w, N number) {
  if (!link.is_ready()) return;
  bytes b = head(w, c.opener, c.id);
  put(b, number);
  ++c.unsettled;
  say(c.peer, c.handle, std::move(b));
}

}  // namespace odeon::remote::relay_detail
