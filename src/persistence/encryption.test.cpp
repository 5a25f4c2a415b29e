#include "persistence/internal/conformance.hpp"
#include "persistence/internal/seal.hpp"
#include "persistence/sqlite_support.test.hpp"
#include <odeon/persistence/encryption.hpp>
#include <odeon/persistence/memory_journal.hpp>

#include <filesystem>
#include <fstream>
#include <set>

using namespace odeon;
using odeon::testing::bytes_of;
using odeon::testing::event_of;
using odeon::testing::payloads;
using odeon::testing::text_of;
using odeon::testing::waiting_journal;

namespace {

/// "k1" to "k9"; the key's bytes are all that digit.
key_ring ring(std::string_view digits = "1") {
  key_ring out;
  for (const char d : digits)
    REQUIRE(
        out.add(std::string("k") + d, std::vector<std::byte>(32, static_cast<std::byte>(d - '0'))));
  return out;
}

/// Room for what sealing adds, so that the bounds of a check are those of the plain payloads.
journal_options with_room(journal_options o) {
  o.max_payload_bytes += sealed_overhead;
  o.max_snapshot_bytes += sealed_overhead;
  o.max_append_bytes += 5 * sealed_overhead;
  return o;
}

class encrypted_memory final : public odeon::testing::journal_fixture {
 public:
  runtime& rt() override { return *runtime_; }
  result<std::unique_ptr<journal>> open(journal_options bounds) override {
    return encrypt(*runtime_, make_memory_journal(*runtime_, store_, with_room(bounds)), ring());
  }

 private:
  std::unique_ptr<runtime> runtime_ = make_threaded_runtime();
  std::shared_ptr<memory_store> store_ = std::make_shared<memory_store>();
};

class encrypted_sqlite final : public odeon::testing::journal_fixture {
 public:
  runtime& rt() override { return *runtime_; }
  result<std::unique_ptr<journal>> open(journal_options bounds) override {
    sqlite_journal_options o{with_room(bounds)};
    o.path = folder_.file("journal.db");
    auto inner = open_sqlite_journal(*runtime_, o);
    if (!inner) return inner;
    return encrypt(*runtime_, std::move(*inner), ring());
  }

 private:
  scratch_folder folder_;
  std::unique_ptr<runtime> runtime_ = make_threaded_runtime();
};

/// One store in memory, opened plain or with keys.
struct vault {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();

