#include "internal/cell_access.hpp"

#include <algorithm>

namespace odeon {

std::string_view to_string(actor_state s) noexcept {
  switch (s) {
    case actor_state::idle: return "idle";
    case actor_state::ready: return "ready";
    case actor_state::running: return "running";
    case actor_state::waiting: return "waiting";
    case actor_state::starting: return "starting";
    case actor_state::failed: return "failed";
    case actor_state::restarting: return "restarting";
    case actor_state::stopping: return "stopping";
    case actor_state::terminated: return "terminated";
  }
  return "unknown";
}

std::string to_string(const exit_reason& reason) {
  static constexpr std::string_view names[] = {"stopped", "failed",        "killed",
                                               "linked",  "no such actor", "unreachable"};
  std::string out(names[static_cast<std::size_t>(reason.kind)]);
  if (!reason.text.empty()) out += ": " + reason.text;
  return out;
}

std::string shutdown_report::to_string() const {
  std::string out = (complete ? "stopped in " : "not stopped after ") + odeon::to_string(took);
  for (const auto& p : phases) out += "\n  " + p.name + ": " + odeon::to_string(p.took);
  for (const auto& h : held_up_by) out += "\n  held up by " + h.path + ": " + h.why;
  return out;
}

namespace detail {

// `waiting_ask` may be of memory that is no ask any more: type-stable, and asked for its count
// first.
#if defined(__clang__)
__attribute__((no_sanitize("vptr")))
#endif
actor_snapshot
system_core::describe(cell& c) {
  actor_snapshot out;
  out.path = c.path();
  out.uid = c.uid();
  out.type = c.get_class().name;
  if (const stand_in* s = stand_in_of(c)) out.type = s->type_name();
  out.mailbox_depth = cell_access::depth(c);
  const std::uint32_t f = cell_access::flags(c);
  const auto* x = c.extension_if();
  if (f & cell::terminated_flag)
    out.state = actor_state::terminated;
  else if (f & cell::stopping)
    out.state = actor_state::stopping;
  else if (f & cell::restarting)
    out.state = actor_state::restarting;
  else if (f & cell::starting)
    out.state = actor_state::starting;
  else if (f & cell::waiting)
    out.state = actor_state::waiting;
  else if (!cell_access::is_idle_word(cell_access::head(c)))
    out.state = actor_state::ready;
  for (hop_ring* r = rings.load(std::memory_order_acquire); r; r = r->next) {
    if (r->running.load(std::memory_order_relaxed) != &c) continue;
    if (out.state == actor_state::ready) out.state = actor_state::running;
    const std::uint64_t n = r->written.load(std::memory_order_acquire);
    if (n == 0) continue;
    const hop_record& h = r->hops[(n - 1) % hop_ring::capacity];
    const auto* type = h.type.load(std::memory_order_relaxed);
    if (type && h.actor.load(std::memory_order_relaxed) == c.uid()) out.message = type->name;
  }
  if (out.state == actor_state::running) out.running_for = watcher.running_for(c);
  if (!x) return out;
  out.restarts = x->restarts.load(std::memory_order_relaxed);
  out.stashed = x->stash.size.load(std::memory_order_relaxed);
  {
    spin_guard guard(tree_lock(&c));
    out.children = x->children;
  }
  if (f & cell::waiting) {
    const duration since(x->waiting_since.load(std::memory_order_relaxed));
    out.running_for = std::max(duration::zero(), rt.now().time_since_epoch() - since);
    if (const auto* type = x->waiting_message.load(std::memory_order_relaxed))
      out.message = type->name;
    auto* ask =
        const_cast<ask_state_base*>(static_cast<const ask_state_base*>(x->waiting_ask.load()));
    if (ask && ask->try_add_ref()) {
      cell* target = ask->target;
      if (x->waiting_ask.load() == ask && target && cell::try_ref(target, ask->target_generation))
        out.waiting_for = any_ref::adopt(target).path();
      ask->drop_ref();
    }
  }
  return out;
}

std::vector<held_up> system_core::who_holds_up() {
  std::vector<held_up> out;
  auto walk = [&](auto& self, cell& c) -> void {
    auto children = children_of(c);
    for (const any_ref& child : children) {
      if (child.is_terminated()) continue;
      const actor_snapshot now = describe(*child.get());
      held_up h{now.path, {}};
      bool blames_child = false;
      const std::string message(now.message);
      if (now.message.empty())
        h.why = "it is " + std::string(to_string(now.state));
      else if (cell_access::flags(*child.get()) & cell::waiting)
        h.why = "its handler of " + message + " is suspended";
      else
        h.why = "its handler of " + message + " is running";
      if (now.running_for) h.why += " since " + to_string(*now.running_for);
      if (!now.waiting_for.empty()) h.why += ", waiting for " + now.waiting_for;
      blames_child = now.children > 0;
      if (!blames_child) out.push_back(std::move(h));
      self(self, *child.get());
    }
  };
  walk(walk, *guardian);
  return out;
}

}  // namespace detail

std::vector<hop> actor_system::recent_hops(std::uint64_t trace) const {
  using namespace detail;
  std::vector<hop> out;
  for (hop_ring* r = core_->rings.load(std::memory_order_acquire); r; r = r->next) {
    const std::uint64_t end = r->written.load(std::memory_order_acquire);
    const std::uint64_t begin = end > hop_ring::capacity ? end - hop_ring::capacity : 0;
    const std::size_t first = out.size();
    for (std::uint64_t i = begin; i < end; ++i) {
      const hop_record& h = r->hops[i % hop_ring::capacity];
      const auto* type = h.type.load(std::memory_order_relaxed);
      out.push_back({h.id.load(std::memory_order_relaxed), h.cause.load(std::memory_order_relaxed),
                     h.trace.load(std::memory_order_relaxed),
                     h.actor.load(std::memory_order_relaxed),
                     type ? type->name : std::string_view(),
                     time_point(duration(h.time.load(std::memory_order_relaxed)))});
    }
    // Acquire: if the writer has not come round to a record by now, it was whole when it was read.
    std::atomic_thread_fence(std::memory_order_acquire);
    const std::uint64_t now = r->written.load(std::memory_order_relaxed);
    const std::uint64_t overwritten = now >= hop_ring::capacity ? now - hop_ring::capacity + 1 : 0;
    if (overwritten > begin)
      out.erase(
          out.begin() + static_cast<std::ptrdiff_t>(first),
          out.begin() + static_cast<std::ptrdiff_t>(
                            first + std::min<std::uint64_t>(overwritten - begin, end - begin)));
  }
  if (trace) std::erase_if(out, [trace](const hop& h) { return h.trace != trace; });
  // Ids are given in order by each thread, so equal times of one thread stay in order.
  std::ranges::sort(
      out, [](const hop& a, const hop& b) { return a.at != b.at ? a.at < b.at : a.id < b.id; });
  return out;
}

system_snapshot actor_system::snapshot() const {
  system_snapshot out;
  out.name = core_->name;
  out.uptime = core_->rt.now() - core_->started;
  out.metrics = metrics();
  auto walk = [&](auto& self, detail::cell& c) -> void {
    for (const any_ref& child : core_->children_of(c)) {
      if (child.is_terminated()) continue;
      out.list.push_back(core_->describe(*child.get()));
      self(self, *child.get());
    }
  };
  walk(walk, *core_->guardian);
  out.actors = out.list.size();
  return out;
}

system_metrics actor_system::metrics() const {
  const auto& c = core_->counters;
  system_metrics m;
  for (detail::hop_ring* r = core_->rings.load(std::memory_order_acquire); r; r = r->next)
    m.messages += r->written.load(std::memory_order_relaxed);
  m.spawned = c.spawned.load(std::memory_order_relaxed);
  m.stopped = c.stopped.load(std::memory_order_relaxed);
  m.failures = c.failures.load(std::memory_order_relaxed);
  m.restarts = c.restarts.load(std::memory_order_relaxed);
  m.dead_letters = c.dead_letters.load(std::memory_order_relaxed);
  m.late_replies = c.late_replies.load(std::memory_order_relaxed);
  m.ask_timeouts = c.ask_timeouts.load(std::memory_order_relaxed);
  m.call_cycles = c.call_cycles.load(std::memory_order_relaxed);
  m.high_water_crossings = c.high_water.load(std::memory_order_relaxed);
  m.mailbox_overflows = c.overflows.load(std::memory_order_relaxed);
  return m;
}

}  // namespace odeon
