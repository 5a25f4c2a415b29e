#pragma once

#include <odeon/net/websocket.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/runtime/transport.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file The connections of a transport over WebSockets, and those that its listeners hold ready.
/// Who owns what stands at the top of websocket_transport.cpp.

namespace odeon::websocket_detail {

inline error gave_up() { return {errc::cancelled, "this side gave the connection up"}; }

/// While one exists, its thread is inside of a call of the user.
class in_call {
 public:
  in_call() noexcept;
  ~in_call();
  in_call(const in_call&) = delete;
  [[nodiscard]] static bool here() noexcept;
};

class way;

/// What the connections of one transport have in common.
struct hub {
  explicit hub(runtime& r) : rt(r), later(r.make_serial("odeon-ws")) {}

  /// `done`, which counts until it was called.
  template <class R>
  [[nodiscard]] static std::move_only_function<void(R)> counted(
      const std::shared_ptr<hub>& h, std::move_only_function<void(R)> done) {
    h->operations.fetch_add(1);
    return [h, done = std::move(done)](R r) mutable {
      done(std::move(r));
      done = nullptr;
      h->operations.fetch_sub(1);
      // Who ends the transport has set `over` before it looked at the count.
      if (h->over) h->rt.wake(h->operations);
    };
  }
  /// At once, but inside of a call, where it is done later.
  template <class R>
  void finish(std::move_only_function<void(R)> done, R r) {
    if (in_call::here()) return complete(std::move(done), std::move(r));
    done(std::move(r));
  }
  /// Not inside of a call.
  template <class R>
  void complete(std::move_only_function<void(R)> done, R r) {
    std::unique_lock guard(mutex);
    if (!later) {
      guard.unlock();
      return done(std::move(r));
    }
    later->post([done = std::move(done), r = std::move(r)]() mutable { done(std::move(r)); });
  }

  runtime& rt;
  std::atomic<std::uint32_t> operations{0};
  std::atomic<bool> over{false};
  std::mutex mutex;
  // Under it.
  std::unique_ptr<serial_executor> later;
  std::set<std::weak_ptr<way>, std::owner_less<>> ways;
};
using hub_ptr = std::shared_ptr<hub>;

/// The state of one connection.
class way final : public std::enable_shared_from_this<way> {
 public:
  way(hub_ptr h, websocket ws, std::size_t message_bytes)
      : hub_(std::move(h)),
        socket_(std::move(ws)),
        message_bytes_(message_bytes) {}

  void read(std::span<std::byte> into, connection::read_done d);
  void write(std::span<const const_bytes> pieces, connection::write_done d);
  void end_writing(connection::write_done d);
  /// What fails from now on is told that this side gave it up.
  void give_up() noexcept;
  void abort() noexcept;
  /// Its user has gone: it ends in good order when it can.
  void let_go();
  [[nodiscard]] const std::string& local() const noexcept { return socket_.local_address(); }
  [[nodiscard]] const std::string& peer() const noexcept { return socket_.peer_address(); }
  [[nodiscard]] std::string_view identity() const noexcept { return socket_.peer_identity(); }

 private:
  [[nodiscard]] bool is_over() const { return hub_->over; }
  std::size_t give(std::span<std::byte> into);
  result<std::size_t> received(std::span<std::byte> into,
                               result<std::optional<websocket_message>> m);
  void write_next(std::vector<const_bytes> pieces, std::size_t at, connection::write_done done);
  void send(std::string message, connection::write_done done);

  const hub_ptr hub_;
  websocket socket_;
  const std::size_t message_bytes_;
  mutable std::mutex mutex_;
  // Under it.
  std::string there_;
  std::size_t at_ = 0;
  bool reading_ = false, writing_ = false, wrote_end_ = false, saw_end_ = false;
  std::optional<error> broken_;
};

/// A connection of it, for a user.
[[nodiscard]] std::unique_ptr<connection> make_way(const hub_ptr& h, websocket ws,
                                                   std::size_t message_bytes);

using accepted = result<std::unique_ptr<connection>>;

/// What has arrived at a listener, and who waits for it.
struct place {
  place(hub_ptr h, std::size_t m, std::size_t b)
      : shared(std::move(h)),
        message_bytes(m),
        backlog(b) {}
  void arrived(websocket ws);
  void accept(listener::accept_done d);
  void close();

  const hub_ptr shared;
  const std::size_t message_bytes, backlog;
  std::mutex mutex;
  // Under it.
  std::atomic<bool> closed{false};
  std::deque<std::unique_ptr<connection>> there;
  listener::accept_done waiting;
};

}  // namespace odeon::websocket_detail
