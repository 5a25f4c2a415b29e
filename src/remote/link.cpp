#include "internal/link.hpp"

#include "internal/hub_core.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace odeon::remote::detail {

namespace {

/// What a failed session is to the metrics.
rejection rejection_of(errc code) noexcept {
  switch (code) {
    case errc::authentication_failed: return rejection::authentication;
    case errc::bad_certificate:
    case errc::expired_certificate: return rejection::certificate;
    case errc::incompatible_peer: return rejection::incompatible;
    case errc::quarantined: return rejection::quarantined;
    default: return rejection::violation;
  }
}

/// Adds what was collected later. What a peer claims has no bound, and may not wrap to less.
void merge(feedback& into, feedback& from) {
  for (std::size_t i = 0; i < lane_count; ++i) {
    const std::uint64_t both = into.credit[i] + from.credit[i];
    into.credit[i] = both < from.credit[i] ? std::numeric_limits<std::uint64_t>::max() : both;
    into.grant[i] += from.grant[i];
  }
  if (from.acknowledged) into.acknowledged = from.acknowledged;
  if (from.acknowledge) into.acknowledge = from.acknowledge;
  if (from.pong) into.pong = from.pong;
  if (from.round_trip) into.round_trip = from.round_trip;
  from = {};
}

}  // namespace

// --- alarm
// -----------------------------------------------------------------------------------------

alarm::alarm() noexcept : timer_node(&alarm::fired) {}

void alarm::arm(timer_queue& timers, time_point due, std::shared_ptr<void> owner,
                call what) noexcept {
  owner_ = std::move(owner);
  what_ = what;
  timers.arm(*this, due);
}
bool alarm::disarm(timer_queue& timers) noexcept {
  if (!timers.disarm(*this)) return false;
  owner_.reset();
  return true;
}
void alarm::fired(timer_node& node) noexcept {
  auto& self = static_cast<alarm&>(node);
  const call what = self.what_;
  what(std::exchange(self.owner_, nullptr));
}

// --- link
// ------------------------------------------------------------------------------------------

link::link(std::shared_ptr<hub_core> hub, std::unique_ptr<connection> c, const session_options& o,
           std::shared_ptr<peer_core> to)
    : talk(o),
      hub_(std::move(hub)),
      connection_(std::move(c)),
      dialled_(to != nullptr),
      stream_(o.stream),
      peer_(std::move(to)) {
  hub_->enter();
  hub_->shake(this, true);
  // Only this thread knows it yet.
  heard_.store(hub_->now().time_since_epoch().count(), std::memory_order_relaxed);
}

link::~link() {
  hub_->shake(this, false);
  if (counted_host_) hub_->host_leaves(carrier::host_of_peer(address()));
  hub_->leave();
}

void link::arm(duration limit) noexcept {
  const std::lock_guard hold(why_mutex_);
  if (armed_) return;
  armed_ = true;
  hub_->enter();
  alarm_.arm(hub_->timers(), hub_->now() + limit, shared_from_this(),
             [](std::shared_ptr<void> owner) noexcept {
               const auto self = std::static_pointer_cast<link>(std::move(owner));
               {
                 const std::lock_guard hold2(self->why_mutex_);
                 self->armed_ = false;
                 self->timed_out_ = !self->why_;
               }
               self->kill({errc::connect_timeout,
                           "the handshake with " + self->address() + " took longer than " +
                               odeon::to_string(self->hub_->options.limits.handshake) +
                               ": the other side is overloaded, or no Odeon node"});
               self->hub_->leave();
             });
}

void link::start() {
  if (!dialled_) {
    counted_host_ = hub_->host_arrives(carrier::host_of_peer(address()));
    if (!counted_host_) {
      hub_->reject(rejection::connections, address(), "",
                   {errc::limit_exceeded,
                    "more than " + std::to_string(hub_->options.limits.connections_per_host) +
                        " connections from the host of " + address()});
      over_ = true;
      return connection_->abort();
    }
    counted_handshake_ = hub_->begin_handshake();
    if (!counted_handshake_) {
      hub_->reject(rejection::handshakes, address(), "",
                   {errc::limit_exceeded,
                    "more than " + std::to_string(hub_->options.limits.handshakes) +
                        " handshakes are under way; " + address() + " was not let in"});
      over_ = true;
      return connection_->abort();
    }
  }
  arm(hub_->options.limits.handshake);
  advance();
}

