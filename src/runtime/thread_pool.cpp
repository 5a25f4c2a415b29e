// Protocol: everything is guarded by `mutex_`. A submitter appends and, when no thread is idle and
// the bound allows, starts one (blocking) or wakes one. A thread that found nothing for
// `idle_after` ends (blocking only). The destructor sets `stop_` and waits until the count of
// threads is zero.
//
// A thread is over only when what belongs to it alone is destroyed, which others may rely on – a
// library that ends with the process, or a memory check. So each is joined: one that ends leaves
// its handle in `last_` and joins the one that stood there, and the destructor joins the last. At
// most one that has ended is kept, and nobody joins under the lock.

#include "internal/thread_pool.hpp"

#include "internal/threads.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/detail/spin.hpp>

#include <utility>

namespace odeon::detail {

namespace {

thread_local const thread_pool* current_pool = nullptr;

executor_options with_defaults(executor_options o) {
  if (o.kind == executor_kind::pinned)
    o.threads = 1;
  else if (o.threads == 0)
    o.threads = 64;
  return o;
}

}  // namespace

thread_pool::thread_pool(executor_options options) : options_(with_defaults(std::move(options))) {
  if (options_.kind == executor_kind::pinned) {
    std::lock_guard guard(mutex_);
    start_thread();
  }
}

thread_pool::~thread_pool() {
  ODEON_ASSERT(!is_current(), "an executor is destroyed by one of its own threads");
  std::unique_lock lock(mutex_);
  stop_ = true;
  wake_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
  lock.unlock();
  if (last_.joinable()) last_.join();
}

bool thread_pool::is_current() const noexcept { return current_pool == this; }

void thread_pool::start_thread() {
  const auto handle = handles_.emplace(handles_.end());
  try {
    *handle = std::thread([this, handle, n = started_] {
      name_this_thread(options_.name + "-" + std::to_string(n));
      loop(handle);
    });
  } catch (...) {
    handles_.erase(handle);
    throw;
  }
  ++started_;
  ++threads_;
}

void thread_pool::submit(runnable& work) noexcept {
  std::lock_guard guard(mutex_);
  runnable_access::next(work) = nullptr;
  (tail_ ? runnable_access::next(*tail_) : head_) = &work;
  tail_ = &work;
  ++waiting_;
  if (waiting_ <= idle_ || threads_ == options_.threads) {
    wake_.notify_one();
    return;
  }
  try {
    start_thread();
  } catch (...) {
    // No thread to be had now: one that runs will come to it; without any there is no way on.
    ODEON_ASSERT(threads_ > 0, "the system refuses the first thread of an executor");
  }
}

void thread_pool::loop(std::list<std::thread>::iterator handle) {
  current_pool = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (runnable* r = head_) {
      head_ = runnable_access::next(*r);
      if (!head_) tail_ = nullptr;
      --waiting_;
      lock.unlock();
      r->run_now();
      lock.lock();
      continue;
    }
    if (stop_) break;
    ++idle_;
    bool timed_out = false;
    if (options_.kind == executor_kind::pinned)
      wake_.wait(lock, [this] { return stop_ || head_; });
    else
      timed_out = !wake_.wait_for(lock, options_.idle_after, [this] { return stop_ || head_; });
    --idle_;
    if (timed_out) break;
  }
  // Under the lock that it found nothing under: whoever submits next starts another.
  std::thread before = std::exchange(last_, std::move(*handle));
  handles_.erase(handle);
  if (--threads_ == 0) ended_.notify_all();
  lock.unlock();
  if (before.joinable()) before.join();
}

// -- serial ---------------------------------------------------------------------------------------

serial_thread::serial_thread(std::string name) {
  thread_ = std::thread([this, name = std::move(name)] {
    name_this_thread(name);
    std::unique_lock lock(mutex_);
    for (;;) {
      if (jobs_.empty() && !stop_) {
        // The next job is often the answer to the last one, and comes before a sleep had begun.
        const std::uint32_t seen = posted_.load(std::memory_order_relaxed);  // under the lock
        lock.unlock();
        spin_until([&] { return posted_.load(std::memory_order_acquire) != seen; });
        lock.lock();
      }
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
    }
  });
}

serial_thread::~serial_thread() {
  {
    std::lock_guard guard(mutex_);
    stop_ = true;
    posted_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_one();
  thread_.join();
}

void serial_thread::post(std::move_only_function<void()> job) {
  // Woken under the lock: the job may be the last, and its end the end of this.
  std::lock_guard guard(mutex_);
  jobs_.push_back(std::move(job));
  posted_.fetch_add(1, std::memory_order_release);
  wake_.notify_one();
}

}  // namespace odeon::detail
