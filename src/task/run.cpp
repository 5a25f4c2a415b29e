// Running tasks: by a thread that sleeps in between, and detached, outside of actors.

#include "internal/task_group.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/task/future.hpp>
#include <odeon/task/run.hpp>

#include <atomic>
#include <mutex>
#include <utility>

namespace odeon {

namespace detail {

namespace {

/// A group whose home is the thread that calls `run`; it sleeps while nothing has come.
class thread_group final : public task_group {
 public:
  thread_group(runtime& rt, run_options options) noexcept
      : rt_(rt),
        stop_(std::move(options.stop)),
        on_unhandled_(std::move(options.on_unhandled)) {}

  void drive() {
    for (;;) {
      (void)take_turns(~0U);
      if (is_empty()) return;
      const std::uint32_t seen = arrivals_.load(std::memory_order_acquire);
      if (!fall_asleep()) continue;
      const auto arrived = [&] { return arrivals_.load(std::memory_order_acquire) != seen; };
      if (!rt_.is_simulated() && spin_until(arrived)) continue;
      while (!arrived()) rt_.wait(arrivals_, seen, time_point::max());
    }
  }
  void end() noexcept { (void)close(); }

  /// For forks that join the first: the group as its driver's.
  struct root_driver final : task_driver {
    explicit root_driver(thread_group& g) noexcept : self(g) { group = &g; }
    void post(driver_node&) noexcept override {}
    void expect_late_node() noexcept override {}
    [[nodiscard]] bool stop_requested() const noexcept override { return self.stop_requested(); }
    [[nodiscard]] std::stop_token stop_token() override { return self.stop_; }
    [[nodiscard]] runtime& get_runtime() const noexcept override { return self.rt_; }
    thread_group& self;
  };

 private:
  void wake() noexcept override {
    arrivals_.fetch_add(1, std::memory_order_release);
    rt_.wake(arrivals_);
  }
  void free_self() noexcept override { delete this; }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return rt_; }
  [[nodiscard]] bool stop_requested() const noexcept override { return stop_.stop_requested(); }
  [[nodiscard]] std::stop_token stop_token() override { return stop_; }
  void unhandled(const unhandled_task_error& e) noexcept override {
    if (on_unhandled_)
      on_unhandled_(e);
    else
      report_unhandled(e);
  }

  runtime& rt_;
  std::atomic<std::uint32_t> arrivals_{0};
  std::stop_token stop_;
  unhandled_task_error_hook on_unhandled_;
};

/// A queue of nodes that a completing thread works off.
class node_queue {
 public:
  void push(driver_node& node) noexcept {
    std::lock_guard guard(lock_);
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

/// Detached, outside of actors: resumed by whoever completes what it waits for. `pending_` counts
/// the steps to take; who raises it from zero takes them, so that one thread at a time does. It
/// ends when its task, the one beside that and their late nodes have.
class inline_home {
 public:
  inline_home(runtime& rt, task<void> work) noexcept : rt_(rt), root_(*this), beside_(*this) {
    root_.begin(std::move(work));
  }
  void start() noexcept {
    pending_.store(1, std::memory_order_relaxed);
    root_.resume();
    step_done();
  }

 private:
  /// One of the two tasks.
  class lane final : public task_driver {
   public:
    explicit lane(inline_home& home) noexcept : home_(home) {}
    void begin(task<void> work) noexcept {
      work_ = work.release();
      work_.promise().set_driver(this);
    }
    void resume() noexcept {
      driving now(*this);
      work_.resume();
    }
    void arrive(driver_node& n) noexcept {
      if (!work_) --late_;
      driving now(*this);
      n.arrive(n);
    }
    /// True: nothing of it is left. An error of detached work outside of actors ends the program
    /// (noexcept).
    bool is_over() noexcept {
      if (work_ && work_.done()) {
        work_.promise().take();
        std::exchange(work_, nullptr).destroy();
        retire();
      }
      return !work_ && late_ == 0;
    }

   private:
    void post(driver_node& node) noexcept override {
      node.to = this;
      home_.post(node);
    }
    void accompany(task<void> work) override {
      home_.beside_.begin(std::move(work));
      home_.beside_.resume();
    }
    void expect_late_node() noexcept override { ++late_; }
    [[nodiscard]] bool stop_requested() const noexcept override { return false; }
    [[nodiscard]] std::stop_token stop_token() override { return {}; }
    [[nodiscard]] runtime& get_runtime() const noexcept override { return home_.rt_; }

    inline_home& home_;
    std::coroutine_handle<task_promise<void>> work_;
    std::size_t late_ = 0;
  };

  void post(driver_node& node) noexcept {
    queue_.push(node);
    if (pending_.fetch_add(1, std::memory_order_acq_rel) > 0) return;
    take();
    step_done();
  }
  void take() noexcept {
    driver_node* n = queue_.pop();
    static_cast<lane*>(n->to)->arrive(*n);
  }
  void step_done() noexcept {
    for (;;) {
      // Both are looked at: the end of the first lets the other end.
      const bool root_over = root_.is_over();
      const bool beside_over = beside_.is_over();
      if (root_over && beside_over) {
        delete this;
        return;
      }
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        return;  // `this` may be gone from here on
      take();
    }
  }

  runtime& rt_;
  lane root_;
  lane beside_;
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

void run_root(runtime& rt, fork_base& root, run_options options) {
  if (this_ambient && !this_ambient->may_block()) throw_would_block();
  struct owner {
    thread_group* g;
    ~owner() {
      g->end();
      g->drop_ref();
    }
  } const group{new thread_group(rt, std::move(options))};
  {
    thread_group::root_driver starter(*group.g);
    root.activate(starter);
  }
  group.g->drive();
}

runtime& shared_runtime() {
  static const std::unique_ptr<runtime> rt = make_threaded_runtime();
  return *rt;
}

void branch_here(task<void> work, runtime& rt) {
  if (this_ambient)
    this_ambient->branch(std::move(work));
  else
    (new inline_home(rt, std::move(work)))->start();
}

void throw_awaited_twice() {
  throw actor_error(errc::invalid_argument,
                    "a task is awaited that ran before, or was moved away: it runs once");
}

void throw_taken_twice(const fork_base& f) {
  throw actor_error(errc::invalid_argument,
                    "the value of task '" + f.name() +
                        "' cannot be copied, and was taken by who joined it before");
}

void throw_no_fork() {
  throw actor_error(errc::invalid_argument, "a handle to no task: it is empty or was moved away");
}

}  // namespace detail

result<void> task_handle::try_resume() const noexcept {
  if (task_ && task_->resume()) return {};
  return fail(errc::invalid_argument, "a task is resumed that has ended");
}

void task_handle::resume() const {
  if (auto r = try_resume(); !r) throw actor_error(std::move(r.error()));
}

task<void> sleep(duration d) {
  runtime& rt =
      co_await detail::driver_query{[](task_driver& d) -> runtime& { return d.get_runtime(); }};
  auto* state = new detail::value_state<void, detail::sleep_state>;
  future<void> done(state);
  state->start(rt, d);
  co_await std::move(done);
}

}  // namespace odeon
