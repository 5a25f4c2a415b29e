#include "persistence/sqlite_support.test.hpp"

#include <filesystem>

using namespace odeon;
using odeon::testing::payloads;

namespace {

// A journal as the program of version 1 left it: two ids with four events each, three of them in a
// segment; tags, timers, messages, a snapshot.
// clang-format off
constexpr const char* version_1 =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;\n"
    "INSERT INTO meta VALUES('schema_crc',3217350696);\n"
    "INSERT INTO meta VALUES('schema_version',1);\n"
    "CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), log_first INTEGER NOT NULL,\n"
    "  log_next INTEGER NOT NULL, position_next INTEGER NOT NULL, outbox_next INTEGER NOT NUL"
    "L,\n"
    "  actor_next INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;\n"
    "INSERT INTO state VALUES(1,1,9,9,3,3,3811778245);\n"
    "CREATE TABLE actors(actor INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, id_crc INTEGER N"
    "OT NULL,\n"
    "  epoch INTEGER NOT NULL, stored INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;\n"
    "INSERT INTO actors VALUES(1,'a',3251651376,1,3,3626182986);\n"
    "INSERT INTO actors VALUES(2,'b',3531649220,1,3,1631732878);\n"
    "CREATE TABLE log(number INTEGER PRIMARY KEY, directory BLOB NOT NULL, records BLOB NOT N"
    "ULL) STRICT;\n"
    "INSERT INTO log VALUES(1,X'0100000000000000010000000000000033ea40f9',X'44000000fcf5c3cc0"
    "1000000000000000100000000000000d4e91fca7805ea18010000000000000001000000010000000a0003007"
    "46573742e6576656e74010074612f31');\n"
    "INSERT INTO log VALUES(2,X'02000000000000000100000000000000c08ab8ea',X'4400000072d248360"
    "2000000000000000200000000000000576a29ca7805ea18010000000000000001000000010000000a0003007"
    "46573742e6576656e74010074612f32');\n"
    "INSERT INTO log VALUES(3,X'030000000000000001000000000000003e87b418',X'410000005e3331b60"
    "3000000000000000300000000000000c4dc2fca7805ea18010000000000000001000000010000000a0000007"
    "46573742e6576656e74612f33');\n"
    "INSERT INTO log VALUES(4,X'04000000000000000100000000000000264b48cd',X'41000000a227579e0"
    "40000000000000004000000000000007d6138ca7805ea18010000000000000001000000010000000a0000007"
    "46573742e6576656e74612f34');\n"
    "INSERT INTO log VALUES(5,X'010000000000000002000000000000005a6d0422',X'440000007c7cd5870"
    "10000000000000005000000000000003d084dca7805ea18010000000000000002000000010000000a0003007"
    "46573742e6576656e74010074622f31');\n"
    "INSERT INTO log VALUES(6,X'02000000000000000200000000000000a90dfc31',X'44000000887bdc1a0"
    "20000000000000006000000000000006b8153ca7805ea18010000000000000002000000010000000a0003007"
    "46573742e6576656e74010074622f32');\n"
    "INSERT INTO log VALUES(7,X'030000000000000002000000000000005700f0c3',X'41000000c907bea30"
    "3000000000000000700000000000000702559ca7805ea18010000000000000002000000010000000a0000007"
    "46573742e6576656e74622f33');\n"
    "INSERT INTO log VALUES(8,X'040000000000000002000000000000004fcc0c16',X'410000001caf7cdc0"
    "4000000000000000800000000000000dcc05eca7805ea18010000000000000002000000010000000a0000007"
    "46573742e6576656e74622f34');\n"
    "CREATE TABLE segments(actor INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT N"
    "ULL,\n"
    "  records BLOB NOT NULL, PRIMARY KEY(actor, first)) STRICT, WITHOUT ROWID;\n"
    "INSERT INTO segments VALUES(1,1,3,X'44000000fcf5c3cc01000000000000000100000000000000d4e9"
    "1fca7805ea18010000000000000001000000010000000a000300746573742e6576656e74010074612f314400"
    "000072d2483602000000000000000200000000000000576a29ca7805ea180100000000000000010000000100"
    "00000a000300746573742e6576656e74010074612f32410000005e3331b60300000000000000030000000000"
    "0000c4dc2fca7805ea18010000000000000001000000010000000a000000746573742e6576656e74612f33')"
    ";\n"
    "INSERT INTO segments VALUES(2,1,3,X'440000007c7cd587010000000000000005000000000000003d08"
    "4dca7805ea18010000000000000002000000010000000a000300746573742e6576656e74010074622f314400"
    "0000887bdc1a020000000000000006000000000000006b8153ca7805ea180100000000000000020000000100"
    "00000a000300746573742e6576656e74010074622f3241000000c907bea30300000000000000070000000000"
    "0000702559ca7805ea18010000000000000002000000010000000a000000746573742e6576656e74622f33')"
    ";\n"
    "CREATE TABLE tagged(tag TEXT NOT NULL, position INTEGER NOT NULL, actor INTEGER NOT NULL"
    ",\n"
    "  sequence INTEGER NOT NULL, PRIMARY KEY(tag, position)) STRICT, WITHOUT ROWID;\n"
    "INSERT INTO tagged VALUES('t',1,1,1);\n"
    "INSERT INTO tagged VALUES('t',2,1,2);\n"
    "INSERT INTO tagged VALUES('t',5,2,1);\n"
    "INSERT INTO tagged VALUES('t',6,2,2);\n"
    "CREATE TABLE snapshots(actor INTEGER NOT NULL, sequence INTEGER NOT NULL, written INTEGE"
    "R NOT NULL,\n"
    "  manifest TEXT NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, crc INTEGER N"
    "OT NULL,\n"
    "  PRIMARY KEY(actor, sequence)) STRICT;\n"
    "INSERT INTO snapshots VALUES(1,2,1795253417808114487,'test.state',1,X'7332',3179481507);\n"
    "CREATE TABLE timers(actor INTEGER NOT NULL, id TEXT NOT NULL, due INTEGER NOT NULL,\n"
    "  manifest TEXT NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, crc INTEGER N"
    "OT NULL,\n"
    "  PRIMARY KEY(actor, id)) STRICT;\n"
    "INSERT INTO timers VALUES(1,'x',5000000000,'test.timer',3,X'72696e672078',522151115);\n"
    "INSERT INTO timers VALUES(2,'x',5000000000,'test.timer',3,X'72696e672078',3312283942);\n"
    "CREATE TABLE outbox(position INTEGER PRIMARY KEY, actor INTEGER NOT NULL, sequence INTEG"
    "ER NOT NULL,\n"
    "  id TEXT NOT NULL, target TEXT NOT NULL, manifest TEXT NOT NULL, version INTEGER NOT NU"
    "LL,\n"
    "  payload BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;\n"
    "INSERT INTO outbox VALUES(1,1,4,'m','t','test.message',1,X'6869',551683306);\n"
    "INSERT INTO outbox VALUES(2,2,4,'m','t','test.message',1,X'6869',3006004598);\n"
    "CREATE INDEX actors_by_crc ON actors(id_crc);\n"
    "CREATE INDEX timers_by_due ON timers(due, actor, id);\n";
// clang-format on

void make_version_1(const sqlite_world& w) {
  raw_sqlite raw(w.options.path);
  raw.run(version_1);
  raw.run("PRAGMA application_id = 1329875532; PRAGMA journal_mode = WAL");
}

}  // namespace

