#include "sidecar/internal/engine_core.hpp"

#include <odeon/task/future.hpp>

#include <array>
#include <utility>

namespace odeon::sidecar::detail {

namespace {

constexpr const char* stopping = "the sidecar is stopping";

entity_place named_place(const std::string& system, const std::string& name) {
  const actor_id id{system, name, ""};
  return {.id = id, .stored_as = id, .of = name};
}

/// Asks an entity for its state, and the store when the entity ends before it answers.
class state_asker {
 public:
  state_asker(std::shared_ptr<engine_core> core, actor_id who,
              promise<std::optional<stored_state>> to)
      : core_(std::move(core)),
        who_(std::move(who)),
        to_(std::move(to)) {}
  state_asker(state_asker&&) noexcept = default;
  ~state_asker() {
    if (to_ && core_) ask_store(*core_->store, who_, std::move(to_));
  }
  void operator()(std::optional<stored_state> state) {
    std::exchange(to_, {}).set(std::move(state));
  }
  static void ask_store(state_store& store, const actor_id& who,
                        promise<std::optional<stored_state>> to) {
    store.peek(who, [p = std::move(to)](result<std::optional<stored_state>> r) mutable {
      p.set_result(std::move(r));
    });
  }

 private:
  std::shared_ptr<engine_core> core_;
  actor_id who_;
  promise<std::optional<stored_state>> to_;
};

}  // namespace

void counters::ended(outcome how) noexcept {
  (how == outcome::ok                ? succeeded
   : how == outcome::actor_not_found ? not_found
                                     : failed)
      .fetch_add(1);
}

engine_core::engine_core(actor_system& s, std::shared_ptr<state_store> with, engine_options o)
    : actors(s),
      rt(s.get_runtime()),
      store(std::move(with)),
      options(o),
      defs(o.registered),
      where(*this, options) {}

engine_core::~engine_core() = default;

void engine_core::begin() {
  scheduler_ = actors.spawn<scheduler>(weak_from_this());
  book_ = actors.spawn<instance_book>(weak_from_this());
}

// -- who there is ---------------------------------------------------------------------------------

result<void> engine_core::register_app(registration what) {
  if (life_.load() != life::running) return fail(errc::system_stopped, stopping);
  const auto gate = std::make_shared<app_gate>(what.app, options.calls_per_app);
  auto fresh = defs.add(what, gate);
  if (!fresh) return std::unexpected(std::move(fresh.error()));
  where.tell_all([](const entity_ref& e) { e.tell<redefined>(); });
  scheduler_.tell<actors_registered>();
  if (const auto elsewhere = other()) elsewhere->registered(what.system);
  for (const definition_ptr& d : *fresh) {
    if (d->def.kind != actor_kind::named || (!d->def.stateful && d->def.channel.empty())) continue;
    if (auto ok = where.activate(named_place(d->system, d->def.name)); !ok)
      logger("sidecar").warn("'{}' is not activated yet: {}", d->def.name, ok.error().text());
  }
  return {};
}

result<void> engine_core::spawn(std::span<const actor_id> instances, std::uint64_t revision,
                                engine::spawned_fn done) {
  const auto all = std::make_shared<spawn_wait>(std::move(done));
  const auto refused = [&](error why) -> result<void> {
    all->fail(why);
    return std::unexpected(std::move(why));
  };
  if (life_.load() != life::running) return refused({errc::system_stopped, stopping});
  for (const actor_id& id : instances) {
    const auto fresh = defs.add_instance(id, revision, where.is_active(key_of(id.system, id.name)));
    if (!fresh) return refused(fresh.error());
    if (!*fresh) continue;
    all->one_more();
    book_.tell<note_instance>(id, all);
  }
  return {};
}

found_actor engine_core::resolve(const actor_id& who) {
  found_actor found = defs.find(who);
  if (!found.unrecorded) return found;
  const auto fresh = defs.add_instance(who, 0, false);
  if (!fresh) return {.what = {}, .why = std::string(fresh.error().text())};
  if (*fresh) book_.tell<note_instance>(who, nullptr);
  return found;
}

std::shared_ptr<worker_pool> engine_core::pool_of(const std::string& key) {
  std::lock_guard guard(mutex_);
  auto& pool = pools_[key];
  if (!pool) pool = std::make_shared<worker_pool>();
  return pool;
}

// -- invocations ----------------------------------------------------------------------------------

void engine_core::invoke(invocation what, std::optional<time_point> deadline,
                         engine::done_fn done) {
  counts.invocations.fetch_add(1);
  if (life_.load() != life::running) {
    counts.failed.fetch_add(1);
    return done({outcome::error, stopping, {}});
  }
  submit(std::move(what), deadline, std::move(done));
}

void engine_core::submit(invocation what, std::optional<time_point> deadline,
                         engine::done_fn done) {
  const found_actor found = defs.find(what.actor);
  if (found.what || !found.may_be_instance)
    return submit_known(std::move(what), deadline, std::move(done));
  const time_point until = deadline.value_or(now() + options.request_time);
  const auto reply = reply_once::begin(rt, until, std::move(done), nullptr);
  reply->note("it was looked up whether '" + what.actor.name + "' is an instance of a template");
  const actor_id who = what.actor;
  book_.tell<find_instance>(who, [weak = weak_from_this(), what = std::move(what), until,
                                  reply](const std::string& parent) mutable {
    const auto answer = [reply](invocation_answer a) { reply->give(std::move(a)); };
    const auto me = weak.lock();
    if (!me) return answer({outcome::error, stopping, {}});
    if (!parent.empty()) what.actor.parent = parent;
    me->submit_known(std::move(what), until, answer);
  });
}

void engine_core::submit_known(invocation what, std::optional<time_point> deadline,
                               engine::done_fn done) {
  const actor_id who = what.actor;
  const found_actor found = resolve(who);
  if (!found.what) {
    const auto elsewhere = found.no_system ? other() : nullptr;
    if (elsewhere)
      return elsewhere->invoke(std::move(what), deadline.value_or(now() + options.request_time),
                               std::move(done));
    counts.not_found.fetch_add(1);
    return done({outcome::actor_not_found, found.why, {}});
  }
  if (what.scheduled_to) {
    if (*what.scheduled_to > rt.wall_now()) {
      if (found.what->def.kind == actor_kind::unnamed) what.actor.parent = found.what->def.name;
      return schedule(std::move(what), deadline.value_or(now() + options.request_time),
                      std::move(done));
    }
    what.async = true;
  }
  const bool async = what.async;
  request_ptr r = request_of(std::move(what));
  if (!async) {
    r->waiter = waiting.caller_of(r->metadata, r->caller);
    r->reply = reply_once::begin(rt, deadline.value_or(now() + options.request_time),
                                 std::move(done), [weak = weak_from_this()] {
                                   if (auto me = weak.lock()) me->counts.ended(outcome::error);
                                 });
  }
  const auto ok = dispatch(r, who, found);
  if (!ok) r->answer({outcome::error, std::string(ok.error().text()), {}});
  if (!async) return;
  if (ok)
    done({});
  else
    done({outcome::error, std::string(ok.error().text()), {}});
}

request_ptr engine_core::request_of(invocation&& what) {
  auto r = std::make_unique<request>(shared_from_this());
  r->action = std::move(what.action);
  r->value = std::move(what.value);
  r->caller = std::move(what.caller);
  r->metadata = std::move(what.metadata);
  r->revision = what.revision;
  return r;
}

result<void> engine_core::dispatch(request_ptr& what, const actor_id& to,
                                   const found_actor& found) {
  if (auto light = what->weigh(); !light) return light;
  const actor_def& def = found.what->def;
  entity_place place = named_place(to.system, to.name);
  place.of = def.name;
  if (def.kind == actor_kind::unnamed) {
    place.id.parent = place.stored_as.parent = def.name;
  } else if (found.pool) {
    const std::uint32_t min = def.min_pool != 0 ? def.min_pool : options.default_min_pool;
    const std::uint32_t most = def.max_pool != 0 ? def.max_pool : options.default_max_pool;
    const auto worker = pool_of(key_of(to.system, to.name))
                            ->pick(std::max({min, most, 1U}), options.waiting_per_actor);
    if (worker.number == 0)
      return fail(errc::mailbox_full, std::to_string(options.waiting_per_actor) +
                                          " invocations wait for each worker of '" + to.name +
                                          "' already, the bound");
    what->counted = worker.load;
    place.stored_as.name = to.name + "-" + std::to_string(worker.number);
    place.stays = worker.number <= min;
  }
  what->key = key_of(place.stored_as.system, place.stored_as.name);
  if (what->waiter != 0 && what->reply) {
    if (auto circle = waiting.wait(what->waiter, what->key, what->reply)) {
      counts.cycles.fetch_add(1);
      return fail(errc::call_cycle, "each of these would wait for the next: " + *circle);
    }
  }
  return where.route(place, what);
}

void engine_core::pass_on(request_ptr what, const actor_id& from, const std::string& actor,
                          const std::string& action, payload value) {
  if (what->given_up()) return;
  if (++what->hops > options.chain)
    return what->answer({outcome::error,
                         "more than " + std::to_string(options.chain) +
                             " pipes and forwards, the bound of one request",
                         {}});
  what->leave_actor();
  what->caller = from;
  what->action = action;
  what->value = std::move(value);
  what->revision = 0;
  what->from = origin::invoked;
  actor_id to{from.system, actor, ""};
  const found_actor found = resolve(to);
  if (found.what || !found.may_be_instance) return go_on(std::move(what), to, found);
  book_.tell<find_instance>(to, [what = std::move(what), to](const std::string& parent) mutable {
    const std::shared_ptr<engine_core> me = what->core;  // outlives the request
    to.parent = parent;
    me->go_on(std::move(what), to, me->resolve(to));
  });
}

void engine_core::go_on(request_ptr what, const actor_id& to, const found_actor& found) {
  if (!found.what) return what->answer({outcome::actor_not_found, found.why, {}});
  if (const auto ok = dispatch(what, to, found); !ok)
    what->answer({outcome::error, std::string(ok.error().text()), {}});
}

void engine_core::effect(invocation what, const actor_id& from) {
  counts.effects.fetch_add(1);
  if (life_.load() == life::ended) return;
  what.async = true;
  if (what.actor.system.empty()) what.actor.system = from.system;
  if (!what.caller) what.caller = from;
  submit(std::move(what), std::nullopt, [](const invocation_answer&) {});
}

void engine_core::publish(const std::string& system, const broadcast& what,
                          const std::optional<actor_id>& from) {
  if (life_.load() == life::ended) return;
  counts.broadcasts.fetch_add(1);
  if (const auto elsewhere = other()) elsewhere->publish(system, what);
  tell_subscribers(system, what, from);
}

void engine_core::publish_here(const broadcast& what) {
  if (life_.load() != life::running) return;
  counts.broadcasts.fetch_add(1);
  for (const std::string& system : defs.systems()) tell_subscribers(system, what, std::nullopt);
}

void engine_core::tell_subscribers(const std::string& system, const broadcast& what,
                                   const std::optional<actor_id>& from) {
  if (what.action.empty()) return;  // nobody acts on it
  for (const std::string& name : defs.subscribers(system, what.channel)) {
    invocation i{.actor = {system, name, ""}, .action = what.action, .value = what.value};
    i.async = true;
    i.caller = from;
    submit(std::move(i), std::nullopt, [](const invocation_answer&) {});
  }
}

void engine_core::schedule(invocation what, time_point deadline, engine::done_fn done) {
  counts.scheduled.fetch_add(1);
  std::array<std::byte, 16> random{};
  rt.random(random);
  scheduled_invocation record;
  for (const std::byte b : random) {
    constexpr const char* digits = "0123456789abcdef";
    record.id += digits[std::to_integer<unsigned>(b) >> 4U];
    record.id += digits[std::to_integer<unsigned>(b) & 15U];
  }
  record.due = *what.scheduled_to;
  record.what = std::move(what);
  const wall_time due = record.due;
  const auto reply = reply_once::begin(rt, deadline, std::move(done), nullptr);
  reply->note("it was being stored for its time");
  store->schedule(std::move(record), [to = scheduler_, due, reply](result<void> how) {
    to.tell<record_stored>(due, std::move(how), reply);
  });
}

result<void> engine_core::begin_scheduled(invocation what) {
  if (life_.load() != life::running) return fail(errc::system_stopped, stopping);
  const actor_id who = what.actor;
  const found_actor found = resolve(who);
  if (!found.what) {
    const auto elsewhere = found.no_system ? other() : nullptr;
    if (!elsewhere) return fail(errc::not_found, found.why);
    what.async = true;
    elsewhere->invoke(std::move(what), now() + options.request_time,
                      [](const invocation_answer&) {});
    return {};
  }
  request_ptr r = request_of(std::move(what));
  auto ok = dispatch(r, who, found);
  if (!ok) r->ended = true;  // it stays where it is kept
  return ok;
}

future<std::optional<stored_state>> engine_core::state_of(const actor_id& which) {
  auto [to, out] = promise<std::optional<stored_state>>::make(rt);
  if (const entity_ref e = where.find(key_of(which.system, which.name)))
    e.tell<look_at_state>(state_asker(shared_from_this(), which, std::move(to)));
  else
    state_asker::ask_store(*store, which, std::move(to));
  return std::move(out);
}

// -- elsewhere -----------------------------------------------------------------------------------

void engine_core::set_elsewhere(std::shared_ptr<elsewhere> others) {
  const auto fresh = others;
  {
    std::lock_guard guard(mutex_);
    other_.swap(others);  // the one before ends outside the lock
  }
  if (fresh)
    for (const std::string& system : defs.systems()) fresh->registered(system);
}

std::shared_ptr<elsewhere> engine_core::other() const {
  std::lock_guard guard(mutex_);
  return other_;
}

}  // namespace odeon::sidecar::detail
