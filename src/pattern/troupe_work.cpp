// The jobs of a troupe.
//
// Everything stands under `mutex_`; nobody else's code (a copy, an asker's continuation, an event's
// subscriber) runs while it is held: what has to be done is noted in an `after`, and done once it
// is free.
//
//   job        waits in pending_ → is in the hand of a worker → over
//   hand       from `pull`, which gives a worker its job, to the worker's next `pull` (its handler
//              has ended: `let_go`) or, when the answer comes later than that, to the answer.
//   death      `failed` (the handler threw, or was destroyed while suspended) or, for a job that
//              is asked and unanswered, `left` (the worker has ended): the job goes back to the
//              front of pending_, or is given up.
//
// A worker's asks. The asker's own ask stays with the job, for there may be several tries; the
// worker gets a copy of the message with an ask of its own, the leg, whose answer comes to
// `answered` on the thread that gave it. A value goes on to the asker at once. An error may be the
// news of a death, which comes before what the core tells of it: one with such a code waits for
// that, or for the end of the handler.
//
// Idle workers. One that finds no job notes since when. Jobs wake the first idle worker of the
// table, so those at its end are idle for longest, and are dismissed first.

#include "internal/troupe_work.hpp"

#include "internal/router_head.hpp"
#include "internal/troupe_leg.hpp"

#include <algorithm>

