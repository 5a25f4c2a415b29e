#include <odeon/pattern/cron.hpp>
#include <odeon/persistence/durable_timer.hpp>

#include <algorithm>

namespace odeon {

namespace {

constexpr std::uint32_t layout_version = 1;

/// `now - due`, or the nearest there is: a stored time may be any.
duration lateness(wall_time due, wall_time now) noexcept {
  duration::rep out = 0;
  if (__builtin_sub_overflow(now.time_since_epoch().count(), due.time_since_epoch().count(), &out))
    return now > due ? duration::max() : duration::min();
  return duration(out);
}

/// The stored form. Fields may be added at the end.
struct timer_body {
  std::int64_t interval_ns = 0;
  std::string cron;
  std::string zone;
  std::uint8_t missed = 0;
  std::uint32_t most = 1000;
  std::uint32_t behind = 0;
  std::string manifest;
  std::uint32_t version = 1;
  wire::bytes payload;
};

}  // namespace

void durable_timer::repeat_by(const cron& when) {
  cron_ = when.expression();
  zone_ = when.zone();
}

result<std::optional<wall_time>> durable_timer::next_after(wall_time t) const {
  if (by_cron()) {
    // A thread's last expression again, which is the usual case: reading one costs microseconds.
    static thread_local std::optional<cron> last;
    if (!last || last->expression() != cron_ || last->zone() != zone_) {
      auto parsed = cron::parse(cron_, zone_);
      if (!parsed)
        return fail(parsed.error().code(),
                    "timer \"" + id_ + "\": " + std::string(parsed.error().text()));
      last = std::move(*parsed);
    }
    return last->next_after(t);
  }
  if (interval_ <= duration::zero() || t > wall_time::max() - interval_) return std::nullopt;
  return t + interval_;
}

timer_record durable_timer::record_for(wall_time due, std::uint32_t behind) const {
  timer_record out;
  out.id = id_;
  out.due = due;
  out.manifest = durable_timer_manifest;
  out.version = layout_version;
  out.payload =
      wire::encode(timer_body{interval_.count(), cron_, zone_, static_cast<std::uint8_t>(missed_),
                              most_, behind, manifest_, version_, payload_},
                   wire::format::compact);
  return out;
}

result<timer_record> durable_timer::to_record(wall_time now) const {
  if (id_.empty()) return fail(errc::invalid_argument, "a durable timer has an id");
  const auto refuse = [&](const std::string& why) {
    return fail(errc::invalid_argument, "timer \"" + id_ + "\": " + why);
  };
  if (interval_ < duration::zero() || wait_ < duration::zero())
    return refuse("a wait of " + to_string(wait_) + " is negative");
  if (most_ == 0) return refuse("to catch up with at most 0 rounds is catch_up::skip");
  if (due_) return record_for(*due_, 0);
  if (!by_cron()) {
    if (now > wall_time::max() - wait_) return refuse("lies beyond the end of time, in 2262");
    return record_for(now + wait_, 0);
  }
  auto first = next_after(now);
  if (!first) return std::unexpected(std::move(first.error()));
  if (!*first) return refuse("\"" + cron_ + "\" never comes");
  return record_for(**first, 0);
}

result<durable_timer> durable_timer::from_record(const timer_record& record) {
  const auto refuse = [&](errc code, const std::string& why) {
    return fail(code, "timer \"" + record.id + "\": " + why);
  };
  if (record.manifest != durable_timer_manifest)
    return refuse(errc::unknown_manifest, "is of another kind, " + record.manifest);
  if (record.version != layout_version)
    return refuse(errc::newer_version, "was written by a newer Odeon");
  auto body = wire::decode<timer_body>(record.payload, wire::format::compact);
  if (!body) return refuse(body.error().code(), std::string(body.error().text()));
  if (body->missed > static_cast<std::uint8_t>(catch_up::skip))
    return refuse(errc::bad_encoding, "a catch-up of " + std::to_string(body->missed));
  durable_timer t;
  t.id_ = record.id;
  t.due_ = record.due;
  t.interval_ = duration(std::max<std::int64_t>(body->interval_ns, 0));
  t.cron_ = std::move(body->cron);
  t.zone_ = std::move(body->zone);
  t.missed_ = static_cast<catch_up>(body->missed);
  t.most_ = std::max(body->most, 1u);
  t.behind_ = body->behind;
  t.manifest_ = std::move(body->manifest);
  t.version_ = body->version;
  t.payload_ = std::move(body->payload);
  return t;
}

result<durable_timer::round> durable_timer::take(wall_time due, wall_time now,
                                                 duration grace) const {
  round out;
  const duration late_by = lateness(due, now);
  const bool late = late_by > std::max(grace, duration::zero());
  out.fires = !late || missed_ != catch_up::skip;
  if (!repeats()) return out;
  // Where the next round is looked for: behind this one, or, when this one stands for all that were
  // missed, behind the present, at the same rate as before.
  const bool catches = late && missed_ == catch_up::all && behind_ + 1 < most_;
  wall_time from = due;
  if (late && !catches) from = by_cron() ? now : now - late_by % interval_;
  auto next = next_after(from);
  if (!next) return std::unexpected(std::move(next.error()));
  if (*next) out.again = record_for(**next, catches ? behind_ + 1 : 0);
  return out;
}

}  // namespace odeon