TEST_CASE("a journal of version 1 is checked as it is, and left so") {
  sqlite_world w;
  make_version_1(w);
  const auto report = w.verify();
  CHECK_MESSAGE(report.good(), (report.good() ? "" : report.damages[0].reason));
  CHECK(report.actors == 2);
  CHECK(report.events == 8);
  CHECK(report.snapshots == 1);
  CHECK(report.timers == 2);
  CHECK(report.outbox == 2);
  raw_sqlite raw(w.options.path);
  CHECK(raw.number("SELECT value FROM meta WHERE key = 'schema_version'") == 1);
  raw.run("UPDATE actors SET epoch = 9 WHERE actor = 2");
  CHECK(w.verify().damages.size() == 1);
}

TEST_CASE("a journal of version 1 is migrated when it is opened, with all that is in it") {
  sqlite_world w;
  make_version_1(w);
  for (int round = 0; round < 2; ++round) {
    auto j = w.open();
    const auto r = j.recover({.persistence_id = "a"});
    REQUIRE_MESSAGE(r.end.has_value(), r.end.error().to_string());
    CHECK(r.end->highest_sequence == 4u + static_cast<unsigned>(round));
    CHECK(r.steps[0] == "snapshot 2 s2");
    CHECK(r.steps[2] == "event 4 a/4");
    CHECK(payloads(j.by_tag("t").value()) == "a/1 a/2 b/1 b/2");
    CHECK(j.due(wall_time(std::chrono::seconds(5))).value().size() == 2);
    CHECK(j.outbox().value().size() == 2);
    // What version 2 brought.
    const auto epoch = j.open_writer("a").value();
    CHECK(epoch == 2u + static_cast<unsigned>(round));
    append_request more{.persistence_id = "a",
                        .epoch = epoch,
                        .expected_sequence = 4u + static_cast<unsigned>(round)};
    more.events = {odeon::testing::event_of("a/more")};
    more.marks = {{"sender", 17u + static_cast<unsigned>(round)}};
    REQUIRE(j.append(std::move(more)));
    CHECK(j.mark("a", "sender") == 17u + static_cast<unsigned>(round));
    const auto keeper = j.open_writer("states").value();
    append_request state{.persistence_id = "states",
                         .epoch = keeper,
                         .expected_sequence = static_cast<unsigned>(round)};
    state.state = state_record{.manifest = "test.state", .payload = {}};
    REQUIRE(j.append(std::move(state)));
    CHECK(j.highest("states") == 1u + static_cast<unsigned>(round));
  }
  CHECK(raw_sqlite(w.options.path).number("SELECT value FROM meta WHERE key = 'schema_version'") ==
        2);
  CHECK(w.verify().good());
}

TEST_CASE("a migration that the disk refuses leaves version 1") {
  sqlite_world w;
  make_version_1(w);
  w.options.max_file_bytes = std::filesystem::file_size(w.options.path);
  const auto refused = w.try_open();
  REQUIRE(!refused);
  CHECK_MESSAGE(refused.error().code() == errc::store_full, refused.error().to_string());
  CHECK(w.verify().events == 8);
  w.options.max_file_bytes = 0;
  CHECK(w.open().highest("b") == 4u);
}
