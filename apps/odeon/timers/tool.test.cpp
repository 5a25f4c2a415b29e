#include "odeon/timers/tool.hpp"

#include "odeon/bank/scratch.test.hpp"
#include "odeon/printed.test.hpp"
#include <odeon/persistence/durable_timer.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

using namespace odeon;
using namespace odeon::timers_tool;

namespace {

struct wake {
  static constexpr auto manifest = "test.wake";
  int number = 0;
};

constexpr wall_time noon = wall_time(std::chrono::seconds(1'772'366'400));  // 2026-03-01 12:00

struct sample {
  bank::scratch folder;
  journal_tool::source from{.journal = folder.path("timers.db")};

  sample() {
    const auto rt = make_threaded_runtime();
    auto j = open_sqlite_journal(*rt, {.path = from.journal}).value();
    const auto record = [](const durable_timer& t) { return t.to_record(noon).value(); };
    std::vector<timer_change> changes;
    for (auto& [owner, timer] :
         {std::pair{"account-1", durable_timer::at("review", noon, wake{1})},
          std::pair{"account-1", durable_timer::every("beat", std::chrono::hours(1), wake{2})},
          std::pair{"cart-1", durable_timer::after("drop", std::chrono::minutes(30), wake{3})}})
      changes.push_back({.persistence_id = owner,
                         .timer_id = timer.id(),
                         .only_if_due = std::nullopt,
                         .set = record(timer)});
    CHECK(wait_for<std::uint64_t>(*rt, [&](auto done) {
            j->change_timers(std::move(changes), std::move(done));
          }).value() == 3);
  }
  printed ls(const std::string& owner = {}, bool json = false, std::size_t max = 1000) {
    return run([&](const auto& t) {
      return list({.from = from, .owner = owner, .max = max, .json = json}, t);
    });
  }
};

}  // namespace

TEST_CASE("timers are listed by their due times, all of them or an owner's") {
  sample s;
  const printed all = s.ls();
  CHECK(all.code == 0);
  CHECK(all.out ==
        "2026-03-01T12:00:00.000000000Z  account-1  review  once  test.wake {\"number\":1}\n"
        "2026-03-01T12:30:00.000000000Z  cart-1  drop  once  test.wake {\"number\":3}\n"
        "2026-03-01T13:00:00.000000000Z  account-1  beat  every 3600 s  test.wake "
        "{\"number\":2}\n");
  CHECK(s.ls({}, false, 1).out.find("drop") == std::string::npos);
  CHECK(s.ls("cart-1", true).out ==
        "{\"owner\":\"cart-1\",\"id\":\"drop\",\"due\":\"2026-03-01T12:30:00.000000000Z\","
        "\"repeats\":\"once\",\"missed\":\"once\",\"manifest\":\"test.wake\","
        "\"payload\":{\"number\":3}}\n");
  CHECK(s.ls("nobody").out.empty());
}

TEST_CASE("a timer is moved and cancelled, and what is not there is told") {
  sample s;
  const auto changed = [&](auto command, std::string owner, std::string id, std::string to = {}) {
    return run([&](const auto& t) {
      return command({.from = s.from, .owner = owner, .id = id, .to = to}, t);
    });
  };
  CHECK(changed(timers_tool::move, "cart-1", "drop", "2026-03-02T00:00:00.5Z").code == 0);
  CHECK(s.ls("cart-1").out.find("2026-03-02T00:00:00.5") == 0);
  CHECK(changed(timers_tool::cancel, "account-1", "review").code == 0);
  CHECK(s.ls("account-1").out.find("review") == std::string::npos);
  const printed gone = changed(timers_tool::cancel, "account-1", "review");
  CHECK(gone.code == journal_tool::failed);
  CHECK(gone.err == "odeon: account-1 has no timer review\n");
  const printed odd = changed(timers_tool::move, "cart-1", "drop", "tomorrow");
  CHECK(odd.code == journal_tool::usage);
  CHECK(odd.err.find("tomorrow is no time") != std::string::npos);
  s.from.journal = s.folder.path("none.db");
  CHECK(s.ls().code == journal_tool::cannot_open);
  CHECK(changed(timers_tool::cancel, "cart-1", "drop").code == journal_tool::cannot_open);
}

TEST_CASE("times are read as dates or from now, and nothing else is") {
  CHECK(read_time("2026-03-01T12:00:00Z", {}) == noon);
  CHECK(read_time("2026-03-01T12:00:00.000000001Z", {}) == noon + std::chrono::nanoseconds(1));
  CHECK(read_time("+90s", noon) == noon + std::chrono::seconds(90));
  CHECK(read_time("+1d", noon) == noon + std::chrono::hours(24));
  for (const char* bad : {"", "+", "+s", "+-5m", "5m", "+5w", "+99999999999d",
                          "2026-02-30T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01 12:00:00Z",
                          "2026-03-01T12:00:00", "1677-01-01T00:00:00Z", "2026-03-01T12:00:00.Z",
                          "2026-03-01T12:00:00.-1Z", "2026-03-01T12:00:00.1234567890Z"})
    CHECK_MESSAGE(!read_time(bad, noon).has_value(), bad);
}
