#include "internal/hub_core.hpp"
#include "internal/peer_core.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// The life of an association: connections that are made, lost and made again, and its end.

namespace odeon::remote::detail {

namespace {

constexpr duration short_life = std::chrono::seconds(1);  // of a connection that ended soon

std::string quoted(const std::string& node) { return "node '" + node + "'"; }

}  // namespace

/// The peer's name before what a transport or a session says, unless that has it.
error peer_core::addressed(error why) const {
  if (why.text().contains(node)) return why;
  return {why.code(), quoted(node) + ": " + std::string(why.text())};
}

/// Doubling from `backoff_least` to `backoff_most`; between half of it and all.
duration peer_core::pause_after(unsigned failures) {
  const limits& l = hub_->options.limits;
  duration d = l.backoff_least;
  for (unsigned i = 1; i < failures && d < l.backoff_most; ++i) d *= 2;
  d = std::min(d, l.backoff_most);
  const auto half = static_cast<std::uint64_t>(d.count() / 2 + 1);
  return d / 2 + duration(static_cast<std::int64_t>(hub_->rt.random_u64() % half));
}

bool peer_core::queues_empty() const noexcept {
  return std::ranges::all_of(streams_, [](const auto& s) { return s->queue.messages() == 0; });
}
bool peer_core::needed(bool held_outside) const {
  if (held_outside || !waiters_.empty() || !senders_.empty() || !queues_empty()) return true;
  if (!association_) return false;
  const std::lock_guard hold(association_->control);
  return association_->outbox.records() != 0;
}

void peer_core::close_queues(const error& why) noexcept {
  for (auto& s : streams_) {
    s->queue.close();
    s->discard(why);
  }
}
void peer_core::open_queues() noexcept {
  for (auto& s : streams_) s->queue.open();
}

void peer_core::fail_waiters(lock& held, const error& why) {
  std::vector<waiter> all = std::exchange(waiters_, {});
  if (all.empty()) return;
  // Who waits may do anything: on the hub's thread, without locks.
  held.unlock();
  auto shared = std::make_shared<std::vector<waiter>>(std::move(all));
  hub_->post([shared, why] {
    for (auto& w : *shared) w.to.fail(why);
  });
  held.lock();
}

/// Nothing of it is delivered from here on, and its session touches no record.
void peer_core::bury(link& l, const error& why) noexcept {
  if (l.records) {
    const std::lock_guard hold(l.records->control);
    l.dead = true;
  } else {
    l.dead = true;
  }
  l.kill(why);
}

void peer_core::drop_links(const error& why) noexcept {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (const auto l = std::exchange(links_[i], nullptr)) {
      bury(*l, why);
      streams_[i]->use(nullptr);
    }
  }
}

// --- Attempts

void peer_core::begin_attempt(lock& held) {
  if (hub_->closing.load()) return;
  const time_point now = hub_->now();
  if (phase_ == phase::idle) {
    phase_ = phase::connecting;
    failures_ = 0;
    down_since_ = now;
    open_queues();
  }
  if (!hub_->can_dial(node))
    return attempt_failed(
        held, {errc::unreachable, quoted(node) + " cannot be connected to from outside: it "
                                                 "has to connect to this one"});
  attempting_ = true;
  const std::uint64_t number = ++attempt_;
  reschedule();
  held.unlock();
  bump(hub_->attempts);
  hub_->connect(shared_from_this(), 0, number);
}

void peer_core::dial_done(unsigned index, std::uint64_t number,
                          result<std::unique_ptr<connection>> c) {
  const section delivering(*this);
  lock held(mutex_);
  const bool current = !silenced_ && !hub_->closing.load() && number == attempt_ &&
                       (index == 0 ? attempting_ : phase_ == phase::up);
  if (!current) return;  // the connection is let go of
  if (!c) {
    if (index == 0) {
      attempting_ = false;
      return attempt_failed(held, std::move(c.error()));
    }
    const auto first = links_[0];
    held.unlock();
    if (first) first->kill(addressed(std::move(c.error())));
    return;
  }
  const std::string identity((*c)->peer_identity());
  auto l = std::make_shared<link>(hub_, *std::move(c),
                                  hub_->session_for(role::dialer, node, index, identity),
                                  shared_from_this());
  if (index == 0) {
    dial_ = l;
    dial_heard_ = false;
  }
  held.unlock();
  // Its first bytes may come on another thread at once, which then waits for this section's end.
  hub_->post([l] { l->start(); });
}

