#include "internal/steward.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace odeon::federation::detail {

namespace {

constexpr unsigned failures_max = 3;  // of a node that is no seed and no member
constexpr std::size_t nonce_size = 32;

}  // namespace

wire::bytes proof(std::string_view secret, std::string_view role, const wire::bytes& nonce,
                  const wire::bytes& other, const member& who) {
  if (secret.empty()) return {};
  std::array<std::byte, 8> incarnation;
  for (std::size_t i = 0; i < incarnation.size(); ++i)
    incarnation[i] = static_cast<std::byte>(who.incarnation >> (8 * i));
  const std::string purpose = "odeon federation 1 " + std::string(role) + "\n";
  // Both nonces have their fixed size, so no two inputs are the same text.
  const std::array<const_bytes, 5> pieces = {wire::as_bytes(purpose), const_bytes(nonce),
                                             const_bytes(other), const_bytes(incarnation),
                                             wire::as_bytes(who.node)};
  const digest d = hmac_sha256(wire::as_bytes(secret), pieces);
  return {d.begin(), d.end()};
}

/// As others are told of it: without the names that are this system's or its tenant's own affair.
member steward::spoken(bool to_own_tenant) const {
  const std::lock_guard lock(core_->mutex);
  member self = core_->known.self();
  std::erase_if(self.names, [&](const auto& n) {
    return n.seen_by == name_scope::local || (n.seen_by == name_scope::tenant && !to_own_tenant);
  });
  return self;
}

bool steward::is_own_tenant(const member& who) const { return who.tenant == core_->options.tenant; }

/// What a member says of itself and what its handshake has said must be the same.
result<void> steward::announced(const member& who) const {
  for (const remote::peer_info& p : core_->net.peers())
    if (p.node == who.node && p.system != who.system)
      return fail(errc::authentication_failed, "'" + who.node + "' joins as system '" + who.system +
                                                   "', and its handshake said '" + p.system + "'");
  return {};
}

/// Nobody can make it up, or have it forgotten by knocking in others' names.
wire::bytes steward::nonce_for(const std::string& node, std::uint64_t epoch) const {
  std::array<std::byte, 8> when;
  for (std::size_t i = 0; i < when.size(); ++i) when[i] = static_cast<std::byte>(epoch >> (8 * i));
  const std::array<const_bytes, 2> pieces = {const_bytes(when), wire::as_bytes(node)};
  const digest d = hmac_sha256(key_, pieces);
  return {d.begin(), d.end()};
}

time_point steward::now() const { return core_->system.get_runtime().now(clock_domain::user); }

wire::bytes steward::nonce() const {
  wire::bytes n(nonce_size);
  core_->system.get_runtime().random(n);
  return n;
}

void steward::pre_start() {
  key_ = nonce();
  for (const auto& node : core_->options.seeds) candidate(node);
  ctx().send_with_delay(duration::zero(), core_->options.heartbeat, tick{});
}

void steward::post_stop() {
  const core_ptr kept = core_;
  kept->ended();
}

bool steward::is_seed(const std::string& node) const {
  return std::ranges::find(core_->options.seeds, node) != core_->options.seeds.end();
}

void steward::candidate(const std::string& node) {
  const std::lock_guard lock(core_->mutex);
  if (node.empty() || node == core_->known.self().node) return;
  if (peers_.size() < 2 * core_->options.limits.members) peers_.try_emplace(node);
}

// -- what others say ------------------------------------------------------------------------------

result<knocked> steward::on(knock m) {
  if (m.node.size() > core_->options.limits.text_bytes)
    return fail(errc::limit_exceeded, "the name of a node that knocks is too long");
  return knocked{nonce_for(m.node, epoch_)};
}

