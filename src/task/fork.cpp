// One fork: its steps, what is thrown into it, and its end.

#include "internal/task_group.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/detail/exceptions.hpp>
#include <odeon/base/detail/spin.hpp>
#include <odeon/task/future.hpp>

#include <cstdio>
#include <functional>
#include <mutex>
#include <utility>

namespace odeon {

namespace {

detail::spin_lock hook_lock;
unhandled_task_error_hook& process_hook() {
  static unhandled_task_error_hook hook;
  return hook;
}

}  // namespace

std::string unhandled_task_error::what() const { return detail::what_of(error); }

unhandled_task_error_hook set_unhandled_task_error_hook(unhandled_task_error_hook hook) {
  std::lock_guard guard(hook_lock);
  return std::exchange(process_hook(), std::move(hook));
}

namespace detail {

void report_unhandled(const unhandled_task_error& e) noexcept {
  unhandled_task_error_hook hook;
  {
    std::lock_guard guard(hook_lock);
    hook = process_hook();
  }
  if (hook)
    hook(e);
  else
    std::fprintf(stderr, "odeon: nobody looked at the error of the detached task '%s': %s\n",
                 e.task.c_str(), e.what().c_str());
}

struct fork_base::stop_link {
  struct pass_on {
    std::stop_source* to;
    void operator()() const noexcept { to->request_stop(); }
  };
  explicit stop_link(std::stop_token from) : above(std::move(from), pass_on{&source}) {}
  std::stop_source source;
  std::stop_callback<pass_on> above;
};

fork_base::fork_base(std::coroutine_handle<> root, task_promise_base& promise) noexcept
    : resumable(static_cast<task_driver&>(*this), 1),
      root_(root),
      promise_(&promise) {
  is_fork = true;
  control = this;
  turn_.arrive = &take_turn;
  turn_.to = this;
}

fork_base::~fork_base() {
  drop_frame();
  if (holds_group_) group->drop_ref();
}

void fork_base::set_name(std::string name) {
  name_ = std::make_unique<const std::string>(std::move(name));
}

const std::string& fork_base::name() const noexcept {
  static const std::string none;
  return name_ ? *name_ : none;
}

std::uint64_t fork_base::id() const noexcept {
  static constinit std::atomic<std::uint64_t> last{0};
  std::uint64_t mine = id_.load(std::memory_order_relaxed);
  if (mine == 0) {
    const std::uint64_t fresh = last.fetch_add(1, std::memory_order_relaxed) + 1;
    // Whoever is first names it; a number that is not used is no loss.
    mine = id_.compare_exchange_strong(mine, fresh, std::memory_order_relaxed) ? fresh : mine;
  }
  return mine;
}

void fork_base::activate(task_driver& by) {
  if (status_ != task_status::idle) return;
  if (!root_) throw actor_error(errc::invalid_argument, "a fork of no task: it was moved away");
  task_group& g = group_of(by);
  group = &g;
  promise_->set_driver(this);
  status_ = task_status::active;
  add_ref();  // the group's
  g.add(*this);
  schedule(root_);
}

void fork_base::prepare_join(task_driver& by) {
  if (status_ == task_status::idle) activate(by);
  if (status_ == task_status::finished) return;
  if (static_cast<task_driver*>(this) == &by)
    throw actor_error(errc::invalid_argument, "a task joins itself");
  if (by.group != group)
    throw actor_error(errc::invalid_argument,
                      "a task joins one that runs elsewhere: in another actor or run");
  if (!by.is_fork) return;
  for (const fork_base* t = joining; t; t = t->joining)
    if (t == &by) throw actor_error(errc::call_cycle, "the task joins one that waits for it");
}

void fork_base::add_joiner(joiner& j) noexcept {
  joiner** last = &joiners_;
  while (*last) last = &(*last)->next;
  j.next = nullptr;
  *last = &j;
}

void fork_base::remove_joiner(joiner& j) noexcept {
  for (joiner** p = &joiners_; *p; p = &(*p)->next)
    if (*p == &j) {
      *p = j.next;
      return;
    }
}

void fork_base::schedule(std::coroutine_handle<> leaf) noexcept {
  leaf_ = leaf;
  if (std::exchange(queued_, true)) return;
  group->post(turn_);
}

void fork_base::take_turn(driver_node& n) {
  auto& self = *static_cast<fork_base*>(n.to);
  self.queued_ = false;
  if (auto h = std::exchange(self.leaf_, nullptr)) h.resume();
}

void fork_base::step(driver_node& n) noexcept {
  if (status_ == task_status::finished) {
    n.arrive(n);
    group->arrived_late();
    drop_ref();
    return;
  }
  running_ = true;
  {
    driving now(*this);
    n.arrive(n);
  }
  running_ = false;
  if (left()) drop_ref();
}

bool fork_base::run(std::coroutine_handle<> h) noexcept {
  running_ = true;
  {
    driving now(*this);
    h.resume();
  }
  running_ = false;
  return left();
}

bool fork_base::left() noexcept {
  if (root_.done()) {
    take_outcome(exit_);
    drop_frame();
    return finish();
  }
  if (doomed_) return end_now();
  if (pending_) return throw_in(std::exchange(pending_, nullptr));
  return false;
}

bool fork_base::throw_in(std::exception_ptr e) noexcept {
  if (suspension* s = std::exchange(suspended_at, nullptr)) {
    s->withdraw(*s);
    thrown = std::move(e);
    return run(s->leaf);
  }
  if (leaf_ == root_) {
    // It has not begun: there is nothing that could clean up.
    drop_frame();
    set_failure(std::move(e));
    return finish();
  }
  pending_ = std::move(e);
  return false;
}

void fork_base::conclude(std::exception_ptr error) noexcept {
  if (status_ == task_status::finished) return;
  looked_at_ = true;
  stopped_ = true;
  if (stop_) stop_->source.request_stop();
  if (status_ == task_status::idle) {
    drop_frame();
    set_failure(std::move(error));
    status_ = task_status::finished;
    resumable::retire();
  } else if (running_) {
    pending_ = std::move(error);
  } else if (throw_in(std::move(error))) {
    drop_ref();
  }
}

void fork_base::destroy() noexcept {
  if (status_ == task_status::finished) return;
  if (status_ == task_status::idle)
    conclude(std::make_exception_ptr(actor_error(errc::cancelled, "the task was destroyed")));
  else if (running_)
    doomed_ = true;
  else if (end_now())
    drop_ref();
}

bool fork_base::end_now() noexcept {
  running_ = stopped_ = true;
  {
    driving now(*this);
    drop_frame();
  }
  running_ = false;
  set_failure(std::make_exception_ptr(actor_error(errc::cancelled, "the task was destroyed")));
  return finish();
}

void fork_base::drop_frame() noexcept {
  if (auto h = std::exchange(root_, nullptr)) h.destroy();
}

bool fork_base::finish() noexcept {
  leaf_ = nullptr;
  status_ = task_status::finished;
  resumable::retire();
  if (queued_) expect_late_node();
  stop_.reset();
  pending_ = thrown = nullptr;
  group->remove(*this);
  while (joiner* j = joiners_) {
    joiners_ = j->next;
    looked_at_ = true;
    j->finished(*j);
  }
  // From here on the group may end before this.
  if (late_ > 0 || (!looked_at_ && failed())) {
    group->add_ref();
    holds_group_ = true;
  } else {
    group = nullptr;
  }
  return true;
}

void fork_base::report_unseen() noexcept {
  if (looked_at_ || !failed()) return;
  const unhandled_task_error e{failure(), name(), id()};
  if (group)
    group->unhandled(e);
  else
    report_unhandled(e);
}

void fork_base::post(driver_node& node) noexcept {
  node.to = this;
  group->post(node);
}

void fork_base::expect_late_node() noexcept {
  add_ref();
  ++late_;
  group->expect_late();
}

bool fork_base::stop_requested() const noexcept { return stopped_ || group->stop_requested(); }

std::stop_token fork_base::stop_token() {
  if (!stop_) {
    stop_ = std::make_unique<stop_link>(group->stop_token());
    if (stopped_) stop_->source.request_stop();
  }
  return stop_->source.get_token();
}

runtime& fork_base::get_runtime() const noexcept { return group->get_runtime(); }

// -- parking --------------------------------------------------------------------------------------

void parking::park(task_driver& d, std::coroutine_handle<> h) {
  if (!d.is_fork) {
    auto* s = new value_state<void, promise_state>(d.get_runtime());
    elsewhere_ = s;
    (void)s->add_waiter(d, h);
  }
  driver_ = &d;
  leaf = h;
  parked_ = true;
  d.suspended_at = this;
}

void parking::unpark() noexcept {
  if (!parked_ || std::exchange(told_, true)) return;
  if (elsewhere_) {
    future_state_base* s = elsewhere_;
    fulfil<void>(*s);
    s->drop_ref();
  } else {
    static_cast<fork_base*>(driver_)->schedule(leaf);
  }
}

std::exception_ptr parking::arrived() noexcept {
  if (!driver_) return nullptr;
  driver_->suspended_at = nullptr;
  if (std::exchange(parked_, false) && elsewhere_) {
    elsewhere_->drop_ref();
    elsewhere_ = nullptr;
  }
  return std::exchange(driver_->thrown, nullptr);
}

void parking::withdrawn(suspension& s) noexcept { static_cast<parking&>(s).leave(); }

void parking::leave() noexcept {
  parked_ = false;
  driver_->suspended_at = nullptr;
  if (future_state_base* s = std::exchange(elsewhere_, nullptr)) {
    s->detach_waiter();
    s->let_go();
    if (!told_) s->drop_ref();  // nobody will keep it
    s->drop_ref();
  } else {
    static_cast<fork_base*>(driver_)->unschedule();
  }
}

}  // namespace detail
}  // namespace odeon
