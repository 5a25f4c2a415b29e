#include <odeon/base/time.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace std::chrono_literals;

TEST_CASE("a duration is told with three significant digits and its unit") {
  CHECK(to_string(duration(0)) == "0 ns");
  CHECK(to_string(17ns) == "17 ns");
  CHECK(to_string(999ns) == "999 ns");
  CHECK(to_string(350us) == "350 us");
  CHECK(to_string(20ms) == "20 ms");
  CHECK(to_string(1500ms) == "1.5 s");
  CHECK(to_string(1234567ns) == "1.23 ms");
  CHECK(to_string(5s) == "5 s");
  CHECK(to_string(90s) == "90 s");
}

TEST_CASE("long and negative durations stay readable") {
  CHECK(to_string(2h) == "7200 s");
  CHECK(to_string(24h * 365) == "31536000 s");
  CHECK(to_string(-1500ms) == "-1.5 s");
  CHECK(to_string(duration::max()) == "9223372037 s");
}

TEST_CASE("a duration near the next unit is not told as a thousand of the smaller one") {
  CHECK(to_string(999'999us) == "1 s");
  CHECK(to_string(999'999ns) == "1 ms");
  CHECK(to_string(999'400ns) == "999 us");
}
