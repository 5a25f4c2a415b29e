// Protocol: `pending_` counts the steps to take: nodes in the queue, and the interruption. Who
// raises it from zero defers a function that takes them all; so one thread at a time does, and
// there is at most one such function. It ends with the home when the task, the one beside it (which
// drives what it forked) and their late nodes have ended, and no step is left.

#include <odeon/base/detail/spin.hpp>
#include <odeon/net/detail/task_home.hpp>
#include <odeon/task/future.hpp>

#include <atomic>
#include <stop_token>
#include <utility>

namespace odeon::detail {

namespace {

class home final : public task_home {
 public:
  home(runtime& rt, defer_fn defer)
      : rt_(rt),
        defer_(std::move(defer)),
        root_(*this),
        beside_(*this) {}

  void start(task<void> root) noexcept override {
    root_.begin(std::move(root));
    step_.arrive = &first_step;
    step_.to = &root_;
    post(step_);
  }
  void interrupt() noexcept override {
    stop_.request_stop();
    if (!interrupted_.exchange(true)) raise();
  }

 private:
  class lane final : public task_driver {
   public:
    explicit lane(home& h) noexcept : home_(h) {}
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
    /// True: nothing of it is left. The task is one that lets no exception out.
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
    [[nodiscard]] bool stop_requested() const noexcept override {
      return home_.stop_.stop_requested();
    }
    [[nodiscard]] std::stop_token stop_token() override { return home_.stop_.get_token(); }
    [[nodiscard]] runtime& get_runtime() const noexcept override { return home_.rt_; }

    home& home_;
    std::coroutine_handle<task_promise<void>> work_;
    std::size_t late_ = 0;
  };

  static void first_step(driver_node& n) { static_cast<lane*>(n.to)->resume(); }

  void post(driver_node& node) noexcept {
    {
      spin_guard guard(lock_);
      node.next = nullptr;
      (tail_ ? tail_->next : head_) = &node;
      tail_ = &node;
    }
    raise();
  }
  void raise() noexcept {
    if (pending_.fetch_add(1, std::memory_order_acq_rel) > 0) return;
    defer_([this] { take_steps(); });
  }
  [[nodiscard]] driver_node* pop() noexcept {
    spin_guard guard(lock_);
    driver_node* n = head_;
    if (n && !(head_ = n->next)) tail_ = nullptr;
    return n;
  }
  void take_steps() noexcept {
    do {
      if (driver_node* n = pop()) static_cast<lane*>(n->to)->arrive(*n);
      if (interrupted_.load() && on_interrupt_) {
        driving now(root_);
        std::exchange(on_interrupt_, nullptr)();
      }
      // Both are looked at: the end of the first lets the other end.
      const bool root_over = root_.is_over();
      const bool beside_over = beside_.is_over();
      if (root_over && beside_over && pending_.load(std::memory_order_acquire) == 1) {
        delete this;
        return;
      }
    } while (pending_.fetch_sub(1, std::memory_order_acq_rel) > 1);
    // `this` may be gone.
  }
  void set_interruption(std::move_only_function<void()> f) override {
    on_interrupt_ = std::move(f);
  }

  runtime& rt_;
  defer_fn defer_;
  lane root_, beside_;
  driver_node step_;
  std::stop_source stop_;
  std::atomic<bool> interrupted_{false};
  std::move_only_function<void()> on_interrupt_;
  spin_lock lock_;
  driver_node* head_ = nullptr;
  driver_node* tail_ = nullptr;
  std::atomic<std::size_t> pending_{0};
};

}  // namespace

task_home& task_home::make(runtime& rt, defer_fn defer) { return *new home(rt, std::move(defer)); }

}  // namespace odeon::detail
