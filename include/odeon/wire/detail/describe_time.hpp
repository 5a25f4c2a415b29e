#pragma once

#include <odeon/wire/detail/describe.hpp>

#include <limits>

/// @file The schemas of durations and time points. Internal; see `wire/describe.hpp`.

namespace odeon::wire::detail {

// Nanoseconds in an int64 reach 292 years either way. What lies beyond saturates, and the extremes
// stand for the type's own extremes, so that duration::max() is read back as duration::max().
template <class D>
constexpr std::int64_t to_nanoseconds(D d) noexcept {
  using limit = std::numeric_limits<std::int64_t>;
  using per = std::ratio_divide<typename D::period, std::nano>;
  __extension__ using wide = __int128;
  const wide exact = static_cast<wide>(d.count()) * per::num / per::den;
  if (d == D::max() || exact > limit::max()) return limit::max();
  if (d == D::min() || exact < limit::min()) return limit::min();
  return static_cast<std::int64_t>(exact);
}

template <class D>
constexpr bool from_nanoseconds(D& d, std::int64_t nanoseconds) noexcept {
  using limit = std::numeric_limits<std::int64_t>;
  using per = std::ratio_divide<typename D::period, std::nano>;
  using count = std::numeric_limits<typename D::rep>;
  __extension__ using wide = __int128;
  if (nanoseconds == limit::max() || nanoseconds == limit::min()) {
    d = nanoseconds > 0 ? D::max() : D::min();
    return true;
  }
  const wide scaled = static_cast<wide>(nanoseconds) * per::den;
  if (scaled % per::num != 0) return false;
  const wide exact = scaled / per::num;
  if (exact < static_cast<wide>(count::min()) || exact > static_cast<wide>(count::max()))
    return false;
  d = D(static_cast<typename D::rep>(exact));
  return true;
}

template <class T>
struct described<T, kind::duration> {
  static std::int64_t get(const void* p) { return to_nanoseconds(at<T>(p)); }
  static bool set(void* p, std::int64_t ns) { return from_nanoseconds(at<T>(p), ns); }

  static constexpr time_schema value = [] {
    time_schema s;
    fill_common<T>(s, kind::duration);
    s.get = &get;
    s.set = &set;
    return s;
  }();
};

template <class T>
struct described<T, kind::time_point> {
  static std::int64_t get(const void* p) { return to_nanoseconds(at<T>(p).time_since_epoch()); }
  static bool set(void* p, std::int64_t ns) {
    typename T::duration since{};
    if (!from_nanoseconds(since, ns)) return false;
    at<T>(p) = T(since);
    return true;
  }

  static constexpr time_schema value = [] {
    time_schema s;
    fill_common<T>(s, kind::time_point);
    s.get = &get;
    s.set = &set;
    return s;
  }();
};

}  // namespace odeon::wire::detail
