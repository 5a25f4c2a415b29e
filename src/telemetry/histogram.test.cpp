#include <odeon/telemetry/histogram.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using odeon::histogram;

namespace {

// The definition: the smallest recorded value that a share of q does not exceed.
std::uint64_t exact(std::vector<std::uint64_t> values, double q) {
  std::ranges::sort(values);
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

TEST_CASE("an empty histogram answers zero to everything") {
  const histogram h;
  CHECK(h.count() == 0);
  CHECK(h.min() == 0);
  CHECK(h.max() == 0);
  CHECK(h.mean() == 0);
  CHECK(h.quantile(0.5) == 0);
}

TEST_CASE("small values are exact") {
  histogram h;
  for (std::uint64_t v = 0; v < 128; ++v) h.record(v);
  CHECK(h.quantile(0) == 0);
  CHECK(h.quantile(0.5) == 63);
  CHECK(h.quantile(0.75) == 95);
  CHECK(h.quantile(1) == 127);
}

TEST_CASE("the ends of the range have a bucket") {
  constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
  histogram h;
  h.record(0);
  h.record(largest);
  CHECK(h.min() == 0);
  CHECK(h.max() == largest);
  CHECK(h.quantile(0.5) == 0);
  CHECK(h.quantile(1) == largest);
}

TEST_CASE("a share outside 0 to 1 is taken as the nearer end") {
  histogram h;
  h.record(10);
  h.record(20);
  CHECK(h.quantile(-1) == 10);
  CHECK(h.quantile(7) == 20);
  CHECK(h.quantile(std::nan("")) == 10);
}

TEST_CASE("a value recorded zero times leaves no trace") {
  histogram h;
  h.record(5, 0);
  CHECK(h.count() == 0);
  h.record(5, 3);
  CHECK(h.count() == 3);
  CHECK(h.mean() == doctest::Approx(5));
}

TEST_CASE("a cleared histogram starts anew") {
  histogram h;
  h.record(1'000'000);
  h.clear();
  CHECK(h.count() == 0);
  CHECK(h.max() == 0);
  h.record(7);
  CHECK(h.min() == 7);
  CHECK(h.quantile(0.99) == 7);
}

TEST_CASE("a quantile is never below the exact one and at most a 64th above it") {
  const bool held = rc::check([](std::vector<std::uint64_t> values, std::uint8_t percent) {
    RC_PRE(!values.empty());
    // Spread over all magnitudes, not only those that a generator prefers.
    for (std::size_t i = 0; i < values.size(); ++i) values[i] >>= (i * 7) % 64;
    histogram h;
    for (const auto v : values) h.record(v);
    const double q = (percent % 101) / 100.0;
    const std::uint64_t want = exact(values, q);
    const std::uint64_t got = h.quantile(q);
    RC_ASSERT(got >= want);
    RC_ASSERT(got - want <= want / 64);
    RC_ASSERT(got <= *std::ranges::max_element(values));
  });
  CHECK(held);
}

TEST_CASE("merging is the same as recording everything in one") {
  const bool held =
      rc::check([](const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
        histogram left;
        histogram right;
        histogram all;
        for (const auto v : a) left.record(v), all.record(v);
        for (const auto v : b) right.record(v), all.record(v);
        left.merge(right);
        RC_ASSERT(left.count() == all.count());
        RC_ASSERT(left.min() == all.min());
        RC_ASSERT(left.max() == all.max());
        for (const double q : {0.0, 0.25, 0.5, 0.9, 0.99, 1.0})
          RC_ASSERT(left.quantile(q) == all.quantile(q));
      });
  CHECK(held);
}
