#pragma once

#include <odeon/task/detail/fork_base.hpp>
#include <odeon/task/task.hpp>

#include <expected>
#include <functional>
#include <utility>

/// @file Tasks beside each other: `fork`, `join`, `abort`, `exit`, `spawn`, and the pair `suspend`
/// and `resume`.
///
///     task<std::string> both() {
///       forked<std::string> a = co_await fork(fetch("a"));   // runs when this task suspends
///       forked<std::string> b = co_await fork(fetch("b"));
///       co_return co_await a.join() + co_await b.join();
///     }
///
/// Forked tasks take turns with the task that forked them, on its executor: none runs while another
/// does, each from suspension to suspension, first come, first served. A fork does not end with its
/// parent, and its failure harms nobody: who joins it gets its value, its error and, from then on,
/// its messages. What it emits while nobody has joined it is dropped. An error that nobody looked
/// at when the last handle goes is told to the unhandled-error hook.
///
/// All but `resume` and the handles' copying belongs on the executor of the task.

namespace odeon {

struct fork_options {
  std::string name = {};  ///< for texts; any
};

/// An error of a detached task that nobody joined, aborted or looked at.
struct unhandled_task_error {
  std::exception_ptr error;
  std::string task;  ///< the name it was forked with
  std::uint64_t id;  ///< of the fork
  /// The error as a text.
  [[nodiscard]] std::string what() const;
};
using unhandled_task_error_hook = std::function<void(const unhandled_task_error&)>;

/// Takes the errors of detached tasks that have no hook of their own (`run_options::on_unhandled`,
/// an actor's system) in the whole process; returns the hook before. Without one they are written
/// to stderr. The hook may be called on any thread and must not throw. @threadsafe
unhandled_task_error_hook set_unhandled_task_error_hook(unhandled_task_error_hook hook);

/// The outcome of a task: its value, or what it threw.
template <class T>
using task_outcome = std::expected<T, std::exception_ptr>;

namespace detail {

void report_unhandled(const unhandled_task_error& e) noexcept;
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

/// What resumes a task from outside: of `current()`. Cheap to copy. @threadsafe
class task_handle {
 public:
  task_handle() noexcept = default;
  explicit task_handle(detail::resumable& r) noexcept : task_(&r) { r.add_ref(); }
  task_handle(const task_handle& o) noexcept : task_(o.task_) {
    if (task_) task_->add_ref();
  }
  task_handle(task_handle&& o) noexcept : task_(std::exchange(o.task_, nullptr)) {}
  task_handle& operator=(task_handle o) noexcept {
    std::swap(task_, o.task_);
    return *this;
  }
  ~task_handle() {
    if (task_) task_->drop_ref();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return task_ != nullptr; }
  [[nodiscard]] bool is_finished() const noexcept { return !task_ || task_->has_ended(); }
  friend bool operator==(const task_handle&, const task_handle&) noexcept = default;

  /// The task goes on from `suspend()`; when it is not there, its next `suspend()` does not stop.
  /// Any number of calls before that count as one. `errc::invalid_argument`: it has ended.
  result<void> try_resume() const noexcept;
  /// As `try_resume`; throws `actor_error`.
  void resume() const;

 protected:
  detail::resumable* task_ = nullptr;
};

/// A handle to a forked task. Cheap to copy; a handle that is let go detaches, and an idle task is
/// destroyed with its last one. An empty handle is only good for assigning to.
template <class T = void, class M = void>
class forked : public task_handle {
 public:
  using value_type = T;
  using message_type = M;

  forked() noexcept = default;
  explicit forked(detail::fork_state<T, M>* adopted) noexcept { task_ = adopted; }

  /// `co_await fork(…)`, `co_await f`: activates the task, when it is idle, and gives the handle.
  /// It runs when those before it have had their turn. Never suspends.
  auto operator co_await() const& { return activation{*this}; }
  auto operator co_await() && { return activation{std::move(*this)}; }
  [[nodiscard]] auto activate() const { return activation{*this}; }

  /// Awaited: waits for the end of the task, activating it when it is idle, and gives its value or
  /// throws its error. Its messages are the joining task's meanwhile. A value is copied, or moved
  /// out when it cannot be copied (then the second join throws `invalid_argument`). When the
  /// joining task is aborted here, the joined one is as well, by the same error. Throws
  /// `invalid_argument` when the task runs on another executor, `call_cycle` when it waits for the
  /// joining one.
  [[nodiscard]] auto join() const& {
    auto& s = state();
    s.add_ref();
    return detail::join_awaiter<T, M>(s, false);
  }
  /// The same; moves the value out, and lets go of the handle.
  [[nodiscard]] auto join() && {
    auto& s = state();
    task_ = nullptr;
    return detail::join_awaiter<T, M>(s, true);
  }