void peer_core::attempt_failed(lock& held, error why) {
  bump(hub_->failed_attempts);
  ++failures_;
  last_error_ = addressed(std::move(why));
  if (phase_ != phase::blocked) phase_ = phase::down;
  redial_at_ = hub_->now() + pause_after(failures_);
  close_queues(*last_error_);
  reschedule();
  const error said = *last_error_;
  fail_waiters(held, said);
  std::deque<sender> all = std::exchange(senders_, {});
  senders_bytes_ = 0;
  has_senders_.store(false);
  if (all.empty()) return;
  auto shared = std::make_shared<std::deque<sender>>(std::move(all));
  held.unlock();
  hub_->post([shared, said] {
    for (auto& s : *shared) s.to.fail(said);
  });
  held.lock();
}

// --- Links

/// So many connections there are. What is dealt to a stream that has none goes on by another, for
/// good: which one never changes, so a pair of actors keeps its order.
void peer_core::agree(unsigned streams) noexcept {
  agreed_ = streams;
  for (unsigned i = streams; i < streams_.size(); ++i) {
    if (folded_.load(std::memory_order_relaxed) <= i) break;  // changed under the mutex alone
    streams_[i]->fold(*streams_[i % streams]);
  }
  if (streams < folded_.load(std::memory_order_relaxed)) folded_.store(streams);
}

result<void> peer_core::may_open(link& l) {
  const peer_hello& hello = *l.talk.peer();
  const std::uint64_t theirs = hello.who.incarnation;
  if (hub_->closing.load())
    return fail(errc::system_stopped, quoted(hub_->node()) + " is stopping");
  const auto reject = [&](rejection why, errc code, std::string text) {
    error e(code, std::move(text));
    hub_->reject(why, l.address(), node, e);
    return std::unexpected<error>(std::move(e));
  };
  if (hello.to != hub_->node())
    return reject(rejection::not_this_node, errc::incompatible_peer,
                  "this is " + quoted(hub_->node()) + ", not '" + hello.to +
                      "': use that address, or have it advertise the other (remote.advertise)");
  if (hub_->is_quarantined(theirs))
    return reject(rejection::quarantined, errc::quarantined,
                  quoted(hub_->node()) + " has given this incarnation of " + quoted(node) +
                      " up: it is let in again when it has been started anew");
  const lock held(mutex_);
  if (silenced_) return fail(errc::system_stopped, quoted(hub_->node()) + " is stopping");
  const bool same = phase_ == phase::up && incarnation_ == theirs;
  if (phase_ == phase::up && !same && hello.stream == 0 && links_[0]) {
    // Whoever was started anew has left a silence behind: till then the address is another's.
    const limits& most = hub_->options.limits;
    const duration quiet = hub_->now() - links_[0]->heard();
    if (quiet < std::min(2 * most.heartbeat, most.silent_after))
      return reject(rejection::address_in_use, errc::name_taken,
                    "another incarnation of " + quoted(node) + " is connected to " +
                        quoted(hub_->node()) +
                        " and lives: either two nodes advertise one address (remote.advertise), "
                        "or it was started anew and is let in as soon as its earlier connection "
                        "is silent");
  }
  if (hello.stream != 0) {
    if (same && links_[0] && !we_dialled_ && hello.stream < agreed_) return {};
    return fail(errc::stale, "stream " + std::to_string(hello.stream) +
                                 " belongs to a connection that is not there");
  }
  const bool we_win = hub_->incarnation > theirs;
  if (same && we_dialled_ && we_win && links_[0]) {
    // It has given its own dial up for this connection – or has lost the connection, which then
    // must show soon.
    if (!probe_until_) {
      probe_until_ = hub_->now() + 2 * hub_->options.limits.heartbeat;
      streams_[0]->beat();
    }
    return fail(errc::name_taken, "there is a connection already");
  }
  if (dial_ && dial_heard_ && we_win)
    return fail(errc::name_taken, "a connection the other way is being made");
  if (attempting_) {
    // The other side's it is. Should that come to nothing, the own is tried again.
    if (const auto own = std::exchange(dial_, nullptr))
      own->kill({errc::cancelled, "a connection the other way was made"});
    attempting_ = false;
    ++attempt_;
    redial_at_ = hub_->now() + hub_->options.limits.handshake;
    reschedule();
  }
  return {};
}

