#include "persistence/sqlite_support.test.hpp"
#include <odeon/persistence/encryption.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/transfer.hpp>

#include <filesystem>
#include <fstream>

using namespace odeon;
using odeon::testing::bytes_of;
using odeon::testing::event_of;
using odeon::testing::payloads;
using odeon::testing::text_of;
using odeon::testing::waiting_journal;

namespace {

/// Something of everything: events of two ids in turn, snapshots, states, timers, marks, messages.
void fill(waiting_journal& j) {
  const auto a = j.open_writer("a").value();
  const auto b = j.open_writer("\xff b").value();
  for (std::uint64_t k = 0; k < 5; ++k) {
    REQUIRE(j.append("a", a, k, {event_of("a" + std::to_string(k + 1), {"t", "t"})}));
    append_request r{.persistence_id = "\xff b", .epoch = b, .expected_sequence = k};
    r.events = {event_of("b" + std::to_string(k + 1), {"t"})};
    r.outbox = {{.id = "m" + std::to_string(k), .target = "x", .payload = bytes_of("hi")}};
    r.marks = {{"sender", k + 1}};
    r.set_timers = {odeon::testing::timer_of("t" + std::to_string(k), static_cast<int>(k))};
    REQUIRE(j.append(std::move(r)));
  }
  REQUIRE(j.acknowledge({2}));
  for (const std::uint64_t s : {2u, 4u})
    REQUIRE(j.save_snapshot(
        {.persistence_id = "a", .epoch = a, .sequence = s, .payload = bytes_of("snapshot")}));
  const auto s = j.open_writer("states").value();
  REQUIRE(j.open_writer("states").value() == s + 1);
  for (std::uint64_t k = 0; k < 3; ++k) {
    append_request r{.persistence_id = "states", .epoch = s + 1, .expected_sequence = k};
    r.state = state_record{.manifest = "state", .payload = bytes_of("s"), .keep = 2};
    REQUIRE(j.append(std::move(r)));
  }
  REQUIRE(j.change({{.persistence_id = "only timers",
                     .timer_id = "t",
                     .set = odeon::testing::timer_of("t", 99)}}) == 1u);
}

/// What is in a journal, as text.
std::string described(waiting_journal& j) {
  std::string out;
  const auto line = [&](const auto&... parts) {
    ((out += std::string(parts) + "|"), ...);
    out += "\n";
  };
  const auto number = [](auto n) { return std::to_string(n); };
  const auto ns = [&](wall_time t) { return number(t.time_since_epoch().count()); };
  for (const auto& id : j.ids().value()) {
    const auto info = j.describe(id);
    line(id, number(info.value().epoch), number(info->highest_sequence),
         info->keeps_states ? "states" : "events");
    for (const auto& e : j.events(id).value()) {
      line("event", number(e.sequence), number(e.position), number(e.epoch), ns(e.written),
           text_of(e.event.payload));
      for (const auto& tag : e.event.tags) line(tag);
    }
    for (const auto& s : j.snapshots({.persistence_id = id}).value())
      line("snapshot", number(s.sequence), ns(s.written), s.manifest, number(s.bytes));
    for (const auto& t : j.timers_of(id).value()) line(t.id, ns(t.due), text_of(t.payload));
    for (const auto& m : j.marks(id).value()) line(m.name, number(m.value));
  }
  for (const auto& e : j.by_tag("t").value()) line("tagged", text_of(e.event.payload));
  for (const auto& m : j.outbox().value())
    line(number(m.position), m.persistence_id, number(m.sequence), m.message.id, m.message.target);
  return out;
}

result<transfer_counts> copy(sqlite_world& from, const std::string& to) {
  auto options = from.options;
  options.read_only = true;
  auto j = open_sqlite_journal(*from.rt, options);
  if (!j) return std::unexpected(j.error());
  auto sink = create_sqlite_journal(to);
  if (!sink) return std::unexpected(sink.error());
  return copy_journal(*from.rt, **j, **sink);
}

}  // namespace

