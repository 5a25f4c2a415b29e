// One lock over everything: completions come on the journal's writer and reader threads.
//
// A writer has at most `window` appends on their way. It stops issuing (`paused`) by chance, so
// that transactions differ in size, and is woken by the completions of others. Before it takes
// over its id anew it lets its appends come home.

#include "crash/fleet.hpp"

#include <atomic>
#include <charconv>
#include <memory>

namespace crash {

namespace {

void tell(std::uint64_t& where, std::uint64_t value) noexcept {
  std::atomic_ref(where).store(value);
}

// The step in the id of an outbox message: "actor-3/17/4".
std::uint64_t step_in(const std::string& message_id) {
  std::uint64_t out = 0;
  const auto from = message_id.find('/') + 1;
  std::from_chars(message_id.data() + from, message_id.data() + message_id.size(), out);
  return out;
}

}  // namespace

fleet::fleet(odeon::journal& j, claims& told, fleet_options options)
    : j_(j),
      told_(told),
      options_(options),
      dice_(options.seed),
      left_(options.steps) {}

void fleet::start() {
  const std::lock_guard lock(mutex_);
  for (std::uint32_t id = 0; id < told_.ids; ++id) {
    writers_[id].model = expected_after(id, of(id).acked);
    take_over(id);
  }
}

void fleet::more(std::uint64_t steps) {
  const std::lock_guard lock(mutex_);
  left_ += steps;
  for (std::uint32_t id = 0; id < told_.ids; ++id) {
    writers_[id].paused = false;
    fill(id);
  }
}

void fleet::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
}

std::string fleet::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

void fleet::fail(const std::string& what) {
  ended_ = true;
  if (!fault_.empty()) return;
  fault_ = what;
  what.copy(told_.fault.data(), told_.fault.size() - 1);
}

void fleet::take_over(std::uint32_t id) {
  writers_[id].takes_over = true;
  j_.open_writer(id_of(id), [this, id](odeon::result<std::uint64_t> epoch) {
    const std::lock_guard lock(mutex_);
    if (!epoch) return fail(id_of(id) + ": open_writer: " + epoch.error().to_string());
    const std::uint64_t before = of(id).epoch;
    tell(of(id).epoch, *epoch);
    std::atomic_ref(told_.acknowledgements).fetch_add(1);
    if (*epoch <= before)
      return fail(id_of(id) + ": epoch " + std::to_string(*epoch) + " follows epoch " +
                  std::to_string(before));
    writers_[id].stale_epoch = before;
    writers_[id].takes_over = false;
    if (writers_[id].open) return fill(id);
    writers_[id].open = true;
    recover(id);
  });
}

void fleet::recover(std::uint32_t id) {
  writers_[id].recovers = true;
  writers_[id].seen = 0;
  odeon::recovery_callbacks callbacks;
  callbacks.on_snapshot = [this, id](const odeon::stored_snapshot& s) -> odeon::result<void> {
    writers_[id].seen = s.sequence;
    return {};
  };
  callbacks.on_event = [this, id](const odeon::event_view& e) -> odeon::result<void> {
    if (e.sequence == ++writers_[id].seen) return {};
    return odeon::fail(odeon::errc::internal, "event " + std::to_string(e.sequence) +
                                                  " is visited as " +
                                                  std::to_string(writers_[id].seen));
  };
  callbacks.on_end = [this, id](odeon::result<odeon::recovery_report> end) {
    const std::lock_guard lock(mutex_);
    writer& w = writers_[id];
    w.recovers = false;
    if (!end) return fail(id_of(id) + ": recovery: " + end.error().to_string());
    if (!end->damaged_snapshots.empty())
      return fail(id_of(id) + ": " + end->damaged_snapshots[0].to_string());
    if (w.seen != w.model.sequence || end->highest_sequence != w.model.sequence)
      return fail(id_of(id) + ": recovery ends at " + std::to_string(w.seen) + " and reports " +
                  std::to_string(end->highest_sequence) + ", not " +
                  std::to_string(w.model.sequence));
    fill(id);
  };
  j_.recover({.persistence_id = id_of(id)}, std::move(callbacks));
}

void fleet::fill(std::uint32_t id) {
  writer& w = writers_[id];
  while (!ended_ && w.open && !w.paused && !w.takes_over && !w.recovers &&
         w.in_flight < options_.window && left_ > 0)
    append(id);
}

void fleet::append(std::uint32_t id) {
  writer& w = writers_[id];
  odeon::append_request r = request_of(id, w.model.step);
  r.epoch = of(id).epoch;
  r.expected_sequence = w.model.sequence;
  w.model.advance(id);
  w.model.events.clear();  // only the numbers are wanted here
  w.model.outbox.clear();
  const std::uint64_t step = w.model.step;
  const std::uint64_t sequence = w.model.sequence;
  tell(of(id).issued, step);
  if (options_.lies) tell(of(id).acked, step);
  --left_;
  ++w.in_flight;
  ++in_flight_;
  j_.append(std::move(r), [this, id, step, sequence](odeon::result<odeon::append_ack> ack) {
    const std::lock_guard lock(mutex_);
    acknowledged(id, step, sequence, ack);
  });
}

void fleet::acknowledged(std::uint32_t id, std::uint64_t step, std::uint64_t sequence,
                         const odeon::result<odeon::append_ack>& ack) {
  if (!ack) return fail(id_of(id) + ": append: " + ack.error().to_string());
  if (!options_.lies) tell(of(id).acked, step);
  std::atomic_ref(told_.acknowledgements).fetch_add(1);
  if (ack->sequence != sequence)
    return fail(id_of(id) + ": the append is acknowledged as " + std::to_string(ack->sequence) +
                ", not " + std::to_string(sequence));
  --writers_[id].in_flight;
  --in_flight_;
  if (ended_) return;
  if (dice_.one_in(12)) save(id);
  if (dice_.one_in(20)) deliver();
  if (dice_.one_in(25)) serve(id);
  if (dice_.one_in(40)) probe_fence(id);
  go_on(id);
}

