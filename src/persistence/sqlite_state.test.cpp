#include "persistence/sqlite_support.test.hpp"

using namespace odeon;
using odeon::testing::bytes_of;
using odeon::testing::text_of;

namespace {

/// `count` states of one id, of which `keep` stay.
std::uint64_t write_states(odeon::testing::waiting_journal& j, const std::string& id,
                           std::uint64_t count, std::uint32_t keep) {
  const auto epoch = j.open_writer(id).value();
  for (std::uint64_t k = 0; k < count; ++k) {
    append_request r{.persistence_id = id, .epoch = epoch, .expected_sequence = k};
    r.state = state_record{.manifest = "test.state",
                           .payload = bytes_of(id + "/" + std::to_string(k + 1)),
                           .keep = keep};
    REQUIRE(j.append(std::move(r)).has_value());
  }
  return epoch;
}

/// Asks for the newest state in every way there is; all must say that it is lost, and of whom.
void check_lost(odeon::testing::waiting_journal& j, const std::string& revision) {
  for (const error& e : {j.snapshot({.persistence_id = "a"}).error(),
                         j.recover({.persistence_id = "a"}).end.error()}) {
    CHECK(e.code() == errc::corrupt_record);
    CHECK_MESSAGE(e.text().find("revision " + revision) != std::string_view::npos, e.text());
    CHECK(e.text().find("\"a\"") != std::string_view::npos);
  }
}

}  // namespace

TEST_CASE("a newest state that is damaged or gone is reported, and an older one only when asked") {
  sqlite_world w;
  auto j = w.open();
  write_states(j, "a", 3, 0);
  write_states(j, "b", 2, 1);
  raw_sqlite raw(w.options.path);
  SUBCASE("a byte of it is another") {
    raw.run("UPDATE snapshots SET payload = CAST('a/9' AS BLOB) WHERE actor = 1 AND sequence = 3");
  }
  SUBCASE("it is gone") { raw.run("DELETE FROM snapshots WHERE actor = 1 AND sequence = 3"); }
  SUBCASE("it has another number") {
    raw.run("UPDATE snapshots SET sequence = 9 WHERE actor = 1 AND sequence = 3");
  }
  check_lost(j, "3");
  const auto asked = j.snapshot({.persistence_id = "a", .max_sequence = 2}).value();
  CHECK(asked.snapshot.value().sequence == 2);
  CHECK(text_of(asked.snapshot->payload) == "a/2");
  CHECK(text_of(j.snapshot({.persistence_id = "b"}).value().snapshot.value().payload) == "b/2");
  CHECK(j.highest("a") == 3u);
  j->close();
  CHECK(!w.verify().good());
  // Whoever decides to go on from the older one stores it as the next.
  auto again = w.open();
  const auto epoch = again.open_writer("a").value();
  append_request r{.persistence_id = "a", .epoch = epoch, .expected_sequence = 3};
  r.state = state_record{.manifest = "test.state", .payload = asked.snapshot->payload, .keep = 2};
  REQUIRE(again.append(std::move(r)).has_value());
  CHECK(text_of(again.snapshot({.persistence_id = "a"}).value().snapshot.value().payload) == "a/2");
  CHECK(raw.number("SELECT max(sequence) FROM snapshots WHERE actor = 1") == 4);
}

TEST_CASE("an id whose only state is gone does not read as an empty id") {
  sqlite_world w;
  auto j = w.open();
  write_states(j, "a", 5, 1);
  raw_sqlite raw(w.options.path);
  raw.run("DELETE FROM snapshots");
  check_lost(j, "5");
  CHECK(j.highest("a") == 5u);
  const auto epoch = j.open_writer("a").value();
  append_request from_nothing{.persistence_id = "a", .epoch = epoch};
  from_nothing.state = state_record{.manifest = "test.state", .payload = {}};
  CHECK(j.append(std::move(from_nothing)).error().code() == errc::version_conflict);
  j->close();
  const auto report = w.verify();
  REQUIRE(report.damages.size() == 1);
  CHECK(report.damages[0].place == "snapshots(actor 1, sequence 5)");
  CHECK(report.damages[0].persistence_id == "a");
}

TEST_CASE("a damaged mark is reported and never read as another number, nor as none") {
  sqlite_world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  append_request r{.persistence_id = "a", .epoch = epoch};
  r.marks = {{"one", 5}, {"two", 6}};
  REQUIRE(j.append(std::move(r)).has_value());
  raw_sqlite raw(w.options.path);
  SUBCASE("its value") { raw.run("UPDATE marks SET value = 4 WHERE name = 'one'"); }
  SUBCASE("its name") { raw.run("UPDATE marks SET name = 'ones' WHERE name = 'one'"); }
  SUBCASE("its name's checksum") {
    raw.run("UPDATE marks SET name_crc = name_crc + 1 WHERE name = 'one'");
  }
  SUBCASE("its owner") { raw.run("UPDATE marks SET value = 4, actor = 1 WHERE name = 'one'"); }
  const auto one = j.mark("a", "one");
  REQUIRE(!one);
  CHECK(one.error().code() == errc::corrupt_record);
  CHECK(one.error().text().find("\"a\"") != std::string_view::npos);
  CHECK(j.marks("a").error().code() == errc::corrupt_record);
  CHECK(j.mark("a", "two") == 6u);
  CHECK(j.mark("a", "three") == 0u);
  j->close();
  const auto report = w.verify();
  CHECK(report.marks == 1);
  CHECK(report.damages.size() == 1);
}

TEST_CASE("a damaged timer refuses the changes that depend on it, all or none of a call") {
  sqlite_world w;
  auto j = w.open();
  const auto at = [](int s) { return wall_time(std::chrono::seconds(s)); };
  const auto set = [](std::string id, std::optional<wall_time> when) {
    return timer_change{.persistence_id = "a",
                        .timer_id = id,
                        .only_if_due = when,
                        .set = odeon::testing::timer_of(id, 50)};
  };
  CHECK(j.change({set("x", {}), set("y", {})}) == 2u);
  raw_sqlite(w.options.path).run("UPDATE timers SET due = 3000000000 WHERE id = 'y'");
  const auto refused = j.change({set("z", {}), set("y", at(3))});
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::corrupt_record);
  CHECK(refused.error().text().find("\"y\" of \"a\"") != std::string_view::npos);
  CHECK(raw_sqlite(w.options.path).number("SELECT count(*) FROM timers WHERE id = 'z'") == 0);
  // To remove it, or to set it anew, nothing of it need be read.
  CHECK(j.change({set("y", {})}) == 1u);
  CHECK(j.timers_of("a").value().size() == 2);
}
