#pragma once

#include <odeon/task/detail/ambient.hpp>
#include <odeon/task/detail/future_state.hpp>
#include <odeon/task/task.hpp>

#include <concepts>
#include <coroutine>
#include <utility>

/// @file `future<T>`: one value that comes later, from an ask or a `promise`.
///
/// A future is awaited once: by `co_await` in a task, or by a blocking `get` from a thread that may
/// block. Dropping it unawaited tells the producer, who may stop working. Move-only; not for use by
/// two threads at once.

namespace odeon {

template <class T>
class try_future;

namespace detail {

/// Drives `work` where the caller stands: beside the actor's present work, or, outside of actors,
/// on whatever thread completes what it waits for (`rt` is its runtime).
void branch_here(task<void> work, runtime& rt);

[[noreturn]] void throw_would_block();

template <class T>
class future_base {
 public:
  using state_type = future_state_base;

  future_base() noexcept = default;
  explicit future_base(state_type* adopted) noexcept : state_(adopted) {}
  future_base(future_base&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  future_base& operator=(future_base&& o) noexcept {
    if (this != &o) {
      drop();
      state_ = std::exchange(o.state_, nullptr);
    }
    return *this;
  }
  ~future_base() { drop(); }

  /// Whether the value or error is there.
  [[nodiscard]] bool is_ready() const noexcept { return state_ && state_->is_done(); }
  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// Gives the work up now, as dropping the future does.
  void cancel() noexcept { drop(); }

 protected:
  [[nodiscard]] result<T> take() {
    if (!state_->has_value()) return std::unexpected<error>(state_->take_error());
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return result<T>(std::move(*static_cast<T*>(state_->storage())));
  }
  [[nodiscard]] result<T> block() {
    if (!state_->is_done()) {
      if (this_ambient && !this_ambient->may_block()) throw_would_block();
      runtime* rt = state_->home();
      state_->wait(*rt);
    }
    auto r = take();
    drop();
    return r;
  }
  void drop() noexcept {
    if (auto* s = std::exchange(state_, nullptr)) {
      s->let_go();
      s->drop_ref();
    }
  }

  template <bool Throws>
  struct awaiter : suspension {
    using driven_tag = void;
    future_base owner;
    task_driver* driver = nullptr;
    bool waiting = false;

    awaiter(future_base&& f) noexcept : suspension{&withdrawn}, owner(std::move(f)) {}
    awaiter(awaiter&&) = delete;
    // The frame is destroyed at this suspension point: take the registration back before the state
    // goes.
    ~awaiter() {
      if (waiting) {
        driver->suspended_at = nullptr;
        owner.state_->detach_waiter();
      }
    }
    static void withdrawn(suspension& s) noexcept {
      auto& self = static_cast<awaiter&>(s);
      self.waiting = false;
      self.owner.state_->detach_waiter();
    }
    bool await_ready() const noexcept { return owner.state_->is_done(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) {
      driver = h.promise().driver();
      leaf = h;
      waiting = owner.state_->add_waiter(*driver, h);
      if (waiting) driver->suspended_at = this;
      return waiting;
    }
    std::conditional_t<Throws, T, result<T>> await_resume() {
      if (driver) {
        waiting = false;
        driver->suspended_at = nullptr;
        if (driver->thrown) [[unlikely]]
          std::rethrow_exception(std::exchange(driver->thrown, nullptr));
      }
      auto r = owner.take();
      owner.drop();
      if constexpr (!Throws) {
        return r;
      } else {
        if (!r) throw actor_error(std::move(r.error()));
        if constexpr (!std::is_void_v<T>) return std::move(*r);
      }
    }
  };

  state_type* state_ = nullptr;
};

}  // namespace detail

/// A value that comes later; failing is an exception.
template <class T>
class [[nodiscard("dropping a future cancels what it waits for")]] future
    : public detail::future_base<T> {
  using base = detail::future_base<T>;

 public:
  using value_type = T;
  using base::base;

  /// How long the producer may take, from the call that made this future; for this future in place
  /// of the default.
  future within(duration limit) && noexcept {
    this->state_->set_timeout(limit);
    return std::move(*this);
  }

  /// Suspends the task until it is there. Throws `actor_error`.
  auto operator co_await() && noexcept {
    return typename base::template awaiter<true>{std::move(*this)};
  }

  /// Blocks the thread until it is there. Throws `actor_error`; at once, with `errc::would_block`,
  /// inside an actor whose dispatcher must not block.
  T get() {
    auto r = this->block();
    if (!r) throw actor_error(std::move(r.error()));
    if constexpr (!std::is_void_v<T>) return std::move(*r);
  }
  /// The same without an exception for the producer's failure.
  result<T> result() { return this->block(); }

  /// Calls `f(result<T>)` when it is there: inside an actor on its turn, else on the completing
  /// thread, where `f` must be short. An exception of `f` fails the actor; outside of actors it
  /// terminates the program.
  template <class F>
  void then(F f) && {
    static_assert(
        std::invocable<F, odeon::result<T>>,
        "odeon: then takes a function of odeon::result<T>, T being what the future gives");
    runtime& rt = *this->state_->home();
    detail::branch_here(call_then(std::move(*this), std::move(f)), rt);
  }

  /// The same future, awaited as a `result<T>`.
  try_future<T> as_result() && noexcept;

 private:
  template <class F>
  static task<void> call_then(future self, F f);
};

/// A future that is awaited as a `result<T>` and never throws.
template <class T>
class [[nodiscard("dropping a future cancels what it waits for")]] try_future
    : public detail::future_base<T> {
  using base = detail::future_base<T>;

 public:
  using value_type = odeon::result<T>;
  using base::base;
  explicit try_future(future<T>&& f) noexcept : base(std::move(static_cast<base&>(f))) {}

  try_future within(duration limit) && noexcept {
    this->state_->set_timeout(limit);
    return std::move(*this);
  }
  auto operator co_await() && noexcept {
    return typename base::template awaiter<false>{std::move(*this)};
  }
  odeon::result<T> get() { return this->block(); }
};

template <class T>
try_future<T> future<T>::as_result() && noexcept {
  return try_future<T>(std::move(*this));
}

template <class T>
template <class F>
task<void> future<T>::call_then(future self, F f) {
  f(co_await std::move(self).as_result());
}

/// The producing end. Move-only. Destroyed unfulfilled, it fails its future with `errc::no_reply`.
template <class T>
class promise {
 public:
  /// A promise and its future: `auto [p, f] = promise<int>::make(rt)`. One allocation from the
  /// pool.
  static std::pair<promise, future<T>> make(runtime& rt) {
    auto* s = new detail::value_state<T, detail::promise_state>(rt);
    return {promise(s), future<T>(s)};
  }

