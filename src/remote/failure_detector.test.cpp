#include <odeon/remote/failure_detector.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cmath>
#include <vector>

using namespace std::chrono_literals;
using odeon::duration;
using odeon::time_point;
using odeon::remote::failure_detector;
using odeon::remote::failure_detector_options;

namespace {

/// Microseconds between heartbeats sent each 50 ms by UDP over loopback, as they were recorded on a
/// machine of two processors with more busy threads than that, which ended shortly before the
/// recording did.
constexpr int recorded[] = {
    50177, 64792, 35201, 64805, 51987, 33182, 54804, 64017, 39984, 60007, 39985, 64020, 39985,
    43997, 51992, 64022, 27184, 64813, 52020, 33149, 62822, 60007, 52005, 40001, 51992, 35990,
    52005, 45186, 58810, 48017, 43172, 64823, 56004, 31982, 64019, 43990, 39183, 80831, 35995,
    56013, 43973, 48014, 52010, 55979, 32000, 45179, 54816, 45213, 62788, 40002, 64009, 39990,
    60035, 33160, 74812, 35994, 39999, 55997, 52010, 64016, 31978, 55995, 60000, 32003, 47195,
    56801, 43214, 56804, 63999, 43983, 40006, 45174, 54819, 45184, 62819, 60011, 51995, 31988,
    51999, 56015, 52001, 33196, 54793, 45192, 54808, 45198, 58812, 47995, 52003, 41222, 49961,
    50010, 49990, 50011, 50015, 49982, 49989, 50005, 50019, 49997};

time_point fed(failure_detector& d, int rounds = 1) {
  time_point at{1s};
  d.heartbeat(at);
  for (int r = 0; r < rounds; ++r)
    for (const int us : recorded) d.heartbeat(at += std::chrono::microseconds(us));
  return at;
}

}  // namespace

TEST_CASE("a detector that has heard nothing suspects nobody") {
  const failure_detector d;
  CHECK(d.phi(time_point(1h)) == 0);
  CHECK_FALSE(d.suspects(time_point(1h)));
  CHECK(d.mean() == 500ms);
}

TEST_CASE("phi is the -log10 of the normal distribution's tail") {
  failure_detector d({.first_interval = 1s, .least_deviation = 200ms});
  d.heartbeat(time_point(1s));
  // Mean 1 s, deviation 250 ms: so many deviations above the mean.
  CHECK(d.phi(time_point(2s)) == doctest::Approx(0.30103));                     // half
  CHECK(d.phi(time_point(2250ms)) == doctest::Approx(0.79955));                 // 0.158655
  CHECK(d.phi(time_point(2750ms)) == doctest::Approx(2.86970));                 // 0.00134990
  CHECK(d.phi(time_point(3500ms)) == doctest::Approx(9.00586));                 // 9.8659e-10
  CHECK(d.phi(time_point(9500ms)) == doctest::Approx(197.3079).epsilon(1e-3));  // 30 deviations
  CHECK(std::isfinite(d.phi(time_point(24h * 365))));
  // The two forms meet.
  CHECK(d.phi(time_point(9501ms)) - d.phi(time_point(9499ms)) < 0.2);
}

TEST_CASE("recorded heartbeats raise no suspicion, and their end does soon") {
  failure_detector d({.first_interval = 50ms, .least_deviation = 1ms});
  time_point at{1s};
  d.heartbeat(at);
  for (const int us : recorded) {
    at += std::chrono::microseconds(us);
    CHECK_FALSE(d.suspects(at));
    d.heartbeat(at);
  }
  CHECK(d.mean() > 49ms);
  CHECK(d.mean() < 51ms);
  CHECK(d.suspects(at + 150ms));
  CHECK_FALSE(d.suspects(at + 80ms));
}

