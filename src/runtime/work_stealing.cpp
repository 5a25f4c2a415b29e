// The default dispatcher: workers that share their work.
//
// Who owns what
//   next      a worker's private slot: the runnable it takes before its ring. Only the owner fills
//   it; the owner and
//             the rescuer empty it, each with an exchange, so that one of them gets it.
//   ring      256 slots between `head` and `tail`. Only the owner moves `tail`; `head` moves by
//   compare-and-swap, by
//             the owner and by thieves. A slot's value is published by the release of `tail` and
//             read before the CAS of `head`: a thief whose CAS succeeds has read values that no one
//             could have overwritten, because the owner reuses a slot only after `head` has passed
//             it.
//   injector  a list under a short lock, for threads that are no worker and for what overflows a
//   ring.
//
// Where a ready runnable goes
//   On a worker: to `next`; what was there moves to the ring. The receiver of a message so runs on
//   the core that holds the message, right after its sender, and no sleeping worker is woken for
//   it. A streak of 64 takes from `next` is followed by one from the ring. Elsewhere: to the
//   injector.
//
// No wake-up is lost
//   A submitter (1) publishes the work: `tail` or `injected_`, seq_cst store; (2) loads `parked_`
//   and `searching_`, seq_cst; when one is parked and none searches it moves `epoch_` and wakes
//   one. A worker that found nothing (a) decrements `searching_`, (b) reads `epoch_`, (c)
//   increments `parked_`, (d) looks at every queue again, and (e) sleeps while `epoch_` is what it
//   read. All of these are seq_cst, so they have one order. If (1) comes before (d), the worker
//   finds the work. Else (c) precedes (d) precedes (1) precedes (2): the submitter sees the worker
//   parked; if it sees another one searching instead, that one has yet to pass (a) to (d) itself,
//   and finds the work there. A worker that ends its search with work in hand and was the last
//   searcher looks at every queue, seq_cst, after `searching_` went down, and calls `notify` when
//   one is not empty, because submitters may have relied on it: one that saw it searching did (1)
//   before, so its work is seen there, or somebody has it. Work in `next` is the
//   exception: it wakes nobody, because its worker takes it when the present turn ends. When that
//   turn is long, the rescuer moves it on.
//
// The rescuer
//   A thread that looks every 5 ms while at least one worker runs. A worker that is in the same
//   turn as at the last look, with something in `next`, has it taken away to the injector, and a
//   sleeper is woken. It sleeps when all workers sleep; a worker that wakes up wakes it
//   (rescuer_word_ 0 → 1).
//
// The slot and the rescuer
//   The owner empties `next` once a message, the rescuer hardly ever, so the owner pays nothing: an
//   asymmetric Dekker. Owner: `taking` = 1; look at `rescue`; when 0, empty the slot with a plain
//   load and store; `taking` = 0. Rescuer: `rescue` = 1; membarrier; look at `taking`; when 0,
//   empty the slot with an exchange; `rescue` = 0. The membarrier is a full barrier on every
//   running thread of the process: either it comes after the owner's store of `taking`, and the
//   rescuer sees that and leaves the slot alone (the worker is not held up, it is between two
//   turns), or the owner's look at `rescue` comes after it and sees 1, and the owner uses an
//   exchange as well. Between the owner's store and load only the compiler's order is needed. Where
//   the kernel has no membarrier, and under ThreadSanitizer, which does not know it, the owner
//   always exchanges.
//
// Shutdown (the destructor)
//   1. `stop_` is set, `epoch_` moves, all sleepers wake.  2. Each worker goes on until it finds
//   nothing in a look that began after it saw `stop_`, then ends.
//   3. Threads are joined; work that one of the last turns put into the injector after the others
//   had ended was run by the last worker, which looks there before it ends.

#include "internal/work_stealing.hpp"

#include "internal/futex.hpp"
#include "internal/membarrier.hpp"
#include "internal/threads.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <utility>

