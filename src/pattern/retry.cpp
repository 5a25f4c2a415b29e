#include <odeon/pattern/retry.hpp>
#include <odeon/runtime/runtime.hpp>

#include <algorithm>
#include <atomic>
#include <stop_token>
#include <vector>

namespace odeon {

namespace detail {

namespace {

/// A pause under way. Three may end it: the timer, the stop request, and the waiting frame when it
/// is destroyed. Who takes `open` from true fulfils the promise. The queue and the frame own it.
struct pause_state final : timer_node {
  explicit pause_state(timer_queue& q) noexcept : timer_node(&fired), queue(q) {}

  static void fired(timer_node& node) noexcept {
    auto& self = static_cast<pause_state&>(node);
    self.end(true);
    self.drop(1);
  }
  void end(bool whole) noexcept {
    if (open.exchange(false)) done.set(whole);
  }
  void drop(int n) noexcept {
    // Release: what this side wrote happens before the free; acquire: the free sees it.
    if (owners.fetch_sub(n, std::memory_order_acq_rel) == n) delete this;
  }

  timer_queue& queue;
  promise<bool> done;
  std::atomic<bool> open{true};
  std::atomic<int> owners{2};
};

/// The frame's share.
struct pause_owner {
  pause_state* s;
  explicit pause_owner(pause_state* p) noexcept : s(p) {}
  pause_owner(const pause_owner&) = delete;
  ~pause_owner() { s->drop(s->queue.disarm(*s) ? 2 : 1); }
};

}  // namespace

task<bool> pause(duration d) {
  runtime& rt =
      co_await driver_query{[](task_driver& driver) -> runtime& { return driver.get_runtime(); }};
  if (co_await stop_requested()) co_return false;
  if (d <= duration::zero()) co_return true;
  const std::stop_token token = co_await this_stop_token();
  auto [p, f] = promise<bool>::make(rt);
  pause_owner own(new pause_state(rt.timers(clock_domain::user)));
  own.s->done = std::move(p);
  own.s->queue.arm(*own.s, rt.now(clock_domain::user) + d);
  std::stop_callback on_stop(token, [s = own.s] { s->end(false); });
  co_return co_await std::move(f);
}

retry_state::retry_state(unsigned attempts, odeon::schedule pauses, retry_filter worth)
    : attempts_(attempts),
      pauses_(pauses),
      worth_(std::move(worth)) {
  if (attempts == 0)
    throw actor_error(errc::invalid_argument, "a retry of no attempts at all does nothing");
}

task<void> retry_state::failed(std::exception_ptr why) {
  ++failed_;
  if (failed_ >= attempts_ || (worth_ && !worth_(why)) || co_await stop_requested())
    std::rethrow_exception(why);
  runtime& rt =
      co_await driver_query{[](task_driver& driver) -> runtime& { return driver.get_runtime(); }};
  if (!co_await pause(pauses_.delay_for(failed_, rt)))
    throw actor_error(errc::cancelled,
                      "a retry was asked to stop after " + std::to_string(failed_) + " of " +
                          std::to_string(attempts_) +
                          " attempts; the last error: " + error_of(why).to_string());
}

}  // namespace detail

retry_filter retry_if(std::initializer_list<errc> codes) {
  return [codes = std::vector<errc>(codes)](const std::exception_ptr& why) {
    return std::ranges::find(codes, detail::error_of(why).code()) != codes.end();
  };
}

}  // namespace odeon
