#pragma once

#include <odeon/stream/flow/basic.hpp>

#include <cstddef>
#include <deque>
#include <optional>
#include <unordered_set>
#include <vector>

/// @file Flows that remember: accumulators, groups of a size, windows of a number.

namespace odeon::stream {

namespace detail {

[[noreturn]] void throw_empty_stream(const char* who);
[[noreturn]] void throw_distinct_limit(std::size_t limit);

template <class F, class A, class T>
consteval void check_accumulator() {
  ODEON_CHECK(
      (std::is_invocable_r_v<A, F&, A, T>),
      (odeon::detail::concat("odeon: this accumulating function does not take '") +
       odeon::detail::named<A> + "' and '" + odeon::detail::named<T> + "' and return the former"),
      "odeon: these two stages do not fit: the accumulating function does not take (state, "
      "element) and return the state");
}

template <class Up, class A, class F>
class scan_stage : public linear<Up> {
  static_assert((check_accumulator<F, A, typename Up::value_type>(), true));

 public:
  using value_type = A;
  scan_stage(Up up, A init, F f)
      : linear<Up>(std::move(up)),
        init_(init),
        state_(std::move(init)),
        f_(std::move(f)) {}
  polled<A> next(island& in) {
    if (!given_) {
      given_ = true;
      return state_;
    }
    auto p = this->up_.next(in);
    if (!p) return p.template nothing<A>();
    // On a copy: an element that fails leaves the state as it was, and the state is given anyway.
    call_user(in, *this, [&] { state_ = std::invoke(f_, A(state_), std::move(*p)); });
    return state_;
  }
  void reset() { state_ = init_; }

 private:
  A init_, state_;
  F f_;
  bool given_ = false;
};

template <class Up, class A, class F>
class fold_stage : public linear<Up> {
  static_assert((check_accumulator<F, A, typename Up::value_type>(), true));

 public:
  using value_type = A;
  fold_stage(Up up, A init, F f)
      : linear<Up>(std::move(up)),
        init_(init),
        state_(std::move(init)),
        f_(std::move(f)) {}
  polled<A> next(island& in) {
    while (!over_) {
      auto p = this->up_.next(in);
      if (p) {
        call_user(in, *this, [&] {
          state_ =
              std::invoke(f_, in.is_supervised() ? A(state_) : std::move(state_), std::move(*p));
        });
      } else if (p.has_ended()) {
        over_ = true;
        return polled<A>(std::move(state_));
      } else {
        return pending;
      }
    }
    return ended;
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }
  void reset() { state_ = init_; }

 private:
  A init_, state_;
  F f_;
  bool over_ = false;
};

template <class Up, class F>
class reduce_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert((check_accumulator<F, value_type, value_type>(), true));
  reduce_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    while (!over_) {
      auto p = this->up_.next(in);
      if (p) {
        if (!state_)
          state_.emplace(std::move(*p));
        else
          call_user(in, *this, [&] {
            if constexpr (std::copy_constructible<value_type>) {
              if (in.is_supervised()) {
                value_type kept(*state_);
                value_type made = std::invoke(f_, std::move(kept), std::move(*p));
                state_.reset();
                state_.emplace(std::move(made));
                return;
              }
            }
            value_type made = std::invoke(f_, std::move(*state_), std::move(*p));
            state_.reset();
            state_.emplace(std::move(made));
          });
      } else if (p.has_ended()) {
        over_ = true;
        if (!state_) throw_empty_stream("reduce");
        return polled<value_type>(std::move(*state_));
      } else {
        return pending;
      }
    }
    return ended;
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }
  void reset() { state_.reset(); }

 private:
  F f_;
  std::optional<value_type> state_;
  bool over_ = false;
};

template <class Up>
class grouped_stage : public linear<Up> {
 public:
  using value_type = std::vector<typename Up::value_type>;
  grouped_stage(Up up, std::size_t n) : linear<Up>(std::move(up)), size_(n == 0 ? 1 : n) {}
  polled<value_type> next(island& in) {
    while (!over_) {
      auto p = this->up_.next(in);
      if (p) {
        group_.push_back(std::move(*p));
        if (group_.size() < size_) continue;
      } else if (p.has_ended()) {
        over_ = true;
        if (group_.empty()) return ended;
      } else {
        return pending;
      }
      return polled<value_type>(std::exchange(group_, {}));
    }
    return ended;
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }

