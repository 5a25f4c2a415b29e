// Locks, none of which is held while another's code is called, but for `hub_mutex_`, which is held
// shared while the hub looks for a peer:
//   hub_mutex_        the hub's pointer
//   ties_mutex_       the list of peers; each peer's ties have a lock of their own
//   questions_mutex_  resolves and spawns under way
//
// The end: (1) `closed_`, after which senders refuse; (2) the hub is taken out and destroyed, so no
// call comes in any more; (3) what waits for an answer fails, and who watches is told; (4) the
// cells that are kept are let go, and with them the far actors' references to this.

#include "internal/endpoint_state.hpp"

#include <odeon/base/assert.hpp>
#include <odeon/core/events.hpp>
#include <odeon/core/log.hpp>

#include <algorithm>

namespace odeon::remote::detail {

namespace {

std::size_t mixed(std::uint64_t v) noexcept {
  return static_cast<std::size_t>(v * 0x9e3779b97f4a7c15ULL >> 40U);
}

struct named_sender {
  const core::cell* of = nullptr;
  std::uint32_t generation = 0;
  std::uint64_t incarnation = 0;  // of the endpoint that asked
  std::string path;
  std::uint64_t uid = 0;
};

}  // namespace

endpoint_state::endpoint_state(actor_system& system, permissions allowed)
    : system_(system),
      anchor_(system.anchor()),
      rt_(system.get_runtime()),
      system_name_(system.name()),
      allowed_(std::move(allowed)),
      context_(addressed_by(*this)),
      senders_(std::make_unique<std::array<sender_slot, senders_kept>>()) {
  (void)messages_of(system);
  messages_ = system.find_extension<message_table>();
}

endpoint_state::~endpoint_state() = default;

std::shared_ptr<endpoint_state> endpoint_state::make(actor_system& system,
                                                     const endpoint_options& options,
                                                     permissions allowed, const hub_maker& hub) {
  auto made = std::make_shared<endpoint_state>(system, std::move(allowed));
  made->open(options, hub);
  system.on_shutdown(actor_system::phase::after_actors, "remote", [weak = std::weak_ptr(made)] {
    if (const auto state = weak.lock()) state->close();
  });
  return made;
}

void endpoint_state::open(const endpoint_options& options, const hub_maker& make) {
  auto made = make(system_, options, *this);
  connect_limit_ = options.limits.connect + options.limits.handshake;
  incarnation_ = made->incarnation();
  nodes_[0] = made->node();
  node_.store(&nodes_[0]);
  hub* const started = made.get();
  {
    const std::lock_guard guard(hub_mutex_);
    hub_ = std::move(made);
  }
  if (auto listens = started->start(); !listens) {
    close();
    throw actor_error(std::move(listens).error());
  }
  nodes_[1] = started->node();
  node_.store(&nodes_[1]);
}

void endpoint_state::close() noexcept {
  if (closed_.exchange(true)) return;
  std::unique_ptr<hub> gone;
  {
    const std::lock_guard guard(hub_mutex_);
    gone = std::move(hub_);
  }
  gone.reset();
  const error why(errc::unreachable, "the endpoint of this side is closed");
  fail_asks_of(nullptr, why);
  fail_questions_of(nullptr, why);
  std::unordered_map<const peer*, std::shared_ptr<peer_ties>> ties;
  {
    const std::lock_guard guard(ties_mutex_);
    ties = std::exchange(ties_, {});
  }
  for (const auto& [at, t] : ties) {
    cancel_served(*t);
    untie_all(*t, why);
  }
  for (sender_slot& s : *senders_) {
    any_ref held;
    const core::spin_guard guard(s.lock);
    std::swap(held, s.ref);
  }
}

std::vector<peer_info> endpoint_state::peers() const {
  std::vector<peer_info> out;
  const std::shared_lock guard(hub_mutex_);
  if (!hub_) return out;
  for (const auto& p : hub_->peers())
    if (const auto info = p->info()) out.push_back(*info);
  return out;
}

endpoint_metrics endpoint_state::metrics() const {
  const std::shared_lock guard(hub_mutex_);
  return hub_ ? hub_->metrics() : endpoint_metrics{};
}

result<void> endpoint_state::drop(std::string_view node, bool quarantine) {
  auto at = find_peer(node);
  if (!at) return std::unexpected(std::move(at).error());
  const std::shared_lock guard(hub_mutex_);
  if (hub_) hub_->drop(**at, quarantine, "this side has dropped it");
  return {};
}

// -- names ----------------------------------------------------------------------------------------

records::name endpoint_state::name_of(const any_ref& local) const {
  return {local.path(), far_uid(local.uid())};
}

result<address> endpoint_state::address_of(const any_ref& ref) const {
  if (ref && &ref.get()->system() == &anchor_) {
    if (const far_actor* f = far_actor_of(*ref.get())) return f->where();
    if (!core::far_target_of(*ref.get()))
      return address{system_name_, own_node(), ref.path(), far_uid(ref.uid())};
  }
  return fail(errc::invalid_argument,
              ref.path() + " is no actor of the system \"" + system_name_ +
                  "\", nor one that its endpoint reaches: it has no address for other nodes");
}

actor_name endpoint_state::sender_name(core::cell* from, std::uint32_t generation) {
  constexpr std::size_t kept = 8;
  thread_local std::array<named_sender, kept> known;
  if (!from) return {};
  named_sender& s = known[(reinterpret_cast<std::uintptr_t>(from) >> 7U) % kept];
  if (s.of != from || s.generation != generation || s.incarnation != incarnation_) {
    if (!core::cell::try_ref(from, generation)) return {};
    const any_ref held = any_ref::adopt(from);
    s.of = nullptr;
    if (const far_actor* f = far_actor_of(*from)) {  // of a third node, or of the receiver's
      s.path = f->where().to_string();
      s.uid = 0;
    } else if (core::far_target_of(*from)) {
      return {};
    } else {
      s.path = held.path();
      s.uid = far_uid(held.uid());
    }
    s.of = from;
    s.generation = generation;
    s.incarnation = incarnation_;
  }
  return {s.path, s.uid};
}

// -- finding --------------------------------------------------------------------------------------

result<any_ref> endpoint_state::find_here(std::string_view path, std::uint64_t uid) const {
  const std::uint64_t own = uid ^ incarnation_;
  std::atomic<core::cell*>& slot = receivers_[mixed(own) % receivers_kept];
  if (uid != 0) {
    // The cell may be another's by now, or free: cells are type stable, and the uid says so.
    core::cell* c = slot.load(std::memory_order_acquire);
    if (c && c->uid() == own && core::cell::try_ref(c, c->generation())) {
      any_ref held = any_ref::adopt(c);
      if (c->uid() == own && &c->system() == &anchor_) return held;
    }
  }
  any_ref found = path.starts_with("/user/") ? system_.lookup(path) : any_ref();
  if (!found)
    return fail(errc::no_such_actor,
                std::string(path) + ": no actor of that path lives at " + own_node());
  if (uid != 0) {
    if (found.uid() != own)
      return fail(errc::stale, std::string(path) +
                                   ": it has ended; a later actor has its path at " + own_node());
    // Release: with the pointer, the cell as it is now.
    slot.store(found.get(), std::memory_order_release);
  }
  return found;
}

result<std::shared_ptr<peer>> endpoint_state::find_peer(std::string_view node) const {
  const std::shared_lock guard(hub_mutex_);
  if (!hub_) return fail(errc::unreachable, "the endpoint of this side is closed");
  return hub_->find(node);
}

result<any_ref> endpoint_state::far_ref(const address& where) const {
  auto& self = const_cast<endpoint_state&>(*this);
  if (any_ref found = self.far.find(where.node, where.path, where.uid)) return found;
  auto at = [&]() -> result<std::shared_ptr<peer>> {
    const std::shared_lock guard(hub_mutex_);
    if (!hub_) return fail(errc::unreachable, "the endpoint of this side is closed");
    return hub_->know(where.node);
  }();
  if (!at) return std::unexpected(std::move(at).error());
  try {
    return self.far.find_or_add(
        where,
        [&] { return std::make_shared<far_actor>(self.shared_from_this(), *std::move(at), where); },
        anchor_);
  } catch (const actor_error& e) {
    return std::unexpected(e.reason());
  }
}

result<any_ref> endpoint_state::resolve(const address& a, wanted_messages /*wanted*/) const {
  const bool here = a.system == system_name_ && (a.node.empty() || a.node == own_node());
  if (!here) {
    if (!a.node.empty()) return far_ref(a);
    return fail(errc::no_such_actor,
                a.to_string() + ": it names no node, and its system is not the one here");
  }
  if (a.node.empty()) return local_resolver(system_).resolve(a, {});
  auto found = find_here(a.path, a.uid);
  if (found || is_closed()) return found;
  // It was one of this side and has ended: what is told to it is a dead letter, and the message
  // that brings it is as good as ever.
  const any_ref none = any_ref::adopt(
      core::make_far_cell(anchor_, a.path,
                          std::make_shared<far_actor>(
                              const_cast<endpoint_state&>(*this).shared_from_this(), nullptr, a)));
  core::far_cell_ended(*none.get());
  return none;
}

any_ref endpoint_state::far_of(peer& from, std::string_view path, std::uint64_t uid) {
  if (any_ref found = far.find(from.node(), path, uid)) return found;
  const auto info = from.info();
  address where{info ? info->system : std::string("unknown"), from.node(), std::string(path), uid};
  auto made = far_ref(where);
  return made ? *std::move(made) : any_ref();
}

endpoint_state::sender endpoint_state::far_sender(peer& from, const actor_name& name,
                                                  any_ref* held) {
  if (name.path.empty()) return {};
  // One of a third node comes with its whole address, and without a uid.
  const std::uint64_t key = name.uid ? name.uid : fnv1a(name.path);
  sender_slot& slot = (*senders_)[mixed(key) % senders_kept];
  const auto weak = [&](const any_ref& r) {
    if (held) *held = r;
    return sender{r.get(), r.get()->generation()};
  };
  {
    const core::spin_guard guard(slot.lock);
    if (slot.ref && slot.uid == name.uid && slot.at == &from &&
        (name.uid != 0 || slot.path == name.path))
      return weak(slot.ref);
  }
  any_ref found;
  if (name.path.starts_with('/')) {
    found = far_of(from, name.path, name.uid);
  } else if (const auto where = address::parse(name.path)) {
    if (auto there = resolve(*where, {})) found = *std::move(there);
  }
  if (!found) return {};
  std::string path(name.uid ? std::string_view() : name.path);
  any_ref before = found;  // let go without the lock
  const core::spin_guard guard(slot.lock);
  if (!is_closed()) {
    slot.at = &from;
    slot.uid = name.uid;
    slot.path.swap(path);
    std::swap(slot.ref, before);
  }
  return weak(found);
}

const core::travelling* endpoint_state::type_of(const core::message_type& type) noexcept {
  auto& slot = outgoing_types_[type.hash % types_kept];
  const core::travelling* t = slot.load(std::memory_order_acquire);
  if (t && t->type == &type) return t;
  t = messages_->find(type);
  if (t && t->type == &type) slot.store(t, std::memory_order_release);
  return t;
}

const core::travelling* endpoint_state::type_of(const wire::tagged_view& m,
                                                name_serial serial) noexcept {
  auto& slot = incoming_types_[serial % types_kept];
  const core::travelling* t = serial ? slot.load(std::memory_order_acquire) : nullptr;
  if (t && t->manifest == m.manifest) return t;
  t = messages_->find(m.manifest);
  if (t && serial && t->manifest == m.manifest) slot.store(t, std::memory_order_release);
  return t;
}

std::shared_ptr<peer_ties> endpoint_state::ties_if(const peer& p) const {
  const std::shared_lock guard(ties_mutex_);
  const auto found = ties_.find(&p);
  return found == ties_.end() ? nullptr : found->second;
}

std::shared_ptr<peer_ties> endpoint_state::ties_of(peer& p) {
  if (auto found = ties_if(p)) return found;
  auto at = find_peer(p.node());
  if (!at || at->get() != &p) return nullptr;
  const std::lock_guard guard(ties_mutex_);
  if (is_closed()) return nullptr;
  auto& entry = ties_[&p];
  if (!entry) {
    entry = std::make_shared<peer_ties>();
    entry->at = *std::move(at);
  }
  return entry;
}

// -- the hub's news -------------------------------------------------------------------------------

void endpoint_state::on_up(peer& /*with*/, const peer_info& /*who*/) noexcept {}

void endpoint_state::on_down(peer& with, const error& why) noexcept {
  fail_asks_of(&with, why);
  if (auto t = ties_if(with)) cancel_served(*t);
}

void endpoint_state::on_gone(peer& with, std::uint64_t /*incarnation*/, const error& why) noexcept {
  fail_asks_of(&with, why);
  fail_questions_of(&with, why);
  std::shared_ptr<peer_ties> t;
  {
    const std::lock_guard guard(ties_mutex_);
    if (const auto found = ties_.find(&with); found != ties_.end()) {
      t = std::move(found->second);
      ties_.erase(found);
    }
  }
  if (!t) return;
  cancel_served(*t);
  untie_all(*t, why);
}

}  // namespace odeon::remote::detail
