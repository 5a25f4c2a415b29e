#pragma once

#include "http_server_core.hpp"
#include "out_queue.hpp"
#include "section.hpp"
#include "websocket_codec.hpp"
#include <odeon/net/websocket.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file The state of one WebSocket. The protocol stands at the top of websocket_core.cpp.

namespace odeon::detail {

class websocket_core final : public http_member_of,
                             public std::enable_shared_from_this<websocket_core> {
 public:
  struct parts {
    runtime* rt;
    std::unique_ptr<connection> way;
    std::string rest;  // was read already
    bool is_server;
    bool deflates;
    std::string subprotocol;
    std::shared_ptr<http_member> member;  // of a server
  };
  websocket_core(parts p, const websocket_options& o);
  ~websocket_core();
  /// The first thing.
  void start();

  void receive(websocket::receive_done done);
  void send(http_detail::opcode kind, std::string bytes, websocket::send_done done);
  void close(int code, std::string reason);
  void let_go();
  void abort_now() noexcept override;
  void go_away() noexcept override;
  [[nodiscard]] std::size_t unsent() const noexcept { return unsent_.load(); }
  [[nodiscard]] std::optional<websocket_close> closed() const;

  runtime& rt;
  const std::string local, peer, identity, subprotocol;

 private:
  template <class F>
  void enter(F f) {
    section_.enter([self = shared_from_this(), f = std::move(f)]() mutable { f(*self); });
  }
  void arrived(result<std::size_t> r);
  void take_input();
  void act_on(http_detail::websocket_event e);
  void put(http_detail::opcode kind, std::string_view bytes,
           http_detail::out_queue::done_fn done = nullptr);
  void put_close(int code, std::string_view reason);
  void write_more();
  void read_more();
  void turn();
  void violated(const http_detail::websocket_violation& v);
  void break_off(error why);
  void finish();
  void time_is_up();
  void move_deadline();
  [[nodiscard]] std::array<unsigned char, 4> next_key();

  const bool is_server_;
  const websocket_options options_;
  http_detail::section section_;
  // In the section.
  std::unique_ptr<connection> way_;
  std::shared_ptr<http_member> member_;
  std::optional<http_detail::deadline> deadline_;
  std::unique_ptr<http_detail::message_deflate> deflate_;
  http_detail::websocket_decoder decoder_;
  http_detail::out_queue out_;
  std::vector<char> in_;
  std::size_t begin_ = 0, end_ = 0;
  bool reading_ = false, over_ = false, ending_ = false;
  bool close_sent_ = false, close_came_ = false, is_let_go_ = false, peer_ended_ = false;
  bool pong_waits_ = false;
  websocket::receive_done waiting_;
  std::optional<websocket_message> ready_;
  std::optional<error> broken_;
  std::array<unsigned char, 1024> keys_{};
  std::size_t keys_left_ = 0;
  static constexpr time_point never = time_point::max();
  time_point ping_by_ = never, pong_by_ = never, close_by_ = never;
  std::atomic<std::size_t> unsent_{0};
  mutable std::mutex closed_mutex_;
  std::optional<websocket_close> closed_;
};

}  // namespace odeon::detail
