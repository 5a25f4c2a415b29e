#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/detail/attempt.hpp>

#include <string>
#include <type_traits>
#include <utility>

/// @file `pipe_to`: what comes later becomes a message.
///
///     pipe_to(bank.ask<get_balance>(id), clerk);                    // the value is the message
///     pipe_to(load(file), reader, [](bytes b) { return loaded{std::move(b)}; },
///             [](const error& why) { return not_loaded{why.to_string()}; });
///
/// Called inside an actor, the work goes on beside its mailbox and ends with it; elsewhere on
/// whatever thread completes what it waits for. Nothing is lost: an error without an error map, a
/// map that throws, and work that is given up because its actor ends, are published as
/// `pipe_failed` and logged.

namespace odeon {

/// Published when there was nothing to send, or no way to make a message of it.
struct pipe_failed {
  any_ref to;
  std::string path;  ///< of `to`
  error why;
};

namespace detail {

void report_pipe(event_stream& events, const any_ref& to, const error& why) noexcept;
[[nodiscard]] actor_system& system_of(const any_ref& to);

/// What is to be done with the outcome; destroyed without one, it reports that the work was given
/// up.
template <class OnError>
class pipe_end {
 public:
  pipe_end(any_ref to, OnError on_error)
      : to_(std::move(to)),
        events_(system_of(to_).events()),
        on_error_(std::move(on_error)) {}
  pipe_end(pipe_end&& o) noexcept
      : to_(std::move(o.to_)),
        events_(o.events_),
        on_error_(std::move(o.on_error_)),
        open_(std::exchange(o.open_, false)) {}
  ~pipe_end() {
    if (open_) failed({errc::cancelled, "the work was given up before its end: its actor ended"});
  }
  template <class M>
  void send(M&& m) {
    open_ = false;
    tell_to<std::remove_cvref_t<M>>(*to_.get(), std::forward<M>(m));
  }
  void failed(const error& why) noexcept {
    open_ = false;
    if constexpr (std::is_same_v<OnError, std::nullptr_t>) {
      report_pipe(events_, to_, why);
    } else {
      try {
        send(on_error_(why));
      } catch (...) {
        report_pipe(events_, to_,
                    {why.code(), std::string(why.text()) + "; its error map threw: " +
                                     error_of(std::current_exception()).to_string()});
      }
    }
  }

 private:
  any_ref to_;
  event_stream events_;  // a handle of its own: it may outlive the system
  [[no_unique_address]] OnError on_error_;
  bool open_ = true;
};

template <class W, class OnValue, class OnError>
task<void> piped_to(W work, OnValue on_value, pipe_end<OnError> end) {
  using T = work_value<W>;
  std::exception_ptr why;
  try {
    if constexpr (is_try_future<W>) {
      if constexpr (std::is_void_v<T>) {
        value_or_throw(co_await std::move(work));
        end.send(on_value());
      } else {
        end.send(on_value(value_or_throw(co_await std::move(work))));
      }
    } else if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
      end.send(on_value());
    } else {
      end.send(on_value(co_await std::move(work)));
    }
  } catch (...) {
    why = std::current_exception();
  }
  if (why) end.failed(error_of(why));
}

template <class T, class OnValue>
struct mapped {
  using type = std::remove_cvref_t<std::invoke_result_t<OnValue&, T>>;
};
template <class OnValue>
struct mapped<void, OnValue> {
  using type = std::remove_cvref_t<std::invoke_result_t<OnValue&>>;
};

struct same_value {
  template <class T>
  T operator()(T v) const {
    return v;
  }
};

template <class W, class OnValue, class OnError, class... Ms>
void start_pipe(W work, const actor_ref<Ms...>& to, OnValue on_value, OnError on_error) {
  static_assert(work_of<W>::is_later, "odeon: pipe_to takes a task or a future");
  static_assert(accepts<message_list<Ms...>, typename mapped<work_value<W>, OnValue>::type>,
                "odeon: the receiver does not accept what pipe_to would send: map the value to one "
                "of its messages");
  if constexpr (!std::is_same_v<OnError, std::nullptr_t>)
    static_assert(accepts<message_list<Ms...>,
                          std::remove_cvref_t<std::invoke_result_t<OnError&, const error&>>>,
                  "odeon: the receiver does not accept what the error map of pipe_to gives");
  if (!to) throw_empty_ref();
  branch_here(
      piped_to(std::move(work), std::move(on_value), pipe_end<OnError>(to, std::move(on_error))),
      system_of(to).get_runtime());
}

}  // namespace detail

/// The value of `work` (a task, started here, or a future) is sent to `to`; an error is reported as
/// above. The system of `to` must be alive now, and may be gone later.
template <class W, class... Ms>
void pipe_to(W work, const actor_ref<Ms...>& to) {
  detail::start_pipe(std::move(work), to, detail::same_value(), nullptr);
}
/// `on_value(value)` (of nothing, for `void`) is sent.
template <class W, class... Ms, class OnValue>
void pipe_to(W work, const actor_ref<Ms...>& to, OnValue on_value) {
  detail::start_pipe(std::move(work), to, std::move(on_value), nullptr);
}
/// An error is sent as `on_error(const error&)`.
template <class W, class... Ms, class OnValue, class OnError>
void pipe_to(W work, const actor_ref<Ms...>& to, OnValue on_value, OnError on_error) {
  detail::start_pipe(std::move(work), to, std::move(on_value), std::move(on_error));
}

}  // namespace odeon
