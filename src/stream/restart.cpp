#include <odeon/runtime/runtime.hpp>
#include <odeon/stream/restart.hpp>

#include <algorithm>

namespace odeon::stream::detail {

std::optional<duration> restart_clock::ended(time_point now, runtime& rt) {
  const auto& s = settings_;
  if (count_ == 0 || now - window_begins_ > s.within) {
    count_ = 0;
    window_begins_ = now;
  }
  if (count_ == s.max_restarts) return std::nullopt;
  // 2^count at most 2^62: the exponent is bounded, and so is the product by max_backoff.
  const double factor = static_cast<double>(std::uint64_t{1} << std::min<std::size_t>(count_, 62));
  ++count_;
  const double base = std::min(static_cast<double>(s.min_backoff.count()) * factor,
                               static_cast<double>(s.max_backoff.count()));
  const double chance = static_cast<double>(rt.random_u64() >> 11) * 0x1p-53;
  return duration(static_cast<duration::rep>(base * (1 + s.random_factor * chance)));
}

}  // namespace odeon::stream::detail