bool peer_core::dial_heard(const link& l) {
  const lock held(mutex_);
  if (dial_.get() != &l) return false;
  dial_heard_ = true;
  return true;
}

void peer_core::link_opened(const std::shared_ptr<link>& l) {
  const peer_hello& hello = *l->talk.peer();
  const std::uint64_t theirs = hello.who.incarnation;
  const unsigned index = l->stream_index();
  if (hub_->is_quarantined(theirs)) {
    l->dead = true;
    return l->part(goodbye_reason::quarantined,
                   {errc::quarantined, quoted(node) + " is there in an incarnation that was given "
                                                      "up: start it anew"});
  }
  lock held(mutex_);
  if (silenced_ || hub_->closing.load()) {
    l->dead = true;
    return l->part(goodbye_reason::stopping, {errc::system_stopped, "this node is stopping"});
  }
  if (l->dialled() && index == 0 && dial_ != l) {
    l->dead = true;
    return l->part(goodbye_reason::duplicate, {errc::cancelled, "another connection is there"});
  }
  if (index != 0) {
    if (phase_ != phase::up || incarnation_ != theirs || index >= agreed_) {
      l->dead = true;
      return l->part(goodbye_reason::duplicate, {errc::cancelled, "its association has ended"});
    }
    if (links_[index]) bury(*links_[index], {errc::cancelled, "another connection took its place"});
    links_[index] = l;
    held.unlock();
    streams_[index]->use(l);
    return;
  }
  if (incarnation_ != 0 && incarnation_ != theirs) {
    auto waiting = std::exchange(waiters_, {});  // for whoever is there
    held.unlock();
    gone({errc::stale, quoted(node) + " has been started anew"}, false);
    held.lock();
    std::ranges::move(waiting, std::back_inserter(waiters_));
  }
  const time_point now = hub_->now();
  const error replaced(errc::cancelled, "another connection took its place");
  drop_links(replaced);
  const auto other = std::exchange(dial_, nullptr);
  attempting_ = false;
  ++attempt_;
  if (!association_)
    association_ = std::make_shared<association>(hub_->options.limits.control_records);
  const auto records = association_;
  l->records = records;
  {
    const std::lock_guard control(records->control);
    l->talk.attach(&records->outbox, &records->inbox);
  }
  if (was_up_) bump(count.reconnects);
  was_up_ = true;
  phase_ = phase::up;
  incarnation_ = theirs;
  info_ = std::make_shared<const peer_info>(hello.who);
  failures_ = 0;
  probe_until_.reset();
  detector_ = new_detector();
  detector_.heartbeat(now);
  we_dialled_ = l->dialled();
  opened_at_ = quiet_since_ = now;
  beat_at_ = now + hub_->options.limits.heartbeat;
  links_[0] = l;
  agree(hello.streams);
  open_queues();
  reschedule();
  const std::uint64_t number = attempt_;
  const unsigned agreed = agreed_;
  auto waiting = std::make_shared<std::vector<waiter>>(std::exchange(waiters_, {}));
  const auto who = info_;
  held.unlock();
  if (other && other != l) other->kill(replaced);
  // The listener knows of it before anything can be written or read.
  call_listener([&](hub_listener& to, peer& face) { to.on_up(face, *who); });
  if (hub_->events.wanted<peer_up>()) hub_->events.publish(peer_up{*who, l->address()});
  streams_[0]->use(l);
  if (we_dialled_)
    for (unsigned i = 1; i < agreed; ++i) hub_->connect(shared_from_this(), i, number);
  if (!waiting->empty())
    hub_->post([waiting, who] {
      for (auto& w : *waiting) w.to.set(*who);
    });
  room_again();
}

void peer_core::link_ended(link& l, const error& why) {
  lock held(mutex_);
  if (dial_.get() == &l) {
    const auto keep = std::exchange(dial_, nullptr);
    attempting_ = false;
    if (silenced_ || hub_->closing.load()) return;
    if (why == errc::name_taken) {  // the other way's stays; if that comes to nothing, again
      last_error_ = addressed(why);
      redial_at_ = hub_->now() + 4 * hub_->options.limits.backoff_least + pause_after(1);
      return reschedule();
    }
    if (why == errc::quarantined && incarnation_ != 0) {
      held.unlock();
      gone(addressed(why), true);
      return;
    }
    return attempt_failed(held, why);
  }
  const unsigned index = l.stream_index();
  if (index < streams_.size() && links_[index].get() == &l) {
    held.unlock();
    return connection_lost(l, why);
  }
  // A further stream that never came to be takes the association's connection with it.
  if (l.dialled() && index != 0 && !l.dead && phase_ == phase::up && links_[0])
    links_[0]->kill(addressed(why));
}

