#pragma once

#include <odeon/net/http_client.hpp>
#include <odeon/sidecar/definition.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

/// @file Apps behind HTTP: actions are run by `POST <path>` to the app that registered them.
///
/// What an app can do wrong, and what the engine is told of it:
///     nobody listens, the name has no address, the connection
///       broke before an answer, 502, 503, 504                     unreachable (it is tried again)
///     no answer in time                                           ask_timeout
///     any other status but 200                                    handler_failed, the page's text
///     200 with what is no answer of that actor, or too much       bad_encoding
/// A connection that broke may have brought the call to the app all the same: an action is run at
/// least once while its caller waits, and what it did to the state counts once.

namespace odeon::sidecar {

struct http_app_options {
  transport* plain = nullptr;
  std::string path = "/api/v1/actors/actions";
  duration time = std::chrono::seconds(60);  ///< for one action, and by its deadline anyway
  std::size_t connections = 128;             ///< to one app, at once
  std::size_t waiting = 100'000;             ///< for a connection
  std::uint64_t answer_bytes = 64 * 1024 * 1024;
};

/// The client of all apps of a server. @threadsafe
class http_apps {
 public:
  http_apps(runtime& rt, http_app_options options);
  http_apps(const http_apps&) = delete;
  /// Ends what is under way with `unreachable`; apps that are kept answer so from then on. Waits
  /// for calls that are being made on other threads: never from a `done`.
  ~http_apps();

  /// The app at "host:port"; `at` as `to_string(host_and_port)` gives it.
  [[nodiscard]] std::shared_ptr<host_app> at(std::string address) const;

  [[nodiscard]] std::uint64_t calls() const noexcept;
  [[nodiscard]] std::uint64_t errors() const noexcept;
  [[nodiscard]] http_client_figures figures() const noexcept;

  struct core;

 private:
  std::shared_ptr<core> core_;
};

/// The first line of what a page says, without tags and control characters; at most 200 bytes.
[[nodiscard]] std::string first_text(std::string_view page);

}  // namespace odeon::sidecar
