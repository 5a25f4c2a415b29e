#pragma once

#include "http_head.hpp"
#include <odeon/net/http_server.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

/// @file What all connections of a server have in common.

namespace odeon::detail {

/// A connection that becomes something else.
class http_upgrade {
 public:
  virtual ~http_upgrade() = default;
  /// Status 101 and the fields of that answer, or a refusal.
  [[nodiscard]] virtual http_response check(const http_request& r) const = 0;
  /// After 101 was written. `rest` was read already. `member` is held as long as the connection
  /// counts as one of the server's.
  virtual void take(http_request r, std::unique_ptr<connection> c, std::string rest,
                    std::shared_ptr<class http_member> member) const = 0;
};

struct http_route {
  http_handler handler{[](const http_request&) { return http_response{.status = 500}; }};
  http_stream_handler stream;
  std::shared_ptr<http_upgrade> upgrade;
  http_route_options options;
};

struct http_routing {
  struct methods {
    std::vector<std::pair<std::string, http_route>> all;
    [[nodiscard]] const http_route* find(std::string_view method) const noexcept;
  };
  struct pattern {
    std::string text;
    std::vector<std::string> segments;
    bool open_ended = false;  // the last takes all that is left
    methods by_method;
  };
  /// Where a path leads; null: nowhere.
  [[nodiscard]] const methods* find(
      std::string_view path, std::vector<std::pair<std::string, std::string>>& parameters) const;
  http_route& place(std::string_view method, std::string_view text);

  std::map<std::string, methods, std::less<>> exact;
  std::vector<pattern> patterns;
};

/// A connection of the server, whatever it is now.
class http_member_of {
 public:
  /// To go in good order: soon, or when what is under way has ended. On any thread.
  virtual void go_away() noexcept = 0;
  virtual void abort_now() noexcept = 0;

 protected:
  ~http_member_of() = default;
};

/// The place that a connection takes among those of its server.
class http_member {
 public:
  http_member(std::shared_ptr<http_server_core> core, std::string host)
      : core_(std::move(core)),
        host_(std::move(host)) {}
  http_member(const http_member&) = delete;
  ~http_member();
  /// Who is to be told of the server's end; told at once when that has come.
  void is_now(std::weak_ptr<http_member_of> who);

 private:
  friend struct http_server_core;
  friend runtime& runtime_of(const http_member& m) noexcept;
  std::shared_ptr<http_server_core> core_;
  std::string host_;
  std::weak_ptr<http_member_of> who_;  // under the core's lock
};

[[nodiscard]] runtime& runtime_of(const http_member& m) noexcept;

struct http_server_core : std::enable_shared_from_this<http_server_core> {
  http_server_core(runtime& r, http_routes all, http_server_options o)
      : rt(r),
        routes(std::move(all.all_)),
        options(std::move(o)) {}

  result<std::string> listen(transport& t, std::string_view address, listen_options o);
  void accept_next(std::shared_ptr<listener> l);
  void arrived(std::unique_ptr<connection> c);
  void stop_listening();
  void for_each_member(void (http_member_of::*f)() noexcept);
  void end();
  future<std::size_t> drain(duration limit);
  void left(http_member& m);
  void report(const std::string& text);
  [[nodiscard]] time_point now() const noexcept { return rt.now(clock_domain::housekeeping); }
  /// A task of a handler runs, or a connection is there: the server's end waits for it.
  void hold() noexcept { live.fetch_add(1); }
  void let_go() noexcept;

  enum class stage : std::uint8_t { open, draining, ended };

  runtime& rt;
  const std::unique_ptr<http_routing> routes;
  http_server_options options;

  std::atomic<std::uint32_t> live{0};
  std::atomic<stage> now_is{stage::open};
  std::atomic<std::uint64_t> accepted{0}, refused{0}, requests{0}, bad{0}, timeouts{0}, count{0};

  std::mutex mutex;
  // Under it.
  std::vector<std::shared_ptr<listener>> listeners;
  std::unordered_map<http_member*, std::weak_ptr<http_member>> members;
  std::map<std::string, std::size_t> per_host;
  struct draining;
  std::vector<std::shared_ptr<draining>> waiting;
};

}  // namespace odeon::detail
