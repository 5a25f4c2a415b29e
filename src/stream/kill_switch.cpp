#include <odeon/base/detail/spin.hpp>
#include <odeon/stream/kill_switch.hpp>

#include <algorithm>
#include <atomic>
#include <vector>

namespace odeon::stream::detail {

class kill_state {
 public:
  enum : int { running, shut_down, aborted };
  std::atomic<int> phase{running};

  void kill(std::optional<error> how) noexcept {
    std::vector<waker_ptr> all;
    {
      odeon::detail::spin_guard guard(lock_);
      if (phase.load(std::memory_order_relaxed) != running) return;
      if (how) why_ = exception_of(*std::move(how));
      // Release: a stage that sees the phase sees why.
      phase.store(why_ ? aborted : shut_down, std::memory_order_release);
      all.swap(wakers_);
    }
    for (auto& w : all) w->wake();
  }
  /// False: too late.
  bool add(const waker_ptr& w) {
    odeon::detail::spin_guard guard(lock_);
    if (phase.load(std::memory_order_relaxed) != running) return false;
    wakers_.push_back(w);
    return true;
  }
  void remove(const waker_ptr& w) noexcept {
    odeon::detail::spin_guard guard(lock_);
    const auto at = std::find(wakers_.begin(), wakers_.end(), w);
    if (at == wakers_.end()) return;
    std::swap(*at, wakers_.back());
    wakers_.pop_back();
  }
  [[nodiscard]] const std::exception_ptr& why() const noexcept { return why_; }

 private:
  odeon::detail::spin_lock lock_;
  std::vector<waker_ptr> wakers_;
  std::exception_ptr why_;
};

void kill(kill_state& s, std::optional<error> why) noexcept { s.kill(std::move(why)); }
std::shared_ptr<kill_state> make_kill_state() { return std::make_shared<kill_state>(); }

kill_watch::~kill_watch() {
  if (state_ && registered_) state_->remove(registered_);
}

bool kill_watch::check(island& in) {
  if (!registered_) {
    registered_ = in.get_waker();
    if (!state_->add(registered_)) registered_ = nullptr;
  }
  switch (state_->phase.load(std::memory_order_acquire)) {
    case kill_state::running: return false;
    case kill_state::shut_down: return true;
    default: std::rethrow_exception(state_->why());
  }
}

}  // namespace odeon::stream::detail
