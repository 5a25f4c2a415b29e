// A router: its table of routees, and the way of a message through it.
//
// Who owns what
//   table_    an immutable table; replaced, by the router's own actor alone, with a seq_cst store.
//             Senders read it inside a pass of `gate_`, which keeps what they read alive
//             (router_gate.cpp has the proof).
//   turn_     a counter that all senders add to.
//   open_     under `lock_`: asks to several routees that have no reply yet, each with a reference.
//   work      the shared mailbox of balancing and troupe: set before the first message.
//
// A message on its way: the sender's `deliver` finds the stand-in's flag, and calls `route` on its
// own thread. That picks a routee and puts the envelope into the routee's mailbox, as a tell to it
// would have. Only asks to several routees, and messages of a shared mailbox, rest on the way: the
// first in a `gather` (router_gather.cpp), the others in `work`.
//
// Taking a routee out, so that nothing is lost: (1) the table without it is published; (2) when
// the last sender that read the table before has left the gate, every message for the routee is in
// its mailbox; (3) it is then told to finish, and stops when it has nothing left. A routee that
// stopped by itself is passed over from the moment it has (its flag is looked at), and taken out
// when its `terminated` arrives.
//
// The end: the routees stop, then the router's cell; `ended` publishes the empty table, so that
// cells and table do not hold each other, and a late sender finds nobody.

#include "internal/router_state.hpp"

#include "internal/router_gather.hpp"
#include "internal/router_work.hpp"

#include <exception>

namespace odeon::detail {

const char router_state::own_kind = 0;

std::string_view to_string(route_kind kind) noexcept {
  constexpr std::string_view names[] = {"round_robin",   "random",          "smallest_mailbox",
                                        "broadcast",     "consistent_hash", "scatter_gather",
                                        "tail_chopping", "balancing",       "troupe"};
  return names[static_cast<std::size_t>(kind)];
}

/// What is done when nobody routes by an old table any more.
class router_state::leave final : public router_gate::departure {
 public:
  leave(router_state& s, const route_table* old, std::vector<any_ref> leaving, any_ref self)
      : state_(s),
        old_(old),
        leaving_(std::move(leaving)),
        self_(std::move(self)) {}
  void gone() noexcept override {
    for (const any_ref& r : leaving_) dismiss(*r.get());
    // Whoever found routees in the old table has put its message in by now.
    if (state_.work && self_) {
      if (state_.read([](const route_table& t) { return t.routees.empty(); }) &&
          self_.is_terminated())
        state_.work->flush(*self_.get(), errc::actor_stopped);
    }
  }

