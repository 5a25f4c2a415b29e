// A scheduled message.
//
// A timer_state has up to three holders: the user's handle, the actor's list, and the queue while
// it is armed. The message travels with one more reference, so that `cancel` on the actor's turn
// still catches it in the mailbox. `status_` moves active → fired (a single one) or active →
// cancelled, once; the envelope is whoever's moved it: the firing thread's, or the canceller's – a
// repeated one keeps its template until the last holder goes.

#include "internal/cell_access.hpp"
#include <odeon/core/timer.hpp>

namespace odeon::detail {

class timer_state final : public timer_node {
 public:
  timer_state(cell& to, envelope& e, copy_payload_fn copy, duration interval,
              bool fixed_rate) noexcept
      : timer_node(&fired),
        to_(&to),
        generation_(to.generation()),
        rt_(to.system().rt),
        message_(&e),
        copy_(copy),
        interval_(interval),
        fixed_rate_(fixed_rate) {}
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

  void arm(duration initial) noexcept {
    due_ = rt_->now() + std::max(initial, duration::zero());
    rt_->timers(clock_domain::user).arm(*this, due_);
  }
  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void cancel() noexcept {
    std::uint8_t was = active;
    if (!status_.compare_exchange_strong(was, cancelled)) {
      // A single one that has fired: its message may still wait; `taken_` says so.
      if (was == done) status_.store(cancelled);
      return;
    }
    if (rt_->timers(clock_domain::user).disarm(*this)) drop_ref();
  }
  [[nodiscard]] bool is_active() const noexcept {
    return status_.load(std::memory_order_acquire) == active;
  }
  [[nodiscard]] bool is_cancelled() const noexcept {
    return status_.load(std::memory_order_acquire) == cancelled;
  }

 private:
  static constexpr std::uint8_t active = 0, done = 1, cancelled = 2;

  ~timer_state() {
    if (message_) {
      destroy_payload(*message_);
      free_block(*message_);
    }
  }

  static void fired(timer_node& node) noexcept {
    auto& self = static_cast<timer_state&>(node);
    // The actor may be gone, or its memory another's.
    if (self.is_active() && cell::try_ref(self.to_, self.generation_)) {
      cell& to = *self.to_;
      if (envelope* e = self.next_message()) {
        self.add_ref();
        e->extra()->timer = &self;
        e->flags |= envelope::is_timer;
        (void)try_deliver(to, *e);  // never waits: this is everybody's timer thread
      }
      to.drop_ref();
      if (self.copy_ && self.is_active()) {
        const time_point now = self.rt_->now();
        self.due_ = self.fixed_rate_ ? self.due_ + self.interval_ : now + self.interval_;
        self.rearm();
        return;
      }
    }
    self.drop_ref();
  }
  // The queue's reference goes on. A cancel that came in between found nothing to disarm, so it is
  // looked for again.
  void rearm() noexcept {
    rt_->timers(clock_domain::user).arm(*this, due_);
    if (!is_active() && rt_->timers(clock_domain::user).disarm(*this)) drop_ref();
  }
  envelope* next_message() noexcept {
    if (!copy_) {
      std::uint8_t was = active;
      if (!status_.compare_exchange_strong(was, done)) return nullptr;
      return std::exchange(message_, nullptr);
    }
    try {
      return copy_of(*message_);
    } catch (...) {
      return nullptr;  // the message's copy threw, or there is no memory: this one is left out
    }
  }
  envelope* copy_of(envelope& e) {
    envelope* n = nullptr;
    if (e.type->in_line) {
      n = static_cast<envelope*>(pool_get(pool_kind::envelope, e.cls));
      n->next.store(nullptr, std::memory_order_relaxed);
      n->type = e.type;
      n->cls = e.cls;
      n->flags = envelope::has_extra;
      std::construct_at(n->extra());
    } else {
      n = new_large_envelope(*e.type, true);
    }
    try {
      copy_(n->payload(), e.payload());
    } catch (...) {
      if (!e.type->in_line) ::operator delete(n->payload(), std::align_val_t(e.type->align));
      free_block(*n);
      throw;
    }
    n->from = e.from;
    n->generation = e.generation;
    n->trace = e.trace;
    n->cause = e.cause;
    return n;
  }

