// Finding an actor of another node, and whether both sides mean the same by what it will be sent.
//
// The asking side waits for the handshake, then sends a `resolve` with the messages it wants to
// send and a hash of each one's contract. The other side looks the actor up, and sends its own
// contract of every message whose hash is another one; the asking side decides whether readers on
// both sides can bridge the difference.

#include "internal/endpoint_state.hpp"
#include "internal/protocol.hpp"
#include <odeon/task/future.hpp>

namespace odeon::remote::detail {

namespace {

/// Bytes of contracts in one answer: half of what a control record may have.
constexpr std::size_t contracts_told_most = control_bytes_max / 2;

std::string at_node(std::string_view text, const peer& from) {
  return std::string(text) + " [at " + from.node() + "]";
}

records::answer refusal(std::uint64_t id, const error& why) {
  return {.id = id,
          .code = static_cast<int>(why.code()),
          .text = std::string(why.text()),
          .found = {},
          .differs = {}};
}

/// Outside of any actor: what comes belongs to the endpoint, and an actor's end is not its end.
class nobodys_turn {
 public:
  nobodys_turn() noexcept : before_(std::exchange(core::this_ambient, nullptr)) {}
  nobodys_turn(const nobodys_turn&) = delete;
  ~nobodys_turn() { core::this_ambient = before_; }

