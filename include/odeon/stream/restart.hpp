#pragma once

#include <odeon/stream/flow/recover.hpp>

#include <optional>

/// @file Sources that begin anew.

namespace odeon::stream {

struct restart_settings {
  duration min_backoff =
      std::chrono::milliseconds(200);  ///< before the first restart; then doubled
  duration max_backoff = std::chrono::seconds(30);
  double random_factor = 0.2;    ///< up to so much of the backoff is added, by chance
  std::size_t max_restarts = 3;  ///< within `within`; the failure after them goes through
  duration within = std::chrono::minutes(1);  ///< also: a run as long sets the backoff back
  bool on_completion = false;                 ///< restart after a good end too
};

namespace detail {

/// When to restart. src/stream/restart.cpp
class restart_clock {
 public:
  explicit restart_clock(restart_settings s) : settings_(s) {}
  /// One run has ended at `now`; how long to wait, or nothing: no more.
  std::optional<duration> ended(time_point now, runtime& rt);
  [[nodiscard]] const restart_settings& settings() const noexcept { return settings_; }

 private:
  restart_settings settings_;
  std::size_t count_ = 0;
  time_point window_begins_{};
};

template <class F>
class restart_stage {
  using made = call_result_t<F>;
  static_assert(is_source<made>, "odeon: the factory of source::restart returns a source");

 public:
  using value_type = element_t<made>;
  restart_stage(restart_settings s, F f) : clock_(s), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    for (;;) {
      if (!run_) {
        if (due_ && in.now() < *due_) {
          in.wake_at(*due_);
          return pending;
        }
        if (!in.spend()) return pending;
        run_.emplace(build_inner(in, std::invoke(f_)));
      }
      std::exception_ptr why;
      auto p = run_->next(in, [&](std::exception_ptr w) -> polled<value_type> {
        why = std::move(w);
        return ended;
      });
      if (!p.has_ended()) return p;
      if (!why && !clock_.settings().on_completion) return ended;
      run_.reset();
      const auto wait = clock_.ended(in.now(), in.get_runtime());
      if (!wait) {
        if (why) std::rethrow_exception(why);
        return ended;
      }
      due_ = in.now() + *wait;
    }
  }
  void drive(island& in) {
    if (run_) run_->drive(in);
  }

 private:
  restart_clock clock_;
  F f_;
  std::optional<watched<stage_t<made>>> run_;
  std::optional<time_point> due_;
};

}  // namespace detail

namespace source {

/// Runs the source that `factory()` gives; when that fails, waits and runs the next one. Elements
/// that were on their way inside the failed one are lost.
template <class F>
[[nodiscard]] auto restart(restart_settings settings, F factory) {
  return detail::stage_source{detail::restart_stage<F>(settings, std::move(factory))};
}

}  // namespace source

}  // namespace odeon::stream