TEST_CASE("an irregular network earns more patience than a regular one") {
  failure_detector regular({.first_interval = 100ms, .least_deviation = 1ms});
  time_point at{1s};
  for (int i = 0; i < 200; ++i) regular.heartbeat(at += 100ms);
  failure_detector irregular({.first_interval = 100ms, .least_deviation = 1ms});
  at = time_point(1s);
  for (int i = 0; i < 200; ++i) irregular.heartbeat(at += i % 2 == 0 ? 60ms : 140ms);
  CHECK(regular.mean() == irregular.mean());
  CHECK(irregular.deviation() == 40ms);
  CHECK(irregular.patience() > regular.patience() + 100ms);
}

TEST_CASE("a silence that made the peer suspect does not count as an interval") {
  failure_detector d({.first_interval = 100ms, .least_deviation = 10ms});
  const time_point at = fed(d, 4);
  const duration before = d.mean();
  CHECK(d.suspects(at + 1min));
  d.heartbeat(at + 1min);
  CHECK(d.mean() == before);
  CHECK_FALSE(d.suspects(at + 1min + 100ms));
}

TEST_CASE("a heartbeat of an earlier time is ignored") {
  failure_detector d;
  d.heartbeat(time_point(5s));
  d.heartbeat(time_point(4s));
  CHECK(*d.last() == time_point(5s));
  CHECK(d.phi(time_point(4s)) == 0);
}

TEST_CASE("only the latest intervals count") {
  failure_detector d({.first_interval = 10ms, .least_deviation = 1s, .samples = 10});
  time_point at{1s};
  for (int i = 0; i < 12; ++i) d.heartbeat(at += 200ms);
  CHECK(d.mean() == 200ms);
  CHECK(d.deviation() == 0ms);
}

TEST_CASE("property: phi never falls with silence, and patience is when it reaches the threshold") {
  rc::check([] {
    failure_detector_options o;
    o.threshold = *rc::gen::inRange(1, 200) / 10.0;
    o.first_interval = std::chrono::milliseconds(*rc::gen::inRange(1, 5000));
    o.least_deviation = std::chrono::microseconds(*rc::gen::inRange(1, 1'000'000));
    o.pause = std::chrono::milliseconds(*rc::gen::inRange(0, 3000));
    o.samples = *rc::gen::inRange<std::size_t>(0, 50);
    failure_detector d(o);
    time_point at{1s};
    for (const int us : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 10'000'000)))
      d.heartbeat(at += std::chrono::microseconds(us));
    d.heartbeat(at);
    double last = 0;
    for (int i = 0; i < 100; ++i) {
      const double phi = d.phi(at + std::chrono::milliseconds(i * 97));
      RC_ASSERT(std::isfinite(phi) && phi >= last - 1e-9);
      last = phi;
    }
    const duration patience = d.patience();
    RC_ASSERT(d.suspects(at + patience));
    RC_ASSERT(!d.suspects(at + patience - 10us) || patience < 20us);
  });
}

TEST_CASE("property: at random arrivals, so many errors as the threshold allows") {
  // Normal arrivals by the sum of twelve uniform numbers; a threshold of 2 errs once in a hundred.
  failure_detector d(
      {.threshold = 2, .first_interval = 1s, .least_deviation = 1ms, .samples = 1000});
  std::uint64_t x = 42;
  const auto uniform = [&] {
    x = x * 6364136223846793005U + 1442695040888963407U;
    return static_cast<double>(x >> 11U) / 9007199254740992.0;
  };
  time_point at{1s};
  d.heartbeat(at);
  int early = 0;
  constexpr int count = 20'000;
  for (int i = 0; i < count; ++i) {
    double normal = -6;
    for (int k = 0; k < 12; ++k) normal += uniform();
    at += duration(static_cast<duration::rep>(1e9 + 1e8 * normal));
    if (d.suspects(at)) ++early;
    d.heartbeat(at);
  }
  CHECK(early > count / 400);
  CHECK(early < count / 25);
}