 private:
  core::ambient* before_;
};

}  // namespace

// -- the asking side ------------------------------------------------------------------------------

void endpoint_state::find_far(std::string_view text, std::span<const core::travelling* const> wants,
                              found_taker done) {
  auto where = address::parse(text);
  if (!where) return done(std::unexpected(std::move(where).error()));
  find_at(*where, wants, std::move(done));
}

void endpoint_state::find_at(const address& where, std::span<const core::travelling* const> wants,
                             found_taker done) {
  if (where.node.empty() || where.node == own_node()) {
    auto here = where.node.empty() ? resolve(where, {}) : find_here(where.path, where.uid);
    if (!here) return done(std::move(here));
    for (const core::travelling* t : wants)
      if (t->type && !here->get()->accepts(*t->type))
        return done(fail(errc::wrong_type,
                         here->path() + " has no handler for " + std::string(t->manifest)));
    return done(std::move(here));
  }
  auto at = find_peer(where.node);
  if (!at) return done(std::unexpected(std::move(at).error()));
  question q{at->get(), {wants.begin(), wants.end()}, where.to_string(), std::move(done)};
  put_question(*std::move(at), std::move(q), [this, where, wants](std::uint64_t id) {
    return records::resolve{id, where.system, {where.path, where.uid}, contracts_.claims(wants)};
  });
}

void endpoint_state::put_question(const std::shared_ptr<peer>& at, question q,
                                  const std::function<records::any(std::uint64_t id)>& record) {
  // The record is made at once: `wants` is the caller's. It is sent when the handshake has told who
  // is there, whose errors say more than those of a lost record would.
  std::uint64_t id = 0;
  {
    const std::lock_guard guard(questions_mutex_);
    if (!is_closed() && questions_.size() < questions_most) id = next_question_++;
    if (id != 0) questions_.emplace(id, std::move(q));
  }
  if (id == 0)
    return q.done(is_closed() ? fail(errc::unreachable, "the endpoint of this side is closed")
                              : fail(errc::limit_exceeded, std::to_string(questions_most) +
                                                               " actors are being looked for"));
  const records::any made = record(id);
  wire::bytes bytes = records::to_bytes(made);
  if (std::holds_alternative<records::resolve>(made)) {
    const std::lock_guard guard(questions_mutex_);
    if (const auto found = questions_.find(id); found != questions_.end())
      found->second.record = bytes;
  }
  send_question(at, id, std::move(bytes));
}

void endpoint_state::send_question(const std::shared_ptr<peer>& at, std::uint64_t id,
                                   wire::bytes record) {
  const nobodys_turn none;
  at->ready(connect_limit_)
      .then([self = shared_from_this(), at, id,
             bytes = std::move(record)](result<peer_info> who) mutable {
        if (who) return at->send_control(std::move(bytes));
        question failed;
        {
          const std::lock_guard guard(self->questions_mutex_);
          const auto found = self->questions_.find(id);
          if (found == self->questions_.end()) return;
          failed = std::move(found->second);
          self->questions_.erase(found);
        }
        failed.done(std::unexpected(std::move(who).error()));
      });
}

void endpoint_state::on(peer& from, records::answer& r) {
  question q;
  {
    const std::lock_guard guard(questions_mutex_);
    const auto found = questions_.find(r.id);
    if (found == questions_.end() || found->second.at != &from) return;
    q = std::move(found->second);
    questions_.erase(found);
  }
  if (r.code != 0) return q.done(fail(code_of(r.code), at_node(r.text, from)));
  for (const records::difference& d : r.differs) {
    const auto known = std::ranges::find(q.wants, d.manifest, &core::travelling::manifest);
    if (known == q.wants.end()) continue;
    if (auto ok = bridge(d.manifest, contracts_.of(**known), d.contract); !ok)
      return q.done(
          fail(ok.error().code(), at_node(q.what + ": " + std::string(ok.error().text()) +
                                              "; upgrade the readers of the message first",
                                          from)));
  }
  any_ref found = far_of(from, r.found.path, r.found.uid);
  if (!found) return q.done(fail(errc::unreachable, at_node(q.what + " was found and lost", from)));
  q.done(std::move(found));
}

// The incarnation that was asked is gone. Who looks for an actor may find it at the next one, which
// may be there already.
void endpoint_state::fail_questions_of(const peer* at, const error& why) noexcept {
  std::vector<question> lost;
  std::vector<std::pair<std::uint64_t, wire::bytes>> again;
  {
    const std::lock_guard guard(questions_mutex_);
    for (auto i = questions_.begin(); i != questions_.end();) {
      if (at && i->second.at != at) {
        ++i;
      } else if (at && !is_closed() && !i->second.record.empty()) {
        again.emplace_back(i->first, std::exchange(i->second.record, {}));
        ++i;
      } else {
        lost.push_back(std::move(i->second));
        i = questions_.erase(i);
      }
    }
  }
  for (question& q : lost)
    q.done(fail(errc::unreachable, "no answer about " + q.what + ": " + why.to_string()));
  if (again.empty()) return;
  if (auto to = find_peer(at->node()))
    for (auto& [id, record] : again) send_question(*to, id, std::move(record));
}

// -- the other side -------------------------------------------------------------------------------

records::answer endpoint_state::check_claims(std::uint64_t id, const any_ref& here,
                                             const std::vector<records::claim>& wants) {
  if (wants.size() > claims_most)
    return refusal(id, {errc::limit_exceeded,
                        "more than " + std::to_string(claims_most) + " messages are asked about"});
  records::answer out{.id = id, .code = 0, .text = {}, .found = name_of(here), .differs = {}};
  std::size_t told = 0;
  for (const records::claim& c : wants) {
    const core::travelling* t = messages_->find(c.manifest);
    if (!t)
      return refusal(id,
                     {errc::unknown_manifest, "no message is known by the name \"" + c.manifest +
                                                  "\": expose it (endpoint::expose) there"});
    if (t->type && !here.get()->accepts(*t->type))
      return refusal(id, {errc::wrong_type, here.path() + " has no handler for " + c.manifest});
    const message_contract& own = contracts_.of(*t);
    if (c.hash == 0 || own.hash == 0 || c.hash == own.hash) continue;
    told += c.manifest.size() + own.json.size();
    if (told > contracts_told_most)
      return refusal(id, {errc::contract_changed,
                          "the contracts of \"" + c.manifest + "\" and of " +
                              std::to_string(out.differs.size()) +
                              " messages before it are others here, more than one answer can hold: "
                              "resolve with fewer messages, or run one version of them"});
    out.differs.push_back({c.manifest, own.json});
  }
  return out;
}

void endpoint_state::on(peer& from, records::resolve& r) {
  const auto send = [&](const records::answer& a) { from.send_control(records::to_bytes(a)); };
  if (!r.system.empty() && r.system != system_name_)
    return send(refusal(r.id, {errc::no_such_actor, "the system there is \"" + system_name_ +
                                                        "\", not \"" + r.system + "\""}));
  const auto here = find_here(r.target.path, r.target.uid);
  if (!here) return send(refusal(r.id, here.error()));
  send(check_claims(r.id, *here, r.wants));
}

}  // namespace odeon::remote::detail
