#pragma once

#include <odeon/task/detail/fork_base.hpp>

#include <expected>
#include <optional>
#include <utility>

/// @file A fork with its types, and what waits for its end.

namespace odeon {

/// The outcome of a task: its value, or what it threw.
template <class T>
using task_outcome = std::expected<T, std::exception_ptr>;

namespace detail {

[[noreturn]] void throw_taken_twice(const fork_base& f);
[[noreturn]] void throw_no_fork();

/// Runs `e` now or never: awaited or not, it is done.
struct done {
  using driven_tag = void;
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume() const noexcept {}
};

template <class M>
struct fork_slot {
  message_slot<M> slot;
};
template <>
struct fork_slot<void> {};

template <class T, class M>
class fork_state final : public fork_base, public fork_slot<M> {
  using handle = std::coroutine_handle<task_promise<T, M>>;

 public:
  explicit fork_state(task<T, M> work) : fork_state(work.release()) {}
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

  /// The messages go where those of `joiner` go.
  template <class P>
  void flow_to(P& joiner) noexcept {
    check_flow<M, typename P::message_type>();
    if constexpr (!std::is_void_v<M> && has_messages<typename P::message_type>)
      this->slot.forward_to(joiner.out);
  }
  void flow_nowhere() noexcept {
    if constexpr (!std::is_void_v<M>) this->slot = {};
  }

  [[nodiscard]] const task_outcome<T>* outcome() const noexcept {
    return outcome_ ? &*outcome_ : nullptr;
  }
  /// A copy, when there can be one; `taken`: the value itself.
  T give(bool taken) {
    look();
    if (!*outcome_) std::rethrow_exception(outcome_->error());
    if constexpr (!std::is_void_v<T>) {
      if constexpr (std::is_copy_constructible_v<T>)
        if (!taken) return **outcome_;
      if (std::exchange(taken_, true)) throw_taken_twice(*this);
      return std::move(**outcome_);
    }
  }

  template <class... V>
  void exit_with(V&&... value) noexcept {
    if (status() == task_status::finished) return;
    exit_ = std::make_exception_ptr(task_exit());
    exit_outcome_.emplace(std::in_place, std::forward<V>(value)...);
    conclude(exit_);
  }

  [[nodiscard]] std::exception_ptr failure() const noexcept override {
    return outcome_ && !*outcome_ ? outcome_->error() : nullptr;
  }

 private:
  explicit fork_state(handle h)
      : fork_base(h, h ? static_cast<task_promise_base&>(h.promise()) : no_promise()) {
    if constexpr (!std::is_void_v<M>) h.promise().out = &this->slot;
  }
  static task_promise_base& no_promise() { throw_no_fork(); }
  ~fork_state() = default;

  void take_outcome(const std::exception_ptr& exiting) noexcept override {
    auto& p = handle::from_address(root_.address()).promise();
    if (auto e = p.failure()) {
      if (exiting && e == exiting)
        outcome_ = std::move(exit_outcome_);
      else
        outcome_.emplace(std::unexpect, std::move(e));
      return;
    }
    try {
      if constexpr (std::is_void_v<T>)
        outcome_.emplace();
      else
        outcome_.emplace(std::in_place, p.take());
    } catch (...) {
      outcome_.emplace(std::unexpect, std::current_exception());
    }
  }
  void set_failure(std::exception_ptr e) noexcept override {
    if (exit_ && e == exit_)
      outcome_ = std::move(exit_outcome_);
    else
      outcome_.emplace(std::unexpect, std::move(e));
  }
  void free_self() noexcept override {
    report_unseen();
    delete this;
  }

  std::optional<task_outcome<T>> outcome_;
  std::optional<task_outcome<T>> exit_outcome_;
  bool taken_ = false;
};

template <class T, class M>
class join_awaiter : fork_base::joiner {
 public:
  using driven_tag = void;
  /// With a reference of its own.
  join_awaiter(fork_state<T, M>& adopted, bool take) noexcept : fork_(&adopted), take_(take) {
    finished = &told;
  }
  join_awaiter(join_awaiter&&) = delete;
  ~join_awaiter() {
    if (waits_) stop_waiting();
    fork_->drop_ref();
  }

  bool await_ready() const noexcept { return fork_->status() == task_status::finished; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> h) {
    task_driver& d = *h.promise().driver();
    fork_->flow_to(h.promise());
    fork_->prepare_join(d);
    place_.park(d, h);
    fork_->add_joiner(*this);
    waits_ = true;
    if (d.is_fork) (me_ = static_cast<fork_base*>(&d))->joining = fork_;
  }
  T await_resume() {
    const std::exception_ptr thrown = place_.arrived();
    if (waits_) stop_waiting();
    if (thrown) [[unlikely]] {
      fork_->conclude(thrown);
      std::rethrow_exception(thrown);
    }
    return fork_->give(take_);
  }

 private:
  static void told(fork_base::joiner& j) noexcept { static_cast<join_awaiter&>(j).place_.unpark(); }
  void stop_waiting() noexcept {
    waits_ = false;
    if (me_) me_->joining = nullptr;
    if (fork_->status() != task_status::finished) fork_->remove_joiner(*this);
    fork_->flow_nowhere();
  }

  fork_state<T, M>* fork_;
  fork_base* me_ = nullptr;
  bool take_;
  bool waits_ = false;
  parking place_;
};

/// An error of any kind as what is thrown.
template <class E>
std::exception_ptr thrown_as(E&& e) {
  using X = std::remove_cvref_t<E>;
  if constexpr (std::same_as<X, std::exception_ptr>)
    return std::forward<E>(e);
  else if constexpr (std::same_as<X, error>)
    return std::make_exception_ptr(actor_error(std::forward<E>(e)));
  else
    return std::make_exception_ptr(std::forward<E>(e));
}
[[nodiscard]] inline std::exception_ptr aborted() {
  return std::make_exception_ptr(actor_error(errc::cancelled, "the task was aborted"));
}

}  // namespace detail

}  // namespace odeon
