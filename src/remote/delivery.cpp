// Messages that come. A tell becomes an envelope and is delivered; an ask is asked of the actor
// here, and its answer sent back; an answer settles the ask that waits for it.
//
// An ask that is being answered stands in its peer's table. Whoever takes it out of there says
// what becomes of it: its answer, which is then sent, or the loss of the peer, after which nothing
// is.

#include "internal/endpoint_state.hpp"
#include <odeon/core/log.hpp>
#include <odeon/wire/standard.hpp>
#include <odeon/wire/wire.hpp>

#include <algorithm>
#include <array>

namespace odeon::remote::detail {

namespace {

constexpr duration longest = std::chrono::hours(24 * 365);  // that a peer may say

/// Senders of tells by the serial of their name, which is unique in this process. Weak: cells are
/// type stable, and another generation says that it is another's by now.
struct known_sender {
  name_serial serial = 0;
  std::uint32_t generation = 0;
  core::cell* cell = nullptr;
};
constexpr std::size_t senders_known = 16;
thread_local std::array<known_sender, senders_known> known_senders;

std::string at_node(const error& why, const peer& from) {
  return std::string(why.text()) + " [at " + from.node() + "]";
}

result<core::envelope*> read_message(const core::travelling& type, const user_message& m,
                                     const wire::context& c) {
  const bool extra =
      (m.kind == user_kind::tell && m.limit > duration::zero()) || m.key != 0 || m.priority != 0;
  return type.read(m.message, extra, c);
}

}  // namespace

void endpoint_state::on_message(peer& from, const user_message& m) noexcept {
  try {
    switch (m.kind) {
      case user_kind::tell:
      case user_kind::ask: return deliver(from, m);
      case user_kind::reply:
      case user_kind::failure: return settle(from, m);
      case user_kind::cancel: return cancelled(from, m.ask);
    }
  } catch (const std::exception& e) {
    refuse(from, m, nullptr, {errc::bad_encoding, e.what()});
  }
}

void endpoint_state::deliver(peer& from, const user_message& m) {
  burst alone;
  burst* const known_here = from.together();
  burst& at = known_here ? *known_here : alone;
  if (m.type_serial == 0 || at.type != m.type_serial) {
    at.travels = type_of(m.message, m.type_serial);
    at.type = at.travels ? m.type_serial : 0;
  }
  const core::travelling* const type = at.travels;
  if (!type)
    return refuse(from, m, nullptr,
                  {errc::unknown_manifest,
                   "no message is known here by the name \"" + std::string(m.message.manifest) +
                       "\": expose it (endpoint::expose) at " + own_node()});
  // Without a uid whoever has the path by now is meant.
  if (m.to_serial == 0 || m.to.uid == 0 || at.receiver != m.to_serial) {
    at.receiver = 0;
    auto found = find_here(m.to.path, m.to.uid);
    if (!found) return refuse(from, m, type, std::move(found).error());
    at.to = *std::move(found);
    at.waits = core::tell_may_wait(*at.to.get());
    at.receiver = m.to_serial;
  }
  const any_ref& to = at.to;
  auto made = read_message(*type, m, context_);
  if (!made) return refuse(from, m, type, std::move(made).error());
  core::envelope& e = **made;
  e.trace = m.trace;
  e.cause = 0;
  any_ref asker;
  known_sender& known = known_senders[m.from_serial % senders_known];
  if (m.kind != user_kind::tell || m.from_serial == 0 || known.serial != m.from_serial ||
      known.cell->generation() != known.generation) {
    const sender who = far_sender(from, m.from, m.kind == user_kind::ask ? &asker : nullptr);
    known = {who.cell ? m.from_serial : 0, who.generation, who.cell};
  }
  e.from = known.cell;
  e.generation = known.generation;
  if (core::envelope_extra* x = e.extra()) {
    x->key = m.key;
    x->priority = m.priority;
    if (m.kind == user_kind::tell && m.limit > duration::zero())
      x->deadline = rt_.now() + std::min(m.limit, longest);
  }
  if (m.kind == user_kind::ask) return serve(from, m, asker, at, e);
  if (at.waits)
    (void)core::try_deliver(*to.get(), e);
  else
    to.get()->deliver(e);
}

void endpoint_state::refuse(peer& from, const user_message& m, const core::travelling* type,
                            error why) {
  if (m.kind != user_kind::tell && m.kind != user_kind::ask) return;
  static constexpr std::string_view unknown = "message of another node";
  core::note_lost(anchor_, {why.code(), type && type->type ? type->type->name : unknown,
                            std::string(m.to.path), from.node() + std::string(m.from.path), m.trace,
                            rt_.wall_now(), m.kind == user_kind::ask});
  if (m.kind == user_kind::ask) fail_ask(from, m.ask, why);
}

// -- asks of theirs -------------------------------------------------------------------------------

void endpoint_state::serve(peer& from, const user_message& m, const any_ref& asker, burst& at,
                           core::envelope& e) {
  const any_ref& to = at.to;
  const core::travelling& type = *at.travels;
  const auto lose = [&](error why) {
    core::lose(*to.get(), e, why);
    fail_ask(from, m.ask, why);
  };
  if (!type.ask && !type.ask_with)
    return lose({errc::invalid_argument,
                 std::string(m.message.manifest) + " is no request: it has no reply"});
  if (!at.ties) at.ties = ties_of(from);
  const auto ties = at.ties;
  if (!ties) return lose(errc::unreachable);
  {
    const std::lock_guard guard(ties->mutex);
    if (ties->served.size() >= allowed_.asks_per_peer)
      return lose({errc::peer_overloaded,
                   std::to_string(allowed_.asks_per_peer) + " asks of one peer are unanswered"});
    if (!ties->served.try_emplace(m.ask).second)
      return lose({errc::protocol_violation, "two asks of one number"});
  }
  // The asker's cell is held until the answer: it is the handler's `sender`. So is this, for the
  // context.
  auto take = [self = shared_from_this(), ties, id = m.ask, asker](result<core::reply_bytes> r) {
    self->answer(*ties, id, std::move(r));
  };
  const duration limit = std::clamp(m.limit, duration::zero(), longest);
  core::ask_in_flight asked = type.ask_with
                                  ? type.ask_with(*to.get(), e, limit, &context_, std::move(take))
                                  : type.ask(*to.get(), e, limit, std::move(take));
  const std::lock_guard guard(ties->mutex);
  if (const auto found = ties->served.find(m.ask); found != ties->served.end())
    found->second = std::move(asked);
}

void endpoint_state::answer(peer_ties& asker, std::uint64_t ask,
                            result<core::reply_bytes> r) noexcept {
  core::ask_in_flight done;
  {
    const std::lock_guard guard(asker.mutex);
    const auto found = asker.served.find(ask);
    if (found == asker.served.end()) return;
    done = std::move(found->second);
    asker.served.erase(found);
  }
  if (!r) return fail_ask(*asker.at, ask, r.error());
  user_message m;
  m.kind = user_kind::reply;
  m.ask = ask;
  m.message = *r;
  if (auto sent = asker.at->send(m); !sent)
    fail_ask(*asker.at, ask,
             {sent.error().code(),
              "the reply could not be sent back: " + std::string(sent.error().text())});
}

void endpoint_state::fail_ask(peer& to, std::uint64_t ask, const error& why) {
  const wire::tagged said =
      wire::encode_tagged(failure_text{static_cast<int>(why.code()), std::string(why.text())});
  user_message m;
  m.kind = user_kind::failure;
  m.ask = ask;
  m.message = said;
  // The queue of messages may be full; that of control records is another.
  if (!to.send(m))
    to.send_control(records::to_bytes(
        records::ask_failed{ask, static_cast<int>(why.code()), std::string(why.text())}));
}

void endpoint_state::cancelled(peer& from, std::uint64_t ask) {
  const auto ties = ties_if(from);
  if (!ties) return;
  core::ask_state_base* state = nullptr;
  {
    const std::lock_guard guard(ties->mutex);
    const auto found = ties->served.find(ask);
    if (found == ties->served.end() || !(state = found->second.get())) return;
    state->add_ref();
  }
  core::cancel_ask(*state);  // its answer says so
  state->drop_ref();
}

void endpoint_state::cancel_served(peer_ties& of) noexcept {
  std::unordered_map<std::uint64_t, core::ask_in_flight> all;
  {
    const std::lock_guard guard(of.mutex);
    all = std::exchange(of.served, {});
  }
  for (auto& [id, asked] : all)
    if (asked.get()) core::cancel_ask(*asked.get());
}

// -- asks of this side ----------------------------------------------------------------------------

void endpoint_state::settle(peer& from, const user_message& m) {
  pending_ask own;
  if (!asks.take(m.ask, &from, own)) return;  // it was given up, or is none
  if (m.kind == user_kind::reply) {
    // What cannot be read has failed the ask.
    (void)own.type->settle(*own.ask, m.message, context_);
  } else if (auto said = wire::decode_tagged<failure_text>(m.message); said) {
    const error why(code_of(said->code), std::move(said->text));
    own.ask->fail({why.code(), at_node(why, from)});
  } else {
    own.ask->fail({errc::bad_encoding, at_node(said.error(), from)});
  }
  own.ask->drop_ref();
}

void endpoint_state::on(peer& from, records::ask_failed& r) {
  pending_ask own;
  if (!asks.take(r.ask, &from, own)) return;
  const error why(code_of(r.code), std::move(r.text));
  own.ask->fail({why.code(), at_node(why, from)});
  own.ask->drop_ref();
}

void endpoint_state::fail_asks_of(const peer* at, const error& why) noexcept {
  for (const pending_ask& a : asks.take_all(at)) {
    a.ask->fail({errc::unreachable,
                 "no answer to " + std::string(a.ask->type->name) + ": " + why.to_string()});
    a.ask->drop_ref();
  }
}

void endpoint_state::on_unsent(peer& to, const user_message& m, const error& why) noexcept {
  try {
    if (m.kind == user_kind::ask) {
      pending_ask own;
      if (!asks.take(m.ask, &to, own)) return;
      own.ask->fail(why);
      own.ask->drop_ref();
    }
    if (m.kind != user_kind::tell && m.kind != user_kind::ask) return;
    const core::travelling* type = type_of(m.message, 0);
    const any_ref there = far.find(to.node(), m.to.path, m.to.uid);
    core::note_lost(
        anchor_, {why.code(), type && type->type ? type->type->name : "message to another node",
                  there ? there.path() : std::string(m.to.path), std::string(m.from.path), m.trace,
                  rt_.wall_now(), m.kind == user_kind::ask});
  } catch (const std::exception&) {
    // No memory to tell it.
  }
}

}  // namespace odeon::remote::detail