void peer_core::connection_lost(link& l, const error& why) {
  const auto said = l.said_goodbye();
  lock held(mutex_);
  const error reason = addressed(why);
  drop_links(reason);
  if (silenced_) return;
  if (said == goodbye_reason::stopping || said == goodbye_reason::quarantined) {
    held.unlock();
    return gone(reason, said == goodbye_reason::quarantined);
  }
  const time_point now = hub_->now();
  if (said == goodbye_reason::idle) {
    // Nobody there needs it. Here somebody may: the tick looks.
    phase_ = phase::idle;
    for (auto& s : streams_) s->queue.close();
    if (!queues_empty()) return begin_attempt(held);
    redial_at_ = now;
    looked_ = false;
    return reschedule();
  }
  last_error_ = reason;
  phase_ = phase::connecting;
  failures_ = 0;
  down_since_ = now;
  short_lives_ = now - opened_at_ < short_life ? short_lives_ + 1 : 0;
  redial_at_ = now;
  if (short_lives_ > 1) redial_at_ += pause_after(short_lives_);
  // The side that was called waits a little, so that not both call at once.
  if (!we_dialled_) redial_at_ += hub_->options.limits.backoff_least + pause_after(1);
  const std::uint64_t whose = incarnation_;
  reschedule();
  held.unlock();
  call_listener([&](hub_listener& to, peer& face) { to.on_down(face, reason); });
  if (hub_->events.wanted<peer_down>()) hub_->events.publish(peer_down{node, whose, reason});
}

/// The incarnation is gone for good.
void peer_core::gone(const error& why, bool block) {
  lock held(mutex_);
  const std::uint64_t whose = std::exchange(incarnation_, 0);
  drop_links(why);
  const bool records = association_ != nullptr;
  association_.reset();
  was_up_ = false;
  last_error_ = why;
  phase_ = block ? phase::blocked : phase::idle;
  redial_at_ = hub_->now() + hub_->options.limits.backoff_most;
  close_queues(why);
  fail_waiters(held, why);
  reschedule();
  held.unlock();
  if (whose == 0 && !records) return;
  if (whose != 0) hub_->quarantine_incarnation(whose);
  bump(hub_->gone);
  call_listener([&](hub_listener& to, peer& face) { to.on_gone(face, whose, why); });
  if (hub_->events.wanted<peer_gone>()) hub_->events.publish(peer_gone{node, whose, why});
}

void peer_core::drop(bool quarantine, std::string_view why) {
  const section delivering(*this);
  lock held(mutex_);
  if (silenced_) return;
  const error reason(
      quarantine ? errc::quarantined : errc::cancelled,
      quoted(node) + (quarantine ? " was given up: " : " was let go: ") + std::string(why));
  // Links that say goodbye are not the association's any more.
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (const auto l = std::exchange(links_[i], nullptr)) {
      l->deaf = quarantine;
      if (i == 0)
        streams_[i]->leave(l, quarantine ? goodbye_reason::quarantined : goodbye_reason::idle,
                           std::string(why));
      else
        streams_[i]->leave(l, goodbye_reason::duplicate, "the association ends");
    }
  }
  if (const auto other = std::exchange(dial_, nullptr)) other->kill(reason);
  attempting_ = false;
  ++attempt_;
  if (quarantine) {
    held.unlock();
    return gone(reason, true);
  }
  phase_ = phase::idle;
  close_queues(reason);
  fail_waiters(held, reason);
  reschedule();
}

// --- Time