void steward::on(join m, reply_to<welcomed> to) {
  const federation_options& o = core_->options;
  const auto refuse = [&](errc code, std::string text) { (void)to.fail({code, std::move(text)}); };
  if (auto ok = check(m.who, o.limits); !ok)
    return refuse(ok.error().code(), std::string(ok.error().text()));
  waiting_join w{std::move(m), {}, {}};
  const member& who = w.what.who;
  if (who.node == core_->net.node())
    return refuse(errc::invalid_argument, "'" + who.node + "' is this system");
  const auto proven = [&](std::uint64_t epoch) {
    w.nonce = nonce_for(who.node, epoch);
    return equal_in_constant_time(w.what.proof,
                                  proof(o.secret, "join", w.nonce, w.what.nonce, who));
  };
  if (w.what.nonce.size() != nonce_size || !(proven(epoch_) || proven(epoch_ - 1)))
    return refuse(errc::authentication_failed, "the federation's secret of '" + who.node +
                                                   "' is another than here, or it has not knocked");
  if (is_own_tenant(who) && !o.tenant_secret.empty() &&
      !equal_in_constant_time(w.what.tenant_proof,
                              proof(o.tenant_secret, "tenant join", w.nonce, w.what.nonce, who)))
    return refuse(errc::authentication_failed, "'" + who.node + "' says that it is of tenant '" +
                                                   who.tenant +
                                                   "', and does not know that tenant's secret");
  if (joins_.size() >= o.limits.joining)
    return refuse(errc::peer_overloaded, "as many joins as may be are being confirmed");
  const std::uint64_t which = ++last_join_;
  w.to = std::move(to);
  auto asked = confirm_with(which, who.node, w.what.nonce);
  joins_.emplace(which, std::move(w));
  ctx().pipe_to_self(std::move(asked), [which](result<confirmed> r) {
    return r ? *std::move(r) : confirmed{which, std::unexpected(std::move(r).error())};
  });
}

/// Asked over the association of that very node, whoever has sent the join.
task<confirmed> steward::confirm_with(std::uint64_t which, std::string node, wire::bytes nonce) {
  try {
    const auto at = co_await core_->net.lookup<steward_ref>(node, "federation");
    const bool yes = co_await at.ask<confirm>(std::move(nonce));
    co_return confirmed{which, yes};
  } catch (const actor_error& e) {
    co_return confirmed{which, std::unexpected(e.reason())};
  }
}

bool steward::on(confirm m) {
  return m.nonce.size() == nonce_size &&
         std::ranges::any_of(peers_, [&](const auto& p) { return p.second.joining == m.nonce; });
}

void steward::on(confirmed m) {
  const auto found = joins_.find(m.which);
  if (found == joins_.end()) return;
  waiting_join w = std::move(found->second);
  joins_.erase(found);
  const std::string node = w.what.who.node;
  auto answer = m.outcome && *m.outcome
                    ? welcome(w)
                    : fail(errc::authentication_failed,
                           "'" + node + "' itself does not say that it joins" +
                               (m.outcome ? "" : ": " + m.outcome.error().to_string()));
  if (!answer) {
    (void)w.to.fail(answer.error());
    return;
  }
  (void)w.to(*std::move(answer));
  publish();
  candidate(node);
  auto& p = peers_[node];
  if (p.incarnation != w.what.who.incarnation) p.ticket = 0;
  if (p.ticket == 0) approach(node);
}

result<welcomed> steward::welcome(const waiting_join& w) {
  const member& who = w.what.who;
  if (auto ok = announced(who); !ok) return std::unexpected(ok.error());
  welcomed out;
  {
    const std::lock_guard lock(core_->mutex);
    if (auto ok = core_->known.put(who, now(), true); !ok) return std::unexpected(ok.error());
    for (const auto& other : core_->known.members())
      if (other.node != core_->known.self().node && other.node != who.node)
        out.nodes.push_back(other.node);
  }
  const federation_options& o = core_->options;
  out.who = spoken(is_own_tenant(who));
  out.ticket = core_->system.get_runtime().random_u64() | 1U;
  out.proof = proof(o.secret, "welcome", w.what.nonce, w.nonce, out.who);
  out.tenant_proof = proof(o.tenant_secret, "tenant welcome", w.what.nonce, w.nonce, out.who);
  tickets_[who.node] = out.ticket;
  return out;
}

