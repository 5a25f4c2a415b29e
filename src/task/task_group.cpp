// Groups of tasks that take turns: the queue, the home that is a coroutine, and the fork's own
// steps. The protocol stands in internal/task_group.hpp.

#include "internal/task_group.hpp"

#include <odeon/base/assert.hpp>
#include <odeon/task/future.hpp>

#include <utility>

namespace odeon::detail {

constinit thread_local task_group* task_group::running = nullptr;
constinit thread_local task_driver* this_driver = nullptr;

void task_group::enqueue(driver_node& n) noexcept {
  n.next = nullptr;
  (tail_ ? tail_->next : head_) = &n;
  tail_ = &n;
}

void task_group::post(driver_node& n) noexcept {
  if (running == this) {
    enqueue(n);
    return;
  }
  add_ref();  // once the node is there, the group may end
  std::uintptr_t w = inbox_.load(std::memory_order_acquire);
  for (;;) {
    if (w == closed) {
      auto& f = *static_cast<fork_base*>(n.to);
      n.arrive(n);
      f.drop_ref();
      break;
    }
    n.next = node(w);
    if (inbox_.compare_exchange_weak(w, reinterpret_cast<std::uintptr_t>(&n),
                                     std::memory_order_acq_rel)) {
      if (w == asleep) wake();
      break;
    }
  }
  drop_ref();
}

bool task_group::take_inbox() noexcept {
  if (!node(inbox_.load(std::memory_order_relaxed))) return false;
  driver_node* n = node(inbox_.exchange(0, std::memory_order_acquire));
  driver_node* oldest = nullptr;
  while (n) oldest = std::exchange(n, std::exchange(n->next, oldest));
  while (oldest) enqueue(*std::exchange(oldest, oldest->next));
  return true;
}

bool task_group::take_turns(unsigned budget) noexcept {
  task_group* before = std::exchange(running, this);
  for (;;) {
    if (!head_ && !take_inbox()) break;
    if (budget-- == 0) break;
    driver_node& n = *head_;
    if (!(head_ = n.next)) tail_ = nullptr;
    static_cast<fork_base*>(n.to)->step(n);
    if (budget % 64 == 0) take_inbox();  // a busy group looks outside as well
  }
  running = before;
  return head_ != nullptr;
}

bool task_group::fall_asleep() noexcept {
  std::uintptr_t none = 0;
  // Release: what the turns wrote is seen by who wakes the home, and by its next turn.
  return inbox_.compare_exchange_strong(none, asleep, std::memory_order_acq_rel);
}

bool task_group::rouse() noexcept {
  std::uintptr_t w = asleep;
  return inbox_.compare_exchange_strong(w, 0, std::memory_order_acq_rel);
}

bool task_group::close() noexcept {
  task_group* before = std::exchange(running, this);
  closed_ = true;
  while (forks_) {
    fork_base& f = *forks_;
    f.add_ref();
    f.look();
    f.destroy();
    ODEON_ASSERT(f.status() == task_status::finished, "a group ends while none of its tasks runs");
    f.drop_ref();
  }
  const std::uintptr_t w = inbox_.exchange(closed, std::memory_order_acq_rel);
  // Newest first is good enough for those that only let go.
  const auto let_go = [](driver_node* n) {
    while (n) {
      driver_node& late = *std::exchange(n, n->next);
      auto& f = *static_cast<fork_base*>(late.to);
      late.arrive(late);
      f.drop_ref();
    }
  };
  let_go(std::exchange(head_, nullptr));
  tail_ = nullptr;
  let_go(node(w));
  running = before;
  return w != asleep;
}

void task_group::add(fork_base& f) noexcept {
  f.prev_ = nullptr;
  f.next_ = forks_;
  if (forks_) forks_->prev_ = &f;
  forks_ = &f;
}

void task_group::remove(fork_base& f) noexcept {
  (f.prev_ ? f.prev_->next_ : forks_) = f.next_;
  if (f.next_) f.next_->prev_ = f.prev_;
}

namespace {

/// A group whose home is a coroutine beside the work that forked first.
class companion_group final : public task_group {
 public:
  static constexpr unsigned turns_at_once = 64;

  explicit companion_group(task_driver& owner) noexcept : rt_(owner.get_runtime()), owner_(&owner) {
    node_.arrive = &woken;
    node_.group = this;
  }
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

