// Asks: timeouts, cycles, and where a request is.
//
// Timeouts. An ask made on a work-stealing worker is noted in the thread's list with one reference,
// and nothing else: most are answered within microseconds. When the list is full, every 64 turns,
// and before the worker sleeps, `flush_asks` drops those that are done and arms a timer for the
// others, counted from then; so a timeout may come up to some milliseconds late, and never early.
// Elsewhere the timer is armed when the task waits, and a blocked thread keeps its own time.
//
// Cycles. An ask that is part of a cycle stays pending, so it comes by `watch` (at its flush) or by
// `suspended` (when its asker begins to wait after that). Both publish their half first and look at
// the other's second, with seq_cst, so whoever comes last sees the whole. The look follows target →
// what the target's suspended handler waits for → its target …, at most 64 long, over references
// taken from type-stable memory.

#include "internal/cell_access.hpp"

#include <array>

namespace odeon::detail {

namespace {

constexpr std::size_t chain_max = 64;

duration least(duration a, duration b) noexcept {
  if (a <= duration::zero()) return b;
  if (b <= duration::zero()) return a;
  return std::min(a, b);
}

/// What is left of the time that the asker's own asker allowed.
duration left_of(const ask_state_base& call) noexcept {
  const std::int64_t due = call.due.load(std::memory_order_relaxed);
  if (due == 0) return call.timeout();  // it began within the last milliseconds
  const std::int64_t now = call.home()->now(clock_domain::housekeeping).time_since_epoch().count();
  return duration(std::max<std::int64_t>(due - now, 1));
}

struct held_cell {
  held_cell(cell* c, std::uint32_t generation) noexcept
      : c(c && cell::try_ref(c, generation) ? c : nullptr) {}
  held_cell(const held_cell&) = delete;
  ~held_cell() {
    if (c) c->drop_ref();
  }
  explicit operator bool() const noexcept { return c; }
  cell* c;
};

void cancel(cell& target, ask_state_base& ask) {
  if (stand_in* routed = stand_in_of(target))
    routed->given_up(ask);
  else
    send_cancel(target, ask);
}

}  // namespace

void ask_state_base::begin(cell& to, const message_type& of, bool timed) noexcept {
  target.store(&to, std::memory_order_relaxed);
  target_generation.store(to.generation(), std::memory_order_relaxed);
  type = &of;
  system = &to.system();
  note_timeout(timed ? duration(system->ask_timeout) : duration::zero());
  turn* t = this_turn();
  times_itself_ = false;
  if (!t) return;
  asker = t->self;
  asker_generation = asker->generation();
  if (timed && t->call) note_timeout(least(timeout(), left_of(*t->call)));
  if (!this_worker) return;
  times_itself_ = true;
  thread_state& here = this_thread_state;
  if (here.asks == std::size(here.open_asks)) flush_asks();
  add_ref();
  here.open_asks[here.asks++] = this;
}

void ask_state_base::set_timeout(duration d) noexcept {
  const turn* t = this_turn();
  note_timeout(t && t->call ? least(d, left_of(*t->call)) : d);
  // Armed already, because the worker had other things to do since: from now on the new limit
  // holds.
  if (times_itself_ && due.load(std::memory_order_relaxed) != 0 && is_open()) {
    stop_timer();
    watch(*home());
  }
}

void ask_state_base::begin_like(const ask_state_base& first, cell& to) noexcept {
  target.store(&to, std::memory_order_relaxed);
  target_generation.store(to.generation(), std::memory_order_relaxed);
  type = first.type;
  system = first.system;
  asker = first.asker;
  asker_generation = first.asker_generation;
  trace = first.trace;
  note_timeout(first.timeout());
  due.store(first.due.load(std::memory_order_relaxed), std::memory_order_relaxed);
  times_itself_ = true;  // who asked has a clock for all of them
  quiet = true;
}

runtime* ask_state_base::home() const noexcept { return system->rt; }

void abandon_reply(ask_state_base& ask) noexcept {
  turn* t = this_turn();
  if (t && !t->orphan && std::uncaught_exceptions() > 0) {
    t->orphan = &ask;  // who catches the exception knows its text
    return;
  }
  if (t && t->failing)
    ask.fail(*t->failing);
  else
    ask.fail(errc::no_reply);
  ask.drop_ref();
}

// Readers elsewhere may see the old target with the new generation: then they find nobody, and say
// so.
void ask_state_base::retarget(cell& to) noexcept {
  target_generation = to.generation();
  target = &to;
}

void flush_asks() noexcept {
  thread_state& here = this_thread_state;
  here.coarse_now = 0;  // the thread may be about to sleep: the next turn reads the clock
  const std::uint32_t n = std::exchange(here.asks, 0);
  for (std::uint32_t i = 0; i < n; ++i) {
    ask_state_base* ask = std::exchange(here.open_asks[i], nullptr);
    if (ask->is_open()) ask->watch(*ask->home());
    ask->drop_ref();
  }
}

void ask_state_base::watch(runtime& rt) {
  const time_point now = rt.now(clock_domain::housekeeping);
  if (timeout() > duration::zero()) arm_timer(rt, now + timeout());
  due.store((timeout() > duration::zero() ? now + timeout() : time_point::max())
                .time_since_epoch()
                .count());
  look_for_cycle();
}

void ask_state_base::timer_armed(time_point at) noexcept {
  due.store(at.time_since_epoch().count());
}

// -- cycles ---------------------------------------------------------------------------------------

// What is waited for may be of memory that is no ask any more: type-stable, and asked for its count
// first.
#if defined(__clang__)
__attribute__((no_sanitize("vptr")))
#endif
void ask_state_base::look_for_cycle() {
  if (!asker || !is_open() || reentry) return;
  {
    held_cell own(asker, asker_generation);
    if (!own) return;
    const auto* x = own.c->extension_if();
    if (!x || x->waiting_ask.load() != this) return;  // it does not wait (yet)
  }
  std::array<ask_state_base*, chain_max> chain{};
  std::size_t n = 0;
  struct drop_all {
    std::array<ask_state_base*, chain_max>& chain;
    std::size_t& n;
    ~drop_all() {
      for (std::size_t i = 1; i < n; ++i) chain[i]->drop_ref();
    }
  } guard{chain, n};
  chain[n++] = this;
  for (;;) {
    ask_state_base& last = *chain[n - 1];
    if (last.target == asker && last.target_generation == asker_generation) break;
    if (n == chain_max) return;
    held_cell at(last.target, last.target_generation);
    if (!at) return;
    const auto* x = at.c->extension_if();
    if (!x) return;
    auto* next =
        const_cast<ask_state_base*>(static_cast<const ask_state_base*>(x->waiting_ask.load()));
    if (!next || !next->try_add_ref()) return;
    chain[n++] = next;
    // The memory may have become another ask since: one that this actor does not wait for.
    if (x->waiting_ask.load() != next || next->asker != at.c || !next->is_open()) return;
  }
  std::string text;
  for (std::size_t i = 0; i < n; ++i) {
    held_cell from(chain[i]->asker, chain[i]->asker_generation);
    held_cell to(chain[i]->target, chain[i]->target_generation);
    if (!from || !to) return;
    if (i) text += ", ";
    text +=
        from.c->path() + " asks " + to.c->path() + " (" + std::string(chain[i]->type->name) + ")";
  }
  held_cell to(target, target_generation);
  core_use core(*system);
  if (!to || !core) return;
  const bool allowed =
      to.c->extension_if() && to.c->extension_if()->cycle_policy == call_cycle::allow_in_chain;
  core->counters.call_cycles.fetch_add(1, std::memory_order_relaxed);
  core->event<call_cycle_found>([&] { return call_cycle_found{text, allowed}; });
  if (allowed) {
    reentry = true;
    send_admit(*to.c, *this);
  } else {
    fail({errc::call_cycle, "the ask would wait for itself: " + text});
  }
}

// -- the ends of an ask ---------------------------------------------------------------------------

// By a thread that may be any: compared only, never followed.
#if defined(__clang__)
__attribute__((no_sanitize("thread")))
#endif
bool envelope_is_of(const envelope& e, const ask_state_base* ask) noexcept {
  return (e.flags & envelope::is_ask) && e.from == ask;
}

error ask_state_base::timed_out() {
  const std::string limit = to_string(timeout());
  core_use core(*system);
  held_cell to(target, target_generation);
  std::string where;
  std::string path = "an actor that has stopped";
  if (to) {
    path = to.c->path();
    if (const stand_in* routed = stand_in_of(*to.c)) where = routed->where_is(*this);
    if (core && where.empty()) {
      bool found = false;
      const std::size_t before = cell_access::depth(*to.c, this, &found);
      const actor_snapshot now = core->describe(*to.c);
      if (found)
        where = "queued at depth " + std::to_string(before);
      else
        where = set_aside.load() ? "set aside in its stash" : "taken";
      switch (now.state) {
        case actor_state::running:
          where += "; the actor is running " + std::string(now.message);
          if (now.running_for) where += " since " + to_string(*now.running_for);
          break;
        case actor_state::waiting:
          where += "; its handler";
          if (!now.message.empty()) where += " of " + std::string(now.message);
          where += " is suspended";
          if (now.running_for) where += " since " + to_string(*now.running_for);
          if (!now.waiting_for.empty()) where += ", waiting for " + now.waiting_for;
          break;
        case actor_state::idle:
          if (!found && !set_aside.load()) where += ", and not answered";
          if (!found) where += "; the actor is idle";
          break;
        default: where += "; the actor is " + std::string(to_string(now.state));
      }
    }
  } else {
    where = "it has stopped";
  }
  if (core) {
    core->counters.ask_timeouts.fetch_add(1, std::memory_order_relaxed);
    core->event<ask_timed_out>([&] { return ask_timed_out{path, type->name, where, trace}; });
  }
  return {errc::ask_timeout, "no reply to " + std::string(type->name) + " from " + path +
                                 " within " + limit + ": " + where};
}

// A suspended handler of this request is told that nobody waits.
void ask_state_base::abandoned() noexcept {
  core_use core(*system);
  if (!core) return;
  held_cell to(target, target_generation);
  if (to && !to.c->is_terminated()) cancel(*to.c, *this);
}

void cancel_ask(ask_state_base& ask) noexcept {
  if (core_use core(*ask.system); core) {
    held_cell to(ask.target, ask.target_generation);
    if (to && !to.c->is_terminated()) cancel(*to.c, ask);
  }
  ask.fail({errc::cancelled, "its asker has given up"});
}

void ask_state_base::late() noexcept {
  if (quiet) return;
  core_use core(*system);
  if (!core) return;
  core->counters.late_replies.fetch_add(1, std::memory_order_relaxed);
  try {
    held_cell from(target, target_generation);
    held_cell to(asker, asker_generation);
    late_reply event{type->name,
                     from ? from.c->path() : std::string(),
                     to ? to.c->path() : std::string(),
                     was_dropped() ? errc::cancelled : errc::ask_timeout,
                     trace,
                     core->rt.wall_now()};
    core->event<late_reply>([&] { return event; });
    core->late.add(std::move(event));
  } catch (...) {
    // No memory to tell it: the counter has it.
  }
}

}  // namespace odeon::detail
