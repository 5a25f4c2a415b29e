#include <odeon/base/detail/spin.hpp>
#include <odeon/task/future.hpp>

#include <atomic>
#include <mutex>
#include <stop_token>
#include <utility>

namespace odeon {

namespace detail {

namespace {

/// A queue of nodes that a thread or a completing thread works off.
class node_queue {
 public:
  void push(driver_node& node) noexcept {
    push(node, [] {});
  }
  /// `then` is called before a taker can see the node: who takes it may destroy the queue.
  void push(driver_node& node, auto then) noexcept {
    std::lock_guard guard(lock_);
    then();
    node.next = nullptr;
    (tail_ ? tail_->next : head_) = &node;
    tail_ = &node;
  }
  driver_node* pop() noexcept {
    std::lock_guard guard(lock_);
    driver_node* n = head_;
    if (n && !(head_ = n->next)) tail_ = nullptr;
    return n;
  }

 private:
  spin_lock lock_;
  driver_node* head_ = nullptr;
  driver_node* tail_ = nullptr;
};

/// The calling thread drives; it sleeps while nothing has arrived.
class thread_driver final : public task_driver {
 public:
  explicit thread_driver(runtime& rt) noexcept : rt_(rt) {}
  void drive(std::coroutine_handle<> root) {
    root.resume();
    while (!root.done() || late_ > 0) {
      const std::uint32_t seen = arrivals_.load(std::memory_order_acquire);
      if (driver_node* n = queue_.pop()) {
        if (root.done()) --late_;
        n->arrive(*n);
        continue;
      }
      const auto arrived = [&] { return arrivals_.load(std::memory_order_acquire) != seen; };
      if (rt_.is_simulated() || !detail::spin_until(arrived))
        rt_.wait(arrivals_, seen, time_point::max());
    }
  }

 private:
  void post(driver_node& node) noexcept override {
    runtime& rt = rt_;
    queue_.push(node, [this] { arrivals_.fetch_add(1, std::memory_order_release); });
    rt.wake(arrivals_);  // only the address: the driver may be gone
  }
  void expect_late_node() noexcept override { ++late_; }
  [[nodiscard]] bool stop_requested() const noexcept override { return stop_.stop_requested(); }
  [[nodiscard]] std::stop_token stop_token() override { return stop_.get_token(); }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return rt_; }

  runtime& rt_;
  node_queue queue_;
  std::atomic<std::uint32_t> arrivals_{0};
  std::stop_source stop_;
  int late_ = 0;
};

/// Detached, outside of actors: resumed by whoever completes what it waits for. `pending_` counts
/// the steps to take; who raises it from zero takes them, so that one thread at a time does. A task
/// waits for one thing at a time, so no node is on its way when it is done.
class inline_driver final : public task_driver {
 public:
  inline_driver(runtime& rt, task<void> work) : rt_(rt), root_(work.release()) {
    root_.promise().set_driver(this);
  }
  void start() noexcept {
    pending_.store(1, std::memory_order_relaxed);
    root_.resume();
    step_done();
  }

 private:
  void post(driver_node& node) noexcept override {
    queue_.push(node);
    if (pending_.fetch_add(1, std::memory_order_acq_rel) > 0) return;
    take();
    step_done();
  }
  void take() noexcept {
    driver_node* n = queue_.pop();
    n->arrive(*n);
  }
  void step_done() noexcept {
    for (;;) {
      if (root_.done()) {
        auto root = root_;
        delete this;
        root.promise()
            .take();  // an error of detached work outside of actors ends the program (noexcept)
        root.destroy();
        return;
      }
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        return;  // `this` may be gone from here on
      take();
    }
  }
  void expect_late_node() noexcept override {}
  [[nodiscard]] bool stop_requested() const noexcept override { return false; }
  [[nodiscard]] std::stop_token stop_token() override { return {}; }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return rt_; }

  runtime& rt_;
  std::coroutine_handle<task_promise<void>> root_;
  node_queue queue_;
  std::atomic<std::uint32_t> pending_{0};
};

/// The state behind `sleep`: a future that a user timer fulfils.
class sleep_state : public future_state_base, public timer_node {
 public:
  void start(runtime& rt, duration d) {
    queue_ = &rt.timers(clock_domain::user);
    queue_->arm(*this, rt.now(clock_domain::user) + d);
  }

 protected:
  sleep_state() noexcept : future_state_base(2), timer_node(&fired) { times_itself_ = true; }

 private:
  static void fired(timer_node& node) noexcept {
    auto& self = static_cast<sleep_state&>(node);
    fulfil<void>(self);
    self.drop_ref();
  }
  void abandoned() noexcept override {
    if (queue_->disarm(*this)) drop_ref();
  }
  timer_queue* queue_ = nullptr;
};

}  // namespace

void drive(runtime& rt, task_promise_base& promise, std::coroutine_handle<> root) {
  thread_driver driver(rt);
  promise.set_driver(&driver);
  driver.drive(root);
}

void branch_here(task<void> work, runtime& rt) {
  if (this_ambient)
    this_ambient->branch(std::move(work));
  else
    (new inline_driver(rt, std::move(work)))->start();
}

}  // namespace detail

task<void> sleep(duration d) {
  runtime& rt =
      co_await detail::driver_query{[](task_driver& d) -> runtime& { return d.get_runtime(); }};
  auto* state = new detail::value_state<void, detail::sleep_state>;
  future<void> done(state);
  state->start(rt, d);
  co_await std::move(done);
}

}  // namespace odeon
