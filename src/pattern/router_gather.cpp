// One ask, several routees: broadcast, scatter_gather, tail_chopping.
//
// The asker's own ask (`first_`) stays as it is; each routee gets a copy of the message with an ask
// of its own, a *leg*. A leg's completion comes to `answered`, on the thread that made it. The
// first good reply is moved into the asker's ask; that the others answer no more is told to them as
// it is told when an asker gives up.
//
//   done_     under the lock: somebody settles `first_`, or it has given up. Whoever set it, and
//             nobody else, ends the other legs, the timer and the entry in the router's list.
//   legs_     under the lock; a leg's place does not move. `settled`: its answer was seen.
//             `dropped`: who ended the gathering has its asker's reference.
//   refs_     the router's list, the armed timer, each leg whose completion may still be posted,
//             and whoever is inside a call.
//
// A leg that is ended takes its registration back; when its completion is on its way already, it
// is told to expect it (`late`), and the post that comes lets go of the gathering.

#include "internal/router_gather.hpp"

#include <deque>
#include <exception>

namespace odeon::detail {

class gather final {
 public:
  gather(router_state& s, cell& self, envelope& e, const route_table& table);
  gather(const gather&) = delete;

  void start();
  void give_up() noexcept { finish(); }
  [[nodiscard]] std::string describe();
  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    // As any count: what the holders did happens before the end.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  struct leg final : task_driver {
    leg(gather& g, ask_state_base& a) noexcept : of(g), ask(a) {}
    // Light work, on the thread that completed the ask: the reply goes on to the asker from there.
    void post(driver_node&) noexcept override { of.answered(*this); }
    void expect_late_node() noexcept override { late = true; }
    [[nodiscard]] bool stop_requested() const noexcept override { return false; }
    [[nodiscard]] std::stop_token stop_token() override { return {}; }
    [[nodiscard]] runtime& get_runtime() const noexcept override { return of.state_->rt; }
    gather& of;
    ask_state_base& ask;
    bool settled = false;
    bool dropped = false;
    bool late = false;
  };
  struct clock final : timer_node {
    explicit clock(gather& g) noexcept : timer_node(&fired), of(g) {}
    static void fired(timer_node& node) noexcept { static_cast<clock&>(node).of.time_passed(); }
    gather& of;
  };

  ~gather();
  void answered(leg& l) noexcept;
  void time_passed() noexcept;
  void send_next() noexcept;
  void send_to(cell& target, bool last) noexcept;
  void failed_leg(error why) noexcept;
  bool finish() noexcept;
  void fail_all() noexcept;
  [[nodiscard]] time_point now() const noexcept {
    return state_->rt.now(clock_domain::housekeeping);
  }
  [[nodiscard]] timer_queue& timers() const noexcept {
    return state_->rt.timers(clock_domain::housekeeping);
  }

  const std::shared_ptr<router_state> state_;
  const any_ref router_;
  ask_state_base* const first_;  // with the message's reference
  envelope* kept_;               // without its ask: what is copied
  std::vector<any_ref> targets_;
  const bool one_by_one_;
  time_point deadline_ = time_point::max();
  clock clock_{*this};
  std::atomic<int> refs_{1};

  spin_lock lock_;  // of what follows
  std::deque<leg> legs_;
  std::optional<error> last_error_;
  std::size_t next_ = 0;    // of targets_
  std::size_t failed_ = 0;  // legs
  bool done_ = false;
  bool sending_ = false;  // somebody is in send_next …
  bool again_ = false;    // … and is to go round again
  bool timed_ = false;    // the timer is armed, or fires
};

gather::gather(router_state& s, cell& self, envelope& e, const route_table& table)
    : state_(s.shared_from_this()),
      router_(any_ref::share(&self)),
      first_(take_ask(e)),
      kept_(&e),
      one_by_one_(s.plan.kind == route_kind::tail_chopping) {
  for (const any_ref& r : table.routees)
    if (!r.is_terminated()) targets_.push_back(r);
  if (!one_by_one_) return;
  for (std::size_t i = targets_.size(); i > 1; --i)
    std::swap(targets_[i - 1], targets_[s.rt.random_u64() % i]);
}

gather::~gather() {
  if (kept_) {
    destroy_payload(*kept_);
    free_block(*kept_);
  }
  first_->drop_ref();
}

void gather::start() {
  state_->add_open(*first_, *this);
  if (state_->plan.within > duration::zero()) {
    deadline_ = now() + state_->plan.within;
    spin_guard guard(lock_);
    if (!done_) {
      timed_ = true;
      add_ref();
      timers().arm(clock_,
                   one_by_one_ ? std::min(deadline_, now() + state_->plan.interval) : deadline_);
    }
  }
  send_next();
}

// Sends to all, or to the next one. One thread at a time.
void gather::send_next() noexcept {
  for (;;) {
    std::size_t i = 0;
    bool exhausted = false;
    {
      spin_guard guard(lock_);
      if (done_) return;
      if (sending_) {
        again_ = true;
        return;
      }
      if (next_ == targets_.size()) {
        exhausted = failed_ == next_;
        if (!exhausted) return;
      } else {
        sending_ = true;
        i = next_++;
      }
    }
    if (exhausted) {
      fail_all();
      return;
    }
    send_to(*targets_[i].get(), i + 1 == targets_.size());
    bool more = false;
    {
      spin_guard guard(lock_);
      sending_ = false;
      more = std::exchange(again_, false) || (!one_by_one_ && next_ < targets_.size()) ||
             failed_ == next_;
    }
    if (!more) return;
  }
}