namespace odeon::detail {

constinit thread_local worker_front* this_worker = nullptr;

namespace {

constexpr std::uint32_t streak_max = 64;
constexpr std::uint32_t injector_every = 64;
constexpr auto search_time = std::chrono::microseconds(60);
constexpr int patience = 8;  // rounds of search before a lone runnable is taken from a neighbour
constexpr auto rescue_every = std::chrono::milliseconds(5);

}  // namespace

// -- worker ---------------------------------------------------------------------------------------

// Workers are made by work_stealing_executor alone.
work_stealing_executor& worker::owner() const noexcept {
  return static_cast<work_stealing_executor&>(*home);
}

void worker::push(runnable* r) noexcept {
  for (;;) {
    const std::uint32_t t = tail.load(std::memory_order_relaxed);  // only this thread moves it
    std::uint32_t h =
        head.load(std::memory_order_acquire);  // a slot is free once its taker's CAS is seen
    if (t - h < capacity) {
      ring[t % capacity].store(r, std::memory_order_relaxed);
      tail.store(t + 1, std::memory_order_seq_cst);
      break;
    }
    // Full: the older half and the new one go to the injector.
    constexpr std::uint32_t half = capacity / 2;
    std::array<runnable*, half> moved;
    for (std::uint32_t i = 0; i < half; ++i)
      moved[i] = ring[(h + i) % capacity].load(std::memory_order_relaxed);
    if (!head.compare_exchange_strong(h, h + half, std::memory_order_acq_rel)) continue;
    for (std::uint32_t i = 0; i + 1 < half; ++i) runnable_access::next(*moved[i]) = moved[i + 1];
    runnable_access::next(*moved[half - 1]) = r;
    owner().inject(moved[0], r, half + 1);
    break;
  }
  owner().notify();
}

runnable* worker::pop() noexcept {
  for (;;) {
    std::uint32_t h = head.load(std::memory_order_acquire);
    if (h == tail.load(std::memory_order_relaxed)) return nullptr;
    runnable* r = ring[h % capacity].load(std::memory_order_relaxed);
    if (head.compare_exchange_weak(h, h + 1, std::memory_order_acq_rel)) return r;
  }
}

// Half of the victim's ring: the first is returned, the others go to this worker's ring, which is
// empty.
runnable* worker::steal_from(worker& victim, std::uint32_t at_least) noexcept {
  for (;;) {
    std::uint32_t h = victim.head.load(std::memory_order_acquire);
    const std::uint32_t t =
        victim.tail.load(std::memory_order_seq_cst);  // step (d) of the protocol
    std::uint32_t n = t - h;
    if (n == 0 || n < at_least) return nullptr;
    n -= n / 2;
    if (n > capacity / 2) continue;  // head and tail were not of one moment
    std::array<runnable*, capacity / 2> got;
    for (std::uint32_t i = 0; i < n; ++i)
      got[i] = victim.ring[(h + i) % capacity].load(std::memory_order_relaxed);
    if (!victim.head.compare_exchange_strong(h, h + n, std::memory_order_acq_rel)) continue;
    const std::uint32_t mine = tail.load(std::memory_order_relaxed);
    for (std::uint32_t i = 1; i < n; ++i)
      ring[(mine + i - 1) % capacity].store(got[i], std::memory_order_relaxed);
    if (n > 1) tail.store(mine + n - 1, std::memory_order_seq_cst);
    return got[0];
  }
}

runnable* worker::take_next() noexcept {
  if (!next.load(std::memory_order_relaxed)) return nullptr;
  if (light) [[likely]] {
    taking.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the processor's half is the rescuer's
    // Acquire: with the 0 that ends a rescue comes the empty slot it left.
    if (!rescue.load(std::memory_order_acquire)) [[likely]] {
      runnable* r = next.load(std::memory_order_relaxed);  // written by this thread
      next.store(nullptr, std::memory_order_relaxed);
      taking.store(false, std::memory_order_release);  // a rescuer that sees it sees the empty slot
      return r;
    }
    taking.store(false, std::memory_order_relaxed);
  }
  return next.exchange(nullptr, std::memory_order_acquire);
}

// By the rescuer. Null: it was empty, or its owner is at it.
runnable* worker::rescue_next() noexcept {
  runnable* r = nullptr;
  if (light) {
    rescue.store(true);
    membarrier();
    if (!taking.load(std::memory_order_acquire))
      r = next.exchange(nullptr, std::memory_order_acquire);
    rescue.store(false, std::memory_order_release);
  } else {
    r = next.exchange(nullptr, std::memory_order_acquire);
  }
  return r;
}

void worker_publish_next(worker_front& front) noexcept {
  auto& w = static_cast<worker&>(front);
  w.sent_since_next = 0;
  if (runnable* r = w.take_next()) w.push(r);
}

// -- executor -------------------------------------------------------------------------------------

work_stealing_executor::work_stealing_executor(executor_options options)
    : on_idle_(options.on_idle ? options.on_idle : +[]() noexcept {}) {
  const unsigned n =
      options.threads ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  workers_.reserve(n);
  const bool light = register_membarrier();
  for (unsigned i = 0; i < n; ++i) workers_.push_back(std::make_unique<worker>(*this, light));
  for (unsigned i = 0; i < n; ++i) {
    threads_.emplace_back([this, i, name = options.name + "-" + std::to_string(i)] {
      name_this_thread(name);
      this_worker = workers_[i].get();
      loop(*workers_[i]);
      this_worker = nullptr;
    });
  }
  rescuer_ = std::thread([this, name = options.name + "-rescue"] {
    name_this_thread(name);
    watch();
  });
}

work_stealing_executor::~work_stealing_executor() {
  stop_.store(true);
  epoch_.fetch_add(1);
  futex_wake(epoch_, INT_MAX);
  for (auto& t : threads_) t.join();
  rescuer_word_.store(2);
  futex_wake(rescuer_word_, INT_MAX);
  rescuer_.join();
}

bool work_stealing_executor::is_current() const noexcept {
  return this_worker && this_worker->home == this;
}

void work_stealing_executor::submit(runnable& work) noexcept {
  if (is_current()) [[likely]] {
    auto& w = static_cast<worker&>(*this_worker);
    if (runnable* before = w.take_next()) w.push(before);
    // The slot is filled by a release so that a rescuer sees what the runnable's owner wrote
    // before.
    w.next.store(&work, std::memory_order_release);
    w.sent_since_next = 0;
    return;
  }
  inject(&work, &work, 1);
  notify();
}

void work_stealing_executor::submit_last(runnable& work) noexcept {
  if (is_current()) {
    static_cast<worker*>(this_worker)->push(&work);
    return;
  }
  inject(&work, &work, 1);
  notify();
}

void work_stealing_executor::inject(runnable* first, runnable* last, std::int64_t count) noexcept {
  std::lock_guard guard(inject_lock_);
  runnable_access::next(*last) = nullptr;
  (inject_tail_ ? runnable_access::next(*inject_tail_) : inject_head_) = first;
  inject_tail_ = last;
  injected_.store(injected_.load(std::memory_order_relaxed) + count, std::memory_order_seq_cst);
}

runnable* work_stealing_executor::take_injected(worker& w) noexcept {
  if (injected_.load(std::memory_order_seq_cst) == 0) return nullptr;
  std::lock_guard guard(inject_lock_);
  runnable* r = inject_head_;
  if (!r) return nullptr;
  inject_head_ = runnable_access::next(*r);
  const std::int64_t waiting = injected_.load(std::memory_order_relaxed);
  std::int64_t taken = 1;
  // A fair share of the rest moves to the own ring, as far as half of it is free.
  std::uint32_t t = w.tail.load(std::memory_order_relaxed);
  const std::uint32_t used = t - w.head.load(std::memory_order_acquire);
  const std::int64_t room = used < worker::capacity / 2 ? worker::capacity / 2 - used : 0;
  const std::int64_t share = std::min(room, waiting / static_cast<std::int64_t>(workers_.size()));
  for (; taken <= share && inject_head_; ++taken) {
    w.ring[t++ % worker::capacity].store(inject_head_, std::memory_order_relaxed);
    inject_head_ = runnable_access::next(*inject_head_);
  }
  if (taken > 1) w.tail.store(t, std::memory_order_seq_cst);
  if (!inject_head_) inject_tail_ = nullptr;
  injected_.store(waiting - taken, std::memory_order_seq_cst);
  return r;
}

void work_stealing_executor::notify() noexcept {
  if (parked_.load(std::memory_order_seq_cst) > 0 &&
      searching_.load(std::memory_order_seq_cst) == 0) {
    epoch_.fetch_add(1);
    futex_wake(epoch_, 1);
  }
}

void work_stealing_executor::loop(worker& w) noexcept {
  for (;;) {
    runnable* r = nullptr;
    if (w.streak < streak_max && (r = w.take_next())) {
      ++w.streak;
    } else {
      w.streak = 0;
      if (++w.tick % injector_every == 0) {
        on_idle_();
        r = take_injected(w);
      }
      if (!r) r = w.pop();
      if (!r) r = w.take_next();
      if (!r) r = take_injected(w);
      if (!r) r = idle(w);
      if (!r) {
        if (!stop_.load()) continue;
        // One more look after `stop_` was seen: with it is seen what was submitted before.
        if (!(r = w.pop()) && !(r = w.take_next()) && !(r = find(w, 1))) return;
      }
    }
    w.turns.store(w.turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    r->run_now();
  }
}

runnable* work_stealing_executor::find(worker& w, std::uint32_t at_least) noexcept {
  if (runnable* r = take_injected(w)) return r;
  const std::size_t n = workers_.size();
  w.chance = w.chance * 6364136223846793005ULL + 1442695040888963407ULL;
  for (std::size_t i = 0, at = (w.chance >> 33) % n; i < n; ++i, ++at) {
    worker& victim = *workers_[at % n];
    if (&victim == &w) continue;
    if (runnable* r = w.steal_from(victim, at_least)) return r;
  }
  return nullptr;
}

// Whether there is work that any worker could take.
bool work_stealing_executor::anything_queued() const noexcept {
  if (injected_.load(std::memory_order_seq_cst) != 0) return true;
  return std::ranges::any_of(workers_, [](const auto& w) {
    return w->tail.load(std::memory_order_seq_cst) != w->head.load(std::memory_order_seq_cst);
  });
}

runnable* work_stealing_executor::idle(worker& w) noexcept {
  on_idle_();
  w.busy.store(false, std::memory_order_relaxed);
  searching_.fetch_add(1);
  const auto end = std::chrono::steady_clock::now() + search_time;
  for (int round = 0;; ++round) {
    // A lone runnable in a neighbour's ring is left there for a while: moving a short exchange to
    // another core costs more than it gains.
    runnable* r = find(w, round < patience ? 2 : 1);
    if (r || stop_.load(std::memory_order_relaxed)) {
      if (searching_.fetch_sub(1) == 1 && r && anything_queued()) notify();
      w.busy.store(true, std::memory_order_relaxed);
      return r;
    }
    for (int k = 0; k < 8; ++k) cpu_pause();
    // Whoever waits for this core may have what is searched for: without this, an exchange with a
    // thread that shares it would take all of the search time.
    if (round >= patience) yield_thread();
    if (round % 16 == 15 && std::chrono::steady_clock::now() >= end) break;
  }
  searching_.fetch_sub(1);                                     // (a)
  const std::uint32_t seen = epoch_.load();                    // (b)
  parked_.fetch_add(1);                                        // (c)
  runnable* r = find(w, 1);                                    // (d)
  if (!r && !stop_.load()) futex_wait(epoch_, seen, forever);  // (e)
  parked_.fetch_sub(1);
  w.busy.store(true, std::memory_order_relaxed);
  if (rescuer_word_.load() == 0) {  // after `parked_` went down: see watch()
    std::uint32_t asleep = 0;
    if (rescuer_word_.compare_exchange_strong(asleep, 1)) futex_wake(rescuer_word_, 1);
  }
  return r;
}

void work_stealing_executor::watch() noexcept {
  std::vector<std::uint64_t> seen(workers_.size(), ~std::uint64_t{0});
  for (;;) {
    const std::uint32_t word = rescuer_word_.load();
    if (word == 2) return;
    if (word == 0) {
      futex_wait(rescuer_word_, 0, forever);
      continue;
    }
    futex_wait(rescuer_word_, 1, rescue_every);
    if (parked_.load() == workers_.size()) {
      // All sleep. Between this load and the CAS one may have woken and seen 1: the check behind
      // the CAS sees it.
      std::uint32_t watching = 1;
      if (rescuer_word_.compare_exchange_strong(watching, 0) && parked_.load() != workers_.size()) {
        std::uint32_t asleep = 0;
        rescuer_word_.compare_exchange_strong(asleep, 1);
      }
      continue;
    }
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      worker& w = *workers_[i];
      const std::uint64_t turn = w.turns.load(std::memory_order_relaxed);
      const bool held_up =
          std::exchange(seen[i], turn) == turn && w.busy.load(std::memory_order_relaxed);
      if (!held_up || !w.next.load(std::memory_order_relaxed)) continue;
      if (runnable* r = w.rescue_next()) {
        inject(r, r, 1);
        notify();
      }
    }
  }
}

}  // namespace odeon::detail