bool steward::is_ticket(const std::string& node, std::uint64_t ticket) const {
  const auto found = tickets_.find(node);
  return found != tickets_.end() && found->second == ticket;
}

int steward::on(beat m) {
  if (!is_ticket(m.node, m.ticket)) return 0;
  const std::lock_guard lock(core_->mutex);
  return core_->known.renew(m.node, m.incarnation, now()) ? 1 : 0;
}

void steward::on(update m) {
  if (!is_ticket(m.who.node, m.ticket)) return;
  {
    const std::lock_guard lock(core_->mutex);
    if (!core_->known.renew(m.who.node, m.who.incarnation, now())) return;
    if (!core_->known.put(m.who, now())) return;
  }
  publish();
}

void steward::on(farewell m) {
  if (!is_ticket(m.node, m.ticket)) return;
  {
    const std::lock_guard lock(core_->mutex);
    core_->known.leave(m.node, m.incarnation);
  }
  tickets_.erase(m.node);
  if (is_seed(m.node))
    peers_[m.node] = {};
  else
    peers_.erase(m.node);
  publish();
}

// -- what this side does --------------------------------------------------------------------------

void steward::on(tick) {
  {
    const std::lock_guard lock(core_->mutex);
    core_->known.prune(now());
    std::erase_if(tickets_, [&](const auto& t) { return !core_->known.find(t.first); });
  }
  ++epoch_;
  publish();
  if (!core_->options.fixed.empty()) return;
  std::vector<std::string> nodes;
  for (const auto& [node, p] : peers_) nodes.push_back(node);
  for (const auto& node : nodes) approach(node);
}

task<met> steward::join_with(std::string node, steward_ref at, wire::bytes mine) {
  const federation_options& o = core_->options;
  const auto no = [&](errc code, std::string text) {
    return met{node, at, fail(code, std::move(text))};
  };
  try {
    if (!at) at = co_await core_->net.lookup<steward_ref>(node, "federation");
    const member self = spoken(false);
    const knocked k = co_await at.ask<knock>(self.node);
    welcomed w =
        co_await at.ask<join>(join{self, mine, proof(o.secret, "join", k.nonce, mine, self),
                                   proof(o.tenant_secret, "tenant join", k.nonce, mine, self)});
    if (!equal_in_constant_time(w.proof, proof(o.secret, "welcome", mine, k.nonce, w.who)) &&
        !o.secret.empty())
      co_return no(errc::authentication_failed,
                   "the federation's secret of '" + node + "' is another than here");
    if (is_own_tenant(w.who) && !o.tenant_secret.empty() &&
        !equal_in_constant_time(w.tenant_proof,
                                proof(o.tenant_secret, "tenant welcome", mine, k.nonce, w.who)))
      co_return no(errc::authentication_failed,
                   "'" + node + "' says that it is of this tenant, and does not know its secret");
    if (w.who.node != node)
      co_return no(errc::invalid_argument, "'" + node + "' calls itself '" + w.who.node + "'");
    if (auto ok = announced(w.who); !ok)
      co_return no(ok.error().code(), std::string(ok.error().text()));
    co_return met{node, at, std::move(w), self.version};
  } catch (const actor_error& e) {
    co_return met{node, {}, std::unexpected(e.reason())};
  }
}

void steward::approach(const std::string& node) {
  peer& p = peers_[node];
  if (p.asked != 0) return;
  const std::uint64_t asked = p.asked = ++last_ask_;
  if (p.ticket == 0) {
    p.joining = nonce();
    return ctx().pipe_to_self(join_with(node, p.at, p.joining), [node, asked](result<met> r) {
      met m = r ? *std::move(r) : met{node, {}, std::unexpected(std::move(r).error())};
      m.asked = asked;
      return m;
    });
  }
  std::string own;
  std::uint64_t incarnation = 0;
  {
    const std::lock_guard lock(core_->mutex);
    own = core_->known.self().node;
    incarnation = core_->known.self().incarnation;
  }
  ctx().pipe_to_self(p.at.ask<beat>(own, incarnation, p.ticket),
                     [node, asked, which = p.incarnation](result<int> r) {
                       return beaten{node, which, std::move(r), asked};
                     });
}

