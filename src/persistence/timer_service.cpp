// The way of a durable timer from the journal to its owner.
//
// Protocol. Timers are read from the store in the order of their due times, up to `cursor_`, when
// they are due, and never kept in memory before: so what is cancelled or set again in the store is
// so here. A due timer is *held* from its page on: handed over, then changed in the store (removed,
// or set to its next round) on condition that it is still due at the same time – by the owner's own
// commit, or by a batch of this service –, then let go. The page under way at that moment
// may be older than the change and have the timer still: it is *settled* until the next read
// begins, and passed over. What fails *rests*: one timer by its key,
// or, where nobody receives, the owner with all its timers, which are passed over without being
// held. When a rest ends the cursor goes back to the earliest due time that was passed over; so it
// does when a timer is set that is due before the cursor. A pass from the beginning, every
// `recheck`, finds what nobody told of; a pass that took long makes the next one wait ten times as
// long, so that passed-over timers in great number cost a tenth of a core at most.
//
// A damaged timer makes the store refuse its page. Pages then shrink until it stands first, and a
// search over due times finds the way past it, so that it holds up nothing but timers that are due
// in the same nanosecond; the next pass meets it again.
//
// Everything runs on this actor's turns. A restart forgets all of it; the store has it.

#include "persistence/internal/timer_service.hpp"

#include <algorithm>
#include <utility>

