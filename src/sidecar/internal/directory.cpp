// Protocol. An actor's slot is in one of three states, changed under its shard's lock only:
//
//   absent   there is no slot
//   active   `ref` takes the requests; `routed` counts those that were told to it
//   leaving  the entity stores its state and ends; requests wait in `held`
//
//   absent → active    by a request, or an activation: the entity is made under the lock
//   active → leaving   by `leave`, when the entity has taken all that was routed to it. A request
//                      is told under the same lock, so none is on its way then
//   leaving → active   by `stay`: what is held is told to the same entity
//   leaving → absent   by `gone`; when something is held, absent → active at once
//   active → absent    by `gone` of an entity that failed: what is in its mailbox is answered with
//                      `error` when the mailbox is emptied
//
// `tell` never waits, so nothing waits under the lock; answers are given outside of it, also those
// to requests that were told to an entity which ended at that moment.
// An entity is known by its incarnation: what an older one says about itself is of no effect.

#include "sidecar/internal/directory.hpp"

#include "sidecar/internal/engine_core.hpp"
#include "sidecar/internal/entity.hpp"

#include <algorithm>
#include <functional>
#include <utility>

namespace odeon::sidecar::detail {

directory::shard& directory::shard_of(const std::string& key) const {
  return shards_[std::hash<std::string>()(key) % shards];
}

result<void> directory::make(slot& s, const std::string& key, const entity_place& place,
                             std::shared_ptr<actor_load> load, std::uint64_t revision) {
  if (closed_.load()) return fail(errc::system_stopped, "the sidecar is stopping");
  if (active_.fetch_add(1) >= options_.active) {
    active_.fetch_sub(1);
    return fail(
        errc::limit_exceeded,
        "no room for another actor: " + std::to_string(options_.active) + " are active, the bound");
  }
  auto seed = std::make_shared<entity_seed>();
  seed->core = core_.weak_from_this();
  seed->id = place.id;
  seed->stored_as = place.stored_as;
  seed->key = key;
  seed->of = place.of;
  const std::uint64_t spawned_with = core_.defs.take_revision(place.stored_as);
  seed->revision = revision != 0 ? revision : spawned_with;
  seed->incarnation = incarnations_.fetch_add(1) + 1;
  seed->stays = place.stays;
  seed->load = load ? std::move(load) : std::make_shared<actor_load>();
  s.place = place;
  s.incarnation = seed->incarnation;
  s.load = seed->load;
  s.routed = 0;
  s.leaving = false;
  try {
    // An entity that fails is not restarted: the directory makes a new one with the next request.
    s.ref = core_.actors.spawn<entity>({.mailbox = mailbox::unbounded(options_.waiting_per_actor),
                                        .supervision = {.otherwise = directive::stop},
                                        .tags = {"sidecar"}},
                                       std::shared_ptr<const entity_seed>(seed));
  } catch (const actor_error& e) {
    active_.fetch_sub(1);
    return std::unexpected(e.reason());
  }
  s.load->active.store(true);
  core_.counts.activations.fetch_add(1);
  return {};
}

void directory::send(slot& s, request_ptr what) {
  time_point nobody = time_point::max();
  s.load->waits_since.compare_exchange_strong(nobody, what->since);
  if (s.leaving) {
    s.held.push_back(std::move(what));
    return;
  }
  ++s.routed;
  s.ref.tell<work>(std::move(what));
}

result<void> directory::route(const entity_place& to, request_ptr& what) {
  what->to = to.id;
  what->key = key_of(to.stored_as.system, to.stored_as.name);
  const std::string& key = what->key;
  shard& in = shard_of(key);
  const answers_later outside;
  std::lock_guard guard(in.mutex);
  auto at = in.slots.find(key);
  if (at == in.slots.end()) {
    at = in.slots.emplace(key, slot{}).first;
    if (auto ok = make(at->second, key, to, what->counted, what->revision); !ok) {
      in.slots.erase(at);
      return ok;
    }
  }
  slot& s = at->second;
  if (!what->counted) {
    if (s.load->waiting.load() >= options_.waiting_per_actor)
      return fail(errc::mailbox_full, std::to_string(options_.waiting_per_actor) +
                                          " invocations wait for '" + to.stored_as.name +
                                          "' already, the bound");
    s.load->waiting.fetch_add(1);
    what->counted = s.load;
  }
  what->since = core_.now();
  send(s, std::move(what));
  return {};
}

result<void> directory::activate(const entity_place& who) {
  const std::string key = key_of(who.stored_as.system, who.stored_as.name);
  shard& in = shard_of(key);
  std::lock_guard guard(in.mutex);
  const auto [at, fresh] = in.slots.emplace(key, slot{});
  if (!fresh) return {};
  auto ok = make(at->second, key, who, nullptr, 0);
  if (!ok) in.slots.erase(at);
  return ok;
}

bool directory::leave(const entity_seed& who, std::uint64_t taken) {
  shard& in = shard_of(who.key);
  std::lock_guard guard(in.mutex);
  const auto at = in.slots.find(who.key);
  if (at == in.slots.end() || at->second.incarnation != who.incarnation) return true;
  if (at->second.routed != taken) return false;
  at->second.leaving = true;
  return true;
}

void directory::stay(const entity_seed& who) {
  shard& in = shard_of(who.key);
  const answers_later outside;
  std::lock_guard guard(in.mutex);
  const auto at = in.slots.find(who.key);
  if (at == in.slots.end() || at->second.incarnation != who.incarnation) return;
  slot& s = at->second;
  s.leaving = false;
  while (!s.held.empty()) {
    request_ptr next = std::move(s.held.front());
    s.held.pop_front();
    send(s, std::move(next));
  }
}

void directory::gone(const entity_seed& who) {
  const answers_later outside;
  std::deque<request_ptr> refused;
  error why(errc::system_stopped);
  bool was_last = false;
  {
    shard& in = shard_of(who.key);
    std::lock_guard guard(in.mutex);
    const auto at = in.slots.find(who.key);
    if (at == in.slots.end() || at->second.incarnation != who.incarnation) return;
    slot& s = at->second;
    s.load->active.store(false);
    auto load = s.load;
    std::deque<request_ptr> held = std::move(s.held);
    s.held.clear();
    s.ref = {};
    was_last = active_.fetch_sub(1) == 1;
    if (held.empty()) {
      in.slots.erase(at);
    } else if (auto ok = make(s, who.key, entity_place(s.place), std::move(load), 0); ok) {
      was_last = false;
      for (auto& r : held) send(s, std::move(r));
    } else {
      why = std::move(ok.error());
      refused = std::move(held);
      in.slots.erase(at);
    }
  }
  for (auto& r : refused) r->answer({outcome::error, std::string(why.text()), {}});
  if (was_last) core_.nobody_is_active();
}

bool directory::is_active(const std::string& key) const {
  shard& in = shard_of(key);
  std::lock_guard guard(in.mutex);
  return in.slots.contains(key);
}

entity_ref directory::find(const std::string& key) const {
  shard& in = shard_of(key);
  std::lock_guard guard(in.mutex);
  const auto at = in.slots.find(key);
  return at == in.slots.end() ? entity_ref() : at->second.ref;
}

std::vector<active_actor> directory::list(std::size_t max) const {
  std::vector<active_actor> out;
  for (shard& in : shards_) {
    std::lock_guard guard(in.mutex);
    for (const auto& [key, s] : in.slots) {
      if (out.size() >= max) return out;
      out.push_back({s.place.stored_as, s.load->revision.load(), s.load->waiting.load()});
    }
  }
  return out;
}

std::size_t directory::waiting() const {
  std::size_t n = 0;
  for (shard& in : shards_) {
    std::lock_guard guard(in.mutex);
    for (const auto& [key, s] : in.slots) n += s.load->waiting.load();
  }
  return n;
}

time_point directory::waits_since() const {
  time_point first = time_point::max();
  for (shard& in : shards_) {
    std::lock_guard guard(in.mutex);
    for (const auto& [key, s] : in.slots) first = std::min(first, s.load->waits_since.load());
  }
  return first;
}

void directory::tell_all(const std::function<void(const entity_ref&)>& f) const {
  for (shard& in : shards_) {
    std::lock_guard guard(in.mutex);
    for (const auto& [key, s] : in.slots) f(s.ref);
  }
}

}  // namespace odeon::sidecar::detail