 private:
  router_state& state_;
  std::unique_ptr<const route_table> old_;
  std::vector<any_ref> leaving_;
  any_ref self_;
};

router_state::router_state(const router_plan& p, system_anchor& s, const actor_class* routee)
    : plan(p),
      system(s),
      rt(actor_system::of(s).get_runtime()),
      routee_(routee),
      table_(new route_table),
      turn_(p.kind == route_kind::random || p.kind == route_kind::tail_chopping ? rt.random_u64()
                                                                                : 0) {}

router_state::~router_state() { delete table_.load(); }

router_state* router_state::of(const any_ref& ref) noexcept {
  stand_in* s = ref ? stand_in_of(*ref.get()) : nullptr;
  return s && s->kind() == &own_kind ? static_cast<router_state*>(s) : nullptr;
}

bool router_state::accepts(const message_type& type) const noexcept {
  if (routee_) return routee_->handlers.find(&type) != nullptr;
  return read([&](const route_table& t) {
    return !t.routees.empty() && t.routees.front().get()->accepts(type);
  });
}

std::string text_of_exception() noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

std::unexpected<error> router_state::refuse(cell& self, envelope& e, errc code,
                                            std::string text) noexcept {
  error why(code, std::move(text));
  count.refused.fetch_add(1, std::memory_order_relaxed);
  {
    spin_guard guard(lock_);
    last_refusal_ = why.text();
  }
  lose(self, e, why);
  return std::unexpected(std::move(why));
}

// -- the way of a message -------------------------------------------------------------------------

result<void> hand_over(cell& target, envelope& e, bool may_wait) {
  if (ask_state_base* ask = e.ask()) ask->retarget(target);
  if (!may_wait) return try_deliver(target, e);
  target.deliver(e);
  return {};
}

result<void> router_state::route(cell& self, envelope& e, bool may_wait) noexcept {
  thread_local unsigned nesting = 0;
  struct nested {
    nested() { ++nesting; }
    ~nested() { --nesting; }
  } guard;
  if (nesting > router_nesting_max)
    return refuse(self, e, errc::limit_exceeded,
                  "routers lead to each other: a message goes through " +
                      std::to_string(router_nesting_max) + " at most");
  const router_gate::pass inside(gate_);
  try {
    return route_inside(self, e, *table_.load(), may_wait);
  } catch (...) {
    return refuse(self, e, errc::internal,
                  "routing " + std::string(e.type->name) + " failed: " + text_of_exception());
  }
}

// An exception that leaves this has left the envelope alone.
result<void> router_state::route_inside(cell& self, envelope& e, const route_table& table,
                                        bool may_wait) {
  if (table.routees.empty() && plan.kind != route_kind::troupe)
    return refuse(self, e, self.is_terminated() ? errc::actor_stopped : errc::no_such_actor,
                  self.path() + " has no routees");
  switch (plan.kind) {
    case route_kind::broadcast:
    case route_kind::scatter_gather:
    case route_kind::tail_chopping:
      if (!e.type->copy)
        return refuse(self, e, errc::invalid_argument,
                      std::string(e.type->name) +
                          " cannot be copied, and goes to several routees of " + self.path() +
                          ": hold its unique part by std::shared_ptr");
      if (e.ask()) return ask_several(*this, self, e, table);
      if (plan.kind != route_kind::tail_chopping) return tell_all(self, e, table, may_wait);
      break;
    case route_kind::balancing:
    case route_kind::troupe: return work->push(*this, self, e);
    case route_kind::consistent_hash: {
      const envelope_extra* extra = e.extra();
      if (!e.type->key && !(extra && extra->key != 0))
        return refuse(self, e, errc::invalid_argument,
                      std::string(e.type->name) + " has no key, and " + self.path() +
                          " routes by it: tell(message, {.key = …}), or give the message a "
                          "member routing_key()");
      break;
    }
    default: break;
  }
  cell* target = pick(table, e);
  if (!target)
    return refuse(self, e, errc::actor_stopped, "all routees of " + self.path() + " have stopped");
  return hand_over(*target, e, may_wait);
}

cell* router_state::next_alive(const route_table& table, std::size_t from) const noexcept {
  const std::size_t n = table.routees.size();
  for (std::size_t i = 0; i < n; ++i) {
    const any_ref& r = table.routees[(from + i) % n];
    if (!r.is_terminated()) return r.get();
  }
  return nullptr;
}

cell* router_state::pick(const route_table& table, envelope& e) noexcept {
  const std::size_t n = table.routees.size();
  switch (plan.kind) {
    case route_kind::consistent_hash: {
      const envelope_extra* extra = e.extra();
      const std::uint64_t key = extra && extra->key != 0 ? extra->key : e.type->key(e.payload());
      return next_alive(table, table.ring.node_of(key));
    }
    case route_kind::smallest_mailbox: return least_loaded(table);
    case route_kind::random:
    case route_kind::tail_chopping:
      // SplitMix64: its state is a counter, so an addition takes a number out of it.
      return next_alive(
          table,
          hash_ring::mix(turn_.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed)) % n);
    default: return next_alive(table, turn_.fetch_add(1, std::memory_order_relaxed) % n);
  }
}

// Equal ones take turns.
cell* router_state::least_loaded(const route_table& table) noexcept {
  const std::size_t n = table.routees.size();
  const std::size_t from = turn_.fetch_add(1, std::memory_order_relaxed) % n;
  cell* best = nullptr;
  std::size_t least = 0;
  for (std::size_t i = 0; i < n; ++i) {
    cell* c = table.routees[(from + i) % n].get();
    if (c->is_terminated()) continue;
    const std::size_t load = 2 * waiting_in(*c) + (is_idle(*c) ? 0 : 1);
    if (!best || load < least) {
      best = c;
      least = load;
    }
    if (load == 0) break;
  }
  return best;
}

