#include "internal/steward.hpp"
#include <odeon/federation/federation.hpp>

#include <algorithm>
#include <utility>

namespace odeon::federation {

using namespace detail;

namespace {

constexpr std::size_t secret_min = 16;

void check_options(const federation_options& o) {
  const auto wrong = [](const char* what) {
    throw actor_error(errc::invalid_argument, std::string("federation_options: ") + what);
  };
  if (!o.secret.empty() && o.secret.size() < secret_min) wrong("a secret has at least 16 bytes");
  if (!o.tenant_secret.empty() && (o.tenant_secret.size() < secret_min || o.tenant.empty()))
    wrong("a tenant_secret has at least 16 bytes, and is a tenant's");
  if (o.heartbeat <= duration::zero() || o.heartbeat >= o.lease)
    wrong("the heartbeat is above zero and below the lease");
  if (!o.fixed.empty() && !o.seeds.empty()) wrong("there are either seeds or fixed members");
  if (o.limits.members == 0 || o.limits.joining == 0) wrong("limits leave room for nobody");
}

}  // namespace

membership::membership(actor_system& system, remote::endpoint& net, federation_options options)
    : system_(system),
      net_(net) {
  check_options(options);
  member self;
  self.node = net.node();
  self.system = system.name();
  self.incarnation = system.get_runtime().random_u64() | 1U;
  self.version = 1;
  self.tenant = options.tenant;
  self.capabilities = options.capabilities;
  if (auto ok = check(self, options.limits); !ok) throw actor_error(std::move(ok.error()));
  core_ = std::make_shared<membership_core>(system, net, std::move(options), std::move(self));
  for (const auto& m : core_->options.fixed) {
    if (m.node == core_->known.self().node) continue;
    if (auto ok = core_->known.put_for_ever(m); !ok) throw actor_error(std::move(ok.error()));
  }
  net.expose<steward_ref>();
  // Not among the workers: an actor that ends a membership holds one up until these two have ended.
  const auto seen_by = system.spawn<witness>({.dispatcher = "blocking"}, core_);
  try {
    core_->steward = system.spawn<steward>({.name = "federation", .dispatcher = "blocking"}, core_);
  } catch (...) {
    system.stop(seen_by);
    throw;
  }
  seen_by.tell<attend>(core_->steward);
}

membership::~membership() {
  leave();
  runtime& rt = system_.get_runtime();
  while (const std::uint32_t n = core_->alive.load())
    (void)rt.wait(core_->alive, n, time_point::max());
}

void membership::leave() { steward::ref::assume(core_->steward).tell<depart>(); }

std::vector<member> membership::members() const {
  const std::lock_guard lock(core_->mutex);
  return core_->known.members();
}

std::shared_ptr<void> membership::watch(std::function<void(const membership_event&)> f) {
  auto kept = std::make_shared<watcher>(std::move(f));
  steward::ref::assume(core_->steward).tell<add_watch>(kept);
  return kept;
}

void membership::set_capabilities(std::vector<std::string> all) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->known.change([&](member& m) { m.capabilities = std::move(all); });
  }
  steward::ref::assume(core_->steward).tell<changed>();
}

void membership::offered(std::string type) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->known.change([&](member& m) { m.types.push_back(std::move(type)); });
  }
  steward::ref::assume(core_->steward).tell<changed>();
}

result<std::string> membership::choose(const placement& where, std::string_view type) {
  const std::lock_guard lock(core_->mutex);
  return core_->known.choose(where, type);
}

result<void> membership::share(std::string name, const any_ref& actor, name_scope seen_by) {
  if (name.empty() || name.size() > core_->options.limits.text_bytes)
    return fail(
        errc::invalid_argument,
        "a shared name has 1 to " + std::to_string(core_->options.limits.text_bytes) + " bytes");
  const auto at = net_.address_of(actor);
  if (!at) return std::unexpected(at.error());
  const std::string path(actor.path());
  {
    const std::lock_guard lock(core_->mutex);
    const auto& names = core_->known.self().names;
    const auto found = std::ranges::find(names, name, &shared_name::name);
    if (found != names.end() && found->path != path)
      return fail(errc::name_taken, "'" + name + "' is " + found->path + " already");
    if (found == names.end() && names.size() >= core_->options.limits.items)
      return fail(errc::limit_exceeded, "as many names are shared as may be");
    core_->known.change([&](member& m) {
      std::erase_if(m.names, [&](const auto& n) { return n.name == name; });
      m.names.push_back({std::move(name), path, seen_by});
    });
  }
  steward::ref::assume(core_->steward).tell<changed>();
  return {};
}

bool membership::unshare(std::string_view name) {
  bool was = false;
  {
    const std::lock_guard lock(core_->mutex);
    core_->known.change([&](member& m) {
      was = std::erase_if(m.names, [&](const auto& n) { return n.name == name; }) > 0;
    });
  }
  if (was) steward::ref::assume(core_->steward).tell<changed>();
  return was;
}

result<std::pair<std::string, std::string>> membership::named(std::string_view name,
                                                              name_scope within) const {
  const std::lock_guard lock(core_->mutex);
  auto found = core_->known.named(name, within);
  if (!found)
    return fail(errc::no_such_actor,
                "no actor is known as '" + std::string(name) + "' in that scope");
  if (found->first.empty()) found->first = core_->known.self().node;
  return *std::move(found);
}

}  // namespace odeon::federation
