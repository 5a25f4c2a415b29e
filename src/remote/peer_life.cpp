#include "internal/hub_core.hpp"
#include "internal/peer_core.hpp"

#include <algorithm>
#include <utility>

// The life of an association: connections that are tried for, and its end. What its links do to it
// stands in peer_links.cpp, what time does in peer_time.cpp.

namespace odeon::remote::detail {

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
void peer_core::bury(link& l, const error& why, bool in_order) noexcept {
  if (l.records) {
    const std::lock_guard hold(l.records->control);
    l.dead = true;
  } else {
    l.dead = true;
  }
  if (in_order)
    l.linger();
  else
    l.kill(why);
}

void peer_core::drop_links(const error& why, bool carry) noexcept {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (const auto l = std::exchange(links_[i], nullptr)) {
      // The other side still reads what its idle goodbye has crossed.
      bury(*l, why, l->said_goodbye() == goodbye_reason::idle);
      streams_[i]->use(nullptr, carry);
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