void link::kill(error why) noexcept {
  {
    const std::lock_guard hold(why_mutex_);
    if (!why_) why_.emplace(std::move(why));
  }
  connection_->abort();
}

// The chain: bytes are read, `advance` does what they lead to, and more is read.

bool link::write_handshake() {
  if (!talk.has_output() && out.empty()) return false;
  talk.take(out);
  if (out.empty()) return false;
  std::array<const_bytes, 3> pieces;
  const std::size_t used = out.pieces(pieces);
  writing_ = true;
  connection_->write(std::span(pieces).first(used), [self = shared_from_this()](result<void> r) {
    self->writing_ = false;
    self->out.clear();
    if (!r) self->kill(std::move(r.error()));
    self->advance();
  });
  return true;
}

void link::advance() {
  if (over_) return;
  if (dialled_ && stream_ == 0 && !heard_of_ && talk.peer() != nullptr) {
    heard_of_ = true;
    if (!leaving_ && !peer_->dial_heard(*this)) return ended();
  }
  if (!leaving_ && talk.state() == session_state::deciding) decide();
  if (writing_ || over_ || write_handshake()) return;  // and back here when it is written
  if (leaving_) return end_after_writing();
  if (talk.state() == session_state::open) return opened();
  read_more();
}

void link::decide() {
  const peer_hello& hello = *talk.peer();
  stream_ = hello.stream;
  // This node is no peer of itself: whoever has its name would be taken for it.
  const bool is_this_one = hello.who.node == hub_->node();
  auto known = is_this_one
                   ? fail(errc::incompatible_peer, "'" + hello.who.node +
                                                       "' is this node itself: give the other one "
                                                       "an address of its own (remote.advertise)")
                   : hub_->entry_of(hello.who.node);
  result<void> yes;
  if (known) {
    const peer_core::section delivery(*known->core);
    yes = known->core->may_open(*this);
  } else {
    yes = std::unexpected(std::move(known.error()));
    if (is_this_one)
      hub_->reject(rejection::not_this_node, address(), hello.who.node, yes.error());
    else if (yes.error() == errc::limit_exceeded)
      hub_->reject(rejection::peers, address(), hello.who.node, yes.error());
  }
  if (yes) {
    peer_ = std::move(known->core);
    face_ = std::move(known->face);
    return talk.accept();
  }
  talk.refuse(yes.error());
  leaving_ = true;
  const std::lock_guard hold(why_mutex_);
  if (!why_) why_.emplace(std::move(yes.error()));
}

/// What the peer is told is written: the end of it, and the chain ends as well.
void link::end_after_writing() {
  over_ = true;
  connection_->end_writing([self = shared_from_this()](const result<void>&) { self->ended(); });
}

void link::read_more() {
  connection_->read(talk.room(), [self = shared_from_this()](result<std::size_t> n) {
    self->on_read(std::move(n));
  });
}

void link::opened() {
  {
    const std::lock_guard hold(why_mutex_);
    if (armed_ && alarm_.disarm(hub_->timers())) {
      armed_ = false;
      hub_->leave();
    }
    if (why_) {  // it was killed meanwhile
      leaving_ = true;
    }
  }
  if (leaving_) return ended();
  if (std::exchange(counted_handshake_, false)) hub_->end_handshake();
  open_ = true;
  hub_->link_up();
  bool alive = true;
  {
    const peer_core::section delivery(*peer_);
    peer_->link_opened(shared_from_this());
    alive = !dead;
  }
  face_.reset();
  if (leaving_) return advance();
  if (!alive) return ended();
  // What came behind the handshake in the same read.
  if (auto ok = take_open(0); !ok) return ended();
  read_more();
}

void link::on_read(result<std::size_t> n) {
  if (over_) return;
  if (!n || *n == 0) {
    const std::lock_guard hold(why_mutex_);
    if (!why_) {
      const std::string said = n ? "" : " (" + std::string(n.error().text()) + ")";
      if (!open_)
        why_.emplace(errc::unreachable,
                     address() +
                         " ended the connection before the handshake was over: it is at one of "
                         "its limits, is stopping, or is no Odeon node" +
                         said);
      else if (n)
        why_.emplace(errc::unreachable, "the connection was closed by " + address());
      else
        why_.emplace(std::move(n.error()));
    }
  }
  in_order_ = n && goodbye_ == goodbye_reason::idle;
  if (!n || *n == 0) return ended();
  if (open_) {
    if (auto ok = take_open(*n); !ok) return ended();
    return read_more();
  }
  if (auto ok = talk.receive(*n, hub_->now(), *this, collected_); !ok) {
    const std::lock_guard hold(why_mutex_);
    if (!why_) why_.emplace(std::move(ok.error()));
    rejected_by_us_ = leaving_ = true;
  }
  advance();
}

