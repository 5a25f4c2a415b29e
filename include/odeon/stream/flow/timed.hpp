#pragma once

#include <odeon/stream/flow/detached.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

/// @file Flows that look at the clock: that of user timers, to within a millisecond, so that the
/// test kit's `advance` moves them.

namespace odeon::stream {

namespace detail {

[[noreturn]] void throw_timeout(const char* what, duration limit);

template <class T>
class tick_stage : public leaf {
 public:
  using value_type = T;
  tick_stage(duration initial, duration interval, T value)
      : initial_(initial),
        interval_(interval > duration::zero() ? interval : duration(1'000'000)),
        value_(std::move(value)) {}
  polled<T> next(island& in) {
    const time_point now = in.now();
    if (!due_) due_ = now + initial_;
    if (now < *due_) {
      in.wake_at(*due_);
      return pending;
    }
    *due_ += interval_ * ((now - *due_) / interval_ + 1);  // the missed ones are gone
    return value_;
  }

 private:
  duration initial_, interval_;
  T value_;
  std::optional<time_point> due_;
};

template <class Up>
class throttle_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  throttle_stage(Up up, std::size_t n, duration per, std::size_t burst)
      : linear<Up>(std::move(up)),
        each_(per / static_cast<std::int64_t>(n == 0 ? 1 : n)),
        slack_(each_ * static_cast<std::int64_t>(burst == 0 ? 0 : burst - 1)) {}
  polled<value_type> next(island& in) {
    const time_point now = in.now();
    if (now + slack_ < free_) {
      in.wake_at(free_ - slack_);
      return pending;
    }
    auto p = this->up_.next(in);
    // The virtual scheduling form of the generic cell rate algorithm (ITU-T I.371).
    if (p) free_ = (free_ > now ? free_ : now) + each_;
    return p;
  }

 private:
  duration each_, slack_;
  time_point free_{};
};

template <class Up>
class delay_stage : detached<Up> {
 public:
  using value_type = typename Up::value_type;
  delay_stage(Up up, duration d, std::size_t capacity)
      : detached<Up>(std::move(up)),
        delay_(d),
        capacity_(capacity == 0 ? 1 : capacity) {}
  polled<value_type> next(island& in) {
    take_in(in);
    if (waiting_.empty()) {
      if (this->up_over()) return this->template conclude<value_type>();
      return pending;
    }
    if (waiting_.front().due > in.now()) {
      in.wake_at(waiting_.front().due);
      return pending;
    }
    polled<value_type> out(std::move(waiting_.front().element));
    waiting_.pop_front();
    return out;
  }
  void drive(island& in) {
    take_in(in);
    this->drive_up(in);
  }

 private:
  void take_in(island& in) {
    while (waiting_.size() < capacity_) {
      auto p = this->ask(in);
      if (!p) return;
      waiting_.push_back({in.now() + delay_, std::move(*p)});
      in.wake_at(waiting_.front().due);
    }
  }
  struct entry {
    time_point due;
    value_type element;
  };
  duration delay_;
  std::size_t capacity_;
  std::deque<entry> waiting_;
};

template <class Up>
class initial_delay_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  initial_delay_stage(Up up, duration d) : linear<Up>(std::move(up)), delay_(d) {}
  polled<value_type> next(island& in) {
    if (!open_) {
      if (!due_) due_ = in.now() + delay_;
      if (in.now() < *due_) {
        in.wake_at(*due_);
        return pending;
      }
      open_ = true;
    }
    return this->up_.next(in);
  }

 private:
  duration delay_;
  std::optional<time_point> due_;
  bool open_ = false;
};

template <class Up>
class debounce_stage : detached<Up> {
 public:
  using value_type = typename Up::value_type;
  debounce_stage(Up up, duration quiet) : detached<Up>(std::move(up)), quiet_(quiet) {}
  polled<value_type> next(island& in) {
    take_in(in);
    if (!last_) {
      if (this->up_over()) return this->template conclude<value_type>();
      return pending;
    }
    if (!this->up_over() && in.now() < due_) {
      in.wake_at(due_);
      return pending;
    }
    polled<value_type> out(std::move(*last_));
    last_.reset();
    return out;
  }
  void drive(island& in) {
    take_in(in);
    this->drive_up(in);
  }

 private:
  void take_in(island& in) {
    for (;;) {
      // One that has had its quiet is out of reach of those after it.
      if (last_ && in.now() >= due_) return;
      auto p = this->ask(in);
      if (!p) return;
      last_.emplace(std::move(*p));
      due_ = in.now() + quiet_;
      in.wake_at(due_);
    }
  }
  duration quiet_;
  time_point due_{};
  std::optional<value_type> last_;
};

