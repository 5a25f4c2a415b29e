#include "internal/router_head.hpp"
#include "internal/router_work.hpp"
#include "internal/troupe_work.hpp"
#include <odeon/pattern/router_control.hpp>
#include <odeon/pattern/router_group.hpp>
#include <odeon/pattern/troupe.hpp>

namespace odeon {

namespace {

detail::router_state& state_of(const any_ref& ref) {
  auto* s = detail::router_state::of(ref);
  if (!s)
    throw actor_error(errc::wrong_type,
                      (ref ? ref.path() : std::string("an empty reference")) + " is no router");
  return *s;
}

template <class M>
auto ask_head(const any_ref& ref, M m) {
  return actor_ref<M>::assume(ref).ask(std::move(m));
}

}  // namespace

// -- routers --------------------------------------------------------------------------------------

router_control::router_control(any_ref ref) : ref_(std::move(ref)) { (void)state_of(ref_); }

std::vector<any_ref> router_control::routees() const {
  return state_of(ref_).read([](const detail::route_table& t) { return t.routees; });
}

std::size_t router_control::size() const {
  return state_of(ref_).read([](const detail::route_table& t) { return t.routees.size(); });
}

router_stats router_control::stats() const {
  const auto& s = state_of(ref_);
  router_stats out;
  out.strategy = to_string(s.plan.kind);
  for (const any_ref& r : routees())
    out.routees.push_back({r, r.path(), detail::waiting_in(*r.get()), detail::is_idle(*r.get())});
  if (s.work) out.waiting = s.work->waiting();
  out.open_asks = s.open_asks();
  out.routed = s.routed();
  out.refused = s.count.refused.load(std::memory_order_relaxed);
  out.last_refusal = s.last_refusal();
  out.added = s.count.added.load(std::memory_order_relaxed);
  out.removed = s.count.removed.load(std::memory_order_relaxed);
  out.stopped = s.count.stopped.load(std::memory_order_relaxed);
  out.replaced = s.count.replaced.load(std::memory_order_relaxed);
  out.leaving = s.count.leaving.load(std::memory_order_relaxed);
  return out;
}

future<std::size_t> router_control::resize(std::size_t n) const {
  return ask_head(ref_, detail::resize_pool{n});
}
future<std::size_t> router_control::add(any_ref member) const {
  return ask_head(ref_, detail::add_member{std::move(member)});
}
future<std::size_t> router_control::remove(any_ref member) const {
  return ask_head(ref_, detail::remove_member{std::move(member)});
}

// -- groups ---------------------------------------------------------------------------------------

any_ref detail::make_group(system_anchor& system, const router_plan& plan,
                           std::vector<any_ref> members, const group_options& options) {
  return any_ref::adopt(
      spawn_router(system, nullptr, options.name, plan, {{}, {}, std::move(members)}));
}

// -- troupes --------------------------------------------------------------------------------------

troupe_control::troupe_control(any_ref ref) : ref_(std::move(ref)) {
  if (state_of(ref_).plan.kind != detail::route_kind::troupe)
    throw actor_error(errc::wrong_type, ref_.path() + " is no troupe");
}

troupe_status troupe_control::status() const {
  return static_cast<const detail::troupe_work&>(*state_of(ref_).work).status();
}

future<void> troupe_control::set(troupe_options settings) const {
  return ask_head(ref_, detail::set_troupe{settings});
}

}  // namespace odeon
