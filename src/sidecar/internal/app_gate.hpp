#pragma once

#include "sidecar/internal/waits.hpp"
#include <odeon/sidecar/definition.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

/// @file A registered app, and how much it is asked at once.

namespace odeon::sidecar::detail {

/// The app of one registration. Its places are counted here, so that one app that is slow keeps
/// nobody waiting but its own actors. @threadsafe
class app_gate {
 public:
  app_gate(std::shared_ptr<host_app> app, std::size_t places)
      : app_(std::move(app)),
        places_(places) {}

  [[nodiscard]] host_app& app() const noexcept { return *app_; }

  /// Takes a place for `run`: true. Else it waits, and `ready` is called when it has one, on the
  /// thread of whoever left it. `ready` is short and does not call this object.
  bool enter(run_id run, std::function<void()> ready);
  /// Gives the place back, or gives up waiting for one. Once for each `enter`.
  void leave(run_id run);

  [[nodiscard]] std::size_t under_way() const;

 private:
  struct waiting {
    run_id run;
    std::function<void()> ready;
  };

  const std::shared_ptr<host_app> app_;
  const std::size_t places_;
  mutable std::mutex mutex_;
  std::size_t taken_ = 0;
  std::deque<waiting> queue_;  // each is an actor's run: bounded by the active actors
};

}  // namespace odeon::sidecar::detail
