#include "internal/hub_core.hpp"
#include "internal/peer_core.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

// What links do to an association: which is let in, which takes its place, and what their ends
// mean.

namespace odeon::remote::detail {

namespace {

constexpr duration short_life = std::chrono::seconds(1);  // of a connection that ended soon

}  // namespace

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
  drop_links(replaced, true);
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
  // Who ends an idle connection is there, and may be sent the rest on another.
  drop_links(reason, said == goodbye_reason::idle);
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

}  // namespace odeon::remote::detail
