// The protocol of a future's state.
//
// Who owns what
//   value_   the producer until `finish`, then the consumer; destroyed by whoever ends up with it.
//   error_   whoever won the phase `failing`, then the consumer.
//   driver_, handle_   the consumer's side (its driver's turn) while no waiter is registered; with
//   the waiter flag set
//            `driver_` is read by the one that completes. `handle_` is only ever touched on the
//            driver's turn.
//
// word_ = phase (3 bits) | waiter | thread | dropped
//
//   phase     may become        by
//   pending   replied           the producer, after constructing the value
//   pending   failing           whoever fails it first: producer, timeout, dead letter, cycle
//   detector failing   failed            the same, after writing `error_` waiter    set by the
//   consumer while pending or failing; taken back by `detach_waiter` while still pending or failing
//   thread    set by a thread that is about to sleep on the word
//   dropped   set by `let_go` while pending: the consumer is gone
//
// Completion is the transition to replied or failed. It is one compare-and-swap (release: the value
// or error is published; acquire: the waiter's fields are seen). Whoever made it looks at the flags
// it replaced: with `waiter` it posts the state, as a node, to the driver; with `thread` it wakes
// the sleepers. Both happen exactly once, because the transition does.
//
// A registered waiter whose frame is destroyed takes the flag back by CAS. If that fails because
// completion came first, the node is on its way to the driver: the driver is told to expect it, and
// lives until it has arrived; the node's reference keeps the state alive, and a null `handle_`
// makes the arrival a no-op. So no completion ever posts to a driver that is gone.
//
// References: the consumer and the producer hold one each; a posted node holds one more, taken at
// registration; an armed timer holds one.

#include <odeon/base/assert.hpp>
#include <odeon/base/detail/spin.hpp>
#include <odeon/task/future.hpp>

namespace odeon::detail {

constinit thread_local ambient* this_ambient = nullptr;

/// A pending future's timeout, on the housekeeping clock. Two own it: the queue, until it fired or
/// was disarmed, and the state, until it lets go; the second of them frees it.
struct future_timer final : timer_node {
  explicit future_timer(future_state_base& s, timer_queue& q) noexcept
      : timer_node(&fired),
        state(s),
        queue(q) {}
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

  static void fired(timer_node& node) noexcept {
    auto& self = static_cast<future_timer&>(node);
    future_state_base& s = self.state;
    future_timer* armed = &self;
    const bool taken_out = s.timer_.compare_exchange_strong(armed, nullptr);
    // Told after the failure stands: what the producer makes of it comes too late.
    if (s.is_pending() && s.fail(s.timed_out())) s.abandoned();
    self.drop(taken_out ? 2 : 1);
    s.drop_ref();
  }
  void drop(int n) noexcept {
    if (owners.fetch_sub(n, std::memory_order_acq_rel) == n) delete this;
  }