  promise() noexcept = default;
  promise(promise&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  promise& operator=(promise&& o) noexcept {
    promise(std::move(o)).swap(*this);
    return *this;
  }
  ~promise() {
    if (state_) fail(errc::no_reply);
  }
  void swap(promise& o) noexcept { std::swap(state_, o.state_); }
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

  /// Gives the value. False: nobody waits any more. At most once. @threadsafe
  template <class... As>
  bool set(As&&... as) {
    // May throw: then it is still ours.
    const bool taken = detail::fulfil<T>(*state_, std::forward<As>(as)...);
    std::exchange(state_, nullptr)->drop_ref();
    return taken;
  }
  /// Gives `value`, or leaves it where it is: false when nobody waits any more.
  template <std::same_as<T> U>
  bool offer(U& value) {
    auto* s = std::exchange(state_, nullptr);
    auto* place = std::construct_at(static_cast<T*>(s->storage()), std::move(value));
    const bool taken = s->try_finish();
    if (!taken) {
      value = std::move(*place);
      std::destroy_at(place);
    }
    s->drop_ref();
    return taken;
  }
  bool fail(error e) noexcept {
    auto* s = std::exchange(state_, nullptr);
    const bool taken = s->fail(std::move(e));
    s->drop_ref();
    return taken;
  }
  bool set_result(result<T> r) {
    if (!r) return fail(std::move(r.error()));
    if constexpr (std::is_void_v<T>)
      return set();
    else
      return set(std::move(*r));
  }

 private:
  explicit promise(detail::future_state_base* s) noexcept : state_(s) {}
  detail::future_state_base* state_ = nullptr;
};

/// `co_await odeon::sleep(10ms)`: suspends the task; its driver goes on with other work. Resolution
/// 1 ms.
[[nodiscard]] task<void> sleep(duration d);

}  // namespace odeon

#include <odeon/task/detail/foreign.hpp>
