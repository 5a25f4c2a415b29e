#pragma once

#include "body_pipe.hpp"
#include "http_chunks.hpp"
#include "http_server_core.hpp"
#include "out_queue.hpp"
#include "section.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file One connection of a server, and the requests that it has under way. The protocol stands at
/// the top of http_session.cpp.

namespace odeon::detail {

class http_session;

/// What is told to who still has to do with a request that nobody waits for.
inline error request_is_gone() {
  return {errc::cancelled, "the other side of the request is gone"};
}

/// One request and its answer: what a responder, and then a writer, hold.
class http_exchange final : public http_sink, public std::enable_shared_from_this<http_exchange> {
 public:
  enum class stage : std::uint8_t { open, answered, streaming, ended };

  explicit http_exchange(std::shared_ptr<http_session> s) : session(std::move(s)) {}

  // For responders, on any thread.
  void answer(http_response r);
  void begin(http_response head, std::optional<std::uint64_t> length);
  void when_gone(std::move_only_function<void()> f);
  // As the sink of a writer, on any thread.
  void write(std::string bytes, done_fn done) override;
  void end(done_fn done) override;
  void abort() noexcept override;
  [[nodiscard]] std::size_t unsent() const noexcept override { return unsent_bytes.load(); }

  // In the session's section.
  void tell_gone();

  const std::shared_ptr<http_session> session;
  std::atomic<bool> gone{false};
  std::atomic<std::size_t> unsent_bytes{0};

  bool is_head = false, keep_alive = true, is_safe = false, chunked_is_known = true;
  bool say_keep_alive = false;  // to HTTP/1.0
  stage now_is = stage::open;
  bool head_is_out = false;
  http_response response;
  std::optional<std::uint64_t> length;  // of a streamed body that is not chunked
  std::uint64_t written = 0;
  bool chunked = false;
  struct piece {
    std::string bytes;
    done_fn done;
  };
  std::deque<piece> pieces;  // until it is the first
  std::move_only_function<void()> on_gone;
  time_point answer_by = time_point::max();

  http_request request;  // until it is dispatched
  const http_route* route = nullptr;
  std::shared_ptr<http_detail::body_pipe> pipe;
};

class http_session final : public http_member_of,
                           public std::enable_shared_from_this<http_session> {
 public:
  http_session(std::shared_ptr<http_server_core> core, std::shared_ptr<http_member> member,
               std::unique_ptr<connection> c);
  ~http_session();
  /// The first thing. `refused`: it says 503 and ends.
  void start(bool refused);
  void go_away() noexcept override;
  void abort_now() noexcept override;

  /// Runs `f` in the section, and then all that follows from it.
  template <class F>
  void enter(F f) {
    if (section_.is_inside()) {
      f();
      again_ = true;
      return;
    }
    section_.enter([self = shared_from_this(), f = std::move(f)]() mutable {
      f();
      self->turn();
    });
  }
  /// In the section, later.
  void defer(std::move_only_function<void()> f) {
    section_.enter([self = shared_from_this(), f = std::move(f)]() mutable {
      f();
      self->turn();
    });
  }
  [[nodiscard]] http_server_core& core() const noexcept { return *core_; }

 private:
  friend class http_exchange;
  void turn();
  bool take_input();
  bool take_head();
  bool take_body();
  bool begin_request();
  void dispatch(http_exchange& x);
  bool put_out();
  void put_head(http_exchange& x);
  void read_more();
  void write_more();
  void arrived(result<std::size_t> r);
  void wrote(result<void> r);
  void refuse(int status, const std::string& why);
  void break_off(const error& why);
  void close_in_order();
  void upgrade();
  void time_is_up();
  void move_deadline();
  [[nodiscard]] std::string_view buffered() const noexcept {
    return {in_.data() + begin_, end_ - begin_};
  }

  const std::shared_ptr<http_server_core> core_;
  std::shared_ptr<http_member> member_;
  std::unique_ptr<connection> connection_;
  http_detail::section section_;

  // In the section.
  std::optional<http_detail::deadline> deadline_;  // until it is over
  std::vector<char> in_;
  std::size_t begin_ = 0, end_ = 0;
  bool reading_ = false, peer_ended_ = false;
  bool closing_ = false;  // takes no further request
  bool end_written_ = false, over_ = false, again_ = false;
  http_detail::head_scan scan_;
  std::optional<http_detail::request_head> next_;
  std::shared_ptr<http_exchange> receiving_;  // its body is coming
  http_detail::body_decoder body_;
  std::uint64_t body_left_ = 0;  // of the limit
  std::deque<std::shared_ptr<http_exchange>> exchanges_;
  std::shared_ptr<http_exchange> upgrading_;
  http_detail::out_queue out_;
  std::uint64_t requests_ = 0;
  static constexpr time_point never = time_point::max();
  time_point idle_by_ = never, header_by_ = never, body_by_ = never, write_by_ = never;
  std::int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace odeon::detail
