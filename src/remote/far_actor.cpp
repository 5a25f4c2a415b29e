// What is sent to a far cell is encoded here and now, on the sender's thread, and handed to the
// peer's queue. An ask is noted in the endpoint's table first; who takes it out of there again
// settles it: the answer, the loss of the peer, or a queue that refuses it.

#include "internal/far_actor.hpp"

#include "internal/endpoint_state.hpp"

#include <cstddef>
#include <optional>

namespace odeon::remote::detail {

namespace {

constexpr std::size_t buffer_kept = std::size_t{64} * 1024;  // of a thread, between messages

wire::buffer& thread_buffer() {
  thread_local wire::buffer out;
  if (out.capacity() > buffer_kept) out = wire::buffer();
  out.clear();
  return out;
}

// Of an address of this side at which nobody lives.
exit_reason known_gone() { return {exit_kind::no_such_actor, "it has ended"}; }

}  // namespace

struct far_actor::outgoing {
  user_message message;
  const core::travelling* type = nullptr;
  std::optional<wire::tagged> whole;  // of a type that does not write into a buffer
};

far_actor* far_actor_of(const core::cell& c) noexcept {
  core::far_target* target = core::far_target_of(c);
  return target && target->kind() == &far_actor::kind_of ? static_cast<far_actor*>(target)
                                                         : nullptr;
}

far_actor::far_actor(std::shared_ptr<endpoint_state> home, std::shared_ptr<peer> at, address where)
    : home_(std::move(home)),
      at_(std::move(at)),
      where_(std::move(where)),
      hash_(far_table::hash_of(where_.node, where_.path, where_.uid)) {}

far_actor::~far_actor() { home_->far.forget(*this); }

// -- messages -------------------------------------------------------------------------------------

result<void> far_actor::refuse(cell& self, envelope& e, error why) noexcept {
  core::lose(self, e, why);
  return std::unexpected(std::move(why));
}

void far_actor::sent(envelope& e) noexcept {
  if (core::ask_state_base* ask = e.ask()) ask->drop_ref();
  core::destroy_payload(e);
  core::free_block(e);
}

result<void> far_actor::prepare(cell& self, envelope& e, outgoing& out) {
  if (home_->is_closed())
    return refuse(self, e,
                  {errc::unreachable, where_.node + ": the endpoint of this side is closed"});
  out.type = home_->type_of(*e.type);
  if (!out.type)
    return refuse(
        self, e,
        {errc::no_codec, std::string(e.type->name) + " cannot be sent to " + where_.to_string() +
                             ": it was not exposed (endpoint::expose) on this side"});
  if (e.ask() != nullptr && out.type->settle == nullptr)
    return refuse(self, e,
                  {errc::invalid_argument,
                   std::string(e.type->name) +
                       " has a stream of replies, which does not cross "
                       "nodes, and is asked of " +
                       where_.to_string() +
                       ": ask for one page after the other, or have it told to an actor here"});
  user_message& m = out.message;
  m.to = name();
  m.trace = e.trace;
  if (const core::envelope_extra* x = e.extra()) {
    m.key = x->key;
    m.priority = x->priority;
    if (x->deadline != time_point{}) {
      m.limit = x->deadline - home_->rt().now();
      if (m.limit <= duration::zero()) return refuse(self, e, errc::expired);
    }
  }
  core::ask_state_base* ask = e.ask();
  m.kind = ask ? user_kind::ask : user_kind::tell;
  m.from = ask ? home_->sender_name(ask->asker, ask->asker_generation)
               : home_->sender_name(static_cast<cell*>(e.from), e.generation);
  if (out.type->write_to) {
    wire::buffer& bytes = thread_buffer();
    if (auto done = out.type->write_to(bytes, e.payload(), home_->travels_with()); !done)
      return refuse(self, e, std::move(done).error());
    m.message = {out.type->manifest, out.type->version, wire::format::msgpack, bytes.view()};
  } else {
    auto made = out.type->write(e.payload(), home_->travels_with());
    if (!made) return refuse(self, e, std::move(made).error());
    out.whole = *std::move(made);
    m.message = *out.whole;
  }
  if (!ask) return {};
  // A time that the asker was given by its own asker bounds the work there as well. Any other is
  // kept here: `within` may still change it.
  if (const duration limit = ask->timeout();
      limit > duration::zero() && limit < core::ask_timeout_of(self.system()))
    m.limit = limit;
  auto id = home_->asks.add({ask, out.type, at_.get()});
  if (!id) return refuse(self, e, std::move(id).error());
  m.ask = *id;
  return {};
}

result<void> far_actor::route(cell& self, envelope& e, bool /*may_wait*/) noexcept {
  try {
    outgoing out;
    if (auto ready = prepare(self, e, out); !ready) return ready;
    auto queued = at_->send(out.message);
    if (queued) {
      sent(e);
      return {};
    }
    if (pending_ask own; out.message.ask && home_->asks.take(out.message.ask, at_.get(), own))
      own.ask->drop_ref();
    return refuse(self, e, std::move(queued).error());
  } catch (const std::exception& failed) {
    return refuse(self, e, {errc::no_codec, failed.what()});
  }
}

future<void> far_actor::route_wait(cell& self, envelope& e) {
  outgoing out;
  auto [done, waits] = promise<void>::make(home_->rt());
  if (auto ready = prepare(self, e, out); !ready) {
    done.fail(std::move(ready).error());
    return std::move(waits);
  }
  // A tell: asks are never waited with.
  future<void> room = at_->send_wait(out.message);
  sent(e);
  return room;
}

void far_actor::given_up(const core::ask_state_base& ask) noexcept {
  const std::uint64_t id = home_->asks.find(ask);
  if (id == 0) return;
  user_message m;
  m.kind = user_kind::cancel;
  m.to = name();
  m.ask = id;
  // It stays in the table until the answer, which says that it was cancelled, or came too late.
  if (!home_->is_closed() && at_->send(m)) return;
  if (pending_ask own; home_->asks.take(id, at_.get(), own)) own.ask->drop_ref();
}

std::string far_actor::where_is(const core::ask_state_base& ask) const {
  return home_->asks.find(ask) ? "sent to " + where_.node + ", which has not answered"
                               : "not on its way to " + where_.node;
}

// -- the rest -------------------------------------------------------------------------------------

void far_actor::watch(cell& self, any_ref watcher) noexcept {
  if (!at_) return core::tell_terminated_of(*watcher.get(), any_ref::share(&self), known_gone());
  home_->tie(*this, self, std::move(watcher), tie_kind::watches);
}
void far_actor::unwatch(cell& self, any_ref watcher) noexcept {
  if (at_) home_->untie(*this, self, std::move(watcher), tie_kind::watches);
}
void far_actor::link(cell& self, any_ref other) noexcept {
  if (!at_) return core::tell_exit_of(*other.get(), any_ref::share(&self), known_gone());
  home_->tie(*this, self, std::move(other), tie_kind::link);
}
void far_actor::unlink(cell& self, any_ref other) noexcept {
  if (at_) home_->untie(*this, self, std::move(other), tie_kind::link);
}
void far_actor::stop(cell& /*self*/, bool kill) noexcept {
  if (at_) home_->stop(*this, kill);
}
void far_actor::terminated(cell& self, any_ref who, const exit_reason& reason) noexcept {
  home_->ended_here(*this, self, who, reason, tie_kind::is_watched);
}
void far_actor::exited(cell& self, any_ref who, const exit_reason& reason) noexcept {
  home_->ended_here(*this, self, who, reason, tie_kind::link);
}

}  // namespace odeon::remote::detail