namespace odeon::detail {

namespace {

constexpr std::size_t rests_max = 10'000;       // of each kind; what is beyond comes with each pass
constexpr std::size_t changes_max = 2048;       // of one batch
constexpr std::size_t damages_told_max = 1000;  // each is told once
constexpr std::int64_t pass_share = 10;  // a pass takes at most one part in so many of the time

std::string key_of(const std::string& owner, const std::string& id) {
  return std::to_string(owner.size()) + ":" + owner + id;
}

}  // namespace

timer_service::timer_service(const std::weak_ptr<timer_extension>& with) : with_(with) {
  page_ = with_->options.page;
  with_->under_way.store(0, std::memory_order_relaxed);  // a counter alone
}

time_point timer_service::now() const { return with_->system->get_runtime().now(); }
wall_time timer_service::wall_now() const { return with_->system->get_runtime().wall_now(); }

bool timer_service::full() const noexcept {
  return held_.size() >= with_->options.window || held_bytes_ >= with_->options.window_bytes;
}

// -- when to look -----------------------------------------------------------------------------

void timer_service::on(const timer_set_before& m) { see(m.due); }

void timer_service::see(wall_time due) {
  look_from(due);
  if (due >= next_due_) return;
  next_due_ = due;
  if (reading_) return;
  if (due <= wall_now())
    read_on();
  else
    arm();
}

/// What is due at `due` or later is looked at again.
void timer_service::look_from(wall_time due) {
  if (reading_) {
    back_to_ = std::min(back_to_, due);  // the page under way first
    return;
  }
  if (due > cursor_.due) return;
  cursor_ = {};
  if (due > wall_time::min()) cursor_.due = due - duration(1);
}

void timer_service::on(const timer_owner_appeared& m) {
  const auto at = absent_.find(m.owner);
  if (at == absent_.end()) return;
  const wall_time due = at->second.due;
  absent_.erase(at);
  see(due);
}

void timer_service::on(look_at_timers) {
  armed_for_ = time_point::max();
  look();
}

void timer_service::look() {
  if (!reading_) read_on();
}

void timer_service::wake_rested() {
  const time_point t = now();
  if (t < next_rest_ends_) return;
  next_rest_ends_ = time_point::max();
  for (rests* all : {&failing_, &absent_}) {
    for (auto at = all->begin(); at != all->end();) {
      resting& r = at->second;
      if (r.until > t) {
        next_rest_ends_ = std::min(next_rest_ends_, r.until);
      } else if (r.due != wall_time::max()) {
        look_from(std::exchange(r.due, wall_time::max()));
      } else if (t - r.until > 2 * with_->options.max_backoff) {
        at = all->erase(at);  // not seen since: it is there no more
        continue;
      }
      ++at;
    }
  }
}

void timer_service::arm() {
  const wall_time wall = wall_now();
  const time_point t = now();
  // Never longer than `recheck`: the wall clock may jump meanwhile.
  duration wait = with_->options.recheck;
  if (next_due_ <= wall)
    wait = duration::zero();
  else if (next_due_ < wall + wait)
    wait = next_due_ - wall;
  const time_point at = std::min({next_pass_, next_rest_ends_, t + wait});
  if (at >= armed_for_) return;
  alarm_.cancel();
  armed_for_ = at;
  alarm_ = ctx().send_after(std::max(at - t, duration(0)), look_at_timers{});
}

// -- reading ----------------------------------------------------------------------------------

void timer_service::read_on() {
  stopped_short_ = full();
  if (stopped_short_) return;
  const time_point t = now();
  wake_rested();
  if (t >= next_pass_ && !passing_) {
    passing_ = true;
    pass_began_ = t;
    next_pass_ = time_point::max();
    cursor_ = {};
    page_ = with_->options.page;
    search_.reset();
  }
  settled_.clear();
  reading_ = true;
  next_due_ = wall_time::max();
  with_->reads.fetch_add(1, std::memory_order_relaxed);  // a counter alone
  with_->store->timers_due(
      wall_now(), search_ ? timer_cursor{search_->probe(), {}, {}} : cursor_, search_ ? 1 : page_,
      [me = self()](result<std::vector<stored_timer>> r) { me.tell(timers_read{std::move(r)}); });
}

void timer_service::read_failed(const error& why) {
  reading_ = false;
  back_to_ = wall_time::max();  // the next pass is from the beginning
  ++read_failures_;
  passing_ = false;
  if ((read_failures_ & (read_failures_ - 1)) == 0)  // 1, 2, 4, 8, …
    log().warn("durable timers cannot be read, attempt {}: {}", read_failures_, why.to_string());
  next_due_ = wall_time::max();
  next_pass_ = now() + std::min(with_->options.min_backoff *
                                    (std::int64_t{1} << std::min(read_failures_, 16u)),
                                with_->options.max_backoff);
  arm();
}

/// Finds the way past a timer that cannot be read.
void timer_service::met_damage(const error& why) {
  reading_ = false;
  if (page_ > 1) {
    page_ /= 2;
    return read_on();
  }
  search_.emplace(cursor_.due, std::string(why.text()));
  if (damages_told_.size() < damages_told_max && damages_told_.emplace(why.text()).second) {
    log().error("a durable timer is damaged, and passed over: {}", why.to_string());
    ctx().system().events().publish(durable_timer_failed{{}, {}, 1, why});
  }
  read_on();
}

void timer_service::on(timers_read m) {
  if (search_) {
    reading_ = false;
    if (!m.page && m.page.error() != errc::corrupt_record) {
      search_.reset();
      return read_failed(m.page.error());
    }
    if (search_->told(!m.page && m.page.error().text() == search_->what())) {
      cursor_ = {search_->probe(), {}, {}};
      search_.reset();
      page_ = with_->options.page;
    }
    return read_on();
  }
  if (!m.page && m.page.error() == errc::corrupt_record) return met_damage(m.page.error());
  if (!m.page) return read_failed(m.page.error());
  timer_cursor end = std::move(cursor_);
  for (stored_timer& t : *m.page) {
    end = {t.timer.due, t.persistence_id, t.timer.id};
    take(std::move(t));
  }
  cursor_ = std::move(end);
  flush();
  reading_ = false;
  const bool went_back = back_to_ <= cursor_.due;
  look_from(std::exchange(back_to_, wall_time::max()));
  if (!m.page->empty() || went_back) return read_on();
  if (passing_) {
    passing_ = false;
    const time_point t = now();
    next_pass_ = t + std::max(with_->options.recheck, (t - pass_began_) * pass_share);
  }
  read_failures_ = 0;
  reading_ = true;
  with_->store->timers_due(wall_time::max(), cursor_, 1,
                           [me = self()](result<std::vector<stored_timer>> r) {
                             me.tell(next_timer_read{std::move(r)});
                           });
}

void timer_service::on(next_timer_read m) {
  // Where that one is damaged, the next pass sees what is due behind it.
  if (!m.page && m.page.error() != errc::corrupt_record) return read_failed(m.page.error());
  reading_ = false;
  if (m.page && !m.page->empty()) next_due_ = std::min(next_due_, m.page->front().timer.due);
  const bool went_back = back_to_ <= cursor_.due;
  look_from(std::exchange(back_to_, wall_time::max()));
  if (went_back)
    read_on();
  else
    arm();
}

// -- handing over -----------------------------------------------------------------------------

void timer_service::take(stored_timer&& t) {
  const std::string key = key_of(t.persistence_id, t.timer.id);
  if (const auto s = settled_.find(key); s != settled_.end() && s->second == t.timer.due) return;
  if (held_.contains(key) || passes_over(absent_, t.persistence_id, t.timer.due) ||
      passes_over(failing_, key, t.timer.due))
    return;
  held_timer h{std::move(t.persistence_id), t.timer.id, t.timer.due, std::nullopt, 0};
  auto read = durable_timer::from_record(t.timer);
  if (!read && read.error() == errc::unknown_manifest) return;  // somebody else's
  result<durable_timer::round> round =
      read ? read->take(h.due, wall_now(), with_->options.grace)
           : result<durable_timer::round>(std::unexpected<error>(read.error()));
  if (!round) return fail_one(h, std::move(round.error()));
  h.again = std::move(round->again);
  h.bytes = 256 + h.owner.size() + h.id.size() + 2 * t.timer.payload.size();
  held_bytes_ += h.bytes;
  const held_timer& held = held_.emplace(key, std::move(h)).first->second;
  with_->under_way.store(held_.size(), std::memory_order_relaxed);  // a counter alone
  if (!round->fires) {
    with_->skipped.fetch_add(1, std::memory_order_relaxed);  // a counter alone
    return change(key);
  }
  persistence::delivery d;
  d.sender = held.owner;
  d.timer = held.id;
  d.due = held.due;
  d.again = held.again;
  d.manifest = read->manifest();
  d.version = read->version();
  d.payload = read->payload();
  ctx().pipe_to_self(
      with_->receivers->deliver(held.owner, std::move(d)),
      [key](result<result<persistence::delivered>> r) {
        return timer_handed_over{
            key, r ? std::move(*r)
                   : result<persistence::delivered>(std::unexpected<error>(std::move(r.error())))};
      });
}

void timer_service::on(timer_handed_over m) {
  const auto at = held_.find(m.key);
  if (at == held_.end()) return;
  const held_timer& h = at->second;
  if (!m.how) {
    fail_one(h, std::move(m.how.error()));
    return let_go(m.key);
  }
  with_->fired.fetch_add(1, std::memory_order_relaxed);  // a counter alone
  failing_.erase(m.key);
  absent_.erase(h.owner);
  if (*m.how != persistence::delivered::settled) {
    change(m.key);
    return flush();
  }
  const std::optional<timer_record> again = h.again;
  settle(m.key);
  if (again) see(again->due);
}

/// The store has the change: lets go, and remembers it for the page under way.
void timer_service::settle(const std::string& key) {
  if (reading_) settled_.insert_or_assign(key, held_.at(key).due);
  let_go(key);
}

void timer_service::let_go(const std::string& key) {
  const auto at = held_.find(key);
  if (at == held_.end()) return;
  held_bytes_ -= at->second.bytes;
  held_.erase(at);
  with_->under_way.store(held_.size(), std::memory_order_relaxed);  // a counter alone
  if (stopped_short_ && held_.size() <= with_->options.window / 2) look();
}

// -- what has failed --------------------------------------------------------------------------

bool timer_service::passes_over(rests& where, const std::string& name, wall_time due) {
  const auto at = where.find(name);
  if (at == where.end() || at->second.until <= now()) return false;
  at->second.due = std::min(at->second.due, due);
  return true;
}

void timer_service::fail_one(const held_timer& h, error why) {
  with_->failed.fetch_add(1, std::memory_order_relaxed);  // a counter alone
  const bool nobody = why == errc::no_such_actor;
  const std::uint32_t attempts =
      nobody ? let_rest(absent_, h.owner, h.due) : let_rest(failing_, key_of(h.owner, h.id), h.due);
  if (attempts == 0) return;             // one of many that came back together
  if ((attempts & (attempts - 1)) == 0)  // 1, 2, 4, 8, …
    log().warn("timer \"{}\" of \"{}\" was not handled, attempt {}: {}", h.id, h.owner, attempts,
               why.to_string());
  if (auto& events = ctx().system().events(); events.wanted<durable_timer_failed>())
    events.publish(durable_timer_failed{h.owner, h.id, attempts, std::move(why)});
  arm();
}

/// How often it has failed in a row; 0: it rests already.
std::uint32_t timer_service::let_rest(rests& where, const std::string& name, wall_time due) {
  if (where.size() >= rests_max && !where.contains(name)) return 1;
  const auto [at, fresh] = where.try_emplace(name);
  resting& r = at->second;
  const time_point t = now();
  if (!fresh && r.until > t) {
    r.due = std::min(r.due, due);
    return 0;
  }
  const duration wait =
      with_->options.min_backoff * (std::int64_t{1} << std::min<std::uint32_t>(r.attempts, 16));
  ++r.attempts;
  r.until = t + std::min(wait, with_->options.max_backoff);
  r.due = due;
  next_rest_ends_ = std::min(next_rest_ends_, r.until);
  return r.attempts;
}

// -- telling the store ------------------------------------------------------------------------

/// For the next `flush`.
void timer_service::change(const std::string& key) {
  const held_timer& h = held_.at(key);
  changes_.push_back(
      {.persistence_id = h.owner, .timer_id = h.id, .only_if_due = h.due, .set = h.again});
  change_keys_.push_back(key);
}

void timer_service::flush() {
  if (changing_ || changes_.empty()) return;
  changing_ = true;
  const auto n = static_cast<std::ptrdiff_t>(std::min(changes_.size(), changes_max));
  const auto move_out = [n](auto& from) {
    std::remove_reference_t<decltype(from)> out(std::make_move_iterator(from.begin()),
                                                std::make_move_iterator(from.begin() + n));
    from.erase(from.begin(), from.begin() + n);
    return out;
  };
  with_->store->change_timers(move_out(changes_), [me = self(), keys = move_out(change_keys_)](
                                                      result<std::uint64_t> r) mutable {
    me.tell(timers_changed{std::move(keys), std::move(r)});
  });
}

void timer_service::on(timers_changed m) {
  changing_ = false;
  for (const std::string& key : m.keys) {
    const auto at = held_.find(key);
    if (at == held_.end()) continue;
    const std::optional<timer_record> again = at->second.again;
    if (m.how) {
      settle(key);
    } else {
      fail_one(at->second, m.how.error());  // handled, and will be once more
      let_go(key);
    }
    if (m.how && again) see(again->due);
  }
  flush();
}

}  // namespace odeon::detail
