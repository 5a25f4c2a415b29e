#pragma once

#include <odeon/stream/source/basic.hpp>

#include <functional>
#include <optional>
#include <ranges>

/// @file Flows that look at one element at a time. All keep the order of elements, and lose and
/// double none but those they are told to. A function that throws fails the stream, unless
/// `supervised` (flow/recover.hpp) says otherwise.

namespace odeon::stream {

namespace detail {

template <class F, class T>
consteval void check_function() {
  ODEON_CHECK((std::invocable<F&, T>),
              (odeon::detail::concat("odeon: the stage before gives '") + odeon::detail::named<T> +
               "', and this stage's function does not take that"),
              "odeon: these two stages do not fit: the function does not take what comes before");
}
template <class F, class T>
consteval void check_value_function() {
  check_function<F, T>();
  if constexpr (std::invocable<F&, T>)
    static_assert(!std::is_void_v<std::invoke_result_t<F&, T>>,
                  "odeon: this stage's function returns nothing: use wire_tap or sink::foreach");
}
template <class F, class T>
consteval void check_predicate() {
  ODEON_CHECK((std::predicate<F&, const T&>),
              (odeon::detail::concat("odeon: the stage before gives '") + odeon::detail::named<T> +
               "', and this stage's function is no predicate of that"),
              "odeon: these two stages do not fit: the function is no predicate of what comes "
              "before");
}

template <class Up, class F>
class map_stage : public linear<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_value_function<F, in_type>(), true));

 public:
  using value_type = or_nothing_t<call_result_t<F, in_type>>;
  map_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    auto p = this->up_.next(in);
    if (!p) return p.template nothing<value_type>();
    return call_user(in, *this, [&] {
      return polled<value_type>(std::in_place, std::invoke(f_, std::move(*p)));
    });
  }

 private:
  F f_;
};

template <class Up, class F>
class try_map_stage : public linear<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_value_function<F, in_type>(), true));

 public:
  using value_type = typename call_result_t<F, in_type>::value_type;
  try_map_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    auto p = this->up_.next(in);
    if (!p) return p.template nothing<value_type>();
    return call_user(in, *this, [&] {
      auto r = std::invoke(f_, std::move(*p));
      if (!r) throw actor_error(std::move(r.error()));
      return polled<value_type>(std::move(*r));
    });
  }

 private:
  F f_;
};

template <class Up, class F>
class filter_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert((check_predicate<F, value_type>(), true));
  filter_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      auto p = this->up_.next(in);
      if (!p || call_user(in, *this, [&] { return bool(std::invoke(f_, std::as_const(*p))); }))
        return p;
    }
  }

 private:
  F f_;
};

template <class Up, class F>
class filter_map_stage : public linear<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_value_function<F, in_type>(), true));

 public:
  using value_type = typename call_result_t<F, in_type>::value_type;
  filter_map_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      auto p = this->up_.next(in);
      if (!p) return p.template nothing<value_type>();
      if (auto v = call_user(in, *this, [&] { return std::invoke(f_, std::move(*p)); }))
        return polled<value_type>(std::move(*v));
    }
  }

 private:
  F f_;
};

template <class Up, class F>
class map_concat_stage : public linear<Up> {
  using in_type = typename Up::value_type;
  static_assert((check_value_function<F, in_type>(), true));
  using range = call_result_t<F, in_type>;

 public:
  using value_type = std::ranges::range_value_t<range>;
  map_concat_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      if (part_) {
        auto p = part_->next(in);
        if (!p.has_ended()) return p;
        part_.reset();
      }
      auto p = this->up_.next(in);
      if (!p) return p.template nothing<value_type>();
      call_user(in, *this, [&] { part_.emplace(range(std::invoke(f_, std::move(*p)))); });
    }
  }

 private:
  F f_;
  std::optional<range_stage<range>> part_;
};

