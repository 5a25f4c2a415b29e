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

/// As others are told of it: without the names that are this system's own affair.
member steward::spoken() const {
  const std::lock_guard lock(core_->mutex);
  member self = core_->known.self();
  std::erase_if(self.names, [](const auto& n) { return n.seen_by == name_scope::local; });
  return self;
}

time_point steward::now() const { return core_->system.get_runtime().now(clock_domain::user); }

wire::bytes steward::nonce() const {
  wire::bytes n(nonce_size);
  core_->system.get_runtime().random(n);
  return n;
}

void steward::pre_start() {
  for (const auto& node : core_->options.seeds) candidate(node);
  ctx().send_with_delay(duration::zero(), core_->options.heartbeat, tick{});
}

void steward::post_stop() {
  runtime& rt = core_->system.get_runtime();
  const core_ptr kept = core_;
  kept->ended.store(1);
  rt.wake(kept->ended);
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
  if (nonces_.size() >= core_->options.limits.joining && !nonces_.contains(m.node))
    nonces_.erase(nonces_.begin());  // whoever it was knocks again
  return knocked{nonces_[m.node] = nonce()};
}

result<welcomed> steward::on(join m) {
  const auto found = nonces_.find(m.who.node);
  if (found == nonces_.end())
    return fail(errc::authentication_failed, "'" + m.who.node + "' must knock before it joins");
  const wire::bytes mine = std::move(found->second);
  nonces_.erase(found);
  const std::string& secret = core_->options.secret;
  if (m.nonce.size() != nonce_size ||
      (!secret.empty() &&
       !equal_in_constant_time(m.proof, proof(secret, "join", mine, m.nonce, m.who))))
    return fail(errc::authentication_failed,
                "the federation's secret of '" + m.who.node + "' is another than here");
  welcomed w;
  {
    const std::lock_guard lock(core_->mutex);
    if (auto ok = core_->known.put(m.who, now()); !ok) return std::unexpected(ok.error());
    for (const auto& other : core_->known.members())
      if (other.node != core_->known.self().node && other.node != m.who.node)
        w.nodes.push_back(other.node);
  }
  w.who = spoken();
  w.ticket = core_->system.get_runtime().random_u64() | 1U;
  w.proof = proof(secret, "welcome", m.nonce, mine, w.who);
  tickets_[m.who.node] = w.ticket;
  publish();
  candidate(m.who.node);
  auto& p = peers_[m.who.node];
  if (p.incarnation != m.who.incarnation) p.ticket = 0;
  if (p.ticket == 0) approach(m.who.node);
  return w;
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
  }
  publish();
  if (!core_->options.fixed.empty()) return;
  std::vector<std::string> nodes;
  for (const auto& [node, p] : peers_) nodes.push_back(node);
  for (const auto& node : nodes) approach(node);
}

task<met> steward::join_with(std::string node, steward_ref at) {
  try {
    if (!at) at = co_await core_->net.lookup<steward_ref>(node, "federation");
    const member self = spoken();
    const knocked k = co_await at.ask<knock>(self.node);
    join j{self, nonce(), {}};
    j.proof = proof(core_->options.secret, "join", k.nonce, j.nonce, self);
    const wire::bytes mine = j.nonce;
    welcomed w = co_await at.ask<join>(std::move(j));
    if (!core_->options.secret.empty() &&
        !equal_in_constant_time(w.proof,
                                proof(core_->options.secret, "welcome", mine, k.nonce, w.who)))
      co_return met{node, at,
                    fail(errc::authentication_failed,
                         "the federation's secret of '" + node + "' is another than here")};
    if (w.who.node != node)
      co_return met{
          node, at,
          fail(errc::invalid_argument, "'" + node + "' calls itself '" + w.who.node + "'")};
    co_return met{node, at, std::move(w)};
  } catch (const actor_error& e) {
    co_return met{node, {}, std::unexpected(e.reason())};
  }
}

void steward::approach(const std::string& node) {
  peer& p = peers_[node];
  if (std::exchange(p.busy, true)) return;
  if (p.ticket == 0) {
    return ctx().pipe_to_self(join_with(node, p.at), [node](result<met> r) {
      return r ? *std::move(r) : met{node, {}, std::unexpected(std::move(r).error())};
    });
  }
  std::string own;
  std::uint64_t incarnation = 0;
  {
    const std::lock_guard lock(core_->mutex);
    own = core_->known.self().node;
    incarnation = core_->known.self().incarnation;
  }
  ctx().pipe_to_self(
      p.at.ask<beat>(own, incarnation, p.ticket),
      [node, which = p.incarnation](result<int> r) { return beaten{node, which, std::move(r)}; });
}

void steward::on(met m) {
  peer& p = peers_[m.node];
  p.busy = false;
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
  publish();
  for (const auto& node : m.outcome->nodes) {
    candidate(node);
    if (const auto found = peers_.find(node); found != peers_.end() && found->second.ticket == 0)
      approach(node);
  }
}

void steward::on(beaten m) {
  const auto found = peers_.find(m.node);
  if (found == peers_.end()) return;
  peer& p = found->second;
  p.busy = false;
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
  if (!member_still && p.failures >= failures_max && !is_seed(m.node)) peers_.erase(found);
}

void steward::on(changed) {
  publish();
  const member self = spoken();
  for (auto& [node, p] : peers_)
    if (p.ticket != 0) p.at.tell<update>(self, p.ticket);
}

void steward::on(depart) {
  const member self = spoken();
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
