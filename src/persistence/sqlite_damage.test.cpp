#include "persistence/sqlite_support.test.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace odeon;
using odeon::testing::event_of;
using odeon::testing::payloads;
using odeon::testing::waiting_journal;

namespace {

constexpr int actors = 6;
constexpr int keepers = 2;  // of states

std::string name(int k) { return "actor-" + std::to_string(k); }
std::string keeper(int k) { return "keeper-" + std::to_string(k); }

/// Three states, of which the last two stay, and two marks.
void build_states(waiting_journal& j, const std::string& id) {
  const auto epoch = j.open_writer(id).value();
  for (std::uint64_t s = 1; s <= 3; ++s) {
    append_request r{.persistence_id = id, .epoch = epoch, .expected_sequence = s - 1};
    r.state = state_record{.manifest = "state",
                           .payload = odeon::testing::bytes_of(id + "/" + std::to_string(s)),
                           .keep = 2};
    r.marks = {{"one", 10 * s}, {"two", 20 * s}};
    REQUIRE(j.append(std::move(r)));
  }
}

/// A small journal with something of everything: segments and a landing, snapshots, states, tags,
/// timers, marks, messages.
void build(sqlite_world& w) {
  w.options.landing_bytes = 3'000;
  w.options.segment_bytes = 700;
  w.options.readers = 1;
  auto j = w.open();
  for (int k = 0; k < actors; ++k) {
    const auto epoch = write_events(j, name(k), 8, 2);
    append_request r{.persistence_id = name(k), .epoch = epoch, .expected_sequence = 8};
    r.outbox.push_back(
        {.id = "m" + std::to_string(k), .target = "t", .payload = odeon::testing::bytes_of("hi")});
    r.set_timers = {odeon::testing::timer_of("t" + std::to_string(k), k)};
    REQUIRE(j.append(r));
    if (k % 2 == 0)
      for (const std::uint64_t s : {2u, 5u})
        REQUIRE(j.save_snapshot({.persistence_id = name(k),
                                 .epoch = epoch,
                                 .sequence = s,
                                 .payload = odeon::testing::bytes_of("s" + std::to_string(s))}));
  }
  for (int k = 0; k < keepers; ++k) build_states(j, keeper(k));
}

/// What reads gave, compared with what was written.
struct outcome {
  bool wrong = false;     // something that was never written: must never be
  bool missing = false;   // something that was written did not come, and no error said so
  bool reported = false;  // an error
  bool refused = false;   // the file is no longer one to open: its header is another
  std::string what;       // the last thing of note