void fleet::go_on(std::uint32_t id) {
  writer& w = writers_[id];
  if (w.in_flight == 0 && !w.takes_over && dice_.one_in(60)) return take_over(id);
  w.paused = dice_.one_in(3);
  const auto other = static_cast<std::uint32_t>(dice_.below(told_.ids));
  if (writers_[other].paused) {
    writers_[other].paused = false;
    fill(other);
  }
  fill(id);
  if (in_flight_ == 0)
    for (std::uint32_t k = 0; k < told_.ids; ++k) {
      writers_[k].paused = false;
      fill(k);
    }
}

void fleet::save(std::uint32_t id) {
  // As of the last step acknowledged: its sequence, for what the model has issued may be ahead.
  if (keeps_states(id) || writers_[id].saves || writers_[id].in_flight != 0) return;
  const std::uint64_t sequence = writers_[id].model.sequence;
  if (sequence == 0 || sequence == of(id).snapshot) return;
  auto r = snapshot_of(id, sequence);
  r.epoch = of(id).epoch;
  writers_[id].saves = true;
  tell(of(id).snapshot_asked, sequence);
  j_.save_snapshot(std::move(r), [this, id, sequence, epoch = of(id).epoch](odeon::result<void> s) {
    const std::lock_guard lock(mutex_);
    writers_[id].saves = false;
    // A take-over in between fences it, rightly.
    if (!s && s.error() == odeon::errc::fenced && of(id).epoch != epoch) return;
    if (!s) return fail(id_of(id) + ": snapshot: " + s.error().to_string());
    tell(of(id).snapshot, sequence);
    std::atomic_ref(told_.acknowledgements).fetch_add(1);
  });
}

// Takes what is in the outbox and removes all of it, or all but one id's, in one call.
void fleet::deliver() {
  if (delivers_ || !options_.delivers) return;
  delivers_ = true;
  j_.take_outbox(0, 500, [this](odeon::result<std::vector<odeon::outbox_entry>> page) {
    const std::lock_guard lock(mutex_);
    delivers_ = false;
    if (!page) return fail("take_outbox: " + page.error().to_string());
    if (ended_) return;
    const std::uint64_t spared = dice_.below(2 * told_.ids);
    std::vector<std::uint64_t> positions;
    std::array<std::uint64_t, ids_max> upto{};
    for (std::uint32_t id = 0; id < told_.ids; ++id) {
      if (id == spared) continue;
      for (const auto& e : *page) {
        if (e.persistence_id != id_of(id)) continue;
        positions.push_back(e.position);
        upto[id] = step_in(e.message.id) + 1;
      }
    }
    // The page may end inside of a step: that step's rest stays, so the step before is the last.
    if (page->size() == 500)
      for (std::uint32_t id = 0; id < told_.ids; ++id)
        if (upto[id] != 0 && page->back().persistence_id == id_of(id)) return;
    for (std::uint32_t id = 0; id < told_.ids; ++id)
      if (upto[id] != 0) tell(of(id).removal, upto[id]);
    delivers_ = true;
    j_.acknowledge_outbox(std::move(positions), [this, upto](odeon::result<void> gone) {
      const std::lock_guard inner(mutex_);
      delivers_ = false;
      if (!gone) return fail("acknowledge_outbox: " + gone.error().to_string());
      for (std::uint32_t id = 0; id < told_.ids; ++id)
        if (upto[id] != 0) tell(of(id).removed, upto[id]);
      std::atomic_ref(told_.acknowledgements).fetch_add(1);
    });
  });
}

// Sets a timer for an id without being its writer.
void fleet::serve(std::uint32_t id) {
  if (of(id).service_asked != of(id).service) return;
  const std::uint64_t due = of(id).service + 1;
  tell(of(id).service_asked, due);
  odeon::timer_change change{.persistence_id = id_of(id), .timer_id = "service"};
  if (due > 1)
    change.only_if_due = odeon::wall_time(odeon::duration(static_cast<std::int64_t>(due - 1)));
  change.set =
      odeon::timer_record{.id = "service",
                          .due = odeon::wall_time(odeon::duration(static_cast<std::int64_t>(due))),
                          .manifest = "t",
                          .version = 1,
                          .payload = content(id, due, 50)};
  j_.change_timers({std::move(change)}, [this, id, due](odeon::result<std::uint64_t> applied) {
    const std::lock_guard lock(mutex_);
    if (!applied) return fail(id_of(id) + ": change_timers: " + applied.error().to_string());
    if (*applied != 1) return fail(id_of(id) + ": the service's timer was not as it was left");
    tell(of(id).service, due);
    std::atomic_ref(told_.acknowledgements).fetch_add(1);
  });
}

void fleet::probe_fence(std::uint32_t id) {
  odeon::append_request r = request_of(id, writers_[id].model.step);
  r.epoch = writers_[id].stale_epoch;
  r.expected_sequence = writers_[id].model.sequence;
  j_.append(std::move(r), [this, id](odeon::result<odeon::append_ack> ack) {
    const std::lock_guard lock(mutex_);
    if (ack || ack.error() != odeon::errc::fenced)
      fail(id_of(id) + ": an older writer's append was not fenced");
  });
}

}  // namespace crash