namespace odeon::detail {

namespace {

/// The codes that a death of the worker may have caused.
bool may_be_death(const error& e) noexcept {
  return e == errc::handler_failed || e == errc::killed || e == errc::actor_stopped ||
         e == errc::no_reply;
}

}  // namespace

troupe_work::troupe_work(const std::shared_ptr<router_state>& state, const troupe_options& options)
    : state_(state),
      options_(options) {}

troupe_work::~troupe_work() {
  for (job& j : pending_) destroy(j);
}

// -- jobs come ------------------------------------------------------------------------------------

result<void> troupe_work::push(router_state& state, cell& self, envelope& e) noexcept {
  if (self.is_terminated())
    return state.refuse(self, e, errc::actor_stopped, self.path() + " has stopped");
  if (ask_state_base* ask = e.ask(); ask && !ask->is_open()) {
    lose(self, e, ask->was_dropped() ? errc::cancelled : errc::expired);
    return {};
  }
  bool more = false;
  std::size_t limit = 0;
  {
    std::lock_guard guard(mutex_);
    // As many as there may be workers without a job need not wait.
    const std::size_t hands = std::min(hands_.size(), options_.max);
    if (options_.max_pending > 0 &&
        pending_.size() >= options_.max_pending + (options_.max - hands)) {
      limit = options_.max_pending;
      ++counts_.refused;
    } else {
      pending_.push_back({&e, take_ask(e), e.type->name, 0});
      more = !asked_for_more_ && wanted_now() > 0;
      asked_for_more_ |= more;
    }
  }
  if (limit)
    return state.refuse(
        self, e, errc::mailbox_full,
        std::to_string(limit) + " jobs wait for " + self.path() + ", and more may not");
  if (more) tell_to<look_around>(self);
  wake(state);
  return {};
}

// One of those that found no job. One that is idle and owes an answer is none of them.
void troupe_work::wake(const router_state& state) noexcept {
  state.read([this](const route_table& t) {
    std::lock_guard guard(mutex_);
    if (pending_.empty()) return;
    for (const any_ref& r : t.routees)
      if (idle_.contains(r.get()) && wake_if_idle(*r.get())) return;
  });
}

std::size_t troupe_work::wanted_now() const noexcept {
  if (workers_ >= options_.max) return 0;
  const std::size_t free = workers_ - std::min(workers_, hands_.size());
  const std::size_t for_jobs = pending_.size() - std::min(pending_.size(), free);
  const std::size_t to_keep = options_.idle - std::min(options_.idle, workers_);
  return std::min(options_.max - workers_, std::max(for_jobs, to_keep));
}

// -- a worker -------------------------------------------------------------------------------------

bool troupe_work::is_open(const hand& h) noexcept { return h.answer && !h.answer->settled; }

envelope* troupe_work::pull(cell& c) noexcept {
  const auto state = state_.lock();
  if (!state) return nullptr;
  for (;;) {
    after todo;
    const std::optional<job> next = take_next(c, state->rt.now(), todo);
    carry_out(todo);
    if (!next) return nullptr;
    if (envelope* e = hand_out(c, *next)) return e;
  }
}

auto troupe_work::take_next(cell& c, time_point now, after& todo) -> std::optional<job> {
  std::optional<job> next;
  {
    std::lock_guard guard(mutex_);
    bool has_none = true;
    ended_over_job_.erase(&c);  // it lives
    if (const auto found = hands_.find(&c); found != hands_.end()) {
      found->second.let_go = true;
      has_none = !is_open(found->second);  // else it will be answered later, and is not free
      if (has_none) {
        close(found->second, todo);
        hands_.erase(found);
      }
    }
    if (has_none) {
      while (!next && !pending_.empty()) {
        job j = pending_.front();
        pending_.pop_front();
        if (j.first && !j.first->is_open())
          todo.given_up.push_back(
              {j, error(j.first->was_dropped() ? errc::cancelled : errc::expired)});
        else
          next = j;
      }
      if (next)
        idle_.erase(&c);
      else
        idle_.try_emplace(&c, now);
    }
  }
  return next;
}

// The worker's own envelope; the job keeps another while it can be tried again. Null: the message
// could not be copied, and the job was given up.
envelope* troupe_work::hand_out(cell& c, job j) noexcept {
  envelope* e = j.message;
  ask_state_base* ask = nullptr;
  leg* answer = nullptr;
  try {
    if (j.first) {
      ask = j.first->another();
      if (ask) {
        ask->begin_like(*j.first, c);
        answer = new leg(shared_from_this(), c, *ask);
      } else {  // a stream of replies: its worker's alone
        attach_ask(j);
        e->ask()->retarget(c);
      }
    }
    bool again = false;
    {
      std::lock_guard guard(mutex_);
      again = j.deaths + 1 < options_.attempts;
    }
    if (again && e->type->copy && !e->ask())
      e = copy_envelope(*j.message);
    else
      j.message = nullptr;
    std::lock_guard guard(mutex_);
    hands_[&c] = {.what = j, .answer = answer};
    if (answer) ask->add_waiter(*answer, std::noop_coroutine());
  } catch (...) {
    // Nothing was handed out.
    delete answer;
    if (ask) {
      ask->drop_ref();
      ask->drop_ref();
    }
    if (!j.message) j.message = e;
    after todo;
    todo.given_up.push_back(
        {j, {errc::internal, std::string("the job could not be copied: ") + text_of_exception()}});
    carry_out(todo);
    return nullptr;
  }
  if (answer) {
    e->from = ask;
    e->flags |= envelope::is_ask;
  }
  return e;
}

void troupe_work::answered(leg& l) noexcept {
  const bool good = l.ask.has_value();
  std::optional<error> why;
  if (!good) why = l.ask.take_error();
  const cell* worker = l.worker.get();
  bool dropped = false;
  bool closed = false;
  ask_state_base* first = nullptr;
  after todo;
  {
    std::lock_guard guard(mutex_);
    l.settled = true;
    dropped = l.dropped;
    if (!dropped) {
      hand& h = hands_.at(worker);
      if (good || h.let_go || !may_be_death(*why)) {
        first = h.what.first;
        first->add_ref();
        h.told = true;
        h.good = good;
      } else {
        h.why = why;
      }
      if (h.let_go) {
        closed = true;
        close(h, todo);
        hands_.erase(worker);
        if (const auto state = state_.lock()) idle_.try_emplace(worker, state->rt.now());
      }
    }
  }
  if (first) {
    if (good) {
      try {
        l.ask.hand_on(*first);
      } catch (...) {
        first->fail(
            {errc::internal, std::string("the reply could not be moved: ") + text_of_exception()});
      }
    } else {
      first->fail(std::move(*why));
    }
    first->drop_ref();
  }
  l.ask.drop_ref();                // the posted node's
  if (!dropped) l.ask.drop_ref();  // the asker's
  carry_out(todo);
  if (closed) wake_if_idle(*l.worker.get());  // for the next one, or to end
  l.drop_ref();
}

// The handler has ended, and the answer, if there is to be one, is there.
void troupe_work::close(hand& h, after& todo) {
  bool good = h.good;
  if (h.why && !h.told) {
    h.what.first->add_ref();
    todo.told_errors.emplace_back(h.what.first, *h.why);
    good = false;
  }
  ++(good ? counts_.completed : counts_.failed);
  if (h.answer) todo.ended.push_back(std::exchange(h.answer, nullptr));
  todo.over.push_back(h.what);
}

// -- askers ---------------------------------------------------------------------------------------

void troupe_work::given_up(const ask_state_base& ask) noexcept {
  after todo;
  {
    std::lock_guard guard(mutex_);
    for (auto& [worker, h] : hands_) {
      if (h.what.first != &ask || !is_open(h)) continue;
      // Its handler is told that nobody waits; what it does until it ends is not tried again.
      h.answer->dropped = true;
      todo.ended.push_back(std::exchange(h.answer, nullptr));
      h.told = true;
      h.good = false;
      break;
    }
  }
  carry_out(todo);
}

std::string troupe_work::where_is(const ask_state_base& ask) const {
  any_ref worker;
  {
    std::lock_guard guard(mutex_);
    for (std::size_t i = 0; i < pending_.size(); ++i)
      if (pending_[i].first == &ask)
        return "queued at depth " + std::to_string(i) + " of the troupe's jobs";
    for (const auto& [c, h] : hands_)
      if (h.what.first == &ask && h.answer) worker = h.answer->worker;
  }
  return worker ? "taken by " + worker.path() + ", and not answered" : std::string();
}

void troupe_work::flush(cell& self, const error& why) noexcept {
  std::deque<job> all;
  {
    std::lock_guard guard(mutex_);
    all.swap(pending_);
  }
  for (job& j : all) {
    if (j.first) attach_ask(j);
    lose(self, *j.message, why);
  }
}

// -- the router's own actor -----------------------------------------------------------------------

std::size_t troupe_work::waiting() const noexcept {
  std::lock_guard guard(mutex_);
  return pending_.size();
}

troupe_options troupe_work::settings() const {
  std::lock_guard guard(mutex_);
  return options_;
}

void troupe_work::set(const troupe_options& options) {
  std::lock_guard guard(mutex_);
  options_ = options;
}

troupe_status troupe_work::status() const {
  std::lock_guard guard(mutex_);
  troupe_status out = counts_;
  out.workers = workers_;
  out.busy = hands_.size();
  out.pending = pending_.size();
  out.settings = options_;
  return out;
}

void troupe_work::set_workers(std::size_t n) noexcept {
  std::lock_guard guard(mutex_);
  workers_ = n;
  asked_for_more_ = false;
}

std::size_t troupe_work::wanted() const noexcept {
  std::lock_guard guard(mutex_);
  return wanted_now();
}

std::unordered_map<const cell*, time_point> troupe_work::idle_since() const {
  std::lock_guard guard(mutex_);
  return idle_;
}

void troupe_work::note_dismissed(std::size_t n) noexcept {
  std::lock_guard guard(mutex_);
  counts_.dismissed += n;
}

bool troupe_work::ended_jobless(const cell& c) noexcept {
  std::lock_guard guard(mutex_);
  return jobless_.erase(&c) > 0;
}

}  // namespace odeon::detail
