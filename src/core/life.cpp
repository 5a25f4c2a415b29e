// The life of an actor: start, failure, restart, stop. All on its own turns.
//
//   start      flag `starting` → pre_start → open.  An exception there is a failure.
//   failure    the decider says what; the budget may turn a restart into a stop.
//   restart    flag `restarting` → pre_restart on the failed instance → suspended handlers are
//   destroyed, timers and
//              behaviours dropped → children are stopped and awaited → the object is destroyed →
//              the backoff is waited for → a new object from the kept arguments → post_restart →
//              what was stashed comes first → open.
//   stop       flag `stopping` → the message in hand ends (or, killed, is destroyed) → timers are
//   dropped, children stopped
//              and awaited → post_stop → terminated: the name is free, watchers and links are told,
//              what waits becomes dead letters, the parent forgets it, the life's reference goes.
//
// A step that has to wait leaves its name in `extension.step`; what it waits for calls the next
// one.

#include "internal/cell_access.hpp"
#include "internal/side_mailbox.hpp"

#include <algorithm>
#include <cmath>

namespace odeon::detail {

namespace {

constexpr std::string_view hook_names[] = {"pre_start", "post_stop", "pre_restart", "post_restart"};

std::string_view name_of(hook h) noexcept { return hook_names[static_cast<std::size_t>(h)]; }

const supervision& default_supervision() {
  static const supervision instance;
  return instance;
}

const supervision& supervision_of(cell& c) {
  const auto* x = c.extension_if();
  return x ? x->supervision : default_supervision();
}

directive decide(const supervision& s, const std::exception_ptr& p) {
  for (const auto& d : s.decider)
    if (d.fits(p)) return d.what;
  return s.otherwise;
}

/// Whether another restart is within the budget; counts it.
bool may_retry(cell_extension& x, const supervision& s, time_point now) {
  if (s.within > duration::zero())
    std::erase_if(x.retries, [&](time_point at) { return now - at > s.within; });
  if (x.retries.size() >= s.max_retries) return false;
  if (x.retries.empty()) x.next_delay = 0;
  x.retries.push_back(now);
  return true;
}

/// Whether a handler is suspended.
bool handles_something(const cell_extension& x) noexcept {
  for (const execution* e = x.executions; e; e = e->next)
    if (e->what == execution::kind::handler) return true;
  return false;
}

/// A suspended handler is about to be destroyed.
void tell_source(cell& c, const char* why) noexcept {
  auto* x = c.extension_if();
  if (x && x->source && handles_something(*x)) x->source->failed(c, directive::stop, why);
}

}  // namespace

void backoff_timer::fired(timer_node& node) noexcept {
  cell& self = static_cast<backoff_timer&>(node).self;
  auto* m = new control_message([](cell& c, turn& t, control_message&) {
    c.extension().backoff.reset();
    cell_access::reconstruct(c, t);
  });
  self.post_control(*m);
  self.drop_ref();
}

void control_message::arrived(driver_node& node) {
  auto& m = static_cast<control_message&>(node);
  turn& t = *this_turn();
  m.act(*t.self, t, m);
  delete &m;
}

void cell_access::close_lane(cell& c, turn& t, std::uint32_t flag) noexcept {
  set_flag(c, flag);
  t.closed = true;
}

void cell_access::open_lane(cell& c, turn& t, std::uint32_t flag) noexcept {
  clear_flag(c, flag);
  t.closed = flags(c) & cell::closed_mask;
  // The time of a receive timeout begins when a message could be taken.
  if (auto* x = c.extension_if(); x && x->idle) x->idle->last = core(c).rt.now();
}

// True: done, perhaps with an error. False: it goes on as a coroutine.
bool cell_access::run_hook(cell& c, turn& t, hook which, const failure* why,
                           std::exception_ptr& error) noexcept {
  if (!c.class_->has(which) || !c.has_object_) return true;
  t.hop = next_id();
  if (t.trace == 0) t.trace = t.hop;
  try {
    return c.class_->run_hook(t, c.object_, which, why);
  } catch (...) {
    error = std::current_exception();
    return true;
  }
}

void cell_access::start(cell& c, turn& t) noexcept {
  if (flags(c) & cell::stopping) return;
  std::exception_ptr error;
  if (!run_hook(c, t, hook::pre_start, nullptr, error)) {
    c.extension().step = life_step::start_hook;
    return;
  }
  open_lane(c, t, cell::starting);
  if (error) fail(c, t, error, {}, name_of(hook::pre_start));
}

void cell_access::hook_ended(cell& c, turn& t, hook which, std::exception_ptr error) noexcept {
  cell_extension& x = c.extension();
  system_core& sys = core(c);
  if (error && (which == hook::post_stop || which == hook::pre_restart)) {
    sys.event<hook_failed>(
        [&] { return hook_failed{any_ref::share(&c), c.path(), name_of(which), what_of(error)}; });
    logger(c.path()).error("{} threw: {}", name_of(which), what_of(error));
    error = nullptr;
  }
  switch (which) {
    case hook::pre_start:
      if (x.step != life_step::start_hook) return;  // it was stopped meanwhile
      x.step = life_step::none;
      open_lane(c, t, cell::starting);
      if (error) fail(c, t, error, {}, name_of(which));
      return;
    case hook::pre_restart:
      if (x.step == life_step::restart_hook) restart_children(c, t);
      return;
    case hook::post_restart:
      if (x.step != life_step::restart_started) return;
      if (error) {
        x.step = life_step::none;
        fail(c, t, error, {}, name_of(which));
      } else {
        restarted(c, t);
      }
      return;
    case hook::post_stop:
      if (x.step == life_step::stop_hook) finish_stop(c, t);
      return;
  }
}

// -- failure --------------------------------------------------------------------------------------

void cell_access::fail(cell& c, turn& t, std::exception_ptr p, std::string_view message,
                       std::string_view where, std::string first) noexcept {
  system_core& sys = core(c);
  sys.counters.failures.fetch_add(1, std::memory_order_relaxed);
  auto why = std::make_shared<const failure>(
      failure{p, what_of(p), first.empty() ? c.path() : std::move(first), message, where});
  if (flags(c) & cell::stopping) return;
  const supervision& s = supervision_of(c);
  directive d = directive::stop;
  try {
    d = decide(s, p);
  } catch (...) {
    logger(c.path()).error("the decider threw; the actor is stopped");
  }
  sys.event<actor_failed>([&] { return actor_failed{any_ref::share(&c), *why, d}; });
  logger(c.path()).warn("failed in {}{}{}: {}", where, message.empty() ? "" : " of ", message,
                        why->what);
  if (auto* x = c.extension_if(); x && x->source) x->source->failed(c, d, why->what);
  if (d == directive::restart && !may_retry(c.extension(), s, sys.rt.now())) {
    begin_stop(c, t,
               {exit_kind::failed, "restarted " + std::to_string(s.max_retries) + " times within " +
                                       to_string(s.within) + ", and failed again: " + why->what},
               false);
    return;
  }
  if (s.scope != scope::one_for_one && d != directive::resume && c.parent_) {
    auto* m = new control_message([](cell& parent, turn&, control_message& m) {
      // To its siblings: all, or those spawned after it.
      auto siblings = core(parent).children_of(parent);
      bool after = m.flag;
      for (const any_ref& s : siblings) {
        if (s == m.who) {
          after = true;
          continue;
        }
        if (!after) continue;
        auto* order = new control_message([](cell& sibling, turn& t, control_message& m) {
          // Its own failures make its backoff grow, not those of others.
          if (auto& x = sibling.extension(); x.retries.empty()) x.next_delay = 0;
          apply(sibling, t, m.what, m.why);
        });
        order->what = m.what;
        order->why = m.why;
        s.get()->post_control(*order);
      }
    });
    m->who = any_ref::share(&c);
    m->what = d == directive::escalate ? directive::stop : d;
    m->why = why;
    m->flag = s.scope == scope::all_for_one;
    c.parent_->post_control(*m);
  }
  apply(c, t, d, std::move(why));
}

void cell_access::apply(cell& c, turn& t, directive d,
                        std::shared_ptr<const failure> why) noexcept {
  if (t.ended || (flags(c) & cell::stopping)) return;
  switch (d) {
    case directive::resume:
      if (!has_object(c)) {  // its constructor threw at a restart: there is nothing to resume
        begin_stop(c, t, {exit_kind::failed, why->what}, false);
        return;
      }
      open_lane(c, t, cell::failed | cell::restarting | cell::starting);
      c.extension().step = life_step::none;
      return;
    case directive::restart: begin_restart(c, t, *why); return;
    case directive::stop: begin_stop(c, t, {exit_kind::failed, why->what}, false); return;
    case directive::escalate: {
      auto* m = new control_message([](cell& parent, turn& t, control_message& m) {
        if (!parent.parent())
          core(parent).escalated(*m.why);
        else
          fail(parent, t, m.why->exception, m.why->message, m.why->where, m.why->path);
      });
      m->why = why;
      c.parent_->post_control(*m);
      begin_stop(c, t, {exit_kind::failed, why->what}, false);
      return;
    }
  }
}

// -- restart --------------------------------------------------------------------------------------

void cell_access::begin_restart(cell& c, turn& t, const failure& why) noexcept {
  cell_extension& x = c.extension();
  if ((flags(c) & cell::restarting) && x.step != life_step::none) return;  // already on its way
  clear_flag(c, cell::starting);
  close_lane(c, t, cell::restarting);
  x.why = why;
  x.step = life_step::restart_hook;
  std::exception_ptr error;
  if (run_hook(c, t, hook::pre_restart, &*x.why, error)) hook_ended(c, t, hook::pre_restart, error);
}

void cell_access::restart_children(cell& c, turn& t) noexcept {
  cell_extension& x = c.extension();
  tell_source(c, "the worker was restarted");
  destroy_executions(c, t, errc::handler_failed, " was restarted");
  drop_timers(c);
  for (auto& b : x.behaviors) b.destroy(b.object);
  x.behaviors.clear();
  drop_retired(x);
  x.step = life_step::restart_children;
  if (order_children_to_stop(c)) restart_object(c);
}

void cell_access::restart_object(cell& c) noexcept {
  cell_extension& x = c.extension();
  destroy_object(c);
  x.step = life_step::restart_backoff;
  const backoff_options& b = supervision_of(c).backoff;
  if (b.initial <= duration::zero()) {
    // By a message to itself: an instance that fails at once must not grow the stack.
    c.post_control(
        *new control_message([](cell& c, turn& t, control_message&) { reconstruct(c, t); }));
    return;
  }
  x.next_delay =
      x.next_delay == 0 ? static_cast<double>(b.initial.count()) : x.next_delay * b.multiplier;
  x.next_delay = std::min(x.next_delay, static_cast<double>(b.max.count()));
  runtime& rt = core(c).rt;
  const double spread = static_cast<double>(rt.random_u64() >> 11) * 0x1p-53 * 2 - 1;  // in [-1, 1)
  const duration delay(std::llround(x.next_delay * (1 + b.jitter * spread)));
  x.backoff = std::make_unique<backoff_timer>(c);
  c.add_ref();
  rt.timers(clock_domain::user).arm(*x.backoff, rt.now() + delay);
}

void cell_access::reconstruct(cell& c, turn& t) noexcept {
  cell_extension& x = c.extension();
  if (x.step != life_step::restart_backoff) return;  // it was stopped meanwhile
  if (x.receive_timeout > duration::zero()) set_receive_timeout(c, x.receive_timeout);
  try {
    construct(c);
  } catch (...) {
    x.step = life_step::none;
    fail(c, t, std::current_exception(), {}, "constructor");
    return;
  }
  x.step = life_step::restart_started;
  std::exception_ptr error;
  if (run_hook(c, t, hook::post_restart, &*x.why, error))
    hook_ended(c, t, hook::post_restart, error);
}

void cell_access::restarted(cell& c, turn& t) noexcept {
  cell_extension& x = c.extension();
  system_core& sys = core(c);
  x.step = life_step::none;
  ++x.restarts;
  x.front.prepend(x.stash);
  sys.counters.restarts.fetch_add(1, std::memory_order_relaxed);
  sys.event<actor_restarted>([&] {
    return actor_restarted{any_ref::share(&c), c.path(), x.why ? x.why->what : "", x.restarts};
  });
  x.why.reset();  // its exception may hold what holds this cell, such as a traceback of Python
  open_lane(c, t, cell::restarting);
}

// -- stop -----------------------------------------------------------------------------------------

void cell_access::begin_stop(cell& c, turn& t, exit_reason reason, bool kill) noexcept {
  if (t.ended) return;
  const std::uint32_t f = flags(c);
  if (f & cell::stopping) {
    if (!kill) return;
    // A kill of an actor that waits for its handler to end.
    cell_extension& x = c.extension();
    switch (x.step) {
      case life_step::stop_handler:
        x.reason = std::move(reason);
        tell_source(c, "the worker was killed");
        destroy_executions(c, t, errc::killed, " was killed");
        stop_children(c, t);
        return;
      case life_step::stop_children:
        for (const any_ref& child : core(c).children_of(c)) send_stop(*child.get(), true);
        return;
      case life_step::stop_hook:  // its post_stop hangs
        destroy_executions(c, t, errc::killed, " was killed");
        finish_stop(c, t);
        return;
      default: return;
    }
  }
  close_lane(c, t, cell::stopping);
  auto* x = c.extension_.load(std::memory_order_relaxed);
  if (!x && !c.class_->has(hook::post_stop) && reason.kind == exit_kind::stopped) {
    finish_stop(c, t);  // the common end of a small actor needs no memory
    return;
  }
  cell_extension& ext = c.extension();
  ext.reason = std::move(reason);
  if (!kill && handles_something(ext)) {
    ext.step = life_step::stop_handler;
    for (execution* e = ext.executions; e; e = e->next) e->request_stop();
    return;
  }
  tell_source(c, kill ? "the worker was killed" : "the worker has stopped");
  if (ext.reason.kind == exit_kind::killed)
    destroy_executions(c, t, errc::killed, " was killed");
  else
    destroy_executions(c, t, errc::actor_stopped, " has stopped");
  stop_children(c, t);
}

void cell_access::stop_children(cell& c, turn& t) noexcept {
  cell_extension& x = c.extension();
  destroy_executions(c, t, errc::actor_stopped, " has stopped");  // work beside the mailbox
  drop_timers(c);
  x.step = life_step::stop_children;
  if (order_children_to_stop(c)) stop_hook(c, t);
}

// True: there are none.
bool cell_access::order_children_to_stop(cell& c) noexcept {
  system_core& sys = core(c);
  cell_extension& x = c.extension();
  // What stands for many is many: its end is theirs, and its kill as well.
  const bool kill =
      x.stands_in && (flags(c) & cell::stopping) && x.reason.kind == exit_kind::killed;
  {
    spin_guard guard(sys.tree_lock(&c));
    if (!x.first_child) return true;
    x.awaits_children = true;
  }
  for (const any_ref& child : sys.children_of(c)) {
    auto* m = new control_message([](cell& child, turn& t, control_message& m) {
      begin_stop(child, t, {m.flag ? exit_kind::killed : exit_kind::stopped, "its parent ended"},
                 m.flag);
    });
    m->flag = kill;
    child.get()->post_control(*m);
  }
  return false;
}

void cell_access::children_gone(cell& c, turn& t) noexcept {
  cell_extension& x = c.extension();
  if (x.step == life_step::restart_children)
    restart_object(c);
  else if (x.step == life_step::stop_children)
    stop_hook(c, t);
}

void cell_access::stop_hook(cell& c, turn& t) noexcept {
  c.extension().step = life_step::stop_hook;
  std::exception_ptr error;
  if (run_hook(c, t, hook::post_stop, nullptr, error)) hook_ended(c, t, hook::post_stop, error);
}

void cell_access::finish_stop(cell& c, turn& t) noexcept {
  system_core& sys = core(c);
  auto* x = c.extension_.load(std::memory_order_relaxed);
  exit_reason reason = x ? x->reason : exit_reason{};
  destroy_object(c);
  if (x) {
    destroy_executions(c, t, errc::actor_stopped, " has stopped");
    drop_timers(c);
    for (auto& b : x->behaviors) b.destroy(b.object);
    x->behaviors.clear();
    drop_retired(*x);
    if (!x->name.empty()) sys.names.remove(x->path, c);
  }
  set_flag(c, cell::terminated_flag);
  t.ended = true;
  t.closed = false;
  if (x) {
    for (const any_ref& w : std::exchange(x->watchers, {}))
      tell_terminated(*w.get(), any_ref::share(&c), reason);
    for (const any_ref& l : std::exchange(x->links, {}))
      tell_exit(*l.get(), any_ref::share(&c), reason);
    for (const any_ref& w : std::exchange(x->watching, {}))
      send_unwatch(*w.get(), any_ref::share(&c));
    if (x->mailbox) x->mailbox->close(c);
    if (x->stands_in) x->stands_in->ended(c);
    if (auto source = std::exchange(x->source, nullptr)) source->left(c);
  }
  drop_all(c, t);
  sys.counters.stopped.fetch_add(1, std::memory_order_relaxed);
  sys.event<actor_stopped>([&] { return actor_stopped{any_ref::share(&c), c.path(), reason}; });
  if (c.parent_)
    sys.unlink_child(c);
  else
    sys.user_actors_ended();
  // The life's reference. The runner looks at the count before it lets go.
  c.refs().fetch_sub(1, std::memory_order_acq_rel);
}

}  // namespace odeon::detail
