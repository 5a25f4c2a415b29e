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

#include <algorithm>

namespace odeon::detail {

namespace {

/// The codes that a death of the worker may have caused.
bool may_be_death(const error& e) noexcept {
  return e == errc::handler_failed || e == errc::killed || e == errc::actor_stopped ||
         e == errc::no_reply;
}

}  // namespace

/// The ask of one try.
struct troupe_work::leg final : task_driver {
  leg(std::shared_ptr<troupe_work> t, cell& c, ask_state_base& a)
      : of(std::move(t)),
        worker(any_ref::share(&c)),
        ask(a) {}
  // Light work, on the thread that completed the ask: the answer goes on to the asker from there.
  void post(driver_node&) noexcept override { of->answered(*this); }
  void expect_late_node() noexcept override { late = true; }
  [[nodiscard]] bool stop_requested() const noexcept override { return false; }
  [[nodiscard]] std::stop_token stop_token() override { return {}; }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return *ask.home(); }
  void drop_ref() noexcept {
    // As any count: what the holders did happens before the end.
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const std::shared_ptr<troupe_work> of;
  const any_ref worker;
  ask_state_base& ask;
  bool settled = false;  // its answer was seen; under the mutex, as is …
  bool dropped = false;  // … that nobody waits for it
  bool late = false;
  std::atomic<int> refs{2};  // of the hand, and of the registration
};

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
  } catch (const std::exception& x) {
    // Nothing was handed out.
    delete answer;
    if (ask) {
      ask->drop_ref();
      ask->drop_ref();
    }
    if (!j.message) j.message = e;
    after todo;
    todo.given_up.push_back(
        {j, {errc::internal, std::string("the job could not be copied: ") + x.what()}});
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
      } catch (const std::exception& x) {
        first->fail({errc::internal, std::string("the reply could not be moved: ") + x.what()});
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

// -- deaths ---------------------------------------------------------------------------------------

void troupe_work::failed(cell& c, directive what, const std::string& why) noexcept {
  after todo;
  {
    std::lock_guard guard(mutex_);
    const auto found = hands_.find(&c);
    if (found == hands_.end()) return;
    hand& h = found->second;
    if (what == directive::resume) {
      // The worker lives. Its job is done for, unless somebody may still answer it.
      if (is_open(h)) return;
      if (!h.answer) h.good = false;
      close(h, todo);
      if (!h.what.first && h.what.message) {
        todo.over.pop_back();
        todo.given_up.push_back({h.what, {errc::handler_failed, why}});
      }
    } else {
      died(h, why, todo);
      ended_over_job_.insert(&c);  // if this is its end
    }
    hands_.erase(found);
  }
  carry_out(todo);
}

void troupe_work::died(hand& h, const std::string& why, after& todo) {
  if (h.told) {  // it was answered before
    close(h, todo);
    return;
  }
  if (h.answer) {
    h.answer->dropped = !h.answer->settled;
    todo.ended.push_back(std::exchange(h.answer, nullptr));
  }
  job& j = h.what;
  if (++j.deaths < options_.attempts && j.message) {
    pending_.push_front(j);
    ++counts_.requeued;
    todo.requeued = true;
    return;
  }
  ++counts_.failed;
  todo.given_up.push_back(
      {j,
       {errc::handler_failed,
        std::string(j.type) + " was given up after " + std::to_string(j.deaths) +
            (j.deaths == 1 ? " worker" : " workers") + " died over it; the last: " + why}});
}

void troupe_work::left(cell& c) noexcept {
  after todo;
  {
    std::lock_guard guard(mutex_);
    idle_.erase(&c);
    if (const auto found = hands_.find(&c); found != hands_.end()) {
      hand& h = found->second;
      const bool unanswered = h.answer && !h.told;
      if (unanswered)
        died(h, h.why ? std::string(h.why->text()) : "the worker has stopped", todo);
      else
        close(h, todo);
      hands_.erase(found);
    } else if (ended_over_job_.erase(&c) == 0) {
      jobless_.insert(&c);
    }
  }
  carry_out(todo);
  rested();
}

bool troupe_work::awaits(cell& c) noexcept {
  std::lock_guard guard(mutex_);
  const auto found = hands_.find(&c);
  if (found == hands_.end()) return false;
  found->second.let_go = true;
  return is_open(found->second);
}

bool troupe_work::keeps(const cell& c) const noexcept {
  std::lock_guard guard(mutex_);
  const auto found = hands_.find(&c);
  return found != hands_.end() && found->second.what.message;
}

void troupe_work::rested() noexcept {
  if (waiting() == 0) return;
  if (const auto s = state_.lock()) wake(*s);
}

// -- what is done without the lock ----------------------------------------------------------------

void troupe_work::attach_ask(job& j) noexcept {
  j.message->from = std::exchange(j.first, nullptr);
  j.message->flags |= envelope::is_ask;
}

void troupe_work::destroy(job& j) noexcept {
  if (j.first) std::exchange(j.first, nullptr)->drop_ref();
  if (envelope* e = std::exchange(j.message, nullptr)) {
    destroy_payload(*e);
    free_block(*e);
  }
}

void troupe_work::carry_out(after& todo) noexcept {
  for (auto& [first, why] : todo.told_errors) {
    first->fail(std::move(why));
    first->drop_ref();
  }
  for (leg* l : todo.ended) {
    if (l->dropped) {
      l->ask.detach_waiter();
      l->ask.let_go();
      l->ask.drop_ref();
      if (!l->late) l->drop_ref();
    }
    l->drop_ref();
  }
  for (job& j : todo.over) destroy(j);
  for (auto& [j, why] : todo.given_up) {
    if (!j.message) {
      if (j.first) j.first->fail(std::move(why));
      destroy(j);
      continue;
    }
    if (j.first) attach_ask(j);
    envelope& e = *std::exchange(j.message, nullptr);
    const auto state = state_.lock();
    if (const any_ref router = state ? state->self() : any_ref()) {
      lose(*router.get(), e, why);
    } else {
      if (ask_state_base* ask = take_ask(e)) {
        ask->fail(std::move(why));
        ask->drop_ref();
      }
      destroy_payload(e);
      free_block(e);
    }
  }
  if (todo.requeued) rested();
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

std::vector<const cell*> troupe_work::surplus(time_point now) {
  std::lock_guard guard(mutex_);
  std::vector<std::pair<time_point, const cell*>> idle;
  for (const auto& [c, since] : idle_) idle.emplace_back(since, c);
  std::ranges::sort(idle);
  std::vector<const cell*> out;
  for (const auto& [since, c] : idle) {
    const std::size_t left = workers_ - std::min(workers_, out.size());
    const bool over = left > options_.max;
    if (!over && (left <= options_.idle || now - since < options_.idle_time)) continue;
    out.push_back(c);
  }
  return out;
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