  void is_wrong(const std::string& text) {
    wrong = true;
    what = text;
  }
};

void check_recovery(waiting_journal& j, int k, outcome& o) {
  const auto r = j.recover({.persistence_id = name(k)});
  std::uint64_t next = 1;
  for (const auto& step : r.steps) {
    if (k % 2 == 0 && next == 1 && (step == "snapshot 2 s2" || step == "snapshot 5 s5")) {
      next = step == "snapshot 2 s2" ? 3 : 6;
      continue;
    }
    const std::string n = std::to_string(next++);
    if (step != "event " + n + " " + name(k) + "/" + n)
      return o.is_wrong(name(k) + " recovered '" + step + "'");
  }
  if (!r.end) {
    o.reported = true;
    o.what = r.end.error().to_string();
  } else if (r.end->highest_sequence != 8 || next != 9) {
    o.is_wrong(name(k) + " recovered up to " + std::to_string(next - 1) + " of " +
               std::to_string(r.end->highest_sequence));
  }
}

// What an id with states says of itself: its newest state and its marks cannot be missing.
void check_states(waiting_journal& j, const std::string& id, outcome& o) {
  const auto good = [&](const auto& answer) {
    if (answer) return true;
    o.reported = true;
    o.what = answer.error().to_string();
    return false;
  };
  const auto is = [&](const std::optional<stored_snapshot>& s, std::uint64_t sequence) {
    return s && s->sequence == sequence && s->manifest == "state" &&
           odeon::testing::text_of(s->payload) == id + "/" + std::to_string(sequence);
  };
  const auto newest = j.snapshot({.persistence_id = id});
  if (good(newest) && !is(newest->snapshot, 3)) o.is_wrong(id + " has another newest state");
  const auto older = j.snapshot({.persistence_id = id, .max_sequence = 2});
  if (good(older) && older->snapshot && !is(older->snapshot, 2)) o.is_wrong(id + " had another");
  o.reported = o.reported || (older && !older->damaged.empty());
  o.missing = o.missing || (older && !older->snapshot);
  const auto recovered = j.recover({.persistence_id = id});
  if (good(recovered.end) && recovered.steps != std::vector<std::string>{"snapshot 3 " + id + "/3"})
    o.is_wrong(id + " recovered something else");
  const auto highest = j.highest(id);
  if (good(highest) && *highest != 3) o.is_wrong(id + " has another revision");
  const auto one = j.mark(id, "one");
  const auto two = j.mark(id, "two");
  if (good(one) && *one != 30) o.is_wrong("the mark one of " + id);
  if (good(two) && *two != 60) o.is_wrong("the mark two of " + id);
  const auto none = j.mark(id, "three");
  if (good(none) && *none != 0) o.is_wrong("a mark of " + id + " that was never set");
  const auto marks = j.marks(id);
  o.missing = o.missing || (good(marks) && marks->size() != 2);
  for (const auto& m : marks.value_or(std::vector<mark_record>{}))
    if (m.value != (m.name == "one" ? 30u : 60u)) o.is_wrong("the mark " + m.name + " of " + id);
  const auto list = j.snapshots({.persistence_id = id});
  o.missing = o.missing || (good(list) && list->size() != 2);
  for (const auto& s : list.value_or(std::vector<snapshot_info>{})) {
    o.reported = o.reported || s.damaged;
    if (!s.damaged && (s.sequence < 2 || s.sequence > 3 || s.bytes != id.size() + 2))
      o.is_wrong("a listed state of " + id);
  }
}

void check_queries(waiting_journal& j, outcome& o) {
  const auto note = [&](const auto& answer) {
    if (answer) return;
    o.reported = true;
    o.what = answer.error().to_string();
  };
  const auto ids = j.ids();
  note(ids);
  o.missing = o.missing || (ids && ids->size() != actors + keepers);
  for (const auto& id : ids.value_or(std::vector<std::string>{}))
    if (id.size() < 7 || (id != name(id.back() - '0') && id != keeper(id.back() - '0')))
      o.is_wrong("there is an id " + id);
  const auto tagged = j.by_tag("t");
  note(tagged);
  o.missing = o.missing || (tagged && tagged->size() != 2 * actors);
  for (const auto& e : tagged.value_or(std::vector<stored_event>{}))
    if (odeon::testing::text_of(e.event.payload) !=
            e.persistence_id + "/" + std::to_string(e.sequence) ||
        e.sequence > 2)
      o.is_wrong("by_tag gave " + e.persistence_id + ", " + std::to_string(e.sequence));
  const auto timers = j.due(wall_time(std::chrono::seconds(100)));
  note(timers);
  o.missing = o.missing || (timers && timers->size() != actors);
  for (const auto& t : timers.value_or(std::vector<stored_timer>{}))
    if (t.timer.id != "t" + t.persistence_id.substr(6) ||
        odeon::testing::text_of(t.timer.payload) != "ring " + t.timer.id)
      o.is_wrong("a timer " + t.timer.id + " of " + t.persistence_id);
  const auto messages = j.outbox();
  note(messages);
  o.missing = o.missing || (messages && messages->size() != actors);
  for (const auto& m : messages.value_or(std::vector<outbox_entry>{}))
    if (m.message.id != "m" + m.persistence_id.substr(6) || m.sequence != 8)
      o.is_wrong("a message " + m.message.id + " of " + m.persistence_id);
}

outcome read_all(sqlite_world& w) {
  outcome o;
  auto opened = w.try_open();
  if (!opened) {
    o.refused = true;
    o.what = opened.error().to_string();
    o.reported = opened.error() == errc::corrupt_record;
    return o;
  }
  waiting_journal j(*w.rt, std::move(*opened));
  for (int k = 0; k < actors; ++k) check_recovery(j, k, o);
  for (int k = 0; k < keepers; ++k) check_states(j, keeper(k), o);
  check_queries(j, o);
  return o;
}

/// Exchanges one byte of the file; whoever has it open sees it when it reads the page.
void set_byte(const std::string& path, std::uint64_t at, unsigned char value) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(value));
  REQUIRE(file.good());
}

}  // namespace

