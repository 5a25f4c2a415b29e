// The protocol of `suspend` and `resume`.
//
// word_ = permit | waiting | in_flight | gone
//
//   permit     set by `resume`, taken by the task: at its next suspension, or when the node arrives
//   waiting    the task is at a suspension that `resume` ends; set and cleared on the driver's turn
//   in_flight  the node is on its way to the driver; set by the `resume` that posts it, cleared by
//              its arrival. So there is one node, and it is posted once at a time.
//   gone       the task has ended; set on the driver's turn
//
// A resume that finds `waiting` without `in_flight` posts. The driver is alive then: whoever ends
// it sets `gone` first, and a node that is in flight at that moment is expected (expect_late_node),
// which keeps the driver until it has arrived. The node holds a reference of its own.
//
// No wake-up is lost: `begin_wait` publishes `waiting` by a compare-and-swap that fails when a
// permit has come, and `resume` publishes the permit by one that sees `waiting`.

#include <odeon/task/detail/resumable.hpp>

namespace odeon::detail {

bool resumable::resume() noexcept {
  std::uint32_t w = word_.load(std::memory_order_relaxed);
  for (;;) {
    if (w & gone) return false;
    const bool post = (w & (waiting | in_flight)) == waiting;
    if (post) add_ref();  // the node's, before it can arrive
    // Release: what the resumer wrote is seen by the task; acquire: the node's fields are seen.
    if (word_.compare_exchange_weak(w, w | permit | (post ? in_flight : 0),
                                    std::memory_order_acq_rel)) {
      if (post) driver_->post(node_);
      return true;
    }
    if (post) refs_.fetch_sub(1, std::memory_order_relaxed);  // not the last: the caller has one
  }
}

void resumable::arrived(driver_node& n) {
  resumable& self = *static_cast<wake_node&>(n).owner;
  // Acquire: with the permit comes what the resumer wrote. Release: the node is free for the next.
  const std::uint32_t before = self.word_.fetch_and(~in_flight, std::memory_order_acq_rel);
  std::coroutine_handle<> h;
  if ((before & (waiting | gone | permit)) == (waiting | permit)) {
    // Acquire: a second resume may have come meanwhile; this one going on answers both.
    self.word_.fetch_and(~(waiting | permit), std::memory_order_acq_rel);
    h = self.handle_;
  }
  self.drop_ref();
  if (h) h.resume();
}

bool resumable::begin_wait(std::coroutine_handle<> h) noexcept {
  handle_ = h;
  std::uint32_t w = word_.load(std::memory_order_acquire);
  for (;;) {
    const bool go_on = w & permit;
    const std::uint32_t next = go_on ? w & ~permit : w | waiting;
    if (word_.compare_exchange_weak(w, next, std::memory_order_acq_rel)) return !go_on;
  }
}

void resumable::end_wait() noexcept { word_.fetch_and(~waiting, std::memory_order_relaxed); }

void resumable::retire() noexcept {
  const std::uint32_t before = word_.fetch_or(gone, std::memory_order_acq_rel);
  if (before & in_flight) driver_->expect_late_node();
}

namespace {

class root_resumable final : public resumable {
 public:
  explicit root_resumable(task_driver& d) noexcept : resumable(d, 1) {}
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

 private:
  void free_self() noexcept override { delete this; }
};

}  // namespace

resumable& resumable::of(task_driver& d) {
  if (!d.control) d.control = new root_resumable(d);
  return *d.control;
}

}  // namespace odeon::detail
