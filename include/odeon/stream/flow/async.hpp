#pragma once

#include <odeon/stream/detail/channel.hpp>
#include <odeon/stream/pipe.hpp>
#include <odeon/stream/sink/basic.hpp>
#include <odeon/task/future.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>

/// @file Islands side by side, and work that takes its time.

namespace odeon::stream {

inline constexpr std::size_t async_capacity = 1024;  ///< elements between two islands

struct async_options {
  std::size_t capacity = async_capacity;  ///< elements that may wait between the two islands
  std::string dispatcher = {};            ///< of the island before; empty: the run's
};

/// What comes of work without a value.
struct unit {
  friend bool operator==(unit, unit) noexcept = default;
};

namespace detail {

struct async_flow {
  using stream_flow = void;
  async_options options;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using T = typename Up::value_type;
    auto between = std::make_shared<channel<T>>(options.capacity);
    m.add(std::make_unique<channel_body<Up>>(std::move(b.stage), between),
          std::move(options.dispatcher));
    return make_built(channel_reader<T>(std::move(between)), std::move(b.mats));
  }
};

template <class W>
inline constexpr bool is_awaited = false;
template <class T>
inline constexpr bool is_awaited<task<T>> = true;
template <class T>
inline constexpr bool is_awaited<future<T>> = true;

template <class W>
struct awaited {
  using type = int;
};
template <class W>
  requires is_awaited<W>
struct awaited<W> {
  using given = typename W::value_type;
  using type = std::conditional_t<std::is_void_v<given>, unit, given>;
};
/// What awaiting a `task` or a `future` gives; `unit` for nothing.
template <class W>
using awaited_t = typename awaited<W>::type;

template <class U>
struct outcome {
  std::optional<U> value;
  std::exception_ptr why;

  polled<U> take() {
    if (why) std::rethrow_exception(why);
    return polled<U>(std::move(*value));
  }
};

template <class U, class W>
task<void> await_into(W work, outcome<U>& out) {
  try {
    if constexpr (std::is_void_v<typename W::value_type>) {
      co_await std::move(work);
      out.value.emplace();
    } else {
      out.value.emplace(co_await std::move(work));
    }
  } catch (...) {
    out.why = std::current_exception();
  }
}

/// Work of one element, in the order of elements. All on the island's turns.
template <class U>
struct slot {
  outcome<U> result;
  bool done = false;

  template <class W>
  static task<void> fill(W work, std::shared_ptr<slot> self, waker_ptr w) {
    co_await await_into<U>(std::move(work), self->result);
    self->done = true;
    w->wake();
  }
};

/// What unordered work shares with its stage.
template <class U>
struct pool {
  std::deque<outcome<U>> ready;
  std::size_t running = 0;

  template <class W>
  static task<void> fill(W work, std::shared_ptr<pool> self, waker_ptr w) {
    outcome<U> out;
    co_await await_into<U>(std::move(work), out);
    --self->running;
    self->ready.push_back(std::move(out));
    w->wake();
  }
};

template <class F, class T>
consteval void check_async() {
  check_function<F, T>();
  if constexpr (std::invocable<F&, T>)
    static_assert(is_awaited<call_result_t<F, T>>,
                  "odeon: the function of an asynchronous stage returns an odeon::task or an "
                  "odeon::future");
}

/// What ordered and unordered have in common: demand while there is a place.
template <class Up, class F>
class async_stage_base {
  using in_type = typename Up::value_type;
  static_assert((check_async<F, in_type>(), true));

 protected:
  using work_type = call_result_t<F, in_type>;
  using out_type = awaited_t<work_type>;

  async_stage_base(Up up, std::size_t n, F f)
      : up_(std::move(up)),
        f_(std::move(f)),
        parallelism_(n == 0 ? 1 : n) {}

  /// Starts work while `places()` is below the limit.
  template <class Places, class Start>
  void start(island& in, Places places, Start start) {
    while (!up_over_ && places() < parallelism_) {
      auto p = ask(in);
      if (!p) return;
      call_user(in, *this, [&] { start(std::invoke(f_, std::move(*p))); });
    }
  }
  /// What is to be said when no work is left.
  template <class U>
  polled<U> conclude() {
    if (why_) std::rethrow_exception(std::exchange(why_, nullptr));
    return ended;
  }
  void drive_up(island& in) {
    if (!up_over_) up_.drive(in);
  }
  [[nodiscard]] bool up_over() const noexcept { return up_over_; }

 private:
  /// A failure of what is before waits for the work before it; but not one that `supervised` may
  /// be meant to see.
  polled<in_type> ask(island& in) {
    try {
      auto p = up_.next(in);
      if (p.has_ended()) up_over_ = true;
      return p;
    } catch (...) {
      if (in.has_thrown()) throw;
      why_ = std::current_exception();
      up_over_ = true;
      return ended;
    }
  }
  Up up_;
  F f_;
  std::size_t parallelism_;
  bool up_over_ = false;
  std::exception_ptr why_;
};

template <class Up, class N, class F>
class map_async_stage : async_stage_base<Up, F> {
  using base = async_stage_base<Up, F>;

