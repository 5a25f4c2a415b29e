#pragma once

#include <odeon/core/supervision.hpp>
#include <odeon/stream/pipe.hpp>

#include <functional>
#include <optional>
#include <vector>

/// @file What happens when a stage fails.
///
/// There are two kinds of failure. One leaves a function of the user (of `map`, `filter`, `scan`,
/// …): the stage is whole, one element is lost, and `supervised` may go on. The other is the
/// stream's own (a failed source, a timeout, a neighbour island that failed): nothing more comes
/// from there, and `recover` and its like can only put something in its place.

namespace odeon::stream {

/// Decides about an exception.
using stream_decider = std::function<directive(const std::exception_ptr&)>;

namespace detail {

template <class Up>
class supervised_stage : public linear<Up> {
 public:
  using value_type = typename Up::value_type;
  supervised_stage(Up up, stream_decider decide)
      : linear<Up>(std::move(up)),
        decide_(std::move(decide)) {}
  polled<value_type> next(island& in) {
    const inside here(in);
    for (;;) {
      try {
        return this->up_.next(in);
      } catch (...) {
        if (!goes_on(in)) throw;
      }
    }
  }
  void drive(island& in) {
    const inside here(in);
    try {
      this->up_.drive(in);
    } catch (...) {
      if (!goes_on(in)) throw;
      in.again();
    }
  }

 private:
  struct inside {
    explicit inside(island& i) noexcept : in(i), before(i.set_supervised(true)) {}
    inside(const inside&) = delete;
    ~inside() { in.set_supervised(before); }
    island& in;
    bool before;
  };
  bool goes_on(island& in) {
    if (!in.take_thrown()) return false;
    switch (decide_(std::current_exception())) {
      case directive::resume: return true;
      case directive::restart: in.restart_thrower(); return true;
      case directive::stop:
      case directive::escalate: break;
    }
    return false;
  }
  stream_decider decide_;
};

/// What the stages share that put something in the place of a failure: the stage before, which is
/// let go when it fails, whether it was asked or driven.
template <class Up>
class watched {
 public:
  explicit watched(Up up) : up_(std::move(up)) {}
  template <class Failed>
  polled<typename Up::value_type> next(island& in, Failed failed) {
    if (!why_) {
      try {
        return up_->next(in);
      } catch (...) {
        note(in);
      }
    }
    up_.reset();
    return failed(std::exchange(why_, nullptr));
  }
  void drive(island& in) {
    if (!up_ || why_) return;
    try {
      up_->drive(in);
    } catch (...) {
      note(in);
      in.again();
    }
  }
  [[nodiscard]] bool is_there() const noexcept { return up_.has_value(); }

 private:
  void note(island& in) {
    (void)in.take_thrown();
    why_ = std::current_exception();
  }
  std::optional<Up> up_;
  std::exception_ptr why_;
};

/// Calls a handler of failures with what it takes: an `error`, or the exception.
template <class F>
decltype(auto) call_handler(F& f, const std::exception_ptr& why) {
  static_assert(std::invocable<F&, error> || std::invocable<F&, const std::exception_ptr&>,
                "odeon: a handler of failures takes an odeon::error or a std::exception_ptr");
  if constexpr (std::invocable<F&, error>)
    return std::invoke(f, error_of(why));
  else
    return std::invoke(f, why);
}
template <class F>
using handled_t = std::remove_cvref_t<decltype(call_handler(
    std::declval<F&>(), std::declval<const std::exception_ptr&>()))>;

template <class Up, class F>
class recover_stage {
 public:
  using value_type = typename Up::value_type;
  static_assert(std::is_convertible_v<handled_t<F>, std::optional<value_type>>,
                "odeon: the function of recover returns an element, or an optional one");
  recover_stage(Up up, F f) : up_(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    if (!up_.is_there()) return ended;
    return up_.next(in, [&](const std::exception_ptr& why) -> polled<value_type> {
      std::optional<value_type> last = call_handler(f_, why);
      if (!last) std::rethrow_exception(why);
      return polled<value_type>(std::move(*last));
    });
  }
  void drive(island& in) { up_.drive(in); }

