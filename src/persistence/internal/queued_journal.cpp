// The queue in front of a blocking store.
//
// Protocol. `pending_` holds the accepted writing calls in order, under `mutex_`. At any time at
// most one of these is on its way to look at it: a posted `drain` job (`drain_posted_`), or the
// group timer, which will post one
// (`timer_armed_`). A call that finds neither starts one; so none is left behind, and while a
// commit is under way calls only queue up. `drain` takes batches until the queue is empty and
// clears `drain_posted_` under the same lock in which it saw that. A held store keeps
// `drain_posted_` set and posts the job itself when it is released.
//
// Order. One deque, one writer thread: completions come in the order of acceptance.
//
// Closing: 1. `closing_` is set under the lock: later calls are refused. 2. The group timer is
// disarmed, or waited for.
// 3. A last job on the writer's executor drains what is left, also of a held store. 4. A last job
// on each reader's executor comes after all reads accepted before. Each frees its backend, which
// closes files. 5. The caller waits for these jobs. The destructor then ends the executors, which
// joins their threads before any member is freed.

#include "persistence/internal/queued_journal.hpp"

#include "persistence/internal/journal_thread.hpp"
#include <odeon/base/assert.hpp>

#include <algorithm>
#include <chrono>

namespace odeon::detail {

namespace {

// How long the writer's thread looks out for the next call before it sleeps: somewhat longer than
// waking a thread takes. By the clock, for a pause lasts from four to forty nanoseconds.
constexpr auto linger_time = std::chrono::microseconds(60);
constexpr int pauses_of_a_look = 16;

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct queued_journal::group_timer : timer_node {
  explicit group_timer(queued_journal& j) noexcept
      : timer_node(
            [](timer_node& n) noexcept { static_cast<group_timer&>(n).owner.group_wait_over(); }),
        owner(j) {}
  queued_journal& owner;
};

queued_journal::queued_journal(runtime& rt, journal_options options,
                               std::unique_ptr<write_backend> writer,
                               std::vector<std::unique_ptr<read_backend>> readers)
    : rt_(rt),
      options_(options),
      writer_(std::move(writer)),
      timer_(std::make_unique<group_timer>(*this)),
      still_open_(static_cast<std::uint32_t>(readers.size() + 1)),
      write_thread_(rt.make_serial("journal-w")) {
  ODEON_ASSERT(!readers.empty(), "a journal without a reader");
  for (auto& r : readers)
    readers_.push_back(
        {std::move(r), rt.make_serial("journal-r" + std::to_string(readers_.size()))});
}

queued_journal::~queued_journal() { close(); }

void queued_journal::close() {
  ODEON_ASSERT(!on_journal_thread::is(this), "a journal is closed on a thread of its own");
  {
    std::unique_lock lock(mutex_);
    if (!closing_) {
      closing_ = true;
      const bool wait_for_timer =
          timer_armed_ && !rt_.timers(clock_domain::housekeeping).disarm(*timer_);
      lock.unlock();
      while (wait_for_timer && timer_idle_.load() == 0) rt_.wait(timer_idle_, 0, time_point::max());
      const auto ended = [this] {
        const auto before = still_open_.fetch_sub(1);
        rt_.wake(still_open_);
        return before - 1;
      };
      // The writer goes last: the last connection is the one that folds the write-ahead log into
      // the file, and a reader's may not.
      const auto end_writer = [this, ended] {
        write_thread_->post([this, ended] {
          drain();
          writer_.reset();
          ended();
        });
      };
      if (readers_.empty()) end_writer();
      for (auto& r : readers_)
        r.thread->post([&r, end_writer, ended] {
          r.backend.reset();
          if (ended() == 1) end_writer();  // only the writer is left
        });
    }
  }
  for (auto left = still_open_.load(); left != 0; left = still_open_.load())
    rt_.wait(still_open_, left, time_point::max());
}

// Writing.

template <class Call>
void queued_journal::accept(Call call, std::size_t bytes, std::size_t events) {
  error why(errc::internal);
  {
    const std::lock_guard lock(mutex_);
    if (closing_) {
      why = journal_closed();
    } else if (stats_.pending_appends >= options_.max_pending_appends ||
               stats_.pending_bytes + bytes > options_.max_pending_bytes) {
      why = {errc::limit_exceeded, std::to_string(stats_.pending_appends) + " calls with " +
                                       std::to_string(stats_.pending_bytes) +
                                       " bytes wait for the store, and max_pending_appends or "
                                       "max_pending_bytes allows no more"};
    } else {
      stats_.pending_appends += 1;
      stats_.pending_bytes += bytes;
      queued_events_ += events;
      queued_bytes_ += bytes;
      pending_.push_back({std::move(call), bytes, events});
      arrived_.store(true, std::memory_order_relaxed);
      schedule_locked();
      return;
    }
    stats_.refused += 1;
  }
  call.done(std::unexpected(std::move(why)));
}

void queued_journal::schedule_locked() {
  if (drain_posted_) return;
  const bool enough =
      queued_events_ >= options_.max_batch_events || queued_bytes_ >= options_.max_batch_bytes;
  if (options_.group_wait <= duration::zero() || enough) {
    post_drain();
  } else if (!timer_armed_) {
    timer_armed_ = true;
    timer_idle_.store(0);
    rt_.timers(clock_domain::housekeeping)
        .arm(*timer_, rt_.now(clock_domain::housekeeping) + options_.group_wait);
  }
}

void queued_journal::post_drain() {
  drain_posted_ = true;
  write_thread_->post([this] { drain(); });
}

void queued_journal::group_wait_over() {
  // `close` may free this object once the word is set and the lock is free, so nothing is touched
  // after that.
  const std::lock_guard lock(mutex_);
  timer_armed_ = false;
  if (!drain_posted_ && !pending_.empty() && !closing_) post_drain();
  timer_idle_.store(1);
  rt_.wake(timer_idle_);
}

void queued_journal::drain() noexcept {
  const on_journal_thread mark(this);
  if (!writer_) return;  // a held store was released after the end
  std::vector<write_op> batch;
  std::size_t bytes = 0;
  bool last_look = false;
  while (!held()) {
    if (!take_batch(batch, bytes, last_look)) {
      if (last_look) return;
      last_look = !linger();
      continue;
    }
    last_look = false;
    const auto tally = writer_->commit(batch, rt_.wall_now());
    finish_batch(batch, bytes, tally);
    writer_->tend();
    batch.clear();
  }
}

// True: the store calls back when it is released, and `drain_posted_` stays set until then.
bool queued_journal::held() {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return false;
  }
  return writer_->held([this] { write_thread_->post([this] { drain(); }); });
}

// A writer that waits for its acknowledgement before it goes on – the usual one – comes back within
// microseconds. Waking this thread for it would cost more than looking out for it.
bool queued_journal::linger() const noexcept {
  if (rt_.is_simulated()) return false;
  const auto end = rt_.now(clock_domain::housekeeping) + linger_time;
  do {
    for (int k = 0; k < pauses_of_a_look; ++k) {
      if (arrived_.load(std::memory_order_relaxed)) return true;  // a hint: the lock decides
      pause();
    }
  } while (rt_.now(clock_domain::housekeeping) < end);
  return false;
}

bool queued_journal::take_batch(std::vector<write_op>& batch, std::size_t& bytes, bool last_look) {
  const std::lock_guard lock(mutex_);
  arrived_.store(false, std::memory_order_relaxed);
  std::size_t events = 0;
  bytes = 0;
  while (!pending_.empty() && events < options_.max_batch_events &&
         bytes < options_.max_batch_bytes) {
    queued_op& next = pending_.front();
    events += std::max<std::size_t>(next.events, 1);
    bytes += next.bytes;
    queued_events_ -= next.events;
    queued_bytes_ -= next.bytes;
    batch.push_back(std::move(next.op));
    pending_.pop_front();
  }
  if (batch.empty() && last_look) drain_posted_ = false;
  return !batch.empty();
}

void queued_journal::finish_batch(std::span<write_op> batch, std::size_t bytes,
                                  write_backend::tally tally) {
  {
    const std::lock_guard lock(mutex_);
    stats_.pending_appends -= batch.size();
    stats_.pending_bytes -= bytes;
    stats_.commits += tally.commits;
    stats_.failed_commits += tally.failed;
    for (const auto& op : batch) {
      const bool good = std::visit([](const auto& call) { return call.outcome.has_value(); }, op);
      if (!good) stats_.refused += 1;
      if (const auto* a = std::get_if<append_call>(&op); a != nullptr && good) {
        stats_.appends += 1;
        stats_.events += a->request.events.size();
      }
    }
  }
  for (auto& op : batch) std::visit([](auto& call) { call.done(std::move(call.outcome)); }, op);
}

void queued_journal::append(append_request request, completion<append_ack> done) {
  if (auto ok = check(request, options_); !ok) return done(std::unexpected(std::move(ok.error())));
  const std::size_t bytes = weight(request);
  const std::size_t events = request.events.size();
  accept(append_call{std::move(request), std::move(done)}, bytes, events);
}

void queued_journal::open_writer(std::string persistence_id, completion<std::uint64_t> done) {
  if (auto ok = check_id(persistence_id, options_); !ok)
    return done(std::unexpected(std::move(ok.error())));
  const std::size_t bytes = persistence_id.size();
  accept(open_call{{std::move(persistence_id)}, std::move(done)}, bytes, 0);
}

void queued_journal::save_snapshot(save_snapshot_request request, completion<void> done) {
  if (auto ok = check(request, options_); !ok) return done(std::unexpected(std::move(ok.error())));
  const std::size_t bytes = request.payload.size();
  accept(save_call{std::move(request), std::move(done)}, bytes, 0);
}

void queued_journal::delete_snapshots(snapshot_criteria which, completion<std::uint64_t> done) {
  accept(delete_call{std::move(which), std::move(done)}, 0, 0);
}

void queued_journal::acknowledge_outbox(std::vector<std::uint64_t> positions,
                                        completion<void> done) {
  if (positions.size() > options_.max_append_items)
    return done(fail(errc::limit_exceeded, std::to_string(positions.size()) +
                                               " outbox positions exceed max_append_items = " +
                                               std::to_string(options_.max_append_items)));
  const std::size_t bytes = positions.size() * sizeof(std::uint64_t);
  accept(acknowledge_call{{std::move(positions)}, std::move(done)}, bytes, 0);
}

void queued_journal::change_timers(std::vector<timer_change> changes,
                                   completion<std::uint64_t> done) {
  if (auto ok = check(changes, options_); !ok) return done(std::unexpected(std::move(ok.error())));
  const std::size_t bytes = weight(changes);
  accept(change_call{{std::move(changes)}, std::move(done)}, bytes, 0);
}

journal_stats queued_journal::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace odeon::detail