template <class Up>
class take_stage {
 public:
  using value_type = typename Up::value_type;
  take_stage(Up up, std::size_t n) : up_(std::move(up)), left_(n) {
    if (n == 0) up_.reset();
  }
  polled<value_type> next(island& in) {
    if (!up_) return ended;
    auto p = up_->next(in);
    if (p && --left_ == 0) up_.reset();  // cancels what is before, before the last one is used
    return p;
  }
  void drive(island& in) {
    if (up_) up_->drive(in);
  }

 private:
  std::optional<Up> up_;
  std::size_t left_;
};

template <class Up, class F>
class take_while_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert((check_predicate<F, value_type>(), true));
  take_while_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    auto p = this->up_.next(in);
    if (p && !call_user(in, *this, [&] { return bool(std::invoke(f_, std::as_const(*p))); }))
      return ended;
    return p;
  }

 private:
  F f_;
};

template <class Up>
class skip_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  skip_stage(Up up, std::size_t n) : linear<Up>(std::move(up)), left_(n) {}
  polled<value_type> next(island& in) {
    for (;;) {
      auto p = this->up_.next(in);
      if (!p || left_ == 0) return p;
      --left_;
    }
  }

 private:
  std::size_t left_;
};

template <class Up, class F>
class skip_while_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert((check_predicate<F, value_type>(), true));
  skip_while_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      auto p = this->up_.next(in);
      if (!p || open_) return p;
      if (!call_user(in, *this, [&] { return bool(std::invoke(f_, std::as_const(*p))); })) {
        open_ = true;
        return p;
      }
    }
  }

 private:
  F f_;
  bool open_ = false;
};

template <class Up, class F>
class wire_tap_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert((check_function<F, const value_type&>(), true));
  wire_tap_stage(Up up, F f) : linear<Up>(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    auto p = this->up_.next(in);
    if (p) call_user(in, *this, [&] { std::invoke(f_, std::as_const(*p)); });
    return p;
  }

 private:
  F f_;
};

}  // namespace detail

/// `f` of each element.
template <class F>
[[nodiscard]] auto map(F f) {
  return detail::flow_with<detail::map_stage>(std::move(f));
}
/// `f` gives a `result<U>`: its value, or the stream fails with its error.
template <class F>
[[nodiscard]] auto try_map(F f) {
  return detail::flow_with<detail::try_map_stage>(std::move(f));
}
/// The elements for which `f` says yes.
template <class F>
[[nodiscard]] auto filter(F f) {
  return detail::flow_with<detail::filter_stage>(std::move(f));
}
/// `f` gives an optional: its values.
template <class F>
[[nodiscard]] auto filter_map(F f) {
  return detail::flow_with<detail::filter_map_stage>(std::move(f));
}
/// `f` gives a range: the elements of each, in order. The range is kept while they are asked for.
template <class F>
[[nodiscard]] auto map_concat(F f) {
  return detail::flow_with<detail::map_concat_stage>(std::move(f));
}
/// The first `n`; then it completes, and what is before is cancelled.
[[nodiscard]] inline auto take(std::size_t n) {
  return detail::plain_flow_with<detail::take_stage>(n);
}
/// Those before the first for which `f` says no; then it completes.
template <class F>
[[nodiscard]] auto take_while(F f) {
  return detail::flow_with<detail::take_while_stage>(std::move(f));
}
/// Without the first `n`.
[[nodiscard]] inline auto skip(std::size_t n) {
  return detail::plain_flow_with<detail::skip_stage>(n);
}
/// From the first on for which `f` says no.
template <class F>
[[nodiscard]] auto skip_while(F f) {
  return detail::flow_with<detail::skip_while_stage>(std::move(f));
}
/// Shows each element to `f`, and passes it on.
template <class F>
[[nodiscard]] auto wire_tap(F f) {
  return detail::flow_with<detail::wire_tap_stage>(std::move(f));
}

}  // namespace odeon::stream