 private:
  watched<Up> up_;
  F f_;
};

template <class Up, class F>
class map_error_stage {
 public:
  using value_type = typename Up::value_type;
  map_error_stage(Up up, F f) : up_(std::move(up)), f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    return up_.next(in, [&](const std::exception_ptr& why) -> polled<value_type> {
      if constexpr (std::is_convertible_v<handled_t<F>, std::exception_ptr>)
        std::rethrow_exception(call_handler(f_, why));
      else
        throw actor_error(error(call_handler(f_, why)));
    });
  }
  void drive(island& in) { up_.drive(in); }

 private:
  watched<Up> up_;
  F f_;
};

template <class Up, class N, class F>
class recover_with_stage {
  using made = handled_t<F>;
  static_assert(is_source<made>, "odeon: the function of recover_with_retries returns a source");

 public:
  using value_type = typename Up::value_type;
  static_assert(std::same_as<element_t<made>, value_type>,
                "odeon: these two stages do not fit: the source of recover_with_retries has "
                "elements of another type than the stage before");
  recover_with_stage(Up up, N retries, F f)
      : up_(std::move(up)),
        left_(retries),
        f_(std::move(f)) {}
  polled<value_type> next(island& in) {
    if (up_.is_there()) {
      std::exception_ptr why;
      auto p = up_.next(in, [&](std::exception_ptr w) -> polled<value_type> {
        why = std::move(w);
        return pending;
      });
      if (!why) return p;
      replace(in, why);
    }
    for (;;) {
      std::exception_ptr why;
      auto p = other_->next(in, [&](std::exception_ptr w) -> polled<value_type> {
        why = std::move(w);
        return pending;
      });
      if (!why) return p;
      replace(in, why);
    }
  }
  void drive(island& in) {
    if (up_.is_there())
      up_.drive(in);
    else if (other_)
      other_->drive(in);
  }

 private:
  void replace(island& in, const std::exception_ptr& why) {
    if (left_ == 0) std::rethrow_exception(why);
    --left_;
    other_.emplace(build_inner(in, call_handler(f_, why)));
  }
  watched<Up> up_;
  std::optional<watched<stage_t<made>>> other_;
  std::size_t left_;
  F f_;
};

}  // namespace detail

/// Exceptions of functions of the stages before, up to the last island boundary or `supervised`:
/// `stop` fails the stream (as `escalate` does), `resume` drops the element, `restart` drops it and
/// puts the stage that threw back to its beginning (the state of `scan`, `fold`, `reduce`).
[[nodiscard]] inline auto supervised(stream_decider decide) {
  return detail::plain_flow_with<detail::supervised_stage>(std::move(decide));
}
[[nodiscard]] inline auto supervised(directive always) {
  return supervised([always](const std::exception_ptr&) { return always; });
}
/// By type: `supervised({on<std::invalid_argument>(directive::resume)})`; the first that matches
/// counts, and what none matches is `otherwise`.
[[nodiscard]] inline auto supervised(std::vector<decision> by_type,
                                     directive otherwise = directive::stop) {
  return supervised([by_type = std::move(by_type), otherwise](const std::exception_ptr& e) {
    for (const auto& d : by_type)
      if (d.fits(e)) return d.what;
    return otherwise;
  });
}

/// A failure becomes a last element, and the stream completes: `f(error)` or
/// `f(const std::exception_ptr&)` gives it, or an optional; nothing lets the failure through.
template <class F>
[[nodiscard]] auto recover(F f) {
  return detail::flow_with<detail::recover_stage>(std::move(f));
}
/// A failure is followed by the source that `f` gives, at most `retries` times in all; the failure
/// after them goes through.
template <class F>
[[nodiscard]] auto recover_with_retries(std::size_t retries, F f) {
  return detail::flow_with<detail::recover_with_stage>(retries, std::move(f));
}
/// A failure becomes another: `f` gives an `error`, or an exception.
template <class F>
[[nodiscard]] auto map_error(F f) {
  return detail::flow_with<detail::map_error_stage>(std::move(f));
}

}  // namespace odeon::stream
