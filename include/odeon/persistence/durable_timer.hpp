#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/core/detail/checks.hpp>
#include <odeon/pattern/fwd.hpp>
#include <odeon/persistence/record.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// @file A timer that survives restarts, as a value.
///
///     durable_timer::at("invoice-7", when, remind{7});
///     durable_timer::after("lease", 10min, expire{});
///     durable_timer::every("beat", 1h, beat{}).missed(catch_up::skip);
///     durable_timer::on("report", *cron::parse("0 6 * * mon", "Europe/Berlin"), make_report{});
///
/// A durable actor's effect sets it together with its events; `durable_timers` sets it from
/// outside. `persistence/durable_timers.hpp` has the service that fires them.

namespace odeon {

/// What becomes of rounds that nobody fired in time, because the system was down, or busy: those
/// that are more than `durable_timers_options::grace` late when they are looked at.
enum class catch_up : std::uint8_t {
  once,  ///< all missed rounds are one, fired now; then on with the next one in the future
  all,   ///< each of them is fired, one after the other, at most `durable_timer::most` of them
  skip,  ///< none of them is; a timer of one round is removed
};

/// When a message is to come to its owner, and how it repeats. A value.
class durable_timer {
 public:
  /// Once, at `when`; at once if that has passed.
  template <message M>
  [[nodiscard]] static durable_timer at(std::string id, wall_time when, const M& msg) {
    durable_timer t(std::move(id), msg);
    t.due_ = when;
    return t;
  }
  /// Once, `wait` after it is set.
  template <message M>
  [[nodiscard]] static durable_timer after(std::string id, duration wait, const M& msg) {
    durable_timer t(std::move(id), msg);
    t.wait_ = wait;
    return t;
  }
  /// Again and again: first `interval` after it is set (or at `first`), then at that rate, however
  /// late the rounds before were.
  template <message M>
  [[nodiscard]] static durable_timer every(std::string id, duration interval, const M& msg,
                                           std::optional<wall_time> first = std::nullopt) {
    durable_timer t(std::move(id), msg);
    t.wait_ = t.interval_ = interval;
    t.due_ = first;
    return t;
  }
  /// Whenever the expression says.
  template <message M>
  [[nodiscard]] static durable_timer on(std::string id, const cron& when, const M& msg) {
    durable_timer t(std::move(id), msg);
    t.repeat_by(when);
    return t;
  }

  /// What becomes of missed rounds; with `catch_up::all`, `most` of them in a row at most, before
  /// it goes on with the next one in the future.
  durable_timer missed(catch_up what, std::uint32_t most = 1000) && {
    missed_ = what;
    most_ = most;
    return std::move(*this);
  }

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] bool repeats() const noexcept { return interval_ > duration::zero() || by_cron(); }
  /// Zero: it has none.
  [[nodiscard]] duration interval() const noexcept { return interval_; }
  [[nodiscard]] const std::string& cron_expression() const noexcept { return cron_; }
  [[nodiscard]] const std::string& zone() const noexcept { return zone_; }
  [[nodiscard]] catch_up missed() const noexcept { return missed_; }
  [[nodiscard]] std::uint32_t most() const noexcept { return most_; }
  /// Of the message.
  [[nodiscard]] const std::string& manifest() const noexcept { return manifest_; }
  [[nodiscard]] std::uint32_t version() const noexcept { return version_; }
  /// MessagePack, fields by name.
  [[nodiscard]] const wire::bytes& payload() const noexcept { return payload_; }

  /// As the journal keeps it, set at `now`. Errors: `invalid_argument` (an empty id, an interval
  /// that is negative, a cron expression that never comes, a bound of 0).
  [[nodiscard]] result<timer_record> to_record(wall_time now) const;
  /// What the journal keeps. Errors: `unknown_manifest` (not a timer of this kind),
  /// `newer_version`, and what decoding gives; the text names the timer.
  [[nodiscard]] static result<durable_timer> from_record(const timer_record& record);

  /// What is to be done with a round.
  struct round {
    bool fires = true;
    std::optional<timer_record> again;  ///< the next one; nothing: it was the last
  };
  /// For a round that was due at `due`, and is looked at at `now`. Errors as `cron::parse`: the
  /// zone may have gone from the system's files.
  [[nodiscard]] result<round> take(wall_time due, wall_time now, duration grace) const;

 private:
  template <class M>
  durable_timer(std::string id, const M& msg)
      : id_(std::move(id)),
        manifest_(wire::manifest<M>),
        version_(static_cast<std::uint32_t>(wire::version<M>)) {
    wire::require_decodable<M>();
    payload_ = wire::encode(msg);
  }
  durable_timer() = default;
  [[nodiscard]] bool by_cron() const noexcept { return !cron_.empty(); }
  void repeat_by(const cron& when);
  [[nodiscard]] result<std::optional<wall_time>> next_after(wall_time t) const;
  [[nodiscard]] timer_record record_for(wall_time due, std::uint32_t behind) const;

  std::string id_;
  std::optional<wall_time> due_;  // of the first round
  duration wait_{0};              // until it, from when it is set
  duration interval_{0};
  std::string cron_;
  std::string zone_;
  catch_up missed_ = catch_up::once;
  std::uint32_t most_ = 1000;
  std::uint32_t behind_ = 0;  // missed rounds fired in a row, of catch_up::all
  std::string manifest_;
  std::uint32_t version_ = 1;
  wire::bytes payload_;
};

/// The manifest of a `timer_record` that holds a `durable_timer`. Its payload is MessagePack,
/// fields by position: interval in nanoseconds (0: none), cron expression and zone (empty: none),
/// catch-up (by number), most, rounds caught up, manifest, version and payload of the message.
inline constexpr std::string_view durable_timer_manifest = "odeon.timer";

}  // namespace odeon
