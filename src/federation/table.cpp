#include "internal/table.hpp"

#include <algorithm>
#include <utility>

namespace odeon::federation {

std::string_view to_string(leave_reason why) noexcept {
  switch (why) {
    case leave_reason::left: return "left";
    case leave_reason::expired: return "expired";
    case leave_reason::replaced: return "replaced";
  }
  return "unknown";
}

}  // namespace odeon::federation

namespace odeon::federation::detail {

namespace {

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}
bool has_all(const member& m, const std::vector<std::string>& needs) {
  return std::ranges::all_of(needs, [&](const auto& n) { return has(m.capabilities, n); });
}
bool fits(const member& m, std::string_view type, const placement& p) {
  return has(m.types, type) && has_all(m, p.needs);
}
std::string list(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& one : all) out += (out.empty() ? "'" : ", '") + one + "'";
  return out;
}

}  // namespace

result<void> check(const member& m, const federation_limits& l) {
  const auto no = [&](errc code, const char* what) {
    return fail(code, "a member at '" + m.node.substr(0, l.text_bytes) + "' " + what);
  };
  if (m.node.empty() || m.incarnation == 0)
    return no(errc::invalid_argument, "says nothing of where it is or which one it is");
  const auto texts = [&](const std::vector<std::string>& all) {
    return all.size() <= l.items &&
           std::ranges::all_of(all, [&](const auto& s) { return s.size() <= l.text_bytes; });
  };
  const bool names = m.names.size() <= l.items && std::ranges::all_of(m.names, [&](const auto& n) {
                       return n.name.size() <= l.text_bytes && n.path.size() <= l.text_bytes;
                     });
  if (m.node.size() > l.text_bytes || m.system.size() > l.text_bytes ||
      m.tenant.size() > l.text_bytes || !texts(m.capabilities) || !texts(m.types) || !names)
    return no(errc::limit_exceeded,
              "has more or longer capabilities, types or names than federation_limits allow");
  return {};
}

table::table(member self, duration lease, const federation_limits& bounds)
    : self_(std::move(self)),
      lease_(lease),
      limits_(bounds) {}

void table::change(const std::function<void(member&)>& how) {
  const member before = self_;
  how(self_);
  if (self_ == before) return;
  ++self_.version;
  events_.emplace_back(member_updated{self_});
}

result<void> table::put(const member& said, time_point now, bool in_part) {
  if (auto ok = check(said, limits_); !ok) return ok;
  const member m = in_part ? with_tenants_names(said) : said;
  if (m.node == self_.node) return fail(errc::invalid_argument, "'" + m.node + "' is this system");
  const auto found = others_.find(m.node);
  if (found == others_.end()) {
    if (others_.size() >= limits_.members)
      return fail(errc::limit_exceeded, "'" + m.node + "' is one member more than the " +
                                            std::to_string(limits_.members) + " allowed");
    others_.emplace(m.node, entry{m, now + lease_});
    events_.emplace_back(member_joined{m});
    return {};
  }
  entry& e = found->second;
  if (e.who.incarnation != m.incarnation) {
    events_.emplace_back(member_left{std::move(e.who), leave_reason::replaced});
    e = {m, now + lease_};
    events_.emplace_back(member_joined{m});
    return {};
  }
  if (m.version < e.who.version)
    return fail(errc::stale, "'" + m.node + "' has said something newer of itself already");
  if (m.tenant != e.who.tenant || m.system != e.who.system)
    return fail(errc::invalid_argument,
                "'" + m.node + "' is a member under another tenant or system: that never changes");
  e.until = std::max(e.until, now + lease_);
  if (m != e.who) {  // of one version as well: a tenant's names follow a join
    e.who = m;
    events_.emplace_back(member_updated{m});
  }
  return {};
}

/// As a join says it, with what is known of the tenant's names already.
member table::with_tenants_names(member m) const {
  const auto found = others_.find(m.node);
  if (found == others_.end() || found->second.who.incarnation != m.incarnation) return m;
  for (const shared_name& n : found->second.who.names)
    if (n.seen_by == name_scope::tenant &&
        std::ranges::find(m.names, n.name, &shared_name::name) == m.names.end())
      m.names.push_back(n);
  return m;
}

result<void> table::put_for_ever(const member& m) {
  if (auto ok = put(m, time_point{}); !ok) return ok;
  others_.find(m.node)->second.until = time_point::max();
  return {};
}

bool table::renew(std::string_view node, std::uint64_t incarnation, time_point now) {
  const auto found = others_.find(node);
  if (found == others_.end() || found->second.who.incarnation != incarnation) return false;
  found->second.until = std::max(found->second.until, now + lease_);
  return true;
}