/// Who is waited for with that ask, which ends. Null: nobody any more; it has said farewell since,
/// and what it had answered before is as good as nothing.
steward::peer* steward::answered(const std::string& node, std::uint64_t asked) {
  const auto found = peers_.find(node);
  if (found == peers_.end() || found->second.asked != asked) return nullptr;
  found->second.asked = 0;
  found->second.joining.clear();
  return &found->second;
}

void steward::on(met m) {
  peer* const waited = answered(m.node, m.asked);
  if (!waited) return;
  peer& p = *waited;
  if (!m.outcome) {
    p.at = {};
    bool member_still = false;
    {
      const std::lock_guard lock(core_->mutex);
      member_still = core_->known.find(m.node) != nullptr;
    }
    if (++p.failures >= failures_max && !is_seed(m.node) && !member_still) peers_.erase(m.node);
    return;
  }
  p.failures = 0;
  p.at = m.at;
  {
    const std::lock_guard lock(core_->mutex);
    if (!core_->known.put(m.outcome->who, now())) return;
  }
  p.ticket = m.outcome->ticket;
  p.incarnation = m.outcome->who.incarnation;
  // What the join could not have: the tenant's names, and what has changed since it was sent.
  p.is_own_tenant = is_own_tenant(m.outcome->who);
  const member self = spoken(p.is_own_tenant);
  if (p.is_own_tenant || self.version != m.said) p.at.tell<update>(self, p.ticket);
  publish();
  for (const auto& node : m.outcome->nodes) {
    candidate(node);
    if (const auto found = peers_.find(node); found != peers_.end() && found->second.ticket == 0)
      approach(node);
  }
}

void steward::on(beaten m) {
  peer* const waited = answered(m.node, m.asked);
  if (!waited) return;
  peer& p = *waited;
  const bool known = m.outcome && *m.outcome == 1;
  if (known) {
    p.failures = 0;
    const std::lock_guard lock(core_->mutex);
    if (core_->known.renew(m.node, m.incarnation, now())) return;
  } else {
    ++p.failures;
  }
  if (known || m.outcome) {  // it does not know this side, or this side does not know it
    p.ticket = 0;
    approach(m.node);
    return;
  }
  p.at = {};
  bool member_still = false;
  {
    const std::lock_guard lock(core_->mutex);
    member_still = core_->known.find(m.node) != nullptr;
  }
  p.ticket = 0;  // found and joined anew, when it is there again
  if (!member_still && p.failures >= failures_max && !is_seed(m.node)) peers_.erase(m.node);
}

void steward::on(changed) {
  publish();
  const member to_own = spoken(true), to_others = spoken(false);
  for (auto& [node, p] : peers_) {
    if (p.ticket != 0) p.at.tell<update>(p.is_own_tenant ? to_own : to_others, p.ticket);
  }
}

void steward::on(depart) {
  const member self = spoken(false);
  for (auto& [node, p] : peers_)
    if (p.ticket != 0) p.at.tell<farewell>(self.node, self.incarnation, p.ticket);
  ctx().stop();
}

void steward::on(add_watch m) {
  publish();  // what was before is told as joined
  const auto f = m.f.lock();
  if (!f) return;
  std::vector<member> all;
  {
    const std::lock_guard lock(core_->mutex);
    all = core_->known.members();
  }
  for (auto& one : all) (*f)(member_joined{std::move(one)});
  watchers_.push_back(std::move(m.f));
}

void steward::publish() {
  std::vector<membership_event> events;
  {
    const std::lock_guard lock(core_->mutex);
    events = core_->known.events();
  }
  if (events.empty()) return;
  std::erase_if(watchers_, [](const auto& w) { return w.expired(); });
  for (const auto& e : events) {
    std::visit([&](const auto& one) { core_->system.events().publish(one); }, e);
    for (const auto& w : watchers_)
      if (const auto f = w.lock()) (*f)(e);
  }
}

}  // namespace odeon::federation::detail
