// One lock guards everything; it is held for a few instructions, and never while a listener or a
// user's predicate is called.
//
// `generation` moves with each transition. A permit remembers the one it was given in; what is said
// of it later, in another generation, is counted in the totals and changes no state: a slow call of
// before says nothing about the service of now.
//
// The timer towards half open is its own object with two owners, the queue (until it fired or was
// disarmed) and the breaker (until it opens anew, closes or goes away); the second one frees it. It
// reaches the breaker by a weak pointer, so it may fire after the last handle is gone.

#include <odeon/base/detail/spin.hpp>
#include <odeon/pattern/circuit_breaker.hpp>
#include <odeon/runtime/runtime.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

namespace odeon {

using detail::spin_guard;

std::string_view to_string(breaker_state s) noexcept {
  switch (s) {
    case breaker_state::closed: return "closed";
    case breaker_state::open: return "open";
    case breaker_state::half_open: return "half open";
  }
  return "unknown";
}

struct circuit_breaker::core : std::enable_shared_from_this<core> {
  using listener = std::function<void(const breaker_transition&)>;
  using listener_list = std::shared_ptr<const std::vector<listener>>;

  struct reset_timer final : timer_node {
    reset_timer(std::weak_ptr<core> c, std::uint64_t g) noexcept
        : timer_node(&fired),
          owner(std::move(c)),
          generation(g) {}
    static void fired(timer_node& node) noexcept {
      auto& self = static_cast<reset_timer&>(node);
      if (auto c = self.owner.lock()) c->try_half_open(self.generation);
      self.drop(1);
    }
    void drop(int n) noexcept {
      // Release: what this side wrote happens before the free; acquire: the free sees it.
      if (owners.fetch_sub(n, std::memory_order_acq_rel) == n) delete this;
    }
    std::weak_ptr<core> owner;
    std::uint64_t generation;
    std::atomic<int> owners{2};
  };

  core(runtime& r, breaker_options o, std::string n)
      : rt(r),
        options(std::move(o)),
        name(std::move(n)),
        wait(options.reset_timeout) {}
  core(const core&) = delete;
  ~core() { drop_timer(std::exchange(timer, nullptr)); }

  void drop_timer(reset_timer* t) noexcept {
    if (t) t->drop(rt.timers(clock_domain::user).disarm(*t) ? 2 : 1);
  }

  /// A transition under the lock; what is left to do after it.
  struct step {
    bool happened = false;
    breaker_state from{}, to{};
    std::string why;
    reset_timer* old = nullptr;    // to be disarmed
    reset_timer* fresh = nullptr;  // to be armed
    time_point due{};
    listener_list listeners;
  };
  step go(breaker_state to, std::string why = {}) {
    step s{true, state, to, std::move(why), std::exchange(timer, nullptr), nullptr, {}, listeners};
    state = to;
    ++generation;
    in_a_row = 0;
    trial = false;
    if (to == breaker_state::open) {
      ++counters.opened;
      last_failure = s.why;
      s.due = half_open_at = rt.now() + wait;
      s.fresh = timer = new reset_timer(weak_from_this(), generation);
    } else if (to == breaker_state::closed) {
      wait = options.reset_timeout;
    }
    return s;
  }
  void after(step s) {
    if (!s.happened) return;
    drop_timer(s.old);
    // Not yet armed, it may be dropped by another transition already: then `disarm` has said that
    // it was not armed, and it fires into an older generation.
    if (s.fresh) rt.timers(clock_domain::user).arm(*s.fresh, s.due);
    if (s.listeners)
      for (const auto& f : *s.listeners) f({name, s.from, s.to, s.why});
  }

  void try_half_open(std::uint64_t g) {
    step s;
    {
      spin_guard guard(lock);
      if (state == breaker_state::open && generation == g) s = go(breaker_state::half_open);
    }
    after(std::move(s));
  }
  /// Under virtual time or a late timer thread: the clock counts, not the timer.
  void look_at_clock() {
    std::uint64_t g = 0;
    {
      spin_guard guard(lock);
      if (state != breaker_state::open || rt.now() < half_open_at) return;
      g = generation;
    }
    try_half_open(g);
  }

  void succeeded(std::uint64_t g) {
    step s;
    {
      spin_guard guard(lock);
      ++counters.succeeded;
      if (g != generation) return;
      in_a_row = 0;
      if (state == breaker_state::half_open) s = go(breaker_state::closed);
    }
    after(std::move(s));
  }
  void failed(std::uint64_t g, std::string why, bool by_time) {
    step s;
    {
      spin_guard guard(lock);
      ++counters.failed;
      if (by_time) ++counters.timed_out;
      if (g != generation) return;
      if (state == breaker_state::half_open) {
        const double longer = static_cast<double>(wait.count()) * options.growth;
        const double cap =
            static_cast<double>(std::max(options.max_reset_timeout, options.reset_timeout).count());
        wait = duration(std::llround(std::min(longer, cap)));
        s = go(breaker_state::open, std::move(why));
      } else if (++in_a_row >= options.max_failures) {
        s = go(breaker_state::open, std::move(why));
      }
    }
    after(std::move(s));
  }
  void abandoned(std::uint64_t g) noexcept {
    spin_guard guard(lock);
    if (g == generation) trial = false;
  }
  void by_hand(breaker_state to, std::string why) {
    step s;
    {
      spin_guard guard(lock);
      if (state != to || to == breaker_state::open) s = go(to, std::move(why));
      if (s.from == to) s.listeners = nullptr;  // it only stays open for longer
    }
    after(std::move(s));
  }

