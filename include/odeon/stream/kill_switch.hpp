#pragma once

#include <odeon/stream/pipe.hpp>

#include <memory>
#include <optional>

/// @file Ending streams from outside.
///
///     shared_kill_switch all;                               // one for many streams
///     auto done = (ticks | all.flow() | to(sink::ignore())).run(system);
///     auto [one, sum] = (numbers | kill_switch() | to(sink::fold(0, std::plus{}))).run(system);
///     one.shutdown();                                       // completes there
///     all.abort(errc::cancelled);                           // fails there

namespace odeon::stream {

namespace detail {

/// What a switch and its stages share. src/stream/kill_switch.cpp
class kill_state;
void kill(kill_state& s, std::optional<error> why) noexcept;
std::shared_ptr<kill_state> make_kill_state();

/// A stage's part: whether the switch was used.
class kill_watch {
 public:
  explicit kill_watch(std::shared_ptr<kill_state> s) noexcept : state_(std::move(s)) {}
  kill_watch(kill_watch&&) noexcept = default;
  kill_watch& operator=(kill_watch&&) noexcept = default;
  ~kill_watch();
  /// True: shut down. Throws: aborted. Has the island woken when it happens later.
  bool check(island& in);

 private:
  std::shared_ptr<kill_state> state_;
  waker_ptr registered_;
};

template <class Up>
class kill_stage {
 public:
  using value_type = typename Up::value_type;
  kill_stage(Up up, std::shared_ptr<kill_state> s) : up_(std::move(up)), watch_(std::move(s)) {}
  polled<value_type> next(island& in) {
    if (watch_.check(in)) {
      up_.reset();
      return ended;
    }
    return up_->next(in);
  }
  void drive(island& in) {
    if (up_) up_->drive(in);
  }

 private:
  std::optional<Up> up_;
  kill_watch watch_;
};

}  // namespace detail

/// Ends every stream that runs through its flow. Copies are the same switch. Letting go of it does
/// nothing. @threadsafe
class shared_kill_switch {
 public:
  shared_kill_switch() : state_(detail::make_kill_state()) {}

  /// The streams complete at the switch, and what is before it is cancelled. The first of
  /// `shutdown` and `abort` counts; streams that come later end at once.
  void shutdown() noexcept { detail::kill(*state_, std::nullopt); }
  /// The streams fail at the switch.
  void abort(error why) noexcept { detail::kill(*state_, std::move(why)); }

  [[nodiscard]] auto flow() const { return detail::plain_flow_with<detail::kill_stage>(state_); }

 private:
  std::shared_ptr<detail::kill_state> state_;
};

namespace detail {

struct kill_flow {
  using stream_flow = void;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    shared_kill_switch handle;
    auto out = handle.flow().attach(m, std::move(b));
    return make_built(std::move(out.stage),
                      std::tuple_cat(std::move(out.mats), std::make_tuple(std::move(handle))));
  }
};

}  // namespace detail

/// A switch for this one stream, as a materialised value: `shared_kill_switch`.
[[nodiscard]] inline auto kill_switch() { return detail::kill_flow{}; }

}  // namespace odeon::stream
