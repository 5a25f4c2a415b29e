// Protocol: `pending_` counts the steps to take: nodes in the queue, and the interruption. Who
// raises it from zero defers a function that takes them all; so one thread at a time does, and
// there is at most one such function. It ends with the home when the task, the one beside it (which
// drives what it forked) and their late nodes have ended, and no step is left.

#include <odeon/net/detail/task_home.hpp>
#include <odeon/task/detail/lanes.hpp>

#include <atomic>
#include <stop_token>
#include <utility>

namespace odeon::detail {

namespace {

class home final : public task_home, lanes {
 public:
  home(runtime& rt, defer_fn defer) : lanes(rt), defer_(std::move(defer)) {}

  void start(task<void> work) noexcept override {
    begin(std::move(work));
    step_.arrive = &first_step;
    step_.to = &root();
    step_.of = this;
    post(step_);
  }
  void interrupt() noexcept override {
    stop_.request_stop();
    if (!interrupted_.exchange(true)) raise();
  }

 private:
  struct first_node : driver_node {
    home* of = nullptr;
  };
  static void first_step(driver_node& n) { static_cast<first_node&>(n).of->resume_root(); }

  void post(driver_node& node) noexcept override {
    push(node);
    raise();
  }
  [[nodiscard]] bool stop_requested() const noexcept override { return stop_.stop_requested(); }
  [[nodiscard]] std::stop_token stop_token() override { return stop_.get_token(); }

  void raise() noexcept {
    if (pending_.fetch_add(1, std::memory_order_acq_rel) > 0) return;
    defer_([this] { take_steps(); });
  }
  void take_steps() noexcept {
    do {
      if (driver_node* n = pop()) arrive(*n);
      if (interrupted_.load() && on_interrupt_) {
        driving now(root());
        std::exchange(on_interrupt_, nullptr)();
      }
      if (are_over() && pending_.load(std::memory_order_acquire) == 1) {
        delete this;
        return;
      }
    } while (pending_.fetch_sub(1, std::memory_order_acq_rel) > 1);
    // `this` may be gone.
  }
  void set_interruption(std::move_only_function<void()> f) override {
    on_interrupt_ = std::move(f);
  }

  defer_fn defer_;
  first_node step_;
  std::stop_source stop_;
  std::atomic<bool> interrupted_{false};
  std::move_only_function<void()> on_interrupt_;
  std::atomic<std::size_t> pending_{0};
};

}  // namespace

task_home& task_home::make(runtime& rt, defer_fn defer) { return *new home(rt, std::move(defer)); }

}  // namespace odeon::detail
