#include "internal/router_head.hpp"

#include "internal/router_work.hpp"
#include "internal/troupe_work.hpp"

#include <algorithm>
#include <chrono>

namespace odeon::detail {

namespace {

constexpr std::size_t replacements_max = 10;  // within …
constexpr duration replacements_within = std::chrono::minutes(1);

troupe_work& troupe_of(router_state& s) { return static_cast<troupe_work&>(*s.work); }

std::unexpected<error> wrong(std::string text) {
  return std::unexpected(error(errc::invalid_argument, std::move(text)));
}

const char* wrong_in(const troupe_options& o) noexcept {
  if (o.max < 1) return "a troupe has at least one worker: max";
  if (o.max > router_routees_max) return "a troupe has at most 10,000 workers: max";
  if (o.idle > o.max) return "a troupe keeps at most max workers idle: idle";
  if (o.attempts < 1) return "a troupe tries a job at least once: attempts";
  if (o.idle_time <= duration::zero()) return "a troupe's idle_time is more than 0";
  return nullptr;
}

}  // namespace

router_head::router_head(std::shared_ptr<router_state> state,
                         std::shared_ptr<router_members> members)
    : state_(std::move(state)),
      members_(std::move(members)) {
  const any_ref self = ctx().self();
  state_->attach(*self.get());
  const router_plan& plan = state_->plan;
  try {
    if (is_pool()) {
      grow(plan.kind == route_kind::troupe ? plan.workers.idle : plan.size);
    } else {
      for (const any_ref& m : std::exchange(members_->given, {}))
        if (auto added = on(add_member{m}); !added) throw actor_error(added.error());
    }
  } catch (...) {
    state_->spawn_error = std::current_exception();
    throw;
  }
  duration every{0};
  if (plan.pool.resize) every = plan.pool.resize->every;
  if (plan.kind == route_kind::troupe)
    every = std::max(plan.workers.idle_time / 4, duration(1'000'000));
  if (every > duration::zero()) ctx().send_with_delay(every, every, look_regularly{});
}

std::size_t router_head::live() const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(slots_, [](const slot& s) { return s.ref && !s.leaving; }));
}

// -- routees come and go --------------------------------------------------------------------------

void router_head::spawn_one() {
  std::size_t at = 0;
  while (at < slots_.size() && slots_[at].ref) ++at;
  const std::string name = "r" + std::to_string(at + 1);
  spawn_options options = members_->options;
  options.name = name;
  const any_ref self = ctx().self();
  any_ref made = any_ref::adopt(members_->recipe.spawn(*self.get(), options));
  if (at == slots_.size()) slots_.emplace_back();
  ctx().watch(made);
  const router_plan& plan = state_->plan;
  if (plan.kind == route_kind::smallest_mailbox || (plan.pool.resize && !state_->work))
    count_waiting(*made.get());
  if (state_->work) attach_source(*made.get(), state_->work);
  slots_[at] = {std::move(made), fnv1a(name), false};
  state_->count.added.fetch_add(1, std::memory_order_relaxed);
}

// What was made before a failure is there all the same.
void router_head::grow(std::size_t n) {
  struct publisher {
    router_head& self;
    ~publisher() { self.publish(); }
  } at_the_end{*this};
  for (std::size_t i = 0; i < n; ++i) spawn_one();
}

void router_head::leave(slot& s, std::vector<any_ref>& leaving) {
  s.leaving = true;
  leaving.push_back(s.ref);
  state_->count.removed.fetch_add(1, std::memory_order_relaxed);
  state_->count.leaving.fetch_add(1, std::memory_order_relaxed);
}

// The youngest.
void router_head::shrink(std::size_t n) {
  std::vector<any_ref> leaving;
  for (std::size_t i = slots_.size(); i > 0 && leaving.size() < n; --i)
    if (slots_[i - 1].ref && !slots_[i - 1].leaving) leave(slots_[i - 1], leaving);
  publish(std::move(leaving));
}

void router_head::publish(std::vector<any_ref> leaving) {
  auto table = std::make_unique<route_table>();
  std::vector<std::uint64_t> ids;
  for (const slot& s : slots_) {
    if (!s.ref || s.leaving) continue;
    table->routees.push_back(s.ref);
    ids.push_back(s.id);
  }
  if (state_->plan.kind == route_kind::consistent_hash) table->ring = hash_ring(ids);
  if (state_->plan.kind == route_kind::troupe) troupe_of(*state_).set_workers(ids.size());
  const any_ref self = ctx().self();
  state_->publish(std::move(table), std::move(leaving), *self.get());
  // A new routee may have run, and gone to rest, before the table had it: whoever brought work
  // since then found nobody to wake. It was noted at rest, or comes to rest later and looks itself.
  if (state_->work) state_->work->rested();
}

