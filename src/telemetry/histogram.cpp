#include <odeon/telemetry/histogram.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

namespace odeon {

namespace {

// Values below 2 · `per_power` have a bucket each. Above, a value's bucket is told by its highest
// seven bits: the place of the first is the power, the other six are the bucket within it.
constexpr unsigned power_bits = 6;
constexpr std::uint64_t per_power = std::uint64_t{1} << power_bits;
constexpr std::size_t bucket_count = (64 - power_bits + 1) * per_power;

std::size_t bucket_of(std::uint64_t value) noexcept {
  const auto width = static_cast<unsigned>(std::bit_width(value | (per_power - 1)));
  const unsigned shift = width - power_bits - (width > power_bits ? 1 : 0);
  return static_cast<std::size_t>((value >> shift) + shift * per_power);
}

std::uint64_t upper_end(std::size_t bucket) noexcept {
  if (bucket < 2 * per_power) return bucket;
  const std::size_t shift = bucket / per_power - 1;
  const std::uint64_t top = bucket - shift * per_power;
  return ((top + 1) << shift) - 1;
}

}  // namespace

void histogram::record(std::uint64_t value, std::uint64_t times) {
  if (times == 0) return;
  if (buckets_.empty()) buckets_.resize(bucket_count);
  buckets_[bucket_of(value)] += times;
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  count_ += times;
  sum_ += static_cast<double>(value) * static_cast<double>(times);
}

void histogram::merge(const histogram& other) {
  if (other.count_ == 0) return;
  if (buckets_.empty()) buckets_.resize(bucket_count);
  for (std::size_t i = 0; i < bucket_count; ++i) buckets_[i] += other.buckets_[i];
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  count_ += other.count_;
  sum_ += other.sum_;
}

void histogram::clear() noexcept { *this = histogram(); }

double histogram::mean() const noexcept {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

std::uint64_t histogram::quantile(double q) const noexcept {
  if (count_ == 0) return 0;
  const double share = std::clamp(std::isnan(q) ? 0.0 : q, 0.0, 1.0);
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::clamp(upper_end(i), min_, max_);
  }
  return max_;
}

}  // namespace odeon