template <class Up>
class timeout_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  timeout_stage(Up up, duration limit, bool idle)
      : linear<Up>(std::move(up)),
        limit_(limit),
        idle_(idle) {}
  polled<value_type> next(island& in) {
    check(in);
    auto p = this->up_.next(in);
    if (p && idle_) due_ = in.now() + limit_;
    return p;
  }
  void drive(island& in) {
    check(in);
    this->up_.drive(in);
  }

 private:
  void check(island& in) {
    const time_point now = in.now();
    if (!due_) due_ = now + limit_;
    if (now >= *due_) throw_timeout(idle_ ? "idle_timeout" : "timeout", limit_);
    in.wake_at(*due_);
  }
  duration limit_;
  bool idle_;
  std::optional<time_point> due_;
};

template <class Up, class D, class F>
class keep_alive_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  static_assert(std::is_invocable_r_v<value_type, F&>,
                "odeon: the function of keep_alive takes nothing and returns an element");
  keep_alive_stage(Up up, D d, F f) : linear<Up>(std::move(up)), interval_(d), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    auto p = this->up_.next(in);
    const time_point now = in.now();
    if (p || !due_) due_ = now + interval_;
    if (p || p.has_ended()) return p;
    if (now >= *due_) {
      due_ = now + interval_;
      return call_user(in, *this,
                       [&] { return polled<value_type>(std::in_place, std::invoke(f_)); });
    }
    in.wake_at(*due_);
    return pending;
  }

 private:
  duration interval_;
  F f_;
  std::optional<time_point> due_;
};

template <class Up>
class grouped_within_stage : detached<Up> {
 public:
  using value_type = std::vector<typename Up::value_type>;
  grouped_within_stage(Up up, std::size_t n, duration d)
      : detached<Up>(std::move(up)),
        size_(n == 0 ? 1 : n),
        within_(d) {}
  polled<value_type> next(island& in) {
    gather(in);
    if (group_.empty()) {
      if (this->up_over()) return this->template conclude<value_type>();
      return pending;
    }
    if (group_.size() < size_ && !this->up_over() && in.now() < due_) {
      in.wake_at(due_);
      return pending;
    }
    return polled<value_type>(std::exchange(group_, {}));
  }
  void drive(island& in) {
    gather(in);
    this->drive_up(in);
  }

 private:
  void gather(island& in) {
    while (group_.size() < size_) {
      if (!group_.empty() && in.now() >= due_) return;
      auto p = this->ask(in);
      if (!p) return;
      if (group_.empty()) {
        due_ = in.now() + within_;
        in.wake_at(due_);
      }
      group_.push_back(std::move(*p));
    }
  }
  std::size_t size_;
  duration within_;
  time_point due_{};
  value_type group_;
};

}  // namespace detail

namespace source {

/// `value` after `initial` and then every `interval`, at a fixed rate. Of the ticks that nobody
/// asked for in time one is given late, and the others are dropped.
template <std::copy_constructible T>
[[nodiscard]] auto tick(duration initial, duration interval, T value) {
  return detail::stage_source{detail::tick_stage<T>(initial, interval, std::move(value))};
}
template <std::copy_constructible T>
[[nodiscard]] auto tick(duration interval, T value) {
  return tick(interval, interval, std::move(value));
}

}  // namespace source

/// At most `n` elements each `per`, evenly spaced; after a pause up to `burst` come at once. The
/// source is not asked before there is room.
[[nodiscard]] inline auto throttle(std::size_t n, duration per, std::size_t burst = 1) {
  return detail::plain_flow_with<detail::throttle_stage>(n, per, burst);
}

inline constexpr std::size_t delay_capacity = 1024;  ///< elements that `delay` holds

/// Each element, and the end, `d` later; at most `capacity` are on their way, then the source
/// waits.
[[nodiscard]] inline auto delay(duration d, std::size_t capacity = delay_capacity) {
  return detail::plain_flow_with<detail::delay_stage>(d, capacity);
}
/// The source is asked for the first time `d` after the sink asks.
[[nodiscard]] inline auto initial_delay(duration d) {
  return detail::plain_flow_with<detail::initial_delay_stage>(d);
}
/// The last element of each burst: one after which none came for `quiet`; at the end the last one
/// at once.
[[nodiscard]] inline auto debounce(duration quiet) {
  return detail::plain_flow_with<detail::debounce_stage>(quiet);
}
/// Fails with `errc::expired` when the stream has not completed `limit` after its first demand.
[[nodiscard]] inline auto timeout(duration limit) {
  return detail::plain_flow_with<detail::timeout_stage>(limit, false);
}
/// Fails with `errc::expired` when no element passes for `limit`, whichever side is slow.
[[nodiscard]] inline auto idle_timeout(duration limit) {
  return detail::plain_flow_with<detail::timeout_stage>(limit, true);
}
/// Gives `f()` when the sink asks and no element came for `interval`.
template <class F>
[[nodiscard]] auto keep_alive(duration interval, F f) {
  return detail::flow_with<detail::keep_alive_stage>(interval, std::move(f));
}
/// Vectors of up to `n` elements: when there are `n`, or `d` after the first one of them came.
[[nodiscard]] inline auto grouped_within(std::size_t n, duration d) {
  return detail::plain_flow_with<detail::grouped_within_stage>(n, d);
}

}  // namespace odeon::stream
