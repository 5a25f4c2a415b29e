#include "persistence/internal/reconnect.hpp"

#include <algorithm>

namespace odeon::store {

namespace {

/// What another attempt can change.
bool may_pass(const error& e) { return e == errc::io_failed; }

}  // namespace

result<void> reconnect_pacer::restore(table_link& link) {
  if (link.connected()) {
    lost_since_.reset();
    return {};
  }
  const auto now = [this] { return rt_.now(clock_domain::housekeeping); };
  if (!lost_since_) {
    lost_since_ = now();
    next_attempt_ = *lost_since_;
    delay_ = options_.first_delay;
  }
  const time_point patient_until = *lost_since_ + options_.patience;
  while (true) {
    if (now() < next_attempt_) {
      if (next_attempt_ > patient_until) return std::unexpected(last_);
      pause(next_attempt_);
    }
    auto tried = link.connect();
    if (tried) {
      lost_since_.reset();
      return {};
    }
    last_ = std::move(tried.error());
    // Not all at the same moment: between a half and the whole of the delay.
    const auto half = std::max<std::int64_t>(delay_.count() / 2, 1);
    const auto more =
        static_cast<std::int64_t>(rt_.random_u64() % static_cast<std::uint64_t>(half));
    next_attempt_ = now() + duration(half + more);
    delay_ = std::min(delay_ * 2, options_.max_delay);
    if (!may_pass(last_) || next_attempt_ > patient_until) return std::unexpected(last_);
  }
}

void reconnect_pacer::pause(time_point until) {
  while (rt_.wait(nothing_, 0, until)) {
  }
}

}  // namespace odeon::store