void gather::send_to(cell& target, bool last) noexcept {
  envelope* copy = nullptr;
  try {
    copy = last ? std::exchange(kept_, nullptr) : copy_envelope(*kept_);
    ask_state_base* ask = first_->another();
    ask->begin_like(*first_, target);
    leg* l = nullptr;
    {
      spin_guard guard(lock_);
      if (!done_) {
        l = &legs_.emplace_back(*this, *ask);
        add_ref();
        ask->add_waiter(*l, std::noop_coroutine());
      }
    }
    if (!l) {
      ask->drop_ref();
      ask->drop_ref();
      destroy_payload(*copy);
      free_block(*copy);
      return;
    }
    copy->from = ask;
    copy->flags |= envelope::is_ask;
    target.deliver(*copy);
  } catch (...) {
    if (copy) {
      destroy_payload(*copy);
      free_block(*copy);
    }
    failed_leg(
        {errc::internal, std::string("the message could not be copied: ") + text_of_exception()});
  }
}

void gather::failed_leg(error why) noexcept {
  spin_guard guard(lock_);
  ++failed_;
  last_error_ = std::move(why);
}

void gather::answered(leg& l) noexcept {
  const bool good = l.ask.has_value();
  bool dropped = false;
  bool first = false;
  std::optional<error> why;
  if (!good) why = l.ask.take_error();
  {
    spin_guard guard(lock_);
    l.settled = true;
    dropped = l.dropped;
    first = !dropped && good && !done_;
  }
  if (first) {
    if (finish()) {
      try {
        l.ask.hand_on(*first_);
      } catch (...) {
        first_->fail(
            {errc::internal, std::string("the reply could not be moved: ") + text_of_exception()});
      }
    }
  } else if (why && !dropped) {
    failed_leg(std::move(*why));
    send_next();
  }
  l.ask.drop_ref();                // the posted node's
  if (!dropped) l.ask.drop_ref();  // the asker's
  drop_ref();
}

void gather::fail_all() noexcept {
  if (!finish()) return;
  const std::string path = router_.path();
  const error why = last_error_ ? *last_error_ : error(errc::actor_stopped);
  first_->fail({why.code(), targets_.empty()
                                ? "all routees of " + path + " have stopped"
                                : "all " + std::to_string(targets_.size()) + " routees of " + path +
                                      " failed; the last: " + std::string(why.text())});
}

void gather::time_passed() noexcept {
  if (now() >= deadline_) {
    if (finish()) {
      first_->fail({errc::ask_timeout,
                    "no reply to " + std::string(first_->type->name) + " from " + router_.path() +
                        " within " + odeon::to_string(state_->plan.within) + ": " + describe()});
    }
  } else {
    send_next();
    spin_guard guard(lock_);
    if (!done_) {
      timers().arm(clock_, std::min(deadline_, now() + state_->plan.interval));
      return;
    }
  }
  drop_ref();  // the timer's
}

// True: the caller is the one that settles `first_`.
bool gather::finish() noexcept {
  bool timed = false;
  {
    spin_guard guard(lock_);
    if (done_) return false;
    done_ = true;
    timed = timed_;
    for (leg& l : legs_)
      if (!l.settled) l.dropped = true;
  }
  // No leg is added any more, and the marks are this thread's to read.
  for (leg& l : legs_) {
    if (!l.dropped) continue;
    l.ask.detach_waiter();
    l.ask.let_go();
    l.ask.drop_ref();
    if (!l.late) drop_ref();
  }
  if (timed && timers().disarm(clock_)) drop_ref();
  state_->remove_open(*first_);
  return true;
}

std::string gather::describe() {
  std::size_t sent = 0;
  std::size_t failed = 0;
  {
    spin_guard guard(lock_);
    sent = next_;
    failed = failed_;
  }
  return "sent to " + std::to_string(sent) + " of " + std::to_string(targets_.size()) +
         " routees, " + std::to_string(failed) + " failed";
}

result<void> ask_several(router_state& state, cell& self, envelope& e, const route_table& table) {
  ask_state_base& ask = *e.ask();
  if (!ask.is_open()) {
    lose(self, e, ask.was_dropped() ? errc::cancelled : errc::expired);
    return {};
  }
  ask_state_base* leg = ask.another();
  if (leg) {
    leg->drop_ref();
    leg->drop_ref();
  } else {
    return state.refuse(self, e, errc::invalid_argument,
                        "a stream of replies comes from one actor: " + std::string(e.type->name) +
                            " cannot be asked of " + self.path() + ", which asks several");
  }
  auto* g = new gather(state, self, e, table);
  g->start();
  g->drop_ref();
  return {};
}

void give_up(gather& g) noexcept { g.give_up(); }
std::string describe(gather& g) { return g.describe(); }
void hold(gather& g) noexcept { g.add_ref(); }
void let_go(gather& g) noexcept { g.drop_ref(); }

}  // namespace odeon::detail