TEST_CASE("a copied journal is the same, and goes on where the other ended") {
  sqlite_world w;
  w.options.segment_bytes = 200;
  auto j = w.open();
  fill(j);
  const std::string before = described(j);
  sqlite_world to;
  const auto counts = copy(w, to.options.path);  // beside the open one
  REQUIRE_MESSAGE(counts.has_value(), counts.error().to_string());
  CHECK(*counts == transfer_counts{4, 10, 4, 6, 1, 4});
  CHECK(to.verify().good());
  auto copied = to.open();
  CHECK(described(copied) == before);
  for (auto* each : {&j, &copied}) {
    const auto epoch = each->open_writer("a").value();
    CHECK(epoch == 2);
    const auto ack = each->append("a", epoch, 5, {event_of("more", {"t"})}).value();
    CHECK(ack.position == 11);
  }
  CHECK(payloads(copied.by_tag("t").value()) == payloads(j.by_tag("t").value()));
  copied->close();
  CHECK(to.verify().good());
}

TEST_CASE("any journal may be copied into a file") {
  sqlite_world w;
  waiting_journal memory(*w.rt, make_memory_journal(*w.rt));
  fill(memory);
  auto sink = create_sqlite_journal(w.options.path);
  REQUIRE(sink);
  REQUIRE(copy_journal(*w.rt, memory.get(), **sink));
  sink->reset();
  auto j = w.open();
  CHECK(described(j) == described(memory));
}

TEST_CASE("an import needs an empty place, and leaves nothing when it does not finish") {
  sqlite_world w;
  {
    auto j = w.open();
    fill(j);
  }
  const auto refused = copy(w, w.options.path);
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::name_taken);
  CHECK(refused.error().text().find("4 persistence ids") != std::string_view::npos);
  sqlite_world to;
  to.open()->close();  // a journal without an id is a place as well
  {
    auto sink = create_sqlite_journal(to.options.path).value();
    REQUIRE(sink->begin_id("a", {.epoch = 1, .highest_sequence = 2}));
    CHECK(std::filesystem::exists(to.options.path + "-import"));
    CHECK(create_sqlite_journal(to.options.path).error().code() == errc::io_failed);
    CHECK(std::filesystem::exists(to.options.path + "-import"));
    CHECK(to.try_open().error().code() == errc::io_failed);  // it has an owner
  }
  CHECK(!std::filesystem::exists(to.options.path + "-import"));
  CHECK(to.open().ids().value().empty());
  CHECK(copy(w, to.options.path).has_value());
  CHECK(create_sqlite_journal(to.folder.file("no/such/file")).error().code() == errc::not_found);
}

TEST_CASE("items that do not belong together are refused") {
  sqlite_world w;
  auto sink = create_sqlite_journal(w.options.path).value();
  const auto event = [](std::uint64_t sequence, std::uint64_t position) {
    return event_view{.sequence = sequence, .position = position};
  };
  REQUIRE(sink->begin_id("a", {.epoch = 1, .highest_sequence = 3}));
  REQUIRE(sink->event(event(1, 7)));
  result<void> refused;
  SUBCASE("a hole") { refused = sink->event(event(3, 8)); }
  SUBCASE("positions that fall") { refused = sink->event(event(2, 7)); }
  SUBCASE("an end that is missing") { refused = sink->finish(); }
  SUBCASE("an id twice") {
    REQUIRE(sink->event(event(2, 8)));
    REQUIRE(sink->event(event(3, 9)));
    refused = sink->begin_id("a", {});
  }
  SUBCASE("a state that is missing") {
    REQUIRE(sink->event(event(2, 8)));
    REQUIRE(sink->event(event(3, 9)));
    REQUIRE(sink->begin_id("s", {.epoch = 1, .highest_sequence = 4, .keeps_states = true}));
    REQUIRE(sink->snapshot({.sequence = 3, .manifest = "", .payload = {}}));
    refused = sink->finish();
  }
  SUBCASE("a message of nobody") {
    REQUIRE(sink->event(event(2, 8)));
    REQUIRE(sink->event(event(3, 9)));
    refused = sink->outbox({.position = 1, .persistence_id = "b", .message = {}});
  }
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::version_conflict);
  sink.reset();
  CHECK(!std::filesystem::exists(w.options.path));
}