void router_head::on(const terminated& t) {
  const auto found = std::ranges::find(slots_, t.ref, &slot::ref);
  if (found == slots_.end()) return;
  const bool left = found->leaving;
  found->ref = {};
  found->leaving = false;
  const bool jobless =
      state_->plan.kind == route_kind::troupe && troupe_of(*state_).ended_jobless(*t.ref.get());
  if (left) {
    state_->count.leaving.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  state_->count.stopped.fetch_add(1, std::memory_order_relaxed);
  publish();
  if (!is_pool()) return;
  if (state_->plan.kind == route_kind::troupe) {
    // One that dies over a job is replaced as jobs need it; one that dies without is a worker that
    // cannot live, and must not be made again and again.
    if (jobless) ++owed_;
    look_at_workers();
  } else if (state_->plan.pool.replace) {
    ++owed_;
    replace();
  } else if (live() == 0 && !state_->plan.pool.resize) {
    ctx().stop();
  }
}

bool router_head::may_replace() {
  const time_point now = state_->rt.now();
  while (!replaced_.empty() && now - replaced_.front() >= replacements_within)
    replaced_.pop_front();
  if (replaced_.size() < replacements_max) {
    replaced_.push_back(now);
    return true;
  }
  if (!std::exchange(looks_later_, true))
    ctx().send_after(replacements_within - (now - replaced_.front()), look_later{});
  return false;
}

void router_head::replace() {
  while (owed_ > 0 && may_replace()) {
    --owed_;
    try {
      grow(1);
      state_->count.replaced.fetch_add(1, std::memory_order_relaxed);
    } catch (const actor_error& e) {
      log().error("no successor could be made: {}", e.what());
      if (live() == 0 && owed_ == 0 && !state_->plan.pool.resize) ctx().stop();
      return;
    }
  }
}

// -- asked for ------------------------------------------------------------------------------------

std::expected<std::size_t, error> router_head::on(const resize_pool& m) {
  if (!is_pool()) return wrong(ctx().path() + " is a group: its members are added and removed");
  if (state_->plan.kind == route_kind::troupe)
    return wrong(ctx().path() + " is a troupe: its settings say how many workers it has");
  if (m.n < 1 || m.n > router_routees_max)
    return wrong("a pool has 1 to " + std::to_string(router_routees_max) + " routees, not " +
                 std::to_string(m.n));
  std::size_t n = m.n;
  if (const auto& r = state_->plan.pool.resize) n = std::clamp(n, r->min, r->max);
  const std::size_t now = live();
  try {
    if (n > now) grow(n - now);
    if (n < now) shrink(now - n);
  } catch (const actor_error& e) {
    return std::unexpected(e.reason());
  }
  owed_ = 0;
  return n;
}

// Whether `member` is this router, or leads to it.
bool router_head::leads_here(const any_ref& member, unsigned depth) const {
  if (member == state_->self()) return true;
  const router_state* s = router_state::of(member);
  if (!s || depth == router_nesting_max) return false;
  return s->read([&](const route_table& t) {
    return std::ranges::any_of(t.routees,
                               [&](const any_ref& r) { return leads_here(r, depth + 1); });
  });
}

std::expected<std::size_t, error> router_head::on(const add_member& m) {
  if (is_pool()) return wrong(ctx().path() + " is a pool: it is resized");
  if (!m.who) return wrong("an empty reference is no member of a router");
  if (leads_here(m.who, 0)) return wrong(m.who.path() + " leads to " + ctx().path() + " itself");
  if (live() == router_routees_max) return wrong("a router has at most 10,000 members");
  if (std::ranges::find(slots_, m.who, &slot::ref) == slots_.end()) {
    const auto free = std::ranges::find_if(slots_, [](const slot& s) { return !s.ref; });
    const slot added{m.who, fnv1a(m.who.path()), false};
    if (free == slots_.end())
      slots_.push_back(added);
    else
      *free = added;
    ctx().watch(m.who);
    if (state_->plan.kind == route_kind::smallest_mailbox) count_waiting(*m.who.get());
    state_->count.added.fetch_add(1, std::memory_order_relaxed);
    publish();
  }
  return live();
}

std::expected<std::size_t, error> router_head::on(const remove_member& m) {
  if (is_pool()) return wrong(ctx().path() + " is a pool: it is resized");
  const auto found = std::ranges::find(slots_, m.who, &slot::ref);
  if (!m.who || found == slots_.end()) return wrong(m.who.path() + " is no member");
  ctx().unwatch(m.who);
  found->ref = {};
  state_->count.removed.fetch_add(1, std::memory_order_relaxed);
  publish();
  return live();
}

std::expected<void, error> router_head::on(const set_troupe& m) {
  if (const char* text = wrong_in(m.settings)) return wrong(text);
  troupe_of(*state_).set(m.settings);
  look_at_workers();
  return {};
}

// -- by themselves --------------------------------------------------------------------------------

void router_head::on(look_around) { look_at_workers(); }

void router_head::on(look_later) {
  looks_later_ = false;
  if (state_->plan.kind == route_kind::troupe)
    look_at_workers();
  else
    replace();
}

void router_head::on(look_regularly) {
  if (state_->plan.kind == route_kind::troupe)
    look_at_workers();
  else if (state_->plan.pool.resize)
    look_at_pressure();
}

void router_head::look_at_pressure() {
  const resizer& r = *state_->plan.pool.resize;
  const std::size_t n = live();
  std::size_t pressed = 0;
  if (state_->work) {
    // One queue: as many are pressed as have their share waiting.
    const std::size_t waiting = state_->work->waiting();
    pressed = std::min(n, waiting / std::max<std::size_t>(r.pressure, 1));
  } else {
    for (const slot& s : slots_) {
      if (!s.ref || s.leaving) continue;
      pressed += r.pressure == 0 ? !is_idle(*s.ref.get()) : waiting_in(*s.ref.get()) >= r.pressure;
    }
  }
  const std::ptrdiff_t delta = r.delta(pressed, n);
  try {
    if (delta > 0) grow(static_cast<std::size_t>(delta));
    if (delta < 0) shrink(static_cast<std::size_t>(-delta));
  } catch (const actor_error& e) {
    log().error("the pool could not grow: {}", e.what());
  }
}

void router_head::look_at_workers() {
  troupe_work& work = troupe_of(*state_);
  const troupe_options settings = work.settings();
  // Idle ones first, the longest idle before others, and of these the youngest.
  struct candidate {
    time_point since;
    std::size_t at;
  };
  std::vector<candidate> candidates;
  const auto idle = work.idle_since();
  for (std::size_t i = slots_.size(); i > 0; --i) {
    const slot& s = slots_[i - 1];
    if (!s.ref || s.leaving) continue;
    const auto found = idle.find(s.ref.get());
    candidates.push_back({found == idle.end() ? time_point::max() : found->second, i - 1});
  }
  std::ranges::stable_sort(candidates, {}, &candidate::since);
  const time_point now = state_->rt.now();
  std::vector<any_ref> leaving;
  std::size_t n = candidates.size();
  for (const candidate& c : candidates) {
    const bool rests = c.since != time_point::max() && now - c.since >= settings.idle_time;
    if (n <= settings.max && (n <= settings.idle || !rests)) break;
    leave(slots_[c.at], leaving);
    --n;
  }
  if (!leaving.empty()) {
    work.note_dismissed(leaving.size());
    publish(std::move(leaving));
  }
  work.set_workers(live());
  std::size_t wanted = work.wanted();
  while (owed_ > 0 && wanted > 0 && may_replace()) --owed_;
  wanted -= std::min(wanted, owed_);
  if (wanted == 0) return;
  try {
    grow(wanted);
  } catch (const actor_error& e) {
    log().error("no worker could be made: {}", e.what());
    const any_ref self = ctx().self();
    if (live() == 0) work.flush(*self.get(), e.reason());
  }
}

// -- making one -----------------------------------------------------------------------------------

cell* spawn_router(system_anchor& system, cell* parent, std::string name, const router_plan& plan,
                   router_members members) {
  using cls = class_of<router_head, std::shared_ptr<router_state>, std::shared_ptr<router_members>>;
  const auto wrong = [](const std::string& text) {
    throw actor_error(errc::invalid_argument, text);
  };
  const std::string strategy(to_string(plan.kind));
  const bool pool = members.recipe.what;
  if (pool && plan.kind != route_kind::troupe && plan.size == 0)
    wrong("a pool has a size: .router = " + strategy + "(4)");
  if (plan.size > router_routees_max)
    wrong("a pool has at most " + std::to_string(router_routees_max) + " routees, not " +
          std::to_string(plan.size));
  if (plan.kind == route_kind::tail_chopping && plan.interval <= duration::zero())
    wrong("the interval of tail_chopping is more than 0");
  if ((plan.kind == route_kind::tail_chopping || plan.kind == route_kind::scatter_gather) &&
      plan.within <= duration::zero())
    wrong("the time that " + strategy + " waits for a reply is more than 0");
  if (plan.pool.resize) {
    if (!pool) wrong("a group has members, not a size, so nothing resizes it");
    if (const char* text = plan.pool.resize->wrong()) wrong(text);
  }
  if (plan.kind == route_kind::troupe)
    if (const char* text = wrong_in(plan.workers)) wrong(text);

  router_plan exact = plan;
  if (exact.pool.resize)
    exact.size = std::clamp(exact.size, exact.pool.resize->min, exact.pool.resize->max);
  auto state = std::make_shared<router_state>(exact, system, members.recipe.what);
  if (plan.kind == route_kind::balancing) {
    state->work = make_shared_mailbox(state, members.options.mailbox);
    members.options.mailbox = {};
  } else if (plan.kind == route_kind::troupe) {
    state->work = std::make_shared<troupe_work>(state, plan.workers);
  }
  spawn_options options{.name = std::move(name), .supervision = {.otherwise = directive::escalate}};
  cls::kept kept(state, std::make_shared<router_members>(std::move(members)));
  spawn_request request{&cls::value, &options, parent};
  request.args = &kept;
  request.keep_args = [](void* where, void* from) {
    ::new (where) cls::kept(*static_cast<cls::kept*>(from));
  };
  try {
    return spawn_stand_in(system, request, state);
  } catch (...) {
    if (state->spawn_error) std::rethrow_exception(std::exchange(state->spawn_error, nullptr));
    throw;
  }
}

}  // namespace odeon::detail