  /// Throws `error` (an exception, an `odeon::error`, or a `std::exception_ptr`) into the task at
  /// its suspension, and runs it to its next one: it may catch, send and suspend while it cleans
  /// up. What it throws then is its outcome and nobody else's concern. An idle task ends at once; a
  /// finished one is left alone; one that runs now (the caller itself) gets it at its next
  /// suspension. May be awaited, which changes nothing.
  template <class E>
  detail::done abort(E&& error) const {
    state().conclude(detail::thrown_as(std::forward<E>(error)));
    return {};
  }
  /// With `errc::cancelled`.
  detail::done abort() const {
    state().conclude(detail::aborted());
    return {};
  }
  /// Ends the task with `value`: `task_exit` is thrown into it as by `abort`. A value that the task
  /// returns all the same is its outcome instead.
  template <class... V>
    requires(std::is_void_v<T> ? sizeof...(V) == 0 : sizeof...(V) == 1)
  detail::done exit(V&&... value) const {
    state().exit_with(std::forward<V>(value)...);
    return {};
  }
  /// Ends the task without a value: `T()`, or, where there is none, as `abort()`.
  detail::done terminate() const {
    if constexpr (std::is_void_v<T> || std::is_default_constructible_v<T>)
      state().exit_with();
    else
      state().conclude(detail::aborted());
    return {};
  }

  [[nodiscard]] task_status status() const { return state().status(); }
  /// Unique in the process.
  [[nodiscard]] std::uint64_t id() const { return state().id(); }
  [[nodiscard]] const std::string& name() const { return state().name(); }
  /// Its outcome; null while it has not finished. Looking at an error counts as handling it.
  [[nodiscard]] const task_outcome<T>* result() const {
    auto& s = state();
    if (s.status() == task_status::finished) s.look();
    return s.outcome();
  }

  /// For the verbs of this module.
  [[nodiscard]] detail::fork_state<T, M>& state() const {
    if (!task_) detail::throw_no_fork();
    return *static_cast<detail::fork_state<T, M>*>(task_);
  }

 private:
  struct activation {
    using driven_tag = void;
    forked self;
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) {
      self.state().activate(*h.promise().driver());
      return false;
    }
    forked await_resume() noexcept { return std::move(self); }
  };
};

/// A handle to `work`, idle: it runs from `co_await fork(work)`, its activation or its first join.
/// Two allocations from the pool, that of the frame and this. Throws `invalid_argument` for a task
/// that was moved away.
template <class T, class M>
[[nodiscard]] forked<T, M> fork(task<T, M> work) {
  return forked<T, M>(new detail::fork_state<T, M>(std::move(work)));
}
template <class T, class M>
[[nodiscard]] forked<T, M> fork(task<T, M> work, fork_options options) {
  auto f = fork(std::move(work));
  if (!options.name.empty()) f.state().set_name(std::move(options.name));
  return f;
}

namespace detail {

template <class T, class M>
struct detached_start {
  using driven_tag = void;
  forked<T, M> f;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    f.state().activate(*h.promise().driver());
    f = {};
    return false;
  }
  void await_resume() const noexcept {}
};

}  // namespace detail

/// `co_await spawn(work)`: starts it detached, without a handle. Its error goes to the
/// unhandled-error hook.
template <class T, class M>
[[nodiscard]] auto spawn(task<T, M> work, fork_options options = {}) {
  return detail::detached_start<T, M>{fork(std::move(work), std::move(options))};
}

/// As the members of the same names.
template <class T, class M>
[[nodiscard]] auto join(const forked<T, M>& f) {
  return f.join();
}
template <class T, class M, class... E>
detail::done abort(const forked<T, M>& f, E&&... error) {
  return f.abort(std::forward<E>(error)...);
}
template <class T, class M, class... V>
detail::done exit(const forked<T, M>& f, V&&... value) {
  return f.exit(std::forward<V>(value)...);
}
template <class T, class M>
detail::done terminate(const forked<T, M>& f) {
  return f.terminate();
}
inline void resume(const task_handle& t) { t.resume(); }

/// `co_await current()`: the handle by which the present task is resumed. Never suspends; for a
/// task that is not a fork the first call allocates.
[[nodiscard]] inline auto current() noexcept {
  return detail::driver_query{[](task_driver& d) { return task_handle(detail::resumable::of(d)); }};
}

/// `co_await suspend()`: waits until the task is resumed. It may return early, because of a
/// `resume` that came before or was meant for an earlier suspension: check what is waited for, in a
/// loop.
///
///     auto me = co_await current();
///     start_reading(file, [me, &done] { done = true; me.try_resume(); });
///     while (!done) co_await suspend();
class [[nodiscard]] suspend : detail::suspension {
 public:
  using driven_tag = void;
  suspend() noexcept : detail::suspension{&withdrawn} {}
  suspend(suspend&&) = delete;
  ~suspend() {
    if (waits_) {
      driver_->suspended_at = nullptr;
      at_->end_wait();
    }
  }
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    driver_ = h.promise().driver();
    at_ = &detail::resumable::of(*driver_);
    leaf = h;
    driver_->suspended_at = this;
    waits_ = at_->begin_wait(h);
    return waits_;
  }
  void await_resume() {
    waits_ = false;
    driver_->suspended_at = nullptr;
    if (driver_->thrown) std::rethrow_exception(std::exchange(driver_->thrown, nullptr));
  }

 private:
  static void withdrawn(detail::suspension& s) noexcept {
    auto& self = static_cast<suspend&>(s);
    self.waits_ = false;
    self.at_->end_wait();
  }
  task_driver* driver_ = nullptr;
  detail::resumable* at_ = nullptr;
  bool waits_ = false;
};

}  // namespace odeon
