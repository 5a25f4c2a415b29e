#include "internal/peer_core.hpp"

#include "internal/hub_core.hpp"

#include <algorithm>
#include <utility>

// What a peer does for senders and for the listener. Its life stands in peer_life.cpp.

namespace odeon::remote::detail {

namespace {

std::size_t hash_of(const user_message& m) noexcept {
  // Answers have no receiver: what they answer deals them.
  if (m.to.path.empty()) return static_cast<std::size_t>(m.ask);
  return std::hash<std::string_view>{}(m.to.path) ^ static_cast<std::size_t>(m.to.uid);
}

}  // namespace

void counters::add_to(traffic& sent, traffic& received) const noexcept {
  const auto of = [](const count& c) { return c.load(std::memory_order_relaxed); };
  sent += {of(sent_bytes), of(sent_writes), of(sent_messages), of(sent_controls)};
  received += {of(got_bytes), of(got_reads), of(got_messages), of(got_controls)};
}

peer_core::peer_core(std::shared_ptr<hub_core> hub, std::string node_text)
    : node(std::move(node_text)),
      hub_(std::move(hub)),
      folded_(hub_->options.limits.streams) {
  for (unsigned i = 0; i < hub_->options.limits.streams; ++i)
    streams_.push_back(std::make_unique<stream>(*this, i));
  for (auto& s : streams_) s->queue.close();
}
peer_core::~peer_core() = default;

std::shared_ptr<const peer_info> peer_core::info() const {
  const lock hold(mutex_);
  return info_;
}
peer_core::section::section(peer_core& p) : hold_(p.delivery), core_(p) {
  if (!p.silenced_) face_ = p.handle.lock();
  p.face_ = face_.get();
}

// --- For senders
// -----------------------------------------------------------------------------------

stream& peer_core::stream_for(const user_message& m) noexcept {
  // How many there are never changes: a pair of actors keeps to one, and so its order is kept.
  return streams_.size() == 1 ? *streams_.front() : *streams_[hash_of(m) % streams_.size()];
}

result<void> peer_core::send(const user_message& m) noexcept {
  const limits& l = hub_->options.limits;
  if (m.message.payload.size() > l.message_bytes) [[unlikely]]
    return fail(errc::limit_exceeded, "a message of " + std::to_string(m.message.payload.size()) +
                                          " bytes for node '" + node + "' is larger than " +
                                          std::to_string(l.message_bytes) +
                                          " (remote.message_bytes)");
  for (int attempt = 0;; ++attempt) {
    stream& s = stream_for(m);
    switch (s.queue.push(m, l.queue_bytes)) {
      case pushed::queued: return {};
      case pushed::become_writer: s.write_soon(); return {};
      case pushed::full: {
        if (!overloaded_.exchange(true)) {
          bump(count.overloads);
          if (hub_->events.wanted<peer_overloaded>())
            hub_->events.publish(peer_overloaded{node, s.queue.bytes(), l.queue_bytes});
        }
        return fail(errc::peer_overloaded,
                    std::to_string(s.queue.bytes()) + " bytes wait to be written to node '" + node +
                        "', which takes them too slowly: send less, or wait for room "
                        "(remote.queue_bytes)");
      }
      case pushed::closed: break;
    }
    if (attempt == 1) return refusal();
    want();
  }
}

std::unexpected<error> peer_core::refusal() const {
  const lock hold(mutex_);
  if (silenced_)
    return fail(errc::system_stopped, "the endpoint that leads to node '" + node + "' has ended");
  if (phase_ == phase::blocked)
    return fail(errc::quarantined, "node '" + node +
                                       "' was given up, or has given this one up: only a new "
                                       "incarnation of it can be reached");
  return std::unexpected(last_error_.value_or(error(
      errc::unreachable, "there is no connection to node '" + node + "', and none could be made")));
}

future<void> peer_core::send_wait(const user_message& m) {
  auto [to, out] = promise<void>::make(hub_->rt);
  auto ok = has_senders_.load() ? result<void>(fail(errc::peer_overloaded, "")) : send(m);
  if (ok || ok.error() != errc::peer_overloaded) {
    to.set_result(std::move(ok));
    return std::move(out);
  }
  held_message copy(m);
  bool full = false;
  {
    const lock hold(mutex_);
    full = senders_bytes_ + copy.size() > hub_->options.limits.queue_bytes && !senders_.empty();
    if (!full) {
      senders_bytes_ += copy.size();
      senders_.push_back({std::move(copy), std::move(to)});
      has_senders_.store(true);
    }
  }
  if (full)
    to.fail({errc::peer_overloaded, "as many messages wait for room in the queue to node '" + node +
                                        "' as fit it themselves (remote.queue_bytes)"});
  else
    room_again();  // it may have come meanwhile
  return std::move(out);
}

void peer_core::room_again() noexcept {
  // A stream that has handed over what fitted goes on.
  for (std::size_t i = folded_.load(); i < streams_.size(); ++i)
    if (streams_[i]->queue.messages() != 0) streams_[i]->wake();
  if (!has_senders_.load() && !overloaded_.load(std::memory_order_relaxed)) return;
  std::size_t most = 0;
  for (const auto& s : streams_) most = std::max(most, s->queue.bytes());
  if (most > hub_->options.limits.queue_bytes / 2) return;
  overloaded_.store(false);
  if (has_senders_.load()) hub_->post([self = shared_from_this()] { self->serve_senders(); });
}

void peer_core::serve_senders() {
  for (;;) {
    std::optional<sender> next;
    {
      const lock hold(mutex_);
      if (senders_.empty()) {
        has_senders_.store(false);
        return;
      }
      next = std::move(senders_.front());
      senders_.pop_front();
    }
    auto ok = send(next->what.view());
    if (!ok && ok.error() == errc::peer_overloaded) {
      {
        const lock hold(mutex_);
        senders_.push_front(*std::move(next));
      }
      // The writer looks again when it has made room; if it has by now, it is this job's.
      std::size_t most = 0;
      for (const auto& s : streams_) most = std::max(most, s->queue.bytes());
      if (most > hub_->options.limits.queue_bytes / 2) return;
      continue;
    }
    {
      const lock hold(mutex_);
      senders_bytes_ -= next->what.size();
    }
    next->to.set_result(std::move(ok));
  }
}

void peer_core::send_control(wire::bytes record) noexcept {
  std::shared_ptr<association> to;
  bool waits = false;
  {
    const lock hold(mutex_);
    if (silenced_ || phase_ == phase::blocked) return;  // `on_gone` has come
    to = association_;
    if (!to) {
      // Nobody has been there yet: kept for whoever comes first.
      to = association_ = std::make_shared<association>(hub_->options.limits.control_records);
    }
    waits = phase_ != phase::up;
  }
  result<void> ok;
  {
    const std::lock_guard hold(to->control);
    ok = to->outbox.add(std::move(record));
  }
  if (!ok) {
    hub_->post([self = shared_from_this(), why = std::string(ok.error().text())] {
      self->drop(true, why);
    });
    return;
  }
  if (waits) return want();
  wake_stream(0);
}

void peer_core::wake_stream(unsigned index) noexcept {
  if (index < streams_.size()) streams_[index]->wake();
}

future<peer_info> peer_core::ready(duration limit) {
  auto [to, out] = promise<peer_info>::make(hub_->rt);
  lock hold(mutex_);
  if (silenced_ || phase_ == phase::up) {
    result<peer_info> known = fail(errc::system_stopped, "the endpoint has ended");
    if (!silenced_) known = *info_;
    hold.unlock();
    to.set_result(std::move(known));
    return std::move(out);
  }
  waiters_.push_back({std::move(to), hub_->now() + std::max(limit, duration(0))});
  if (!attempting_)
    begin_attempt(hold);
  else
    reschedule();
  return std::move(out);
}

void peer_core::want() noexcept {
  lock hold(mutex_);
  if (silenced_ || attempting_) return;
  if (phase_ == phase::idle || (phase_ == phase::blocked && hub_->now() >= redial_at_))
    begin_attempt(hold);
}

void peer_core::want_soon() {
  hub_->post([self = shared_from_this()] { self->want(); });
}

// --- For the listener
// -------------------------------------------------------------------------------

void peer_core::got_message(const user_message& m) noexcept {
  if (face_ != nullptr) hub_->listener.on_message(*face_, m);
}
void peer_core::got_control(std::span<const std::byte> record) noexcept {
  if (face_ != nullptr) hub_->listener.on_control(*face_, record);
}

bool peer_core::within_rate(std::uint64_t messages, time_point now) noexcept {
  const std::size_t most = hub_->options.limits.messages_per_second;
  if (most == 0) return true;
  // A bucket that holds a second's worth and fills all the time.
  const double rate = static_cast<double>(most);
  if (tokens_at_ == time_point{}) {
    tokens_ = rate;
  } else {
    tokens_ += rate * std::chrono::duration<double>(now - tokens_at_).count();
    tokens_ = std::min(tokens_, rate);
  }
  tokens_at_ = now;
  tokens_ -= static_cast<double>(messages);
  if (tokens_ >= 0) return true;
  tokens_ = 0;
  return false;
}

void peer_core::messages_unsent(std::vector<std::pair<held_message, error>> all) {
  if (all.empty()) return;
  bump(count.unsent, all.size());
  hub_->post([self = shared_from_this(), all = std::move(all)] {
    const section hold(*self);
    self->call_listener([&](hub_listener& l, peer& face) {
      for (const auto& [m, why] : all) l.on_unsent(face, m.view(), why);
    });
  });
}

void peer_core::note_round_trip(duration d) noexcept {
  // Written by one thread at a time; a figure. Smoothed as TCP does it (RFC 6298).
  const std::int64_t before = round_trip_.load(std::memory_order_relaxed);
  const std::int64_t now = before == 0 ? d.count() : before + (d.count() - before) / 8;
  round_trip_.store(now, std::memory_order_relaxed);
}

peer_metrics peer_core::metrics() const {
  peer_metrics m;
  m.node = node;
  const auto of = [](const counters::count& c) { return c.load(std::memory_order_relaxed); };
  count.add_to(m.sent, m.received);
  m.reconnects = of(count.reconnects);
  m.unsent = of(count.unsent);
  m.overloads = of(count.overloads);
  m.round_trip = duration(round_trip_.load(std::memory_order_relaxed));
  for (const auto& s : streams_) {
    m.queued_bytes += s->queue.bytes();
    m.queued_messages += s->queue.messages();
  }
  const time_point now = hub_->now();
  const std::shared_ptr<association> records = [&] {
    const lock hold(mutex_);
    m.incarnation = incarnation_;
    m.state = static_cast<peer_state>(phase_);
    if (last_error_) m.last_error = last_error_->to_string();
    for (const auto& l : links_)
      if (l) {
        ++m.connections;
        const duration since = now - l->heard();
        m.heard_before = m.connections == 1 ? since : std::min(m.heard_before, since);
      }
    m.failed_attempts = failures_;
    if (phase_ == phase::up) m.phi = detector_.phi(now);
    return association_;
  }();
  if (records) {
    const std::lock_guard hold(records->control);
    m.unacknowledged = records->outbox.records();
  }
  return m;
}

}  // namespace odeon::remote::detail