 private:
  std::size_t size_;
  value_type group_;
  bool over_ = false;
};

template <class Up>
class sliding_stage : public linear<Up> {
  using element = typename Up::value_type;
  static_assert(std::copy_constructible<element>,
                "odeon: sliding gives an element in several windows, so it must be copyable");

 public:
  using value_type = std::vector<element>;
  sliding_stage(Up up, std::size_t n, std::size_t step)
      : linear<Up>(std::move(up)),
        size_(n == 0 ? 1 : n),
        step_(step == 0 ? 1 : step) {}
  polled<value_type> next(island& in) {
    while (!over_) {
      auto p = this->up_.next(in);
      if (p) {
        if (skip_ > 0) {
          --skip_;
          continue;
        }
        window_.push_back(std::move(*p));
        fresh_ = true;
        if (window_.size() < size_) continue;
        value_type out(window_.begin(), window_.end());
        const std::size_t drop = step_ < size_ ? step_ : size_;
        window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(drop));
        skip_ = step_ - drop;
        fresh_ = false;
        return polled<value_type>(std::move(out));
      }
      if (!p.has_ended()) return pending;
      over_ = true;
      if (fresh_) return value_type(window_.begin(), window_.end());
    }
    return ended;
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }

 private:
  std::size_t size_, step_, skip_ = 0;
  std::deque<element> window_;
  bool fresh_ = false;  // the window has an element that no window given had
  bool over_ = false;
};

template <class Up>
class changes_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert(std::equality_comparable<value_type> && std::copy_constructible<value_type>,
                "odeon: the elements before this stage can not be compared or not be copied");
  explicit changes_stage(Up up) : linear<Up>(std::move(up)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      auto p = this->up_.next(in);
      if (!p) return p;
      if (last_ && *last_ == *p) continue;
      last_.emplace(*p);
      return p;
    }
  }

 private:
  std::optional<value_type> last_;
};

template <class Up>
class distinct_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert(
      std::copy_constructible<value_type> && requires(value_type v) { std::hash<value_type>()(v); },
      "odeon: the elements before distinct can not be hashed by std::hash, or not be "
      "copied");
  distinct_stage(Up up, std::size_t limit) : linear<Up>(std::move(up)), limit_(limit) {}
  polled<value_type> next(island& in) {
    for (;;) {
      auto p = this->up_.next(in);
      if (!p) return p;
      if (seen_.contains(*p)) continue;
      if (seen_.size() == limit_) throw_distinct_limit(limit_);
      seen_.insert(*p);
      return p;
    }
  }

 private:
  std::size_t limit_;
  std::unordered_set<value_type> seen_;
};

}  // namespace detail

inline constexpr std::size_t distinct_max = 1'000'000;  ///< values that `distinct` remembers

/// `init`, then the accumulated value after each element: `init`, f(init, e₁), f(f(init, e₁), e₂),
/// …
template <class A, class F>
[[nodiscard]] auto scan(A init, F f) {
  return detail::flow_with<detail::scan_stage>(std::move(init), std::move(f));
}
/// One element at the end: f(…f(f(init, e₁), e₂)…).
template <class A, class F>
[[nodiscard]] auto fold(A init, F f) {
  return detail::flow_with<detail::fold_stage>(std::move(init), std::move(f));
}
/// As `fold`, beginning with the first element. An empty stream fails with `errc::not_found`.
template <class F>
[[nodiscard]] auto reduce(F f) {
  return detail::flow_with<detail::reduce_stage>(std::move(f));
}
/// Vectors of `n` elements (at least 1); the last one may be shorter.
[[nodiscard]] inline auto grouped(std::size_t n) {
  return detail::plain_flow_with<detail::grouped_stage>(n);
}
/// Windows of `n` elements, each `step` after the one before. What remains at the end is a shorter
/// window, if it has an element that was in none.
[[nodiscard]] inline auto sliding(std::size_t n, std::size_t step = 1) {
  return detail::plain_flow_with<detail::sliding_stage>(n, step);
}
/// Without elements that equal the one before them.
[[nodiscard]] inline auto changes() { return detail::plain_flow_with<detail::changes_stage>(); }
/// Each value once. Remembers at most `limit` values; more fail the stream with
/// `errc::limit_exceeded`.
[[nodiscard]] inline auto distinct(std::size_t limit = distinct_max) {
  return detail::plain_flow_with<detail::distinct_stage>(limit);
}

}  // namespace odeon::stream