result<void> router_state::tell_all(cell& self, envelope& e, const route_table& table,
                                    bool may_wait) {
  std::vector<cell*> targets;
  for (const any_ref& r : table.routees)
    if (!r.is_terminated()) targets.push_back(r.get());
  if (targets.empty())
    return refuse(self, e, errc::actor_stopped, "all routees of " + self.path() + " have stopped");
  std::vector<envelope*> copies;
  copies.reserve(targets.size());
  try {
    while (copies.size() + 1 < targets.size()) copies.push_back(copy_envelope(e));
  } catch (...) {
    for (envelope* c : copies) {
      destroy_payload(*c);
      free_block(*c);
    }
    throw;
  }
  copies.push_back(&e);
  result<void> out;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    auto r = hand_over(*targets[i], *copies[i], may_wait);
    if (!r && out) out = std::move(r);
  }
  return out;
}

future<void> router_state::route_wait(cell& self, envelope& e) {
  auto [done, out] = promise<void>::make(rt);
  const bool to_one =
      plan.kind <= route_kind::smallest_mailbox || plan.kind == route_kind::consistent_hash;
  if (to_one) {
    const router_gate::pass inside(gate_);
    const route_table& table = *table_.load();
    const envelope_extra* extra = e.extra();
    const bool keyed =
        plan.kind != route_kind::consistent_hash || e.type->key || (extra && extra->key != 0);
    if (cell* target = keyed && !table.routees.empty() ? pick(table, e) : nullptr)
      return deliver_wait(*target, e);
  }
  looks_.fetch_add(1, std::memory_order_relaxed);
  done.set_result(route(self, e, false));
  return std::move(out);
}

// -- changes --------------------------------------------------------------------------------------

void router_state::attach(cell& self) noexcept {
  self_ = &self;
  generation_ = self.generation();
}

any_ref router_state::self() const noexcept {
  return self_ && cell::try_ref(self_, generation_) ? any_ref::adopt(self_) : any_ref();
}

void router_state::publish(std::unique_ptr<route_table> next, std::vector<any_ref> leaving,
                           cell& self) noexcept {
  const route_table* old = table_.exchange(next.release());
  gate_.retire(std::make_unique<leave>(*this, old, std::move(leaving), any_ref::share(&self)));
}

void router_state::ended(cell& self) noexcept {
  publish(std::make_unique<route_table>(), {}, self);
}

// -- asks to several ------------------------------------------------------------------------------

void router_state::add_open(const ask_state_base& first, gather& g) {
  hold(g);
  spin_guard guard(lock_);
  open_.emplace(&first, &g);
}

void router_state::remove_open(const ask_state_base& first) noexcept {
  gather* g = nullptr;
  {
    spin_guard guard(lock_);
    const auto found = open_.find(&first);
    if (found == open_.end()) return;
    g = found->second;
    open_.erase(found);
  }
  let_go(*g);
}

void router_state::given_up(const ask_state_base& ask) noexcept {
  gather* g = nullptr;
  {
    spin_guard guard(lock_);
    if (const auto found = open_.find(&ask); found != open_.end()) hold(*(g = found->second));
  }
  if (g) {
    give_up(*g);
    let_go(*g);
  } else if (work) {
    work->given_up(ask);
  }
}

std::string router_state::where_is(const ask_state_base& ask) const {
  gather* g = nullptr;
  {
    spin_guard guard(lock_);
    if (const auto found = open_.find(&ask); found != open_.end()) hold(*(g = found->second));
  }
  if (!g) return work ? work->where_is(ask) : std::string();
  std::string out = describe(*g);
  let_go(*g);
  return out;
}

std::string router_state::last_refusal() const {
  spin_guard guard(lock_);
  return last_refusal_;
}

std::size_t router_state::open_asks() const noexcept {
  spin_guard guard(lock_);
  return open_.size();
}

void wake_one(const router_state& state) noexcept {
  state.read([](const route_table& t) {
    // From the first on: those at the end are idle for longest, and may go.
    for (const any_ref& r : t.routees)
      if (wake_if_idle(*r.get())) return;
  });
}

}  // namespace odeon::detail
