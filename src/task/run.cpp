// Running tasks: by a thread that sleeps in between, and detached, outside of actors.

#include "internal/task_group.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/task/detail/lanes.hpp>
#include <odeon/task/future.hpp>
#include <odeon/task/run.hpp>

#include <atomic>
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

/// Detached, outside of actors: resumed by whoever completes what it waits for. `pending_` counts
/// the steps to take; who raises it from zero takes them, so that one thread at a time does.
class inline_home final : lanes {
 public:
  explicit inline_home(runtime& rt) noexcept : lanes(rt) {}
  void start(task<void> work) noexcept {
    pending_.store(1, std::memory_order_relaxed);
    begin(std::move(work));
    resume_root();
    step_done();
  }

 private:
  void post(driver_node& node) noexcept override {
    push(node);
    if (pending_.fetch_add(1, std::memory_order_acq_rel) > 0) return;
    arrive(*pop());
    step_done();
  }
  void step_done() noexcept {
    while (!are_over()) {
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        return;  // `this` may be gone from here on
      arrive(*pop());
    }
    delete this;
  }

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
    (new inline_home(rt))->start(std::move(work));
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