  runtime& rt;
  const breaker_options options;
  const std::string name;
  detail::spin_lock lock;
  breaker_state state = breaker_state::closed;
  std::uint64_t generation = 0;
  unsigned in_a_row = 0;
  bool trial = false;  // half open: the one call is under way
  duration wait;
  time_point half_open_at{};
  std::string last_failure;
  reset_timer* timer = nullptr;
  breaker_counters counters;
  listener_list listeners;
};

struct circuit_breaker::permit::held {
  std::shared_ptr<core> of;
  std::uint64_t generation;
  time_point since;
};

circuit_breaker::permit::permit(std::unique_ptr<held> h) noexcept : held_(std::move(h)) {}

circuit_breaker::permit::~permit() {
  if (held_) held_->of->abandoned(held_->generation);
}

void circuit_breaker::permit::success() {
  if (auto h = std::move(held_)) h->of->succeeded(h->generation);
}

void circuit_breaker::permit::failure(std::string_view why) {
  if (auto h = std::move(held_)) h->of->failed(h->generation, std::string(why), false);
}

void circuit_breaker::permit::failure(const std::exception_ptr& why) {
  auto h = std::move(held_);
  if (!h) return;
  if (const auto& counts = h->of->options.is_failure; counts && !counts(why)) {
    h->of->succeeded(h->generation);
    return;
  }
  const error e = detail::error_of(why);
  h->of->failed(h->generation, e.to_string(), e == errc::ask_timeout);
}

void circuit_breaker::permit::timeout() {
  if (auto h = std::move(held_))
    h->of->failed(h->generation, "took longer than " + to_string(h->of->options.call_timeout),
                  true);
}

void circuit_breaker::permit::finished() {
  if (!held_) return;
  const duration limit = held_->of->options.call_timeout;
  if (limit > duration::zero() && held_->of->rt.now() - held_->since > limit)
    timeout();
  else
    success();
}

circuit_breaker::circuit_breaker(runtime& rt, breaker_options options, std::string name) {
  if (options.max_failures == 0 || options.reset_timeout <= duration::zero() ||
      !(options.growth >= 1))
    throw actor_error(errc::invalid_argument,
                      "circuit breaker '" + name +
                          "': max_failures is at least 1, reset_timeout above zero, growth at "
                          "least 1");
  core_ = std::make_shared<core>(rt, std::move(options), std::move(name));
}

namespace {

std::string open_text(const std::string& name, std::string_view state, const std::string& last,
                      duration remaining) {
  std::string out = "the circuit breaker '" + name + "' is " + std::string(state);
  if (!last.empty()) out += " after: " + last;
  if (remaining > duration::zero())
    return out + "; calls fail at once for another " + to_string(remaining);
  return out + "; calls fail at once until the trial under way has ended";
}

}  // namespace

circuit_breaker::permit circuit_breaker::enter() {
  core& c = *core_;
  c.look_at_clock();
  duration remaining{};
  std::string last;
  breaker_state seen{};
  {
    spin_guard guard(c.lock);
    const time_point now = c.rt.now();
    if (c.state == breaker_state::closed || (c.state == breaker_state::half_open && !c.trial)) {
      auto h = std::make_unique<permit::held>(core_, c.generation, now);
      c.trial = c.state == breaker_state::half_open;
      return permit(std::move(h));
    }
    ++c.counters.rejected;
    seen = c.state;
    last = c.last_failure;
    if (seen == breaker_state::open)
      remaining = std::max(c.half_open_at - now, duration(std::chrono::milliseconds(1)));
  }
  throw circuit_open(open_text(c.name, to_string(seen), last, remaining), remaining);
}

result<circuit_breaker::permit> circuit_breaker::try_enter() {
  try {
    return enter();
  } catch (const circuit_open& e) {
    return std::unexpected(e.reason());
  }
}

breaker_state circuit_breaker::state() const {
  core_->look_at_clock();
  spin_guard guard(core_->lock);
  return core_->state;
}

breaker_counters circuit_breaker::counters() const {
  spin_guard guard(core_->lock);
  return core_->counters;
}

const std::string& circuit_breaker::name() const noexcept { return core_->name; }
const breaker_options& circuit_breaker::options() const noexcept { return core_->options; }

void circuit_breaker::trip(std::string_view why) {
  core_->by_hand(breaker_state::open, std::string(why));
}
void circuit_breaker::reset() { core_->by_hand(breaker_state::closed, {}); }

void circuit_breaker::on_transition(std::function<void(const breaker_transition&)> f) {
  spin_guard guard(core_->lock);
  auto all = core_->listeners ? std::make_shared<std::vector<core::listener>>(*core_->listeners)
                              : std::make_shared<std::vector<core::listener>>();
  all->push_back(std::move(f));
  core_->listeners = std::move(all);
}

error circuit_breaker::too_slow() const {
  return {errc::ask_timeout, "a call through the circuit breaker '" + core_->name +
                                 "' took longer than " + to_string(core_->options.call_timeout)};
}

}  // namespace odeon
