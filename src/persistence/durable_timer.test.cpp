#include <odeon/pattern/cron.hpp>
#include <odeon/persistence/durable_timer.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace odeon {
namespace {

using namespace std::chrono_literals;

struct remind {
  static constexpr auto manifest = "test.remind";
  int number = 0;
};

const wall_time noon = wall_time(1'767'268'800s);  // 2026-01-01 12:00 UTC

timer_record set(const durable_timer& t, wall_time now = noon) {
  auto r = t.to_record(now);
  REQUIRE_MESSAGE(r, (r ? "" : r.error().to_string()));
  return *r;
}
durable_timer read(const timer_record& r) {
  auto t = durable_timer::from_record(r);
  REQUIRE_MESSAGE(t, (t ? "" : t.error().to_string()));
  return *t;
}
/// The rounds that a service would see that looks at `now`, which stays: due, and whether it fires.
std::vector<std::pair<duration, bool>> rounds(timer_record r, wall_time now, duration grace) {
  std::vector<std::pair<duration, bool>> out;
  while (r.due <= now && out.size() < 100) {
    auto round = read(r).take(r.due, now, grace);
    REQUIRE(round);
    out.emplace_back(r.due - noon, round->fires);
    if (!round->again) return out;
    r = *round->again;
  }
  out.emplace_back(r.due - noon, false);  // where it goes on
  return out;
}
using seen = std::vector<std::pair<duration, bool>>;

TEST_CASE("a durable timer is due when it says, and comes back from its record") {
  CHECK(set(durable_timer::at("a", noon + 5s, remind{1})).due == noon + 5s);
  CHECK(set(durable_timer::at("a", noon - 5s, remind{1})).due == noon - 5s);
  CHECK(set(durable_timer::after("a", 7s, remind{1})).due == noon + 7s);
  CHECK(set(durable_timer::every("a", 1h, remind{1})).due == noon + 1h);
  CHECK(set(durable_timer::every("a", 1h, remind{1}, noon)).due == noon);
  const auto by_cron =
      durable_timer::on("a", *cron::parse("0 6 * * *", "Europe/Berlin"), remind{1});
  CHECK(set(by_cron).due == noon + 17h);

  const durable_timer back =
      read(set(durable_timer::every("a", 1h, remind{7}).missed(catch_up::all, 5)));
  CHECK(back.id() == "a");
  CHECK(back.interval() == 1h);
  CHECK(back.repeats());
  CHECK(back.missed() == catch_up::all);
  CHECK(back.most() == 5);
  CHECK(back.manifest() == "test.remind");
  auto message = wire::decode<remind>(back.payload());
  REQUIRE(message);
  CHECK(message->number == 7);
  CHECK(read(set(by_cron)).cron_expression() == "0 6 * * *");
  CHECK(read(set(by_cron)).zone() == "Europe/Berlin");
}

TEST_CASE("a durable timer that could never be right is refused") {
  const auto why = [](const durable_timer& t) {
    auto r = t.to_record(noon);
    REQUIRE_FALSE(r);
    CHECK(r.error().code() == errc::invalid_argument);
    return std::string(r.error().text());
  };
  CHECK(why(durable_timer::after("", 1s, remind{})).find("has an id") != std::string::npos);
  CHECK(why(durable_timer::every("a", -1s, remind{})).find("negative") != std::string::npos);
  CHECK(why(durable_timer::on("a", *cron::parse("0 0 30 2 *"), remind{})).find("never comes") !=
        std::string::npos);
  CHECK(why(durable_timer::after("a", 1s, remind{}).missed(catch_up::all, 0)).find("at most 0") !=
        std::string::npos);
  CHECK(why(durable_timer::after("a", duration::max(), remind{})).find("2262") !=
        std::string::npos);
}

TEST_CASE(
    "a record of another kind, a newer one, or a damaged one is refused with the timer's id") {
  timer_record r = set(durable_timer::after("a-7", 1s, remind{}));
  const auto code = [](const timer_record& r) {
    auto t = durable_timer::from_record(r);
    REQUIRE_FALSE(t);
    CHECK(t.error().text().find("a-7") != std::string::npos);
    return t.error().code();
  };
  timer_record other = r;
  other.manifest = "somebody's";
  CHECK(code(other) == errc::unknown_manifest);
  timer_record newer = r;
  newer.version = 2;
  CHECK(code(newer) == errc::newer_version);
  for (std::size_t n = 0; n < r.payload.size(); ++n) {
    timer_record cut = r;
    cut.payload.resize(n);
    (void)code(cut);
  }
}

TEST_CASE("missed rounds: one for all, each of them up to a bound, or none") {
  const auto every = [](catch_up what, std::uint32_t most = 1000) {
    return set(durable_timer::every("a", 10s, remind{}, noon).missed(what, most));
  };
  // In time: nothing is missed.
  CHECK(rounds(every(catch_up::skip), noon + 1s, 5s) == seen{{0s, true}, {10s, false}});
  CHECK(rounds(every(catch_up::once), noon + 47s, 5s) == seen{{0s, true}, {50s, false}});
  CHECK(rounds(every(catch_up::skip), noon + 47s, 5s) == seen{{0s, false}, {50s, false}});
  CHECK(rounds(every(catch_up::all), noon + 47s, 5s) ==
        seen{{0s, true}, {10s, true}, {20s, true}, {30s, true}, {40s, true}, {50s, false}});
  CHECK(rounds(every(catch_up::all, 2), noon + 47s, 5s) ==
        seen{{0s, true}, {10s, true}, {50s, false}});
  // A timer of one round.
  CHECK(rounds(set(durable_timer::at("a", noon, remind{})), noon + 1h, 5s) == seen{{0s, true}});
  CHECK(rounds(set(durable_timer::at("a", noon, remind{}).missed(catch_up::skip)), noon + 1h, 5s) ==
        seen{{0s, false}});
  // By cron, years of seconds are one step.
  const auto seconds = durable_timer::on("a", *cron::parse("* * * * * *"), remind{});
  CHECK(rounds(set(seconds), noon + 24h * 3000, 5s) == seen{{1s, true}, {24h * 3000 + 1s, false}});
}

TEST_CASE("a record with any due time has a next round or none, and nothing overflows") {
  timer_record r = set(durable_timer::every("a", 10s, remind{}));
  for (const wall_time due : {wall_time::min(), wall_time::max(), noon}) {
    for (const wall_time now : {wall_time::min(), wall_time::max(), noon}) {
      auto round = read(r).take(due, now, 5s);
      REQUIRE(round);
      if (round->again) CHECK(round->again->due >= due);
    }
  }
}

}  // namespace
}  // namespace odeon
