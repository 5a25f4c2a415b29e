#pragma once

#include <odeon/persistence/table_store.hpp>

#include <atomic>
#include <optional>

/// @file When to try a lost server again.

namespace odeon::store {

/// Belongs to one link, and to one thread.
class reconnect_pacer {
 public:
  reconnect_pacer(runtime& rt, const reconnect_options& options) : rt_(rt), options_(options) {}

  /// The link is connected when this returns without an error. Attempts come with growing delays,
  /// and blocks between them while the patience with this loss lasts; then it fails with what the
  /// last attempt said.
  [[nodiscard]] result<void> restore(table_link& link);

 private:
  void pause(time_point until);

  runtime& rt_;
  const reconnect_options options_;
  std::optional<time_point> lost_since_;
  time_point next_attempt_{};
  duration delay_{};
  error last_{errc::io_failed};
  std::atomic<std::uint32_t> nothing_{0};
};

}  // namespace odeon::store