void peer_core::reschedule() {
  if (silenced_) return;
  const limits& l = hub_->options.limits;
  time_point due = time_point::max();
  for (const waiter& w : waiters_) due = std::min(due, w.until);
  switch (phase_) {
    case phase::up:
      due = std::min(due, beat_at_);
      if (probe_until_) due = std::min(due, *probe_until_);
      break;
    case phase::connecting:
    case phase::down:
      if (incarnation_ != 0 || (!attempting_ && waiters_.empty()))
        due = std::min(due, down_since_ + l.give_up_after);
      if (!attempting_) due = std::min(due, std::max(redial_at_, hub_->now()));
      break;
    case phase::idle:
      // After the peer's goodbye: is it needed here?
      if (incarnation_ != 0 && !attempting_ && !looked_) due = std::min(due, redial_at_);
      break;
    case phase::blocked: break;
  }
  if (due == time_point::max()) return;
  if (armed_) {
    if (due >= armed_for_) return;
    if (!alarm_.disarm(hub_->timers())) return;  // it fires just now
  } else {
    hub_->enter();
  }
  armed_ = true;
  armed_for_ = due;
  alarm_.arm(hub_->timers(), due, shared_from_this(), [](std::shared_ptr<void> owner) noexcept {
    auto self = std::static_pointer_cast<peer_core>(std::move(owner));
    hub_core& h = *self->hub_;
    h.post([self = std::move(self)] {
      const std::shared_ptr<hub_core> keep = self->hub_;
      self->tick();
      keep->leave();
    });
  });
}

/// A third of `silent_after` is nobody's fault: pauses of the peer's process.
failure_detector peer_core::new_detector() const {
  const limits& l = hub_->options.limits;
  return failure_detector({.threshold = l.phi_threshold,
                           .first_interval = l.heartbeat,
                           .least_deviation = l.heartbeat / 5,
                           .pause = l.silent_after / 3});
}

/// Of the connections that stand: which is silent, and is it time for a heartbeat?
void peer_core::check_links(lock& held, time_point now) {
  const limits& l = hub_->options.limits;
  // When this side itself stood still, what has come meanwhile is to be read first.
  const bool late = now > beat_at_ + l.heartbeat;
  if (links_[0] && links_[0]->heard() > detector_.last().value_or(time_point{}))
    detector_.heartbeat(links_[0]->heard());
  std::vector<std::pair<std::shared_ptr<link>, error>> silent;
  for (std::size_t i = 0; i < streams_.size() && !late; ++i) {
    const auto& k = links_[i];
    if (!k) continue;
    const duration quiet = now - k->heard();
    const bool probed = i == 0 && probe_until_ && now >= *probe_until_ && quiet > l.heartbeat;
    if (quiet >= l.silent_after || probed || (i == 0 && detector_.suspects(now)))
      silent.emplace_back(k, error(errc::unreachable, "nothing was heard of " + quoted(node) +
                                                          " for " + odeon::to_string(quiet) +
                                                          ": it is down, cut off or overloaded"));
  }
  if (probe_until_ && now >= *probe_until_) probe_until_.reset();
  if (now >= beat_at_) {
    beat_at_ = now + l.heartbeat;
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      streams_[i]->queue.trim();
      if (links_[i]) streams_[i]->beat();
    }
  }
  reschedule();
  held.unlock();
  for (auto& [k, why] : silent) k->kill(std::move(why));
}

