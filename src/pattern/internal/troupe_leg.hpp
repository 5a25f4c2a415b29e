#pragma once

#include "troupe_work.hpp"

#include <atomic>
#include <memory>

namespace odeon::detail {

/// The ask of one try.
struct troupe_work::leg final : task_driver {
  leg(std::shared_ptr<troupe_work> t, cell& c, ask_state_base& a)
      : of(std::move(t)),
        worker(any_ref::share(&c)),
        ask(a) {}
  // Light work, on the thread that completed the ask: the answer goes on to the asker from there.
  void post(driver_node&) noexcept override { of->answered(*this); }
  void expect_late_node() noexcept override { late = true; }
  [[nodiscard]] bool stop_requested() const noexcept override { return false; }
  [[nodiscard]] std::stop_token stop_token() override { return {}; }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return *ask.home(); }
  void drop_ref() noexcept {
    // As any count: what the holders did happens before the end.
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const std::shared_ptr<troupe_work> of;
  const any_ref worker;
  ask_state_base& ask;
  bool settled = false;  // its answer was seen; under the mutex, as is …
  bool dropped = false;  // … that nobody waits for it
  bool late = false;
  std::atomic<int> refs{2};  // of the hand, and of the registration
};

}  // namespace odeon::detail
