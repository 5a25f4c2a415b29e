#include "sidecar/internal/registry.hpp"

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>

namespace odeon::sidecar::detail {

namespace {

constexpr std::size_t name_max = 1024;  // bytes of a name
constexpr std::size_t actions_max = 10'000;
constexpr std::uint32_t pool_max = 10'000;  // workers
constexpr std::string_view init_names[] = {"init", "Init", "setup", "Setup"};

std::unexpected<error> bad(std::string text) {
  return fail(errc::invalid_argument, std::move(text));
}

result<void> check_name(const std::string& name, const char* what) {
  if (name.empty()) return bad(std::string(what) + " has no name");
  if (name.size() > name_max)
    return bad(std::string(what) + " has a name of " + std::to_string(name.size()) +
               " bytes, more than " + std::to_string(name_max));
  if (name.front() == '/') return bad(std::string(what) + " has a name that begins with a slash");
  return {};
}

result<void> check_system(const std::string& system) {
  if (auto ok = check_name(system, "the actor system"); !ok) return ok;
  if (system.find('/') != std::string::npos)
    return bad("the actor system '" + system + "' has a slash in its name");
  return {};
}

result<void> check(const std::string& key, const actor_def& d) {
  if (auto ok = check_name(d.name, "an actor"); !ok) return ok;
  const std::string who = "actor '" + d.name + "'";
  if (key != d.name) return bad(who + " is registered under another name, '" + key + "'");
  if (d.kind < actor_kind::named || d.kind > actor_kind::pooled)
    return bad(who + " is of no kind: named, unnamed or pooled");
  if (d.snapshot_every <= duration::zero())
    return bad(who + " has a snapshot timeout that is not above zero");
  if (d.deactivate_after <= duration::zero())
    return bad(who + " has a deactivation timeout that is not above zero");
  if (d.max_pool != 0 && d.min_pool > d.max_pool)
    return bad(who + " has a pool of at least " + std::to_string(d.min_pool) + " and at most " +
               std::to_string(d.max_pool));
  if (std::max(d.min_pool, d.max_pool) > pool_max)
    return bad(who + " has a pool of " + std::to_string(std::max(d.min_pool, d.max_pool)) +
               " workers, more than " + std::to_string(pool_max));
  if (d.actions.size() + d.timers.size() > actions_max)
    return bad(who + " has more than " + std::to_string(actions_max) + " actions");
  for (const std::string& a : d.actions)
    if (auto ok = check_name(a, ("an action of " + who).c_str()); !ok) return ok;
  for (const timer_def& t : d.timers) {
    if (auto ok = check_name(t.action, ("a timer of " + who).c_str()); !ok) return ok;
    if (t.every <= duration::zero())
      return bad("the timer '" + t.action + "' of " + who + " has no time between its runs");
  }
  return {};
}

/// Workers of a pool are named "{pool}-{number}"; nobody else may be.
result<void> check_workers(const std::map<std::string, actor_def>& all) {
  for (const auto& [name, d] : all) {
    const auto dash = name.rfind('-');
    if (dash == std::string::npos || dash + 1 == name.size() ||
        name.find_first_not_of("0123456789", dash + 1) != std::string::npos)
      continue;
    const auto pool = all.find(name.substr(0, dash));
    if (pool != all.end() && pool->second.kind == actor_kind::pooled)
      return bad("'" + name + "' is the name of a worker of the pool '" + pool->first + "'");
  }
  return {};
}

}  // namespace

bool definition::has(const std::string& action) const {
  return std::ranges::find(def.actions, action) != def.actions.end() ||
         std::ranges::any_of(def.timers, [&](const timer_def& t) { return t.action == action; });
}

result<std::vector<definition_ptr>> registry::add(const registration& what,
                                                  const std::shared_ptr<app_gate>& app) {
  if (auto ok = check_system(what.system); !ok) return std::unexpected(std::move(ok.error()));
  if (!what.app) return bad("the registration of '" + what.system + "' has no app");
  if (auto ok = check_workers(what.actors); !ok) return std::unexpected(std::move(ok.error()));
  std::vector<definition_ptr> fresh;
  for (const auto& [key, d] : what.actors) {
    if (auto ok = check(key, d); !ok) return std::unexpected(std::move(ok.error()));
    definition made{what.system, d, app};
    for (std::string_view name : init_names)
      if (made.init.empty() && std::ranges::find(d.actions, name) != d.actions.end())
        made.init = name;
    fresh.push_back(std::make_shared<const definition>(std::move(made)));
  }
  const std::string where = app->app().where();
  std::unique_lock guard(mutex_);
  std::size_t added = 0;
  const auto at = systems_.find(what.system);
  for (const auto& d : fresh)
    if (at == systems_.end() || !at->second.definitions.contains(d->def.name)) ++added;
  if (count_ + added > bound_)
    return fail(errc::limit_exceeded, std::to_string(bound_) +
                                          " definitions and spawned names are the bound, and " +
                                          std::to_string(count_) + " are there");
  system_part& part = systems_[what.system];
  const std::size_t before = part.definitions.size();
  std::erase_if(part.definitions, [&](const auto& entry) {
    return entry.second->app->app().where() == where && !what.actors.contains(entry.first);
  });
  for (const auto& d : fresh) part.definitions[d->def.name] = d;
  count_ = count_ + part.definitions.size() - before;
  generation_.fetch_add(1);
  return fresh;
}

result<bool> registry::add_instance(const actor_id& who, std::uint64_t revision, bool active) {
  if (auto ok = check_name(who.name, "an instance"); !ok) return std::unexpected(ok.error());
  std::unique_lock guard(mutex_);
  const auto part = systems_.find(who.system);
  if (part == systems_.end())
    return fail(errc::not_found, "no app has registered the actor system '" + who.system + "'");
  const auto own = part->second.definitions.find(who.name);
  if (who.parent.empty() || who.parent == who.name) {
    if (own != part->second.definitions.end() && own->second->def.kind != actor_kind::unnamed)
      return false;
    return fail(errc::not_found, "'" + who.name + "' is spawned without a template's name");
  }
  const auto parent = part->second.definitions.find(who.parent);
  if (parent == part->second.definitions.end())
    return fail(errc::not_found, "no app has registered '" + who.parent +
                                     "' in the actor system '" + who.system + "'");
  if (parent->second->def.kind != actor_kind::unnamed)
    return bad("'" + who.parent + "' is no template: only unnamed actors have instances");
  if (own != part->second.definitions.end())
    return bad("'" + who.name + "' is registered itself, and can be no instance of '" + who.parent +
               "'");
  auto& instances = part->second.instances;
  auto at = instances.find(who.name);
  if (at == instances.end()) {
    if (count_ >= bound_)
      return fail(errc::limit_exceeded,
                  std::to_string(bound_) + " definitions and spawned names are the bound");
    at = instances.emplace(who.name, instance{}).first;
    ++count_;
  }
  if (!active) at->second.revision = revision;
  if (at->second.parent != who.parent) at->second.kept = false;
  at->second.parent = who.parent;
  return !at->second.kept;
}

void registry::kept(const actor_id& who) {
  std::unique_lock guard(mutex_);
  const auto part = systems_.find(who.system);
  if (part == systems_.end()) return;
  const auto at = part->second.instances.find(who.name);
  if (at != part->second.instances.end() && at->second.parent == who.parent) at->second.kept = true;
}

found_actor registry::find(const actor_id& who) const {
  std::shared_lock guard(mutex_);
  const auto part = systems_.find(who.system);
  if (part == systems_.end())
    return {.what = {},
            .why = "no app has registered the actor system '" + who.system + "'",
            .no_system = true};
  const auto& definitions = part->second.definitions;
  if (const auto own = definitions.find(who.name);
      own != definitions.end() && own->second->def.kind != actor_kind::unnamed)
    return {.what = own->second, .pool = own->second->def.kind == actor_kind::pooled};
  std::string parent = who.parent;
  const auto at = part->second.instances.find(who.name);
  const bool recorded = at != part->second.instances.end();
  if (recorded && parent.empty()) parent = at->second.parent;
  if (parent.empty()) {
    if (definitions.contains(who.name))
      return {.what = {}, .why = "'" + who.name + "' is a template: invoke one of its instances"};
    return {.what = {},
            .why = "no actor '" + who.name + "' in the actor system '" + who.system + "'",
            .may_be_instance = std::ranges::any_of(definitions, [](const auto& d) {
              return d.second->def.kind == actor_kind::unnamed;
            })};
  }
  const auto what = definitions.find(parent);
  if (what == definitions.end() || what->second->def.kind != actor_kind::unnamed)
    return {.what = {},
            .why = "no template '" + parent + "' for the actor '" + who.name +
                   "' in the actor system '" + who.system + "'"};
  return {.what = what->second, .unrecorded = !recorded};
}

definition_ptr registry::template_of(const std::string& system, const std::string& name) const {
  std::shared_lock guard(mutex_);
  const auto part = systems_.find(system);
  if (part == systems_.end()) return nullptr;
  const auto at = part->second.definitions.find(name);
  return at == part->second.definitions.end() ? nullptr : at->second;
}

std::uint64_t registry::take_revision(const actor_id& who) {
  std::unique_lock guard(mutex_);
  const auto part = systems_.find(who.system);
  if (part == systems_.end()) return 0;
  const auto at = part->second.instances.find(who.name);
  return at == part->second.instances.end() ? 0 : std::exchange(at->second.revision, 0);
}

void registry::subscribe(const std::string& system, const std::string& channel,
                         const std::string& name) {
  {
    std::shared_lock guard(mutex_);
    const auto part = systems_.find(system);
    if (part == systems_.end()) return;
    const auto at = part->second.channels.find(channel);
    if (at != part->second.channels.end() && at->second.contains(name)) return;
  }
  std::unique_lock guard(mutex_);
  systems_[system].channels[channel].insert(name);
}

std::vector<std::string> registry::subscribers(const std::string& system,
                                               const std::string& channel) const {
  std::vector<std::string> out;
  std::shared_lock guard(mutex_);
  const auto part = systems_.find(system);
  if (part == systems_.end()) return out;
  for (const auto& [name, d] : part->second.definitions)
    if (d->def.channel == channel && d->def.kind != actor_kind::unnamed) out.push_back(name);
  const auto at = part->second.channels.find(channel);
  if (at == part->second.channels.end()) return out;
  for (const std::string& name : at->second) {
    // A template may have left the channel since.
    const auto i = part->second.instances.find(name);
    if (i == part->second.instances.end()) continue;
    const auto d = part->second.definitions.find(i->second.parent);
    if (d != part->second.definitions.end() && d->second->def.channel == channel)
      out.push_back(name);
  }
  return out;
}

std::map<std::string, actor_def> registry::definitions(const std::string& system) const {
  std::map<std::string, actor_def> out;
  std::shared_lock guard(mutex_);
  if (const auto part = systems_.find(system); part != systems_.end())
    for (const auto& [name, d] : part->second.definitions) out.emplace(name, d->def);
  return out;
}

std::vector<std::string> registry::systems() const {
  std::vector<std::string> out;
  std::shared_lock guard(mutex_);
  for (const auto& [name, part] : systems_) out.push_back(name);
  return out;
}

std::size_t registry::calls_under_way() const {
  std::set<const app_gate*> seen;
  std::size_t n = 0;
  std::shared_lock guard(mutex_);
  for (const auto& [system, part] : systems_)
    for (const auto& [name, d] : part.definitions)
      if (seen.insert(d->app.get()).second) n += d->app->under_way();
  return n;
}

}  // namespace odeon::sidecar::detail
