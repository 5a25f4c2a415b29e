#pragma once

#include <odeon/stream/pipe.hpp>

#include <functional>
#include <initializer_list>
#include <optional>
#include <ranges>
#include <vector>

/// @file Sources that have what they give: ranges, values, functions.

namespace odeon::stream {

namespace detail {

/// A range that is owned. Elements of a container are moved out, those of a view are copied.
template <class R>
class range_stage : public leaf {
  static constexpr bool moves =
      !std::ranges::view<R> && std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>;
  static constexpr bool indexed =
      std::ranges::random_access_range<R> && std::ranges::sized_range<R>;

 public:
  using value_type = std::ranges::range_value_t<R>;
  explicit range_stage(R range) : range_(std::move(range)) {}

  polled<value_type> next(island& in) {
    if constexpr (indexed) {
      if (at_ == std::ranges::size(range_)) return ended;
      if (!in.spend()) return pending;
      auto it = std::ranges::begin(range_) + static_cast<std::ranges::range_difference_t<R>>(at_++);
      return give(*it);
    } else {
      // Only now: iterators do not survive the moves of a range that is being built in.
      if (!it_) it_.emplace(std::ranges::begin(range_));
      if (*it_ == std::ranges::end(range_)) return ended;
      if (!in.spend()) return pending;
      polled<value_type> out = give(**it_);
      ++*it_;
      return out;
    }
  }

  range_stage(range_stage&&) = default;
  range_stage& operator=(range_stage&&) = default;
  range_stage(const range_stage& o)
    requires std::copy_constructible<R>
      : range_(o.range_) {}

 private:
  polled<value_type> give(std::ranges::range_reference_t<R> element) {
    if constexpr (moves)
      return polled<value_type>(std::in_place, std::move(element));
    else
      return polled<value_type>(std::in_place, std::forward<decltype(element)>(element));
  }
  struct none {};
  R range_;
  std::size_t at_ = 0;
  [[no_unique_address]] std::conditional_t<indexed, none, std::optional<std::ranges::iterator_t<R>>>
      it_;
};

template <class T>
class single_stage : public leaf {
 public:
  using value_type = T;
  explicit single_stage(T value) : value_(std::move(value)) {}
  polled<T> next(island& in) {
    if (!value_) return ended;
    if (!in.spend()) return pending;
    polled<T> out(std::move(*value_));
    value_.reset();
    return out;
  }

 private:
  std::optional<T> value_;
};

template <class T>
struct empty_stage : leaf {
  using value_type = T;
  polled<T> next(island&) noexcept { return ended; }
};
template <class T>
struct never_stage : leaf {
  using value_type = T;
  polled<T> next(island&) noexcept { return pending; }
};
template <class T>
struct failed_stage : leaf {
  using value_type = T;
  std::exception_ptr why;
  explicit failed_stage(std::exception_ptr w) noexcept : why(std::move(w)) {}
  polled<T> next(island&) { std::rethrow_exception(why); }
};
template <class T>
struct repeat_stage : leaf {
  using value_type = T;
  T value;
  explicit repeat_stage(T v) : value(std::move(v)) {}
  polled<T> next(island& in) {
    if (!in.spend()) return pending;
    return value;
  }
};

/// `F(state)` gives the next element and state, or nothing at the end.
template <class State, class F>
class unfold_stage : public leaf {
  using given = call_result_t<F, State>;

 public:
  using value_type = std::tuple_element_t<1, typename given::value_type>;
  unfold_stage(State s, F f) : state_(std::move(s)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    if (!in.spend()) return pending;
    auto step = std::invoke(f_, std::move(state_));
    if (!step) return ended;
    state_ = std::move(std::get<0>(*step));
    return polled<value_type>(std::move(std::get<1>(*step)));
  }

 private:
  State state_;
  F f_;
};

template <class F>
class generate_stage : public leaf {
  using given = call_result_t<F>;

 public:
  using value_type = typename given::value_type;
  explicit generate_stage(F f) : f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    if (!in.spend()) return pending;
    auto made = std::invoke(f_);
    if (!made) return ended;
    return polled<value_type>(std::move(*made));
  }

 private:
  F f_;
};

}  // namespace detail

namespace source {

/// The elements of a range, which is kept: a container is moved or copied in, a view as it is. The
/// range must be movable.
template <std::ranges::input_range R>
[[nodiscard]] auto from(R range) {
  return detail::stage_source{detail::range_stage<R>(std::move(range))};
}
template <class T>
[[nodiscard]] auto from(std::initializer_list<T> elements) {
  return from(std::vector<T>(elements));
}
/// One element.
template <class T>
[[nodiscard]] auto single(T value) {
  return detail::stage_source{detail::single_stage<T>(std::move(value))};
}
/// Completes at once.
template <class T>
[[nodiscard]] auto empty() {
  return detail::stage_source{detail::empty_stage<T>()};
}
/// Gives nothing and never completes; it can be cancelled.
template <class T>
[[nodiscard]] auto never() {
  return detail::stage_source{detail::never_stage<T>()};
}
/// Fails at once.
template <class T>
[[nodiscard]] auto failed(error why) {
  return detail::stage_source{detail::failed_stage<T>(exception_of(std::move(why)))};
}
/// The same with an exception of the user's own.
template <class T>
[[nodiscard]] auto failed(std::exception_ptr why) {
  return detail::stage_source{detail::failed_stage<T>(std::move(why))};
}
/// The same element without end.
template <std::copy_constructible T>
[[nodiscard]] auto repeat(T value) {
  return detail::stage_source{detail::repeat_stage<T>(std::move(value))};
}
/// `f(state)` gives `std::optional<std::pair<State, T>>`: the next state and an element, or the
/// end.
template <class State, class F>
[[nodiscard]] auto unfold(State state, F f) {
  using given = detail::call_result_t<F, State>;
  static_assert(
      requires(given g) {
        std::get<0>(*g);
        std::get<1>(*g);
      },
      "odeon: the function of source::unfold takes the state and returns "
      "std::optional<std::pair<State, T>>");
  return detail::stage_source{detail::unfold_stage<State, F>(std::move(state), std::move(f))};
}
/// `f()` gives `std::optional<T>`: an element, or the end.
template <class F>
[[nodiscard]] auto generate(F f) {
  static_assert(
      requires(detail::call_result_t<F> g) {
        *g;
        !g;
      },
      "odeon: the function of source::generate takes nothing and returns "
      "std::optional<T>");
  return detail::stage_source{detail::generate_stage<F>(std::move(f))};
}

}  // namespace source

}  // namespace odeon::stream