void peer_core::tick() noexcept {
  const section delivering(*this);
  const bool held_outside = hub_->is_held(*this);
  lock held(mutex_);
  armed_ = false;
  if (silenced_ || hub_->closing.load()) return;
  const limits& l = hub_->options.limits;
  const time_point now = hub_->now();
  auto late = std::make_shared<std::vector<waiter>>();
  std::erase_if(waiters_, [&](waiter& w) {
    if (w.until > now) return false;
    late->push_back(std::move(w));
    return true;
  });
  if (!late->empty()) {
    const error why(errc::connect_timeout,
                    "no connection to " + quoted(node) +
                        " came to be in time: is it running, and reachable from here?" +
                        (last_error_ ? " (" + std::string(last_error_->text()) + ")" : ""));
    hub_->post([late, why] {
      for (auto& w : *late) w.to.fail(why);
    });
  }
  switch (phase_) {
    case phase::up: {
      const auto of = [](const counters::count& c) { return c.load(std::memory_order_relaxed); };
      const std::uint64_t traffic_now = of(count.sent_messages) + of(count.got_messages) +
                                        of(count.sent_controls) + of(count.got_controls);
      if (traffic_now != std::exchange(seen_traffic_, traffic_now) || needed(held_outside))
        quiet_since_ = now;
      if (l.idle_after > duration(0) && we_dialled_ && now - quiet_since_ >= l.idle_after) {
        for (std::size_t i = 0; i < streams_.size(); ++i)
          if (const auto k = std::exchange(links_[i], nullptr))
            streams_[i]->leave(k, i == 0 ? goodbye_reason::idle : goodbye_reason::duplicate,
                               "nobody needs it now");
        phase_ = phase::idle;
        for (auto& s : streams_) s->queue.close();
        looked_ = true;
        return;
      }
      return check_links(held, now);
    }
    case phase::idle:
      looked_ = true;
      if (held_outside && incarnation_ != 0 && !attempting_) return begin_attempt(held);
      break;
    case phase::blocked: break;
    case phase::connecting:
    case phase::down:
      if (now - down_since_ >= l.give_up_after) {
        if (incarnation_ != 0) {
          const error why(errc::unreachable,
                          quoted(node) + " was not to be reached for " +
                              odeon::to_string(l.give_up_after) + " and is given up (" +
                              (last_error_ ? std::string(last_error_->text()) : "") + ")");
          const auto other = std::exchange(dial_, nullptr);
          attempting_ = false;
          ++attempt_;
          held.unlock();
          if (other) other->kill(why);
          return gone(why, true);
        }
        if (!attempting_ && waiters_.empty() && association_) {
          // Nobody was ever there for the control records that wait.
          const error why = last_error_.value_or(error(errc::unreachable));
          held.unlock();
          return gone(why, false);
        }
        if (!attempting_ && waiters_.empty()) {
          phase_ = phase::idle;  // the next need begins anew
          looked_ = true;
          break;
        }
      }
      if (attempting_ || now < redial_at_) break;
      if (needed(held_outside) || incarnation_ != 0) return begin_attempt(held);
      phase_ = phase::idle;
      looked_ = true;
      break;
  }
  reschedule();
}

// --- For the hub

void peer_core::violated(const error& why) noexcept {
  std::array<std::shared_ptr<link>, streams_max> all;
  {
    const lock held(mutex_);
    all = links_;
  }
  hub_->reject(rejection::violation, all[0] ? all[0]->address() : std::string(), node, why);
  for (const auto& l : all)
    if (l) l->kill(addressed(why));
}

void peer_core::silence() noexcept {
  const section delivering(*this);
  lock held(mutex_);
  silenced_ = true;
  face_ = nullptr;
  const error why(errc::system_stopped,
                  "the endpoint that leads to " + quoted(node) + " has ended");
  drop_links(why);
  if (const auto other = std::exchange(dial_, nullptr)) other->kill(why);
  close_queues(why);
  if (armed_ && alarm_.disarm(hub_->timers())) {
    armed_ = false;
    hub_->leave();
  }
  fail_waiters(held, why);
  auto all = std::make_shared<std::deque<sender>>(std::exchange(senders_, {}));
  held.unlock();
  if (!all->empty())
    hub_->post([all, why] {
      for (auto& s : *all) s.to.fail(why);
    });
}

void peer_core::say_goodbye() {
  const section delivering(*this);
  const lock held(mutex_);
  for (std::size_t i = 0; i < streams_.size(); ++i)
    if (links_[i]) streams_[i]->leave(links_[i], goodbye_reason::stopping, "it is stopping");
  if (dial_) dial_->kill({errc::cancelled, "this node is stopping"});
}

bool peer_core::is_forgettable(bool also_idle) const {
  const lock held(mutex_);
  if (attempting_ || dial_ || phase_ == phase::up || phase_ == phase::connecting) return false;
  if (!waiters_.empty() || !senders_.empty() || !queues_empty()) return false;
  if (phase_ == phase::down && incarnation_ != 0) return false;
  if (incarnation_ == 0 && !association_) return true;
  if (!association_) return true;
  const std::lock_guard control(association_->control);
  if (association_->outbox.records() != 0) return false;
  return also_idle ||
         (association_->outbox.acknowledged() == 0 && association_->inbox.received() == 0);
}

void peer_core::forget() {
  const section delivering(*this);
  bool had = false;
  {
    const lock held(mutex_);
    had = incarnation_ != 0 && association_ != nullptr;
    if (had) {
      const std::lock_guard control(association_->control);
      had = association_->outbox.acknowledged() != 0 || association_->inbox.received() != 0;
    }
  }
  if (had)
    gone({errc::quarantined, quoted(node) + " was forgotten, because too many peers are known"},
         true);
}

}  // namespace odeon::remote::detail
