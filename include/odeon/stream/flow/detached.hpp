#pragma once

#include <odeon/stream/flow/basic.hpp>

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>

/// @file Flows between a side that is fast and one that is slow. They ask the source while the sink
/// is busy: while it waits for its own work, or for room in a channel. As long as the sink asks,
/// elements pass them one by one.

namespace odeon::stream {

/// What a full buffer does with the next element.
enum class on_full : std::uint8_t {
  wait,         ///< leaves it where it is: back-pressure
  drop_newest,  ///< drops the element that comes
  drop_oldest,  ///< drops the element that waits longest
  drop_all,     ///< drops all that wait
  fail,         ///< fails the stream with `errc::limit_exceeded`
};

namespace detail {

/// A stage that asks when it wants to, not when it is asked. Failures wait behind what it holds,
/// but for exceptions of users' functions, which `supervised` may be meant to see.
template <class Up>
class detached {
 protected:
  using in_type = typename Up::value_type;
  explicit detached(Up up) : up_(std::move(up)) {}

  polled<in_type> ask(island& in) {
    if (!up_) return ended;
    try {
      auto p = up_->next(in);
      if (p.has_ended()) up_.reset();
      return p;
    } catch (...) {
      if (in.has_thrown()) throw;
      why_ = std::current_exception();
      up_.reset();
      return ended;
    }
  }
  /// What is to be said when nothing is held any more.
  template <class T>
  polled<T> conclude() {
    if (why_) std::rethrow_exception(std::exchange(why_, nullptr));
    return ended;
  }
  [[nodiscard]] bool up_over() const noexcept { return !up_; }
  void drive_up(island& in) {
    if (up_) up_->drive(in);
  }
  /// Whether the sink asked in this turn and got nothing: then the next element is for it. Forgets
  /// it.
  [[nodiscard]] bool take_hungry() noexcept { return std::exchange(hungry_, false); }
  pending_t hungry() noexcept {
    hungry_ = true;
    return pending;
  }

 private:
  bool hungry_ = false;
  std::optional<Up> up_;
  std::exception_ptr why_;
};

[[noreturn]] void throw_buffer_full(std::size_t capacity);

template <class Up>
class buffer_stage : detached<Up> {
 public:
  using value_type = typename Up::value_type;
  buffer_stage(Up up, std::size_t n, on_full what)
      : detached<Up>(std::move(up)),
        capacity_(n == 0 ? 1 : n),
        what_(what) {}
  polled<value_type> next(island& in) {
    if (waiting_.empty()) {
      auto p = this->ask(in);
      if (p.has_ended()) return this->template conclude<value_type>();
      if (!p) return this->hungry();
      return p;
    }
    polled<value_type> out(std::move(waiting_.front()));
    waiting_.pop_front();
    return out;
  }
  void drive(island& in) {
    const bool busy = !this->take_hungry();
    while (busy && (what_ != on_full::wait || waiting_.size() < capacity_)) {
      auto p = this->ask(in);
      if (!p) break;
      if (waiting_.size() >= capacity_) {
        switch (what_) {
          case on_full::wait:
          case on_full::drop_newest: continue;
          case on_full::drop_oldest: waiting_.pop_front(); break;
          case on_full::drop_all: waiting_.clear(); break;
          case on_full::fail: throw_buffer_full(capacity_);
        }
      }
      waiting_.push_back(std::move(*p));
    }
    this->drive_up(in);
  }

 private:
  std::size_t capacity_;
  on_full what_;
  std::deque<value_type> waiting_;
};

/// `conflate` and `batch`: at most `max` elements in one.
template <class Up, class N, class Seed, class F>
class batch_stage : detached<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_value_function<Seed, in_type>(), true));

 public:
  using value_type = or_nothing_t<call_result_t<Seed, in_type>>;
  static_assert(std::is_invocable_r_v<value_type, F&, value_type, in_type>,
                "odeon: these two stages do not fit: the function does not take (what was "
                "gathered, the next element) and return the former");
  batch_stage(Up up, N max, Seed seed, F f)
      : detached<Up>(std::move(up)),
        max_(max == 0 ? 1 : max),
        seed_(std::move(seed)),
        f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    if (!gathered_) gather(in, 1);
    if (gathered_) {
      polled<value_type> out(std::move(*gathered_));
      gathered_.reset();
      count_ = 0;
      return out;
    }
    if (this->up_over()) return this->template conclude<value_type>();
    return this->hungry();
  }
  void drive(island& in) {
    if (!this->take_hungry()) gather(in, max_);
    this->drive_up(in);
  }
  void reset() {
    gathered_.reset();
    count_ = 0;
  }

 private:
  void gather(island& in, std::size_t max) {
    while (count_ < max) {
      auto p = this->ask(in);
      if (!p) return;
      call_user(in, *this, [&] {
        if (gathered_) {
          value_type so_far = std::move(*gathered_);
          gathered_.reset();
          gathered_.emplace(std::invoke(f_, std::move(so_far), std::move(*p)));
        } else {
          gathered_.emplace(std::invoke(seed_, std::move(*p)));
        }
      });
      ++count_;
    }
  }
  std::size_t max_, count_ = 0;
  Seed seed_;
  F f_;
  std::optional<value_type> gathered_;
};

template <class Up, class F>
class expand_stage : detached<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_value_function<F, in_type>(), true));
  using range = call_result_t<F, in_type>;

 public:
  using value_type = std::ranges::range_value_t<range>;
  expand_stage(Up up, F f) : detached<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      if (!is_new_) {  // each element gives its first one before the next is asked for
        auto p = this->ask(in);
        if (p) {
          call_user(in, *this, [&] { part_.emplace(range(std::invoke(f_, std::move(*p)))); });
          is_new_ = true;
        } else if (p.has_ended()) {
          return this->template conclude<value_type>();
        }
      }
      if (!part_) return pending;
      auto out = part_->next(in);
      if (out) is_new_ = false;
      if (!out.has_ended()) return out;
      part_.reset();
      if (!std::exchange(is_new_, false)) return pending;
    }
  }
  void drive(island& in) { this->drive_up(in); }

 private:
  F f_;
  std::optional<range_stage<range>> part_;
  bool is_new_ = false;
};

struct itself {
  template <class T>
  T operator()(T v) const {
    return v;
  }
};

}  // namespace detail

/// Up to `n` elements (at least 1) wait for a busy sink.
[[nodiscard]] inline auto buffer(std::size_t n, on_full what = on_full::wait) {
  return detail::plain_flow_with<detail::buffer_stage>(n, what);
}
/// All elements that come while the sink is busy become one: `seed(e₁)`, then `f(so far, e₂)`, …
/// The source is never held up.
template <class Seed, class F>
[[nodiscard]] auto conflate(Seed seed, F f) {
  return detail::flow_with<detail::batch_stage>(std::size_t(-1), std::move(seed), std::move(f));
}
/// The same, beginning with the element itself.
template <class F>
[[nodiscard]] auto conflate(F f) {
  return conflate(detail::itself(), std::move(f));
}
/// As `conflate`, with at most `max` elements in one; then the source waits.
template <class Seed, class F>
[[nodiscard]] auto batch(std::size_t max, Seed seed, F f) {
  return detail::flow_with<detail::batch_stage>(max, std::move(seed), std::move(f));
}
/// `f` gives a range for each element, which may be endless: its first element at least, and the
/// next ones for as long as the sink asks and the source has none.
template <class F>
[[nodiscard]] auto expand(F f) {
  return detail::flow_with<detail::expand_stage>(std::move(f));
}

}  // namespace odeon::stream
