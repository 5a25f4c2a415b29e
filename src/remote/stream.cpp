#include "internal/stream.hpp"

#include "internal/hub_core.hpp"

#include <utility>

namespace odeon::remote::detail {

namespace {

constexpr unsigned direct_turns = 2;    // that a sender writes for others as well
constexpr unsigned queued_turns = 64;   // before others on the executor have theirs
constexpr unsigned wakeful_turns = 16;  // of a transport's thread or the hub's
constexpr unsigned offers = 4;          // of frames in a turn, while more comes

}  // namespace

stream::stream(peer_core& of, unsigned index) noexcept
    : runnable(&stream::run_queued),
      peer_(of),
      index_(index) {}

// --- By anyone
// -------------------------------------------------------------------------------------

void stream::write_soon() noexcept {
  // `last_` is the writer's, and the caller is that now.
  if (peer_.hub().now() - last_ < calm) return submit();
  start_run(direct_turns);
}
void stream::write_now() noexcept { start_run(wakeful_turns); }

void stream::start_run(unsigned turns) noexcept {
  hub_core& h = peer_.hub();
  h.enter();
  if (!h.ended()) run(turns);
  h.leave();
}

void stream::submit() noexcept {
  hub_core& h = peer_.hub();
  h.enter();  // until it has run
  if (h.ended()) return h.leave();
  keep_ = peer_.shared_from_this();
  h.writers->submit(*this);
}
void stream::run_queued(runnable& r) noexcept {
  auto& self = static_cast<stream&>(r);
  const std::shared_ptr<peer_core> keep = std::move(self.keep_);
  const std::shared_ptr<hub_core> h = keep->hub().shared_from_this();
  self.run(queued_turns);
  h->leave();
}

void stream::use(std::shared_ptr<link> l, bool carry) noexcept {
  std::shared_ptr<link> before;  // let go of outside of the lock
  {
    const odeon::detail::spin_guard hold(lock_);
    before = std::exchange(orders_.next, std::move(l));
    if (!std::exchange(orders_.change, true)) orders_.carry = carry;  // of the present one
  }
  queue.revoke();
  wake();
}
void stream::beat() noexcept {
  {
    const odeon::detail::spin_guard hold(lock_);
    orders_.beat = true;
  }
  wake();
}
void stream::wake() noexcept {
  if (queue.nudge()) write_now();
}
void stream::leave(std::shared_ptr<link> whose, goodbye_reason why, std::string text) noexcept {
  {
    const odeon::detail::spin_guard hold(lock_);
    orders_.leave.emplace(std::move(whose), why, std::move(text));
  }
  wake();
}
void stream::discard(error why) noexcept {
  {
    const odeon::detail::spin_guard hold(lock_);
    orders_.discard.emplace(std::move(why));
  }
  wake();
}
void stream::fold(stream& into) noexcept {
  {
    const odeon::detail::spin_guard hold(lock_);
    orders_.fold = &into;
  }
  wake();
}

// --- By the writer ------------------------------------------------------------------------------

void stream::run(unsigned turns) noexcept {
  for (;;) {
    queue.begin();
    orders now;
    {
      const odeon::detail::spin_guard hold(lock_);
      std::swap(now, orders_);
    }
    obey(now);
    if (fold_ != nullptr) hand_over();
    const turn did = link_ ? take_turn() : turn::nothing;
    if (did == turn::waits) return;  // `written` goes on, perhaps already
    if (!unsent_.empty()) report_unsent();
    if (did == turn::broken) {
      let_link_go({errc::unreachable, "the connection broke"});
      continue;
    }
    if (did == turn::wrote) {
      if (--turns == 0) return submit();
      continue;
    }
    if (queue.pause(free_frames())) return;
  }
}

void stream::obey(orders& o) {
  if (o.change) {
    if (link_ && leave_) link_->kill({errc::cancelled, leave_->text});
    if (link_) let_link_go({errc::unreachable, "the connection ended"}, o.carry);
    link_ = std::move(o.next);
    beat_ = left_ = false;
    leave_.reset();
    counted_messages_ = counted_controls_ = 0;
  }
  if (o.beat) beat_ = true;
  if (o.fold) fold_ = o.fold;
  if (o.leave) {
    if (o.leave->whose == link_)
      leave_ = std::move(o.leave);
    else  // it was replaced before it could say it
      o.leave->whose->kill({errc::cancelled, o.leave->text});
  }
  if (!o.discard) return;
  user_message m;
  while (queue.front(m)) {
    unsent_.emplace_back(held_message(m), *o.discard);
    queue.pop();
  }
  peer_.room_again();
}

/// Messages that it was not given are unsent, or go by the next one.
void stream::let_link_go(const error& why, bool carry) {
  queue.withdraw();
  const std::shared_ptr<link> old = std::move(link_);
  link_ = nullptr;
  drain(*old, why, carry);
  old->rest();
}

void stream::drain(link& of, const error& why, bool carry) {
  std::vector<held_message> back;
  of.talk.drain(of.out, std::exchange(sent_, 0), [&](const user_message& m) {
    if (carry)
      back.emplace_back(m);
    else
      unsent_.emplace_back(held_message(m), why);
  });
  of.out.clear();
  if (!back.empty()) {
    queue.put_back(back);
    peer_.want_soon();
  }
  if (!unsent_.empty()) report_unsent();
}

/// What finds no room stays; `room_again` wakes this stream when there is some. When the other one
/// is closed, this one is told to discard next, or both are opened again.
void stream::hand_over() noexcept {
  const std::size_t bound = peer_.hub().options.limits.queue_bytes;
  user_message m;
  bool moved = false;
  while (queue.front(m)) {
    const pushed p = fold_->queue.push(m, bound);
    if (p == pushed::full || p == pushed::closed) break;
    queue.pop();
    moved = true;
    if (p == pushed::become_writer) fold_->write_soon();
  }
  if (moved) peer_.room_again();
}

/// Gives messages to the session, as many as it has credit for.
void stream::add_messages() {
  if (fold_ != nullptr) return;
  // Large ones are always taken, and given out in chunks: they have a bound here.
  const std::size_t held_most = peer_.hub().options.limits.queue_bytes / 2;
  std::size_t added = 0;
  user_message m;
  while (added < batch_bytes && queue.front(m)) {
    if (link_->talk.held_bytes() > held_most) return;
    auto taken = link_->talk.add(m);
    if (!taken) {
      unsent_.emplace_back(held_message(m), std::move(taken.error()));
    } else if (!*taken) {
      return;
    }
    added += m.message.payload.size() + m.message.manifest.size() + m.to.path.size();
    queue.pop();
  }
}

stream::turn stream::take_turn() {
  link& l = *link_;
  session& s = l.talk;
  const auto control = [&] {
    return l.records ? std::unique_lock(l.records->control) : std::unique_lock<std::mutex>();
  };
  feedback f = l.take_feedback();
  result<void> ok;
  {
    const auto hold = control();
    if (l.dead.load(std::memory_order_relaxed)) return turn::broken;
    if (!f.empty()) ok = s.apply(f);
  }
  if (!ok) {
    peer_.hub().reject(rejection::violation, l.address(), peer_.node, ok.error());
    l.kill(std::move(ok.error()));
    return turn::broken;
  }
  if (std::exchange(beat_, false)) {
    s.heartbeat(peer_.hub().now());
    l.out.trim();
  }
  add_messages();
  peer_.room_again();
  {
    const auto hold = control();
    if (l.dead.load(std::memory_order_relaxed)) return turn::broken;
    if (s.has_output()) s.gather(l.out);
    if (l.out.empty() && leave_) {
      // Everything else that can be written is.
      s.goodbye(leave_->why, leave_->text);
      s.gather(l.out);
      leave_.reset();
      left_ = true;
    }
  }
  if (!unsent_.empty()) report_unsent();
  if (!l.out.empty()) {
    const turn did = write_out();
    if (did == turn::waits || !left_) return did;
  }
  if (std::exchange(left_, false)) end_link();
  return turn::nothing;
}

/// The goodbye is written, and behind it nothing more: chunks that had no credit.
void stream::end_link() {
  const std::shared_ptr<link> old = link_;
  let_link_go({errc::unreachable, "the connection was ended by this side"});
  old->finish_writing();
}

/// Those that senders may put their messages into.
frame_filler* stream::free_frames() noexcept {
  return link_ && fold_ == nullptr && !leave_ && !left_ ? &link_->talk.frames() : nullptr;
}

/// The next frames, to senders. What they have queued since this turn looked goes into them first:
/// in a flood there is always some, and who finds any queues as well.
void stream::offer_frames() {
  frame_filler* const next = free_frames();
  for (unsigned i = 0; next != nullptr && i < offers; ++i) {
    if (queue.offer(*next) != offered::behind) return;
    add_messages();
  }
}

/// What was gathered; the next frames fill meanwhile.
stream::turn stream::write_out() {
  link& l = *link_;
  std::array<const_bytes, 3> pieces;
  const std::size_t used = l.out.pieces(pieces);
  const std::size_t all = l.out.size();
  counters& c = peer_.count;
  bump(c.sent_bytes, all);
  bump(c.sent_writes);
  const half_counters& sent = l.talk.sent();
  bump(c.sent_messages, sent.messages - std::exchange(counted_messages_, sent.messages));
  bump(c.sent_controls, sent.records - std::exchange(counted_controls_, sent.records));
  offer_frames();
  l.talk.seal(l.out);
  std::size_t taken = l.wire().try_write(std::span(pieces).first(used));
  if (taken == all) {
    all_written();
    return turn::wrote;
  }
  sent_ = taken;
  std::size_t first = 0;
  while (taken >= pieces[first].size()) taken -= pieces[first++].size();
  pieces[first] = pieces[first].subspan(taken);
  // The connection may call at once on another thread: nothing of this stream is touched behind it.
  peer_.hub().enter();
  l.wire().write(std::span(pieces).subspan(first, used - first),
                 [this, keep = peer_.shared_from_this(), on = link_](const result<void>& r) {
                   const std::shared_ptr<hub_core> h = peer_.hub().shared_from_this();
                   written(r);
                   h->leave();
                 });
  return turn::waits;
}

/// What waited is written; the right to write was this stream's all the time.
void stream::written(const result<void>& r) noexcept {
  if (r) {
    all_written();
    if (std::exchange(left_, false)) end_link();
  } else {
    last_ = peer_.hub().now();
    link_->kill(r.error());
    let_link_go(r.error());  // how much the transport had taken by then is not known
  }
  run(wakeful_turns);
}

void stream::all_written() {
  sent_ = 0;
  link_->out.clear();
  link_->talk.written();
  last_ = peer_.hub().now();
}

void stream::report_unsent() { peer_.messages_unsent(std::exchange(unsent_, {})); }

}  // namespace odeon::remote::detail
