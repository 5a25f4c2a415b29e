#include "internal/hub_core.hpp"
#include "internal/peer_core.hpp"

#include <algorithm>
#include <utility>

// What time does to an association: heartbeats, silence, attempts that are due, and giving up.

namespace odeon::remote::detail {

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

/// Whether `tick` would end the connection, or leave it so, unless somebody needs it.
bool peer_core::idle_long(time_point now) const {
  const duration most = hub_->options.limits.idle_after;
  return phase_ == phase::idle ||
         (phase_ == phase::up && we_dialled_ && most > duration(0) && now - quiet_since_ >= most);
}

void peer_core::tick() noexcept {
  const section delivering(*this);
  bool held_outside = hub_->is_held(*this);
  lock held(mutex_);
  if (!held_outside && face_ != nullptr && idle_long(hub_->now())) {
    // Answers that are waited for hold nothing of it. Asked for without the lock, and so seldom.
    held.unlock();
    held_outside = hub_->listener.awaits(*face_);
    held.lock();
  }
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
        // An ask may have gone by it meanwhile, whose answer needs another one: look once more.
        redial_at_ = now;
        looked_ = false;
        return reschedule();
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

}  // namespace odeon::remote::detail