TEST_CASE("a flipped byte anywhere in the file is reported or harmless, and never a wrong answer") {
  sqlite_world w;
  build(w);
  const std::string original = w.folder.file("original");
  std::filesystem::copy_file(w.options.path, original);
  {
    const auto o = read_all(w);
    REQUIRE_MESSAGE(!o.wrong, o.what);
    REQUIRE(!o.missing);
    REQUIRE(!o.reported);
  }
  std::string bytes;
  {
    std::ifstream file(original, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  // All bytes when asked for (ODEON_DAMAGE_STEP=1); here a sample, most of it where there is
  // something, each with another bit.
  const char* asked = std::getenv("ODEON_DAMAGE_STEP");
  const std::uint64_t step = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 47;
  const char* from = std::getenv("ODEON_DAMAGE_FROM");  // to share the work
  const char* to = std::getenv("ODEON_DAMAGE_TO");
  std::vector<std::uint64_t> places;
  const std::uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 0;
  const std::uint64_t last = to != nullptr ? std::strtoull(to, nullptr, 10) : bytes.size();
  for (std::uint64_t at = first; at < std::min<std::uint64_t>(last, bytes.size()); ++at)
    if (bytes[at] != 0 || at % 64 == 0 || step == 1) places.push_back(at);
  std::uint64_t reported = 0;
  std::uint64_t unseen = 0;
  for (std::size_t k = 0; k < places.size(); k += step) {
    const std::uint64_t at = places[k];
    CAPTURE(at);
    std::filesystem::copy_file(original, w.options.path,
                               std::filesystem::copy_options::overwrite_existing);
    set_byte(w.options.path, at, static_cast<unsigned char>(bytes[at] ^ (1 << (k / step % 8))));
    const auto walked = verify_sqlite_journal(w.options.path);
    const outcome o = read_all(w);
    REQUIRE_MESSAGE(!o.wrong, o.what);
    // What a read reports or lacks, the walk over the file finds as well, and says where.
    for (const auto& d : walked ? walked->damages : std::vector<journal_damage>{})
      REQUIRE(!d.place.empty());
    if (o.refused) REQUIRE(o.what.find(w.options.path) != std::string::npos);
    const bool found = !walked || !walked->good();
    if (o.reported || o.missing)
      REQUIRE_MESSAGE(found, (o.missing ? "an entry is missing" : o.what));
    reported += o.reported || o.refused ? 1 : 0;
    unseen += o.missing && !o.reported ? 1 : 0;
  }
  CHECK(reported > 0);
  MESSAGE("of " << places.size() / step << " flips " << reported << " were reported by reads, and "
                << unseen << " hid an entry of a secondary index, which verify found");
}

TEST_CASE("a flipped payload in a segment is reported with id, sequence and place") {
  sqlite_world w;
  w.options.segment_bytes = 1;  // every event moves to a segment with the next commit
  {
    auto j = w.open();
    write_events(j, "a", 5);
    write_events(j, "b", 5);
  }
  raw_sqlite raw(w.options.path);
  REQUIRE(raw.number("SELECT count(*) FROM segments WHERE actor = 1 AND first = 3") == 1);
  raw.run(
      "UPDATE segments SET records = CAST(substr(records, 1, length(records) - 1) || x'00' AS BLOB)"
      " WHERE actor = 1 AND first = 3");
  {
    auto j = w.open();
    const auto r = j.recover({.persistence_id = "a"});
    REQUIRE(!r.end);
    CHECK(r.end.error().code() == errc::corrupt_record);
    const std::string text(r.end.error().text());
    CHECK_MESSAGE(
        text.find("event 3 of \"a\" in segments(actor 1, first 3), byte 0") != std::string::npos,
        text);
    CHECK(r.steps == std::vector<std::string>{"event 1 a/1", "event 2 a/2"});
    CHECK(payloads(j.events("b").value()) == "b/1 b/2 b/3 b/4 b/5");
    CHECK(j.events({.persistence_id = "a", .from_sequence = 4}).value().size() == 2);
  }
  const auto report = w.verify();
  REQUIRE(report.damages.size() == 1);
  CHECK(report.damages[0].persistence_id == "a");
  CHECK(report.damages[0].sequence == 3);
  CHECK(report.damages[0].place == "segments(actor 1, first 3), byte 0");
  CHECK(!report.good());
}

TEST_CASE("a flipped payload among the newest events concerns its own actor alone") {
  sqlite_world w;
  {
    auto j = w.open();
    write_events(j, "a", 3);
    write_events(j, "b", 3);
  }
  raw_sqlite raw(w.options.path);
  raw.run(
      "UPDATE log SET records = CAST(substr(records, 1, length(records) - 1) || x'00' AS BLOB)"
      " WHERE number = 2");
  auto j = w.open();
  const auto r = j.recover({.persistence_id = "a"});
  REQUIRE(!r.end);
  CHECK(r.end.error().text().find("event 2 of \"a\"") != std::string_view::npos);
  CHECK(payloads(j.events("b").value()) == "b/1 b/2 b/3");
  // A damaged directory is made up for by good records.
  j->close();
  raw.run("UPDATE log SET directory = x'00112233' WHERE number = 3");
  auto again = w.open();
  CHECK(payloads(again.events("b").value()) == "b/1 b/2 b/3");
  CHECK(again.highest("a") == 3u);
  again->close();
  // Both damaged: whose events they are cannot be told, so nothing may be recovered.
  raw.run("UPDATE log SET directory = x'00112233' WHERE number = 2");
  const auto refused = w.try_open();
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::corrupt_record);
  CHECK(refused.error().text().find("log(2)") != std::string_view::npos);
}

TEST_CASE("rows that are gone are missed") {
  sqlite_world w;
  w.options.segment_bytes = 1;
  {
    auto j = w.open();
    write_events(j, "a", 6);
    write_events(j, "b", 2);
  }
  raw_sqlite raw(w.options.path);
  SUBCASE("a segment in the middle") {
    raw.run("DELETE FROM segments WHERE actor = 1 AND first = 3");
    auto j = w.open();
    const auto r = j.recover({.persistence_id = "a"});
    REQUIRE(!r.end);
    CHECK(r.end.error().text().find("event 3 of \"a\"") != std::string_view::npos);
    CHECK(j.recover({.persistence_id = "b"}).end.has_value());
    j->close();
    CHECK(!w.verify().good());
  }
  SUBCASE("the last segment") {
    raw.run("DELETE FROM segments WHERE actor = 1 AND first = 6");
    auto j = w.open();
    CHECK(!j.recover({.persistence_id = "a"}).end);
    j->close();
    CHECK(!w.verify().good());
  }
  SUBCASE("the last row of the log") {
    raw.run("DELETE FROM log WHERE number = (SELECT max(number) FROM log)");
    CHECK(w.try_open().error().code() == errc::corrupt_record);
    CHECK(!w.verify().good());
  }
  SUBCASE("an actor") {
    raw.run("DELETE FROM actors WHERE id = 'b'");
    CHECK(!w.verify().good());
  }
  SUBCASE("a tag") {
    raw.run("INSERT INTO tagged VALUES ('t', 1, 1, 1)");
    CHECK(!w.verify().good());
    auto j = w.open();
    const auto r = j.by_tag("t");
    REQUIRE(!r);
    CHECK(r.error().code() == errc::corrupt_record);
  }
}

TEST_CASE("a damaged row of an actor refuses its recovery and its writer, and nobody else's") {
  sqlite_world w;
  {
    auto j = w.open();
    write_events(j, "a", 3);
    write_events(j, "b", 3);
  }
  raw_sqlite raw(w.options.path);
  SUBCASE("its numbers") { raw.run("UPDATE actors SET stored = 1 WHERE id = 'a'"); }
  SUBCASE("its name") { raw.run("UPDATE actors SET id = 'A' WHERE id = 'a'"); }
  SUBCASE("its name's checksum") {
    raw.run("UPDATE actors SET id_crc = id_crc + 1 WHERE id = 'a'");
  }
  auto j = w.open();
  for (const auto& failed : {j.recover({.persistence_id = "a"}).end.error(), j.highest("a").error(),
                             j.open_writer("a").error()}) {
    CHECK(failed.code() == errc::corrupt_record);
    CHECK(failed.text().find("\"a\"") != std::string_view::npos);
  }
  CHECK(payloads(j.events("b").value()) == "b/1 b/2 b/3");
  write_events(j, "c", 2);
  j->close();
  CHECK(!w.verify().good());
}

TEST_CASE("a damaged snapshot is passed over for an older one, and reported") {
  sqlite_world w;
  auto j = w.open();
  const auto epoch = write_events(j, "a", 6);
  for (const std::uint64_t s : {2u, 4u})
    REQUIRE(j.save_snapshot({.persistence_id = "a",
                             .epoch = epoch,
                             .sequence = s,
                             .payload = odeon::testing::bytes_of("state")}));
  raw_sqlite raw(w.options.path);
  raw.run("UPDATE snapshots SET payload = CAST('stale' AS BLOB) WHERE sequence = 4");
  auto r = j.recover({.persistence_id = "a"});
  REQUIRE(r.end);
  CHECK(r.end->snapshot_sequence == 2);
  REQUIRE(r.end->damaged_snapshots.size() == 1);
  CHECK(r.end->damaged_snapshots[0].code() == errc::corrupt_record);
  CHECK(r.end->events == 4);
  raw.run("UPDATE snapshots SET version = 9");
  r = j.recover({.persistence_id = "a"});
  REQUIRE(r.end);
  CHECK(r.end->snapshot_sequence == 0);
  CHECK(r.end->damaged_snapshots.size() == 2);
  CHECK(r.end->events == 6);
}

TEST_CASE("damaged timers and messages are reported, not delivered") {
  sqlite_world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  append_request r{.persistence_id = "a", .epoch = epoch};
  r.outbox.push_back({.id = "m"});
  r.set_timers = {odeon::testing::timer_of("t", 1)};
  REQUIRE(j.append(r));
  raw_sqlite raw(w.options.path);
  raw.run("UPDATE timers SET due = due - 1; UPDATE outbox SET target = 'someone else'");
  CHECK(j.due(wall_time(std::chrono::seconds(9))).error().code() == errc::corrupt_record);
  CHECK(j.timers_of("a").error().code() == errc::corrupt_record);
  CHECK(j.outbox().error().code() == errc::corrupt_record);
  j->close();
  CHECK(w.verify().damages.size() == 2);
}