 public:
  using value_type = typename base::out_type;
  map_async_stage(Up up, N n, F f) : base(std::move(up), n, std::move(f)) {}
  polled<value_type> next(island& in) {
    fill(in);
    if (slots_.empty()) {
      if (this->up_over()) return this->template conclude<value_type>();
      return pending;
    }
    if (!slots_.front()->done) return pending;
    auto first = std::move(slots_.front());
    slots_.pop_front();
    return call_user(in, *this, [&] { return first->result.take(); });
  }
  void drive(island& in) {
    fill(in);
    this->drive_up(in);
  }

 private:
  void fill(island& in) {
    this->start(
        in, [&] { return slots_.size(); },
        [&](auto work) {
          auto s = std::make_shared<slot<value_type>>();
          slots_.push_back(s);
          odeon::detail::branch_here(
              slot<value_type>::fill(std::move(work), std::move(s), in.get_waker()),
              in.get_runtime());
        });
  }
  std::deque<std::shared_ptr<slot<value_type>>> slots_;
};

template <class Up, class N, class F>
class map_async_unordered_stage : async_stage_base<Up, F> {
  using base = async_stage_base<Up, F>;

 public:
  using value_type = typename base::out_type;
  map_async_unordered_stage(Up up, N n, F f) : base(std::move(up), n, std::move(f)) {}
  polled<value_type> next(island& in) {
    fill(in);
    if (!pool_->ready.empty()) {
      auto first = std::move(pool_->ready.front());
      pool_->ready.pop_front();
      return call_user(in, *this, [&] { return first.take(); });
    }
    if (this->up_over() && pool_->running == 0) return this->template conclude<value_type>();
    return pending;
  }
  void drive(island& in) {
    fill(in);
    this->drive_up(in);
  }

 private:
  void fill(island& in) {
    this->start(
        in, [&] { return pool_->running + pool_->ready.size(); },
        [&](auto work) {
          ++pool_->running;
          odeon::detail::branch_here(pool<value_type>::fill(std::move(work), pool_, in.get_waker()),
                                     in.get_runtime());
        });
  }
  std::shared_ptr<pool<value_type>> pool_ = std::make_shared<pool<value_type>>();
};

template <class W>
class work_stage : public leaf {
 public:
  using value_type = awaited_t<W>;
  explicit work_stage(W work) : work_(std::move(work)) {}
  polled<value_type> next(island& in) {
    if (given_) return ended;
    if (!slot_) {
      slot_ = std::make_shared<slot<value_type>>();
      odeon::detail::branch_here(slot<value_type>::fill(std::move(work_), slot_, in.get_waker()),
                                 in.get_runtime());
    }
    if (!slot_->done) return pending;
    given_ = true;
    return slot_->result.take();
  }

 private:
  W work_;
  std::shared_ptr<slot<value_type>> slot_;
  bool given_ = false;
};

}  // namespace detail

/// What is before runs in an island of its own, on another thread when one is free; at most
/// `capacity` elements wait between the two. Order is kept; an end or a failure comes after the
/// elements before it.
[[nodiscard]] inline auto async(async_options options = {}) {
  return detail::async_flow{std::move(options)};
}

/// `f` gives a `task<U>` or a `future<U>` for each element: its value, in the order of the
/// elements, with at most `parallelism` of them at work or waiting for one before. A failed one is
/// as a function that throws. Work that is not wanted any more is destroyed. A failure of a stage
/// before comes after the work begun; only when a function there threw, that work is given up.
template <class F>
[[nodiscard]] auto map_async(std::size_t parallelism, F f) {
  return detail::flow_with<detail::map_async_stage>(parallelism, std::move(f));
}
/// The same in the order in which the work is done.
template <class F>
[[nodiscard]] auto map_async_unordered(std::size_t parallelism, F f) {
  return detail::flow_with<detail::map_async_unordered_stage>(parallelism, std::move(f));
}

namespace source {

/// The value of a `task<T>` or a `future<T>`; a task begins when it is asked for.
template <class W>
[[nodiscard]] auto from_task(W work) {
  static_assert(detail::is_awaited<W>,
                "odeon: source::from_task takes an odeon::task or an odeon::future");
  return detail::stage_source{detail::work_stage<W>(std::move(work))};
}

}  // namespace source

namespace sink {

/// Calls `f` with each element and waits for the `task` or `future` it returns, at most
/// `parallelism` at a time. `future<void>`
template <class F>
[[nodiscard]] auto foreach_async(std::size_t parallelism, F f) {
  return map_async_unordered(parallelism, std::move(f)) | to(ignore());
}

}  // namespace sink

}  // namespace odeon::stream
