// Records are read in the order of their due times, a page at a time, when the first may be due. A
// due record is begun (its run is accepted by the engine), then removed from the store, and the
// next page is read when all removals of this one have been answered: so no record is met again
// while its removal is under way, and a run is begun once. A process that ends between the two
// begins it once more after its restart.
//
// A record whose removal failed is `started`: it is not begun again, its removal is tried with the
// next pages. One whose actor nobody knows (its app has not registered yet) rests until somebody
// registers. Both stand at the head of each page, so a page is that much longer.

#include "sidecar/internal/scheduler.hpp"

#include "sidecar/internal/engine_core.hpp"

#include <algorithm>
#include <utility>

namespace odeon::sidecar::detail {

namespace {

constexpr std::size_t page = 256;
constexpr std::size_t held_max = 100'000;  // past it those that rest longest are met again
constexpr duration look_ahead = std::chrono::minutes(1);  // the wall clock may jump meanwhile
constexpr duration rest = std::chrono::seconds(5);        // after a failure of the store

}  // namespace

void scheduler::read() {
  const auto core = core_.lock();
  if (!core) return;
  if (reading_ || removing_ != 0) {
    again_ = true;
    return;
  }
  reading_ = true;
  again_ = false;
  core->store->due(core->rt.wall_now() + look_ahead, page + held_.size(),
                   [me = self()](result<std::vector<scheduled_invocation>> r) {
                     me.tell<due_read>(std::move(r));
                   });
}

void scheduler::on(record_stored m) {
  if (m.how)
    m.reply->give({});
  else
    m.reply->give(
        {outcome::error, "it was not scheduled: " + std::string(m.how.error().text()), {}});
  const auto core = core_.lock();
  if (!core) return;
  if (reading_) {
    again_ = true;
    return;
  }
  const duration wait = std::max<duration>(m.due - core->rt.wall_now(), duration(0));
  if (core->rt.now() + wait < armed_for_) arm(std::min(wait, look_ahead));
}

void scheduler::arm(duration wait) {
  const auto core = core_.lock();
  if (!core) return;
  alarm_.cancel();
  armed_for_ = core->rt.now() + wait;
  alarm_ = ctx().send_after(wait, look_at_schedule{++armed_});
}

void scheduler::on(look_at_schedule m) {
  if (m.number != armed_) return;
  armed_for_ = time_point::max();
  read();
}

void scheduler::on(actors_registered) {
  std::erase_if(held_, [](const auto& h) { return h.second == stage::resting; });
  read();
}

void scheduler::on(due_read m) {
  reading_ = false;
  const auto core = core_.lock();
  if (!core) return;
  if (!m.page) {
    core->counts.store_failures.fetch_add(1);
    log().warn("scheduled invocations cannot be read: {}", m.page.error().to_string());
    arm(rest);
    return;
  }
  const wall_time wall = core->rt.wall_now();
  duration wait = look_ahead;
  bool more = m.page->size() >= page + held_.size();
  for (scheduled_invocation& s : *m.page) {
    if (s.due > wall) {
      wait = std::min<duration>(wait, s.due - wall);
      more = false;
      break;
    }
    const auto at = held_.find(s.id);
    if (at == held_.end())
      run(s);
    else if (at->second == stage::started)
      remove(s.id);
  }
  if (held_.size() > held_max)
    std::erase_if(held_, [](const auto& h) { return h.second == stage::resting; });
  again_ = (again_ || more) && !again_at_;
  if (std::exchange(again_at_, false)) wait = std::min(wait, rest);
  if (removing_ == 0 && again_)
    read();
  else
    arm(wait);
}

void scheduler::run(scheduled_invocation& what) {
  const auto core = core_.lock();
  if (!core) return;
  what.what.scheduled_to.reset();
  if (auto ok = core->begin_scheduled(std::move(what.what)); !ok) {
    log().warn("the scheduled invocation {} waits: {}", what.id, ok.error().text());
    if (ok.error() == errc::not_found)
      held_[what.id] = stage::resting;
    else
      again_at_ = true;
    return;
  }
  held_[what.id] = stage::started;
  remove(what.id);
}

void scheduler::remove(const std::string& id) {
  const auto core = core_.lock();
  if (!core) return;
  ++removing_;
  core->store->unschedule(
      id, [me = self(), id](result<void> r) { me.tell<record_removed>(id, std::move(r)); });
}

void scheduler::on(record_removed m) {
  --removing_;
  if (m.how) {
    held_.erase(m.id);
  } else {
    if (const auto core = core_.lock()) core->counts.store_failures.fetch_add(1);
    log().warn("the scheduled invocation {} has run and cannot be removed yet: {}", m.id,
               m.how.error().to_string());
    again_ = false;
    arm(rest);
  }
  if (removing_ == 0 && again_ && !reading_) read();
}

}  // namespace odeon::sidecar::detail