  future_state_base& state;
  timer_queue& queue;
  std::atomic<int> owners{2};
};

future_state_base::future_state_base(std::uint32_t refs) noexcept : refs_(refs) {
  arrive = &arrived;
}

bool future_state_base::try_add_ref() noexcept {
  std::uint32_t n = refs_.load(std::memory_order_relaxed);
  while (n != 0)
    if (refs_.compare_exchange_weak(n, n + 1, std::memory_order_acquire)) return true;
  return false;
}

bool future_state_base::try_finish() noexcept {
  std::uint32_t w = word_.load(std::memory_order_relaxed);
  do {
    if (phase(w) != pending || (w & dropped)) return false;
  } while (!word_.compare_exchange_weak(w, w | replied, std::memory_order_acq_rel));
  complete(w);
  return true;
}

bool future_state_base::finish() noexcept {
  if (try_finish()) return true;
  late();
  destroy_value();
  return false;
}

bool future_state_base::fail(error e) noexcept {
  std::uint32_t w = word_.load(std::memory_order_relaxed);
  do {
    if (phase(w) != pending) return false;
  } while (!word_.compare_exchange_weak(w, w | failing, std::memory_order_acq_rel));
  failing_with(e);
  try {
    error_ = std::make_unique<error>(std::move(e));
  } catch (...) {
    error_ = nullptr;  // told as `internal`: there is no memory for more
  }
  w = word_.load(std::memory_order_relaxed);
  while (!word_.compare_exchange_weak(w, (w & ~phase_mask) | failed, std::memory_order_acq_rel)) {
  }
  complete(w);
  return true;
}

void future_state_base::complete(std::uint32_t before) noexcept {
  if (before & waiter) driver_->post(*this);
  if (before & thread) {
    if (runtime* rt = home()) rt->wake(word_);
  }
}

error future_state_base::take_error() noexcept {
  return error_ ? std::move(*error_)
                : error(errc::internal, "out of memory while an error was told");
}

bool future_state_base::add_waiter(task_driver& driver, std::coroutine_handle<> handle) {
  driver_ = &driver;
  handle_ = handle;
  if (!times_itself_) {
    runtime& rt = driver.get_runtime();
    if (timeout() > duration::zero())
      arm_timer(rt, rt.now(clock_domain::housekeeping) + timeout());
    else
      timer_armed(time_point::max());
  }
  std::uint32_t w = word_.load(std::memory_order_relaxed);
  add_ref();  // the node's, before anyone can post it
  do {
    if (phase(w) >= done_phase) {
      // Not the last one: the consumer holds its own.
      refs_.fetch_sub(1, std::memory_order_relaxed);
      // Synchronise with the completion that was seen relaxed.
      (void)word_.load(std::memory_order_acquire);
      return false;
    }
  } while (!word_.compare_exchange_weak(w, w | waiter, std::memory_order_acq_rel));
  driver.waiting_on.store(this, std::memory_order_release);
  return true;
}

void future_state_base::detach_waiter() noexcept {
  handle_ = nullptr;
  driver_->waiting_on.store(nullptr, std::memory_order_release);
  std::uint32_t w = word_.load(std::memory_order_relaxed);
  while (phase(w) < done_phase) {
    if (word_.compare_exchange_weak(w, w & ~waiter, std::memory_order_acq_rel)) {
      refs_.fetch_sub(1, std::memory_order_relaxed);  // the consumer's own remains
      return;
    }
  }
  driver_->expect_late_node();
}

void future_state_base::arrived(driver_node& node) {
  auto& self = static_cast<future_state_base&>(node);
  task_driver& driver = *self.driver_;
  const auto h = std::exchange(self.handle_, nullptr);
  if (h) driver.waiting_on.store(nullptr, std::memory_order_release);
  self.drop_ref();
  if (h) h.resume();
}

void future_state_base::wait(runtime& rt) {
  time_point deadline = time_point::max();
  if (timeout() > duration::zero()) {
    deadline = rt.now(clock_domain::housekeeping) + timeout();
    timer_armed(deadline);
  }
  // While `thread` is not set, who answers makes no system call. A simulation moves on in `wait`
  // alone.
  if (!rt.is_simulated())
    detail::spin_until([&] { return phase(word_.load(std::memory_order_acquire)) >= done_phase; });
  std::uint32_t w = word_.load(std::memory_order_acquire);
  // The timeout is failed here rather than by a timer: a blocked thread needs no other to tell it
  // the time.
  while (phase(w) < done_phase) {
    if (!(w & thread)) {
      if (!word_.compare_exchange_weak(w, w | thread, std::memory_order_acq_rel)) continue;
      w |= thread;
    }
    if (!rt.wait(word_, w, deadline) && is_pending() && fail(timed_out())) abandoned();
    w = word_.load(std::memory_order_acquire);
  }
}

void future_state_base::stop_timer() noexcept {
  // A look first: most futures have none. One that is armed this very moment frees itself when it
  // fires.
  future_timer* t = timer_.load(std::memory_order_relaxed);
  if (t && (t = timer_.exchange(nullptr))) {
    // Not disarmed: it is firing, or about to be armed; it then drops the queue's share and the
    // reference itself.
    const bool disarmed = t->queue.disarm(*t);
    t->drop(disarmed ? 2 : 1);
    if (disarmed) drop_ref();
  }
}

void future_state_base::let_go() noexcept {
  stop_timer();
  std::uint32_t w = word_.load(std::memory_order_relaxed);
  while (phase(w) == pending && !(w & dropped)) {
    if (word_.compare_exchange_weak(w, w | dropped, std::memory_order_acq_rel)) {
      abandoned();
      return;
    }
  }
}

void future_state_base::arm_timer(runtime& rt, time_point due) {
  auto* t = new future_timer(*this, rt.timers(clock_domain::housekeeping));
  add_ref();
  timer_.store(t);
  timer_armed(due);
  t->queue.arm(*t, due);
}

error future_state_base::timed_out() {
  return {errc::ask_timeout, "nothing came within " + to_string(timeout())};
}

void throw_would_block() {
  throw actor_error(errc::would_block,
                    std::string("a blocking wait inside ") + this_ambient->describe() +
                        ": use co_await, or spawn the actor on the blocking dispatcher");
}

}  // namespace odeon::detail
