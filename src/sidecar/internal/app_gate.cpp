#include "sidecar/internal/app_gate.hpp"

#include <algorithm>
#include <utility>

namespace odeon::sidecar::detail {

bool app_gate::enter(run_id run, std::function<void()> ready) {
  std::lock_guard guard(mutex_);
  if (taken_ < places_) {
    ++taken_;
    return true;
  }
  queue_.push_back({run, std::move(ready)});
  return false;
}

void app_gate::leave(run_id run) {
  std::function<void()> next;
  {
    std::lock_guard guard(mutex_);
    const auto at =
        std::find_if(queue_.begin(), queue_.end(), [&](const waiting& w) { return w.run == run; });
    if (at != queue_.end()) {
      queue_.erase(at);
      return;
    }
    if (queue_.empty()) {
      --taken_;
    } else {
      next = std::move(queue_.front().ready);  // the place changes hands
      queue_.pop_front();
    }
  }
  if (next) next();
}

std::size_t app_gate::under_way() const {
  std::lock_guard guard(mutex_);
  return taken_;
}

}  // namespace odeon::sidecar::detail