  cell* to_;
  std::uint32_t generation_;
  std::atomic<std::uint32_t> refs_{3};
  std::atomic<std::uint8_t> status_{active};
  runtime* rt_;
  envelope* message_;
  copy_payload_fn copy_;  // null: a single one
  duration interval_;
  bool fixed_rate_;
  time_point due_{};
};

timer schedule(cell& to, envelope& e, copy_payload_fn copy, duration initial, duration interval,
               bool fixed_rate) {
  if (copy && interval <= duration::zero()) {
    destroy_payload(e);
    free_block(e);
    throw actor_error(errc::invalid_argument, "a repeated message needs an interval above zero");
  }
  auto* t = new timer_state(to, e, copy, interval, fixed_rate);
  auto& x = to.extension();
  if (x.timers.size() >= x.timers_prune_at) {
    std::erase_if(x.timers, [](timer_state* old) {
      if (old->is_active()) return false;
      old->drop_ref();
      return true;
    });
    x.timers_prune_at = std::max<std::size_t>(16, 2 * x.timers.size());
  }
  x.timers.push_back(t);
  t->arm(initial);
  return timer(t);
}

void timer_cancel(timer_state& t) noexcept { t.cancel(); }
bool timer_active(const timer_state& t) noexcept { return t.is_active(); }
void timer_drop(timer_state& t) noexcept { t.drop_ref(); }

bool timer_take(envelope& e) noexcept {
  auto* t = static_cast<timer_state*>(std::exchange(e.extra()->timer, nullptr));
  e.flags &= static_cast<std::uint8_t>(~envelope::is_timer);
  if (!t) return true;
  const bool valid = !t->is_cancelled();
  t->drop_ref();
  return valid;
}

void timer_forget(envelope& e) noexcept { (void)timer_take(e); }

void cell_access::drop_timers(cell& c) noexcept {
  auto* x = c.extension_if();
  if (!x) return;
  for (timer_state* t : std::exchange(x->timers, {})) {
    t->cancel();
    t->drop_ref();
  }
  if (x->idle) set_receive_timeout(c, duration::zero());
  // When it cannot be disarmed its message is on the way, and frees it.
  if (x->backoff && c.system().rt->timers(clock_domain::user).disarm(*x->backoff)) {
    x->backoff.reset();
    c.drop_ref();
  }
}

// -- receive timeout ------------------------------------------------------------------------------

void idle_timer::fired(timer_node& node) noexcept {
  auto& self = static_cast<idle_timer&>(node);
  auto* m = new control_message(
      [](cell& c, turn& t, control_message&) { cell_access::idle_check(c, t); });
  self.self.post_control(*m);
  self.self.drop_ref();
}

void cell_access::set_receive_timeout(cell& c, duration d) {
  cell_extension& x = c.extension();
  runtime& rt = *c.system().rt;
  if (!x.idle) {
    if (d <= duration::zero()) return;
    x.idle = std::make_unique<idle_timer>(c);
  }
  x.idle->limit = d;
  x.idle->last = rt.now();
  if (x.idle->armed && rt.timers(clock_domain::user).disarm(*x.idle)) {
    x.idle->armed = false;
    c.drop_ref();
  }
  if (d > duration::zero() && !x.idle->armed) {
    x.idle->armed = true;
    c.add_ref();
    rt.timers(clock_domain::user).arm(*x.idle, x.idle->last + d);
  }
}

void cell_access::idle_check(cell& c, turn& t) noexcept {
  cell_extension& x = c.extension();
  if (!x.idle) return;
  x.idle->armed = false;
  if (t.ended || x.idle->limit <= duration::zero()) return;
  runtime& rt = *c.system().rt;
  const time_point now = rt.now();
  if (flags(c) & cell::closed_mask) {
    // It could not take a message if there were one: the time begins when it can again.
    x.idle->last = now;
  } else if (now - x.idle->last >= x.idle->limit) {
    envelope* e = make_envelope<receive_timeout>(false);
    stamp(*e);
    x.idle->last = now;
    deliver_signal(c, t, e);
  }
  x.idle->armed = true;
  c.add_ref();
  rt.timers(clock_domain::user).arm(*x.idle, x.idle->last + x.idle->limit);
}

}  // namespace odeon::detail