  waiting_journal plain() { return {*rt, make_memory_journal(*rt, store)}; }
  waiting_journal open(key_ring keys, bool accept_plain = false) {
    return {*rt, encrypt(*rt, make_memory_journal(*rt, store), std::move(keys),
                         {.accept_plain = accept_plain})};
  }
};

/// Something of every kind for "a", with `text` in each payload, and a state of "s".
void write_everything(waiting_journal& j, const std::string& text) {
  const auto epoch = j.open_writer("a").value();
  append_request r{.persistence_id = "a", .epoch = epoch};
  r.events = {event_of(text + "-e1", {"tag"}), event_of(text + "-e2")};
  r.outbox.push_back({.id = "m", .target = "t", .payload = bytes_of(text + "-message")});
  r.set_timers = {{.id = "x", .due = wall_time(duration(5)), .payload = bytes_of(text + "-timer")}};
  REQUIRE(j.append(std::move(r)));
  REQUIRE(j.save_snapshot({.persistence_id = "a",
                           .epoch = epoch,
                           .sequence = 1,
                           .payload = bytes_of(text + "-snapshot")}));
  append_request s{.persistence_id = "s", .epoch = j.open_writer("s").value()};
  s.state = state_record{.manifest = "state", .payload = bytes_of(text + "-state"), .keep = 0};
  REQUIRE(j.append(std::move(s)));
  REQUIRE(j.change({{.persistence_id = "a",
                     .timer_id = "y",
                     .set = timer_record{.id = "y", .payload = bytes_of(text + "-changed")}}}));
}

std::string file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("an encrypted journal conforms, in memory and on SQLite") {
  for (const auto& check : odeon::testing::journal_checks()) {
    CAPTURE(check.name);
    encrypted_memory memory;
    encrypted_sqlite sqlite;
    for (odeon::testing::journal_fixture* on :
         {static_cast<odeon::testing::journal_fixture*>(&memory),
          static_cast<odeon::testing::journal_fixture*>(&sqlite)}) {
      const auto held = check.run(*on);
      CHECK_MESSAGE(held.has_value(), (held ? std::string() : held.error().to_string()));
    }
  }
}

TEST_CASE("no payload stands in the file, and all of them come back with the key") {
  sqlite_world w;
  const std::string secret = "the-vault-is-behind-the-mirror";
  const auto open = [&] {
    return waiting_journal(*w.rt, encrypt(*w.rt, std::move(*w.try_open()), ring()));
  };
  {
    auto j = open();
    write_everything(j, secret);
    // While the journal is open and the newest events lie in the write-ahead log.
    CHECK(file_bytes(w.options.path + "-wal").find(secret) == std::string::npos);
  }
  CHECK(file_bytes(w.options.path).find(secret) == std::string::npos);
  CHECK(file_bytes(w.options.path).find("test.event") != std::string::npos);  // what is not sealed
  CHECK(w.verify().good());
  auto j = open();
  CHECK(
      j.recover({.persistence_id = "a"}).steps ==
      std::vector<std::string>{"snapshot 1 " + secret + "-snapshot", "event 2 " + secret + "-e2"});
  CHECK(payloads(j.by_tag("tag").value()) == secret + "-e1");
  CHECK(text_of(j.outbox().value().at(0).message.payload) == secret + "-message");
  const auto timers = j.timers_of("a").value();
  CHECK(text_of(timers.at(0).payload) == secret + "-timer");
  CHECK(text_of(timers.at(1).payload) == secret + "-changed");
  CHECK(text_of(j.snapshot({.persistence_id = "s"}).value().snapshot.value().payload) ==
        secret + "-state");
  CHECK(j.snapshots({.persistence_id = "s"}).value().at(0).bytes == secret.size() + 6);
}

TEST_CASE("the same payload is never sealed to the same bytes") {
  vault v;
  {
    auto j = v.open(ring());
    const auto epoch = j.open_writer("a").value();
    REQUIRE(j.append("a", epoch, 0, std::vector<event_record>(600, event_of("same"))));
  }
  std::set<std::string> seen;
  for (const auto& e : v.plain().events("a").value()) seen.insert(text_of(e.event.payload));
  CHECK(seen.size() == 600);
}

TEST_CASE("another key of the same id opens nothing, and gives no garbage") {
  vault v;
  {
    auto j = v.open(ring("1"));
    write_everything(j, "x");
  }
  key_ring other;
  REQUIRE(other.add("k1", std::vector<std::byte>(32, std::byte{9})));
  auto j = v.open(std::move(other));
  const auto refused = j.recover({.persistence_id = "a"});
  REQUIRE(!refused.end);
  CHECK(refused.steps.empty());
  CHECK(refused.end.error().code() == errc::corrupt_record);
  CHECK(refused.end.error().text().find("event 1 of \"a\"") != std::string_view::npos);
  CHECK(j.by_tag("tag").error().code() == errc::corrupt_record);
  CHECK(j.outbox().error().code() == errc::corrupt_record);
  CHECK(j.due(wall_time(duration(100))).error().code() == errc::corrupt_record);
  CHECK(j.timers_of("a").error().text().find("the timer \"x\" of \"a\"") != std::string_view::npos);
  CHECK(j.snapshot({.persistence_id = "a"}).value().damaged.size() == 1);  // a shortcut
  CHECK(j.snapshot({.persistence_id = "s"}).error().code() == errc::corrupt_record);
  CHECK(j.recover({.persistence_id = "s"}).end.error().code() == errc::corrupt_record);
}

TEST_CASE("keys rotate: the newest writes, all read, and a missing one is named") {
  vault v;
  {
    auto j = v.open(ring("1"));
    write_everything(j, "old");
  }
  {
    auto j = v.open(ring("12"));
    const auto epoch = j.open_writer("a").value();
    REQUIRE(j.append("a", epoch, 2, {event_of("new")}));
    CHECK(payloads(j.events("a").value()) == "old-e1 old-e2 new");
  }
  auto j = v.open(ring("2"));
  CHECK(payloads(j.events({.persistence_id = "a", .from_sequence = 3}).value()) == "new");
  for (const error& e : {j.events("a").error(), j.recover({.persistence_id = "a"}).end.error(),
                         j.snapshot({.persistence_id = "s"}).error()}) {
    CHECK(e.code() == errc::not_found);
    CHECK(e.text().find("\"k1\"") != std::string_view::npos);
  }
}

TEST_CASE("a payload that was moved, relabelled or changed does not open") {
  vault v;
  {
    auto j = v.open(ring());
    write_everything(j, "x");
  }
  auto j = v.plain();
  auto events = j.events("a").value();
  const auto timers = j.timers_of("a").value();
  const auto epoch = j.open_writer("b").value();
  append_request r{.persistence_id = "b", .epoch = epoch};
  r.events = {events[0].event};
  r.set_timers = {timers[0]};
  std::string what;
  bool good = false;
  SUBCASE("to another id") { what = "\"b\""; }
  SUBCASE("to its own id, as it is") {
    r.persistence_id = "a";
    r.epoch = j.open_writer("a").value();
    r.expected_sequence = 2;
    r.events.clear();
    good = true;
  }
  SUBCASE("to another sequence number") {
    r.persistence_id = "a";
    r.epoch = j.open_writer("a").value();
    r.expected_sequence = 2;
    what = "event 3";
  }
  SUBCASE("to another due time") {
    r.persistence_id = "a";
    r.epoch = j.open_writer("a").value();
    r.expected_sequence = 2;
    r.events.clear();
    r.set_timers[0].due += std::chrono::hours(1);
    what = "timer";
  }
  REQUIRE(j.append(r));
  j->close();
  auto sealed = v.open(ring());
  const auto read =
      sealed.events({.persistence_id = r.persistence_id, .from_sequence = r.expected_sequence + 1});
  const auto rung = sealed.timers_of(r.persistence_id);
  if (good) {
    CHECK(read.value().empty());
    CHECK(rung.value().size() == 2);
    return;
  }
  const auto& failed = what == "timer" ? rung.error() : read.error();
  CHECK(failed.code() == errc::corrupt_record);
  CHECK_MESSAGE(failed.text().find(what) != std::string_view::npos, failed.text());
}

TEST_CASE("plain records of before are read only when that is allowed") {
  vault v;
  {
    auto j = v.plain();
    write_everything(j, "old");
  }
  {
    auto strict = v.open(ring());
    const auto r = strict.recover({.persistence_id = "a"});
    REQUIRE(!r.end);
    CHECK(r.end.error().code() == errc::corrupt_record);
    CHECK(r.end.error().text().find("not encrypted") != std::string_view::npos);
    CHECK(strict.snapshot({.persistence_id = "s"}).error().code() == errc::corrupt_record);
  }
  auto j = v.open(ring(), true);
  const auto epoch = j.open_writer("a").value();
  REQUIRE(j.append("a", epoch, 2, {event_of("new")}));
  CHECK(payloads(j.events("a").value()) == "old-e1 old-e2 new");
  CHECK(text_of(j.snapshot({.persistence_id = "s"}).value().snapshot.value().payload) ==
        "old-state");
  j->close();
  CHECK(payloads(v.plain().events({.persistence_id = "a", .from_sequence = 3}).value()) != "new");
}

TEST_CASE("a snapshot that does not open is passed over, a newest state is not") {
  vault v;
  {
    auto j = v.open(ring("1"));
    const auto epoch = j.open_writer("a").value();
    REQUIRE(j.append("a", epoch, 0, std::vector<event_record>(5, event_of("e"))));
    for (const std::uint64_t s : {1u, 3u})
      REQUIRE(j.save_snapshot(
          {.persistence_id = "a", .epoch = epoch, .sequence = s, .payload = bytes_of("good")}));
    const auto states = j.open_writer("s").value();
    for (const std::uint64_t k : {0u, 1u}) {
      append_request r{.persistence_id = "s", .epoch = states, .expected_sequence = k};
      r.state = state_record{.manifest = "state", .payload = bytes_of("good"), .keep = 0};
      REQUIRE(j.append(std::move(r)));
    }
  }
  {
    auto plain = v.plain();  // who has no key writes what does not open
    const auto epoch = plain.open_writer("a").value();
    const auto bytes = plain.snapshot({.persistence_id = "a"}).value().snapshot.value().payload;
    REQUIRE(plain.save_snapshot(
        {.persistence_id = "a", .epoch = epoch, .sequence = 5, .payload = bytes}));
    append_request r{
        .persistence_id = "s", .epoch = plain.open_writer("s").value(), .expected_sequence = 2};
    r.state = state_record{.manifest = "state", .payload = bytes, .keep = 0};
    REQUIRE(plain.append(std::move(r)));
  }
  auto j = v.open(ring("1"));
  const auto r = j.recover({.persistence_id = "a"});
  REQUIRE(r.end);
  CHECK(r.end->snapshot_sequence == 3);
  CHECK(r.end->damaged_snapshots.size() == 1);
  CHECK(r.steps == std::vector<std::string>{"snapshot 3 good", "event 4 e", "event 5 e"});
  const auto loaded = j.snapshot({.persistence_id = "a"}).value();
  CHECK(loaded.snapshot.value().sequence == 3);
  CHECK(loaded.damaged.size() == 1);
  const auto none = j.snapshot({.persistence_id = "a", .min_sequence = 5}).value();
  CHECK(!none.snapshot);
  CHECK(none.damaged.size() == 1);
  CHECK(j.snapshot({.persistence_id = "s"}).error().code() == errc::corrupt_record);
  CHECK(j.recover({.persistence_id = "s"}).end.error().code() == errc::corrupt_record);
  CHECK(j.snapshot({.persistence_id = "s", .max_sequence = 2}).value().snapshot.has_value());
}

TEST_CASE("the form of a sealed payload is the one described") {
  // Sealed by Python's cryptography: AESGCM(key).encrypt(nonce, b"25 euros", associated data).
  const std::string_view hex =
      "c54f45316b3100000000000000000000000000006465666768696a6b6c6d6e6f"
      "7a2efe030c9b39ed6704a29f82192172af5e36ce74b61628";
  std::vector<std::byte> sealed;
  for (std::size_t k = 0; k < hex.size(); k += 2)
    sealed.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(k, 2)), nullptr, 16)));
  key_ring keys;
  std::vector<std::byte> key(32);
  for (std::size_t k = 0; k < key.size(); ++k) key[k] = static_cast<std::byte>(k);
  REQUIRE(keys.add("k1", key));
  const auto rt = make_threaded_runtime();
  detail::sealer s(*rt, std::move(keys), false);
  detail::seal_place place('e', "event 7");
  place.text("account-1").number(7).text("bank.deposited").number(2);
  std::vector<std::byte> plain;
  REQUIRE(s.open(sealed, place, plain));
  CHECK(text_of(plain) == "25 euros");
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto flipped = sealed;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    const auto opened = s.open(flipped, place, plain);
    REQUIRE(!opened);
    REQUIRE(plain.empty());
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    REQUIRE(!s.open(std::span(sealed).first(size), place, plain));
}
