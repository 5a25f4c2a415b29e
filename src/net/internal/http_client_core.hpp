#pragma once

#include "body_pipe.hpp"
#include "http_chunks.hpp"
#include "out_queue.hpp"
#include "section.hpp"
#include <odeon/net/http_client.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

/// @file A client's connections and the requests that wait for one. The protocol stands at the top
/// of http_client_core.cpp.

namespace odeon::detail {

/// A request on its way. Belongs to whoever has it in hand: the pool while it waits, then one
/// connection.
struct http_flight {
  http_call call;
  http_url url;
  std::string key;  // of its pool
  time_point whole_by;
  http_client::done_fn whole;  // or
  http_client::open_fn open;
  unsigned redirects = 0;
  bool was_retried = false;
  bool wants_fresh = false;  // a connection that was not kept
  std::atomic<bool> told{false};

  void fail(error why);
  [[nodiscard]] bool is_idempotent() const noexcept;
};
using http_flight_ptr = std::shared_ptr<http_flight>;

class http_client_connection final : public std::enable_shared_from_this<http_client_connection> {
 public:
  http_client_connection(std::shared_ptr<http_client_core> core, std::string key,
                         std::unique_ptr<connection> c);
  ~http_client_connection();
  /// When it has no other. On any thread.
  void start(http_flight_ptr f);
  void abort_now() noexcept;

 private:
  friend struct http_client_core;
  template <class F>
  void enter(F f) {
    section_.enter([self = shared_from_this(), f = std::move(f)]() mutable { f(*self); });
  }
  void begin(http_flight_ptr f);
  void pull_body();
  void read_more();
  void write_more();
  void arrived(result<std::size_t> r);
  void at_end();
  void take_input();
  bool take_head();
  bool take_body();
  void body_is_there();
  void give_up(const error& why);
  void time_is_up();
  void move_deadline();

  const std::shared_ptr<http_client_core> core_;
  const std::string key_;
  http_detail::section section_;
  // In the section.
  std::unique_ptr<connection> connection_;
  std::optional<http_detail::deadline> deadline_;
  http_flight_ptr flight_;
  std::vector<char> in_;
  std::size_t begin_ = 0, end_ = 0;
  bool reading_ = false, over_ = false, was_used_ = false;
  bool request_is_out_ = false, any_byte_ = false, head_is_there_ = false, keeps_ = false;
  unsigned interim_ = 0;  // answers of 1xx
  http_detail::head_scan scan_;
  http_detail::body_decoder body_;
  std::uint64_t body_left_ = 0;
  std::optional<std::string> redirect_;
  std::optional<result<void>> ended_;  // the other side has, or the connection broke
  http_response response_;
  std::shared_ptr<http_detail::body_pipe> pipe_;
  http_detail::out_queue out_;
  static constexpr time_point never = time_point::max();
  time_point first_byte_by_ = never, piece_by_ = never, idle_by_ = never;
};

struct http_client_core : std::enable_shared_from_this<http_client_core> {
  http_client_core(runtime& r, http_client_options o) : rt(r), options(o) {}
  void begin();
  void submit(http_flight_ptr f);
  void connect(http_flight_ptr f);
  /// A connection is free again, or gone.
  void is_free(const std::shared_ptr<http_client_connection>& c);
  void is_gone(http_client_connection& c);
  void has_connected(http_flight_ptr f, result<std::unique_ptr<connection>> c);
  /// One connection fewer: who has waited and is to connect in its place. Under the mutex.
  http_flight_ptr has_gone(const std::string& key);
  void let_go() noexcept;
  void end();
  void look_at_waiting();
  [[nodiscard]] time_point now() const noexcept { return rt.now(clock_domain::housekeeping); }
  [[nodiscard]] transport* way_of(const http_flight& f) const noexcept;

  struct pool {
    std::size_t count = 0;  // connecting ones as well
    std::vector<std::shared_ptr<http_client_connection>> idle;
    std::deque<http_flight_ptr> waiting;
  };

  runtime& rt;
  const http_client_options options;
  std::atomic<std::uint32_t> live{0};  // connections
  std::atomic<std::uint64_t> connected{0}, requests{0}, retries{0};
  mutable std::mutex mutex;
  // Under it.
  bool closed = false;
  std::map<std::string, pool, std::less<>> pools;
  std::unordered_map<http_client_connection*, std::shared_ptr<http_client_connection>> all;
  std::unordered_map<http_flight*, http_flight_ptr> connecting;
  std::optional<http_detail::deadline> waiting_limit;
  time_point waiting_first = time_point::max();
};

}  // namespace odeon::detail