/// Bytes of an open session. An error: the chain ends here.
result<void> link::take_open(std::size_t count) {
  const time_point now = hub_->now();
  heard_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  result<void> ok;
  {
    const peer_core::section delivery(*peer_);
    if (dead || deaf) return fail(errc::cancelled, "another connection has taken its place");
    delivered_messages_ = delivered_controls_ = 0;
    ok = talk.receive(count, now, *this, collected_);
    if (ok && !peer_->within_rate(delivered_messages_, now)) {
      ok = fail(errc::limit_exceeded, "node '" + peer_->node + "' sends more than " +
                                          std::to_string(hub_->options.limits.messages_per_second) +
                                          " messages in a second (remote.messages_per_second)");
      hub_->reject(rejection::messages, address(), peer_->node, ok.error());
    } else if (!ok) {
      hub_->reject(rejection_of(ok.error().code()), address(), peer_->node, ok.error());
    }
  }
  counters& c = peer_->count;
  if (count != 0) {
    bump(c.got_bytes, count);
    bump(c.got_reads);
  }
  if (delivered_messages_ != 0) bump(c.got_messages, delivered_messages_);
  if (delivered_controls_ != 0) bump(c.got_controls, delivered_controls_);
  if (collected_.round_trip) peer_->note_round_trip(*collected_.round_trip);
  if (!collected_.empty()) {
    {
      const odeon::detail::spin_guard hold(feedback_lock_);
      merge(pending_, collected_);
    }
    peer_->wake_stream(stream_);
  }
  if (!ok) kill(ok.error());
  return ok;
}

feedback link::take_feedback() noexcept {
  const odeon::detail::spin_guard hold(feedback_lock_);
  return std::exchange(pending_, {});
}

void link::part(goodbye_reason why, error reason) {
  talk.goodbye(why, reason.text());
  leaving_ = true;
  const std::lock_guard hold(why_mutex_);
  if (!why_) why_.emplace(std::move(reason));
}

void link::finish_writing() {
  connection_->end_writing([self = shared_from_this()](const result<void>&) {});
  arm(hub_->options.limits.goodbye);
}

void link::linger() noexcept { arm(hub_->options.limits.goodbye); }

void link::rest() noexcept {
  const std::lock_guard hold(why_mutex_);
  if (!armed_ || !alarm_.disarm(hub_->timers())) return;
  armed_ = false;
  hub_->leave();
}

void link::ended() {
  over_ = true;
  face_.reset();
  error why{errc::unreachable};
  bool ours = false;
  {
    const std::lock_guard hold(why_mutex_);
    if (armed_ && alarm_.disarm(hub_->timers())) {
      armed_ = false;
      hub_->leave();
    }
    if (why_) why = *why_;
    ours = timed_out_;
  }
  // The last words are on their way, or what the stream has handed over before the peer's.
  if (!leaving_ && !in_order_) connection_->abort();
  if (std::exchange(counted_handshake_, false)) hub_->end_handshake();
  if (!open_ && !dialled_) {
    // What a stranger did wrong; a refusal of ours has been counted where it was decided.
    const std::string said = talk.peer() != nullptr ? talk.peer()->who.node : std::string();
    if (ours)
      hub_->reject(rejection::handshake_time, address(), said, why);
    else if (rejected_by_us_)
      hub_->reject(rejection_of(why.code()), address(), said, why);
  }
  if (peer_) {
    const std::shared_ptr<peer_core> p = peer_;
    const peer_core::section delivery(*p);
    p->link_ended(*this, why);
  }
  if (open_) hub_->link_down();
}

void link::on_message(const user_message& m) noexcept {
  ++delivered_messages_;
  if (peer_) peer_->got_message(m);
}
void link::on_control(std::span<const std::byte> record) noexcept {
  ++delivered_controls_;
  if (peer_) peer_->got_control(record);
}
void link::on_goodbye(goodbye_reason why, std::string_view text) noexcept {
  goodbye_ = why;
  const std::lock_guard hold(why_mutex_);
  if (!why_) {
    std::string said(text);
    why_.emplace(why == goodbye_reason::quarantined ? errc::quarantined : errc::unreachable,
                 address() + " has closed the connection" + (said.empty() ? "" : ": " + said));
  }
}

}  // namespace odeon::remote::detail