bool table::leave(std::string_view node, std::uint64_t incarnation) {
  const auto found = others_.find(node);
  if (found == others_.end() || found->second.who.incarnation != incarnation) return false;
  events_.emplace_back(member_left{std::move(found->second.who), leave_reason::left});
  others_.erase(found);
  return true;
}

void table::prune(time_point now) {
  std::erase_if(others_, [&](auto& e) {
    if (e.second.until > now) return false;
    events_.emplace_back(member_left{std::move(e.second.who), leave_reason::expired});
    return true;
  });
}

time_point table::next_expiry() const noexcept {
  time_point next = time_point::max();
  for (const auto& [node, e] : others_) next = std::min(next, e.until);
  return next;
}

const member* table::find(std::string_view node) const noexcept {
  if (node == self_.node) return &self_;
  const auto found = others_.find(node);
  return found == others_.end() ? nullptr : &found->second.who;
}

std::vector<member> table::members() const {
  std::vector<member> all{self_};
  for (const auto& [node, e] : others_) all.push_back(e.who);
  return all;
}

result<std::string> table::choose(const placement& p, std::string_view type) {
  if (p.on == placement::where::there) {
    if (p.node.empty())
      return fail(errc::invalid_argument, "a placement at a member needs that member's node");
    const member* m = find(p.node);
    if (!m) return fail(errc::placement_failed, "'" + p.node + "' is no member of the federation");
    if (!fits(*m, type, p)) return std::unexpected(missing(p, type));
    return m == &self_ ? std::string() : p.node;
  }
  if (fits(self_, type, p)) return std::string();
  if (p.on == placement::where::here) return std::unexpected(missing(p, type));
  // The one that this system has burdened least; of equals, the first by its node.
  entry* best = nullptr;
  for (auto& [node, e] : others_) {
    if (!fits(e.who, type, p) || (p.same_tenant && e.who.tenant != self_.tenant)) continue;
    if (!best || e.placed < best->placed) best = &e;
  }
  if (!best) return std::unexpected(missing(p, type));
  ++best->placed;
  return best->who.node;
}

error table::missing(const placement& p, std::string_view type) const {
  std::vector<const member*> asked;
  if (p.on == placement::where::there) {
    asked.push_back(find(p.node));
  } else {
    asked.push_back(&self_);
    if (p.on == placement::where::automatic)
      for (const auto& [node, e] : others_)
        if (!p.same_tenant || e.who.tenant == self_.tenant) asked.push_back(&e.who);
  }
  std::vector<std::string> nowhere;
  for (const auto& need : p.needs)
    if (std::ranges::none_of(asked, [&](const member* m) { return has(m->capabilities, need); }))
      nowhere.push_back(need);
  const std::string whom = p.on == placement::where::there ? "'" + p.node + "'"
                           : p.on == placement::where::here
                               ? std::string("this system")
                               : "none of " + std::to_string(asked.size()) + " members";
  const bool one = p.on != placement::where::automatic;
  const std::string verb = one ? " has not " : " has ";
  const std::string what = "cannot place an actor of type '" + std::string(type) + "': " + whom;
  if (!nowhere.empty()) return {errc::placement_failed, what + verb + list(nowhere)};
  if (std::ranges::none_of(asked, [&](const member* m) { return has(m->types, type); }))
    return {errc::placement_failed, what +
                                        (one ? " does not offer that type" : " offers that type") +
                                        ": offer it there before others place it"};
  return {errc::placement_failed,
          what + verb + "all of " + list(p.needs) + " and offers that type"};
}

std::optional<std::pair<std::string, std::string>> table::named(std::string_view name,
                                                                name_scope within) const {
  const auto look = [&](const member& m, name_scope least) -> const shared_name* {
    const auto found = std::ranges::find_if(
        m.names, [&](const auto& n) { return n.name == name && n.seen_by >= least; });
    return found == m.names.end() ? nullptr : &*found;
  };
  if (const auto* n = look(self_, name_scope::local)) return std::pair(std::string(), n->path);
  if (within == name_scope::local) return std::nullopt;
  for (const auto& [node, e] : others_) {
    const bool ours = e.who.tenant == self_.tenant;
    if (!ours && within == name_scope::tenant) continue;
    if (const auto* n = look(e.who, ours ? name_scope::tenant : name_scope::federation))
      return std::pair(node, n->path);
  }
  return std::nullopt;
}

}  // namespace odeon::federation::detail