TEST_CASE("a copy encrypts what was plain, and exchanges keys") {
  sqlite_world w;
  auto j = w.open();
  fill(j);
  const auto keys = [](std::string_view id) {
    key_ring out;
    REQUIRE(out.add(id, std::vector<std::byte>(32, static_cast<std::byte>(id.back()))));
    return out;
  };
  sqlite_world one;
  sqlite_world two;
  auto sealed = encrypt(*w.rt, create_sqlite_journal(one.options.path).value(), keys("k1"));
  REQUIRE(copy_journal(*w.rt, j.get(), *sealed));
  sealed.reset();
  {
    waiting_journal first(*w.rt, encrypt(*w.rt, std::move(*one.try_open()), keys("k1")));
    CHECK(described(first) == described(j));
    sealed = encrypt(*w.rt, create_sqlite_journal(two.options.path).value(), keys("k2"));
    REQUIRE(copy_journal(*w.rt, first.get(), *sealed));
    sealed.reset();
  }
  waiting_journal second(*w.rt, encrypt(*w.rt, std::move(*two.try_open()), keys("k2")));
  CHECK(described(second) == described(j));
  // Without keys the sealed payloads are copied as they are.
  sqlite_world three;
  REQUIRE(copy(one, three.options.path));
  waiting_journal third(*w.rt, encrypt(*w.rt, std::move(*three.try_open()), keys("k1")));
  CHECK(described(third) == described(j));
}

TEST_CASE("a journal opened to be read shows one moment, beside its writer") {
  sqlite_world w;
  auto j = w.open();
  fill(j);
  const std::string before = described(j);
  auto options = w.options;
  options.read_only = true;
  waiting_journal reader(*w.rt, open_sqlite_journal(*w.rt, options).value());
  const auto epoch = j.open_writer("a").value();
  REQUIRE(j.append("a", epoch, 5, {event_of("later", {"t"})}));
  const auto states = j.open_writer("states").value();
  append_request r{.persistence_id = "states", .epoch = states, .expected_sequence = 3};
  r.state = state_record{.manifest = "state", .payload = bytes_of("later"), .keep = 1};
  REQUIRE(j.append(std::move(r)));
  CHECK(described(reader) == before);
  CHECK(reader.snapshot({.persistence_id = "states"}).value().snapshot.value().sequence == 3);
  const auto refused = reader.open_writer("a");
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::invalid_argument);
  CHECK(refused.error().text().find("reading only") != std::string_view::npos);
  reader->close();
  waiting_journal again(*w.rt, open_sqlite_journal(*w.rt, options).value());
  CHECK(again.highest("a") == 6u);
  options.path = w.folder.file("none.db");
  CHECK(open_sqlite_journal(*w.rt, options).error().code() == errc::not_found);
}

TEST_CASE("a compacted journal is smaller, the same, and has no log") {
  sqlite_world w;
  {
    auto j = w.open();
    fill(j);
    const auto epoch = j.open_writer("big").value();
    for (std::uint64_t k = 0; k < 60; ++k) {
      append_request r{.persistence_id = "big", .epoch = epoch, .expected_sequence = k};
      r.state = state_record{.manifest = "", .payload = std::vector<std::byte>(50'000), .keep = 0};
      REQUIRE(j.append(std::move(r)));
    }
    REQUIRE(j.delete_snapshots({.persistence_id = "big"}));
    CHECK(compact_sqlite_journal(w.options.path).error().code() == errc::io_failed);  // is open
  }
  std::string before;
  {
    auto j = w.open();
    before = described(j);
  }
  std::uint64_t calls = 0;
  const auto done =
      compact_sqlite_journal(w.options.path, [&](std::uint64_t, std::uint64_t) { ++calls; });
  REQUIRE_MESSAGE(done.has_value(), done.error().to_string());
  CHECK(done->bytes_before > 3'000'000);
  CHECK(done->bytes_after < 300'000);
  CHECK(done->bytes_after == std::filesystem::file_size(w.options.path));
  CHECK(calls > 0);
  CHECK(raw_sqlite(w.options.path).number("SELECT count(*) FROM log") == 0);
  CHECK(w.verify().good());
  auto j = w.open();
  CHECK(described(j) == before);
  const auto epoch = j.open_writer("a").value();
  CHECK(j.append("a", epoch, 5, {event_of("more")}).value().position == 11);
  j->close();
  CHECK(w.verify().good());
  CHECK(compact_sqlite_journal(w.folder.file("none.db")).error().code() == errc::not_found);
}

TEST_CASE("a damaged journal is not compacted") {
  sqlite_world w;
  {
    auto j = w.open();
    fill(j);
  }
  raw_sqlite(w.options.path).run("UPDATE timers SET due = due + 1");
  const auto refused = compact_sqlite_journal(w.options.path);
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::corrupt_record);
  CHECK(raw_sqlite(w.options.path).number("SELECT count(*) FROM log") > 0);
}
