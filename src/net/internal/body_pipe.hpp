#pragma once

#include <odeon/net/http_body.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// @file A body on its way from a connection to its reader.
///
/// The connection's section pushes, the reader takes from any thread; `mutex_` guards both sides'
/// state and is not held while a function is called. Past `high_water` the connection stops taking
/// bytes, and goes on when `wants_more` is called, after the reader has taken what there was.

namespace odeon::http_detail {

class body_pipe final : public detail::http_source {
 public:
  static constexpr std::size_t high_water = 64 * 1024;

  /// `wants_more`: the reader took all that there was. `dropped`: it wants no more. Both are called
  /// on the reader's thread.
  body_pipe(std::move_only_function<void()> wants_more, std::move_only_function<void()> dropped)
      : wants_more_(std::move(wants_more)),
        dropped_(std::move(dropped)) {}

  /// False: full, for now.
  bool push(std::string_view bytes) {
    std::unique_lock guard(mutex_);
    if (is_dropped_ || ended_ || failed_) return true;
    bytes_ += bytes;
    if (waiting_) {
      auto done = std::exchange(waiting_, nullptr);
      auto all = std::exchange(bytes_, {});
      guard.unlock();
      done(std::move(all));
      return true;
    }
    return bytes_.size() < high_water;
  }
  [[nodiscard]] bool is_full() const {
    const std::lock_guard guard(mutex_);
    return bytes_.size() >= high_water;
  }
  [[nodiscard]] bool is_dropped() const {
    const std::lock_guard guard(mutex_);
    return is_dropped_;
  }
  void end() {
    std::unique_lock guard(mutex_);
    ended_ = true;
    if (auto done = std::exchange(waiting_, nullptr)) {
      guard.unlock();
      done(std::string());
    }
  }
  void break_off(error why) {
    std::unique_lock guard(mutex_);
    if (ended_ || failed_) return;
    failed_ = std::move(why);
    if (auto done = std::exchange(waiting_, nullptr)) {
      result<std::string> r = std::unexpected(*failed_);
      guard.unlock();
      done(std::move(r));
    }
  }

  void read(done_fn done) override {
    std::unique_lock guard(mutex_);
    result<std::string> r;
    bool more = false;
    if (waiting_) {
      r = odeon::fail(errc::invalid_argument, "a read beside another");
    } else if (!bytes_.empty()) {
      r = std::exchange(bytes_, {});
      more = !ended_ && !failed_;
    } else if (failed_) {
      r = std::unexpected(*failed_);
    } else if (!ended_) {
      waiting_ = std::move(done);
      guard.unlock();
      return wants_more_();
    }
    guard.unlock();
    done(std::move(r));
    if (more) wants_more_();
  }
  void drop() noexcept override {
    done_fn waiting;
    {
      const std::lock_guard guard(mutex_);
      is_dropped_ = true;
      bytes_.clear();
      waiting = std::exchange(waiting_, nullptr);
    }
    if (waiting) waiting(odeon::fail(errc::cancelled, "the reader of the body was let go"));
    dropped_();
  }

 private:
  mutable std::mutex mutex_;
  std::string bytes_;
  bool ended_ = false, is_dropped_ = false;
  std::optional<error> failed_;
  done_fn waiting_;
  std::move_only_function<void()> wants_more_, dropped_;
};

}  // namespace odeon::http_detail