  static task<void> live(companion_group* self) {
    struct guard {
      companion_group* g;
      ~guard() { g->end(); }
    } const closes{self};
    self->add_ref();
    // The first turn is not inside the call that forks.
    co_await nap{self, true};
    for (;;) {
      const bool more = self->take_turns(turns_at_once);
      if (!more && self->is_empty() && !self->owner_) co_return;
      co_await nap{self, more};
    }
  }

 private:
  struct wake_node : driver_node {
    companion_group* group = nullptr;
  };
  /// Until something comes; with work at hand, until it is the home's turn again.
  struct nap {
    using driven_tag = void;
    companion_group* self;
    bool has_work;
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      return self->sleep(*h.promise().driver(), h, has_work);
    }
    void await_resume() const noexcept {}
  };

  bool sleep(task_driver& home, std::coroutine_handle<> h, bool has_work) noexcept {
    home_ = &home;
    handle_ = h;
    if (has_work) {
      posted_ = true;
      add_ref();
      home.post(node_);
      return true;
    }
    if (!fall_asleep()) return false;
    asleep_ = true;
    return true;
  }
  /// On a turn: there is a home. `home_` itself stays as it is after the end, because who wakes
  /// reads it without a turn; the driver is there for them as long as it expects their node.
  [[nodiscard]] bool lives() const noexcept { return home_ && !is_closed(); }
  void wake() noexcept override {
    add_ref();
    home_->post(node_);
  }
  static void woken(driver_node& n) {
    companion_group& self = *static_cast<wake_node&>(n).group;
    self.posted_ = self.asleep_ = false;
    const auto h = std::exchange(self.handle_, nullptr);
    self.drop_ref();
    if (h) h.resume();
  }
  void end() noexcept {
    handle_ = nullptr;
    const bool woke = close();
    if (posted_ || (asleep_ && woke)) home_->expect_late_node();
    drop_ref();
  }

  [[nodiscard]] runtime& get_runtime() const noexcept override { return rt_; }
  [[nodiscard]] bool stop_requested() const noexcept override {
    return owner_stopped_ || (owner_ && owner_->stop_requested()) ||
           (lives() && home_->stop_requested());
  }
  [[nodiscard]] std::stop_token stop_token() override {
    return owner_ ? owner_->stop_token() : lives() ? home_->stop_token() : std::stop_token();
  }
  void owner_gone() noexcept override {
    owner_stopped_ = owner_->stop_requested();
    owner_ = nullptr;
    // Nothing is left to live for.
    if (is_empty() && asleep_ && lives() && rouse()) {
      posted_ = true;
      wake();
    }
  }
  void unhandled(const unhandled_task_error& e) noexcept override {
    const bool on_turn = running == this || (this_driver && this_driver->group == this);
    if (on_turn && lives())
      home_->unhandled(e);
    else
      report_unhandled(e);
  }
  void free_self() noexcept override { delete this; }

  runtime& rt_;
  task_driver* owner_;
  task_driver* home_ = nullptr;
  std::coroutine_handle<> handle_;
  wake_node node_;
  bool posted_ = false;  // the node is on its way, by the home itself
  bool asleep_ = false;
  bool owner_stopped_ = false;
};

}  // namespace

task_group& group_of(task_driver& d) {
  if (d.group && d.group->is_closed()) {
    if (d.is_fork)
      throw actor_error(errc::cancelled, "a task that is being destroyed starts no other");
    std::exchange(d.group, nullptr)->drop_ref();
  }
  if (!d.group) {
    auto* g = new companion_group(d);
    d.group = g;
    d.accompany(companion_group::live(g));
  }
  return *d.group;
}

}  // namespace odeon::detail

namespace odeon {

void task_driver::retire_slow() noexcept {
  if (auto* c = std::exchange(control, nullptr)) {
    c->retire();
    c->drop_ref();
  }
  if (auto* g = std::exchange(group, nullptr)) {
    g->owner_gone();
    g->drop_ref();
  }
}

void task_driver::accompany(task<void>) {
  throw actor_error(errc::invalid_argument, "what drives this task drives no other beside it");
}

void task_driver::unhandled(const unhandled_task_error& e) noexcept { detail::report_unhandled(e); }

}  // namespace odeon
