#include "odeon/journal/tool.hpp"

#include "odeon/bank/scratch.test.hpp"
#include "odeon/cli.hpp"
#include "odeon/printed.test.hpp"
#include <odeon/persistence/encryption.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace odeon;
using namespace odeon::journal_tool;

namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// A journal with an account, a cart that keeps states, and an id with a timer alone.
struct sample {
  bank::scratch folder;
  source from{.journal = folder.path("bank.db")};
  std::unique_ptr<runtime> rt = make_threaded_runtime();

  explicit sample(std::optional<key_ring> keys = {}) {
    auto j = open_sqlite_journal(*rt, sqlite_journal_options{.path = from.journal}).value();
    if (keys) j = encrypt(*rt, std::move(j), std::move(*keys));
    const auto epoch = opened(*j, "account-1");
    append_request r{.persistence_id = "account-1", .epoch = epoch};
    r.events = {{.manifest = "bank.opened", .payload = bytes_of("\x81\xa5limit\x64")},
                {.manifest = "bank.deposited",
                 .version = 2,
                 .payload = bytes_of("raw!"),
                 .tags = {"money", "in"}}};
    r.outbox = {
        {.id = "m1", .target = "/user/post", .manifest = "letter", .payload = bytes_of("\x01")}};
    r.set_timers = {{.id = "interest",
                     .due = wall_time(std::chrono::seconds(60)),
                     .manifest = "tick",
                     .payload = {}}};
    r.marks = {{"sender", 17}};
    append(*j, std::move(r));
    REQUIRE(wait_for<void>(*rt, [&](auto done) {
      j->save_snapshot({.persistence_id = "account-1",
                        .epoch = epoch,
                        .sequence = 1,
                        .manifest = "bank.account",
                        .payload = bytes_of("\x91\x07")},
                       std::move(done));
    }));
    append_request s{.persistence_id = "cart-7", .epoch = opened(*j, "cart-7")};
    s.state = state_record{.manifest = "shop.cart",
                           .payload = bytes_of("\xa5"
                                               "apple")};
    append(*j, std::move(s));
    REQUIRE(wait_for<std::uint64_t>(*rt, [&](auto done) {
      j->change_timers({{.persistence_id = "reminder",
                         .timer_id = "t",
                         .set = timer_record{.id = "t", .manifest = "tick", .payload = {}}}},
                       std::move(done));
    }));
  }
  std::uint64_t opened(journal& j, const std::string& id) {
    return wait_for<std::uint64_t>(*rt, [&](auto done) { j.open_writer(id, std::move(done)); })
        .value();
  }
  void append(journal& j, append_request r) {
    REQUIRE(wait_for<append_ack>(*rt, [&](auto done) { j.append(std::move(r), std::move(done)); }));
  }
  void damage(const std::string& sql) const {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(from.journal.c_str(), &db) == SQLITE_OK);
    REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
  }
};

printed shown(const show_options& o) {
  return run([&](const terminal& t) { return show(o, t); });
}

printed listed(const list_options& o) {
  return run([&](const terminal& t) { return list(o, t); });
}

key_ring keys(std::string_view id) {
  key_ring out;
  REQUIRE(out.add(id, std::vector<std::byte>(32, std::byte{7})));
  return out;
}

int command_line(std::vector<const char*> arguments) {
  return run_program(static_cast<int>(arguments.size()), arguments.data(), "0");
}

}  // namespace

TEST_CASE("ls lists the ids with what there is of each") {
  const sample s;
  const auto all = listed({.from = s.from});
  CHECK(all.code == good);
  CHECK(all.err.empty());
  CHECK(all.out ==
        "      last  kind     epoch  snapshots  timers  outbox  marks  id\n"
        "         2  events       1          1       1       1      1  account-1\n"
        "         1  states       1          1       0       0      0  cart-7\n"
        "         0  -            0          0       1       0      0  reminder\n");
  const auto json =
      listed({.from = {.journal = "sqlite:" + s.from.journal}, .prefix = "c", .json = true});
  CHECK(json.out ==
        "{\"id\":\"cart-7\",\"kind\":\"states\",\"sequence\":1,\"epoch\":1,\"snapshots\":1,"
        "\"timers\":0,\"outbox\":0,\"marks\":0}\n");
  CHECK(listed({.from = s.from, .prefix = "account-1", .json = true}).out.find("account-1") !=
        std::string::npos);
  CHECK(listed({.from = s.from, .prefix = "zebra", .json = true}).out.empty());
}

TEST_CASE("cat shows events, and what else an id has") {
  const sample s;
  const auto events = shown({.from = s.from, .id = "account-1", .json = true});
  CHECK(events.code == good);
  CHECK(events.out.find("{\"sequence\":1,\"position\":1,\"epoch\":1,\"written\":\"20") == 0);
  CHECK(events.out.find(
            R"("manifest":"bank.opened","version":1,"tags":[],"payload":{"limit":100}})") !=
        std::string::npos);
  CHECK(events.out.find(
            "\"version\":2,\"tags\":[\"money\",\"in\"],\"payload_hex\":\"72617721\"}\n") !=
        std::string::npos);
  const auto second = shown({.from = s.from, .id = "account-1", .first = 2, .last = 9});
  CHECK(second.out.starts_with("2  "));
  CHECK(second.out.ends_with("Z  bank.deposited v2  [money, in]  72617721\n"));
  const auto rest = shown({.from = s.from,
                           .id = "account-1",
                           .timers = true,
                           .outbox = true,
                           .snapshots = true,
                           .marks = true});
  CHECK(rest.out.find("bank.account v1  [7]\n") != std::string::npos);
  CHECK(rest.out.find("interest  1970-01-01T00:01:00.000000000Z  tick v1  \n") !=
        std::string::npos);
  CHECK(rest.out.find("1  m1 -> /user/post  letter v1  1\n") != std::string::npos);
  CHECK(rest.out.find("sender  17\n") != std::string::npos);
  CHECK(shown({.from = s.from, .id = "cart-7", .snapshots = true, .json = true})
            .out.find("\"payload\":\"apple\"}") != std::string::npos);
  const auto json = shown({.from = s.from,
                           .id = "account-1",
                           .timers = true,
                           .outbox = true,
                           .marks = true,
                           .json = true});
  CHECK(json.out.find("{\"mark\":\"sender\",\"value\":17}\n") != std::string::npos);
  CHECK(json.out.find("{\"timer\":\"interest\",\"due\":\"1970-") != std::string::npos);
  const auto nobody = shown({.from = s.from, .id = "nobody"});
  CHECK(nobody.code == failed);
  CHECK(nobody.err == "odeon: " + s.from.journal + ": there is no id nobody\n");
  CHECK(shown({.from = s.from, .id = "reminder"}).code == good);
}

TEST_CASE("commands look at a journal that a program has open") {
  const sample s;
  const auto j = open_sqlite_journal(*s.rt, sqlite_journal_options{.path = s.from.journal}).value();
  CHECK(listed({.from = s.from}).code == good);
  CHECK(run([&](const terminal& t) { return verify({.from = s.from}, t); }).code == good);
  const auto refused = run([&](const terminal& t) { return compact(s.from, t); });
  CHECK(refused.code == cannot_open);
  CHECK(refused.err.find("is open in another journal, of process") != std::string::npos);
}

TEST_CASE("verify finds damage, and cat and ls report it and go on") {
  const sample s;
  const auto whole = run([&](const terminal& t) { return verify({.from = s.from}, t); });
  CHECK(whole.code == good);
  CHECK(whole.out ==
        "good: 3 ids, 2 events, 2 snapshots and states, 2 timers, 1 mark, 1 message\n");
  s.damage(
      "UPDATE timers SET due = due + 1 WHERE id = 'interest';"
      "UPDATE snapshots SET payload = x'00' WHERE actor = 2");
  const auto bad = run([&](const terminal& t) { return verify({.from = s.from}, t); });
  CHECK(bad.code == damaged);
  CHECK(bad.out.find("timers(actor 1) of account-1: ") != std::string::npos);
  const auto json =
      run([&](const terminal& t) { return verify({.from = s.from, .json = true}, t); });
  CHECK(json.code == damaged);
  CHECK(json.out.starts_with("{\"good\":false,\"ids\":3,"));
  const auto ids = listed({.from = s.from});
  CHECK(ids.code == damaged);
  CHECK(ids.out.find("cart-7") != std::string::npos);
  CHECK(ids.err.find("\"account-1\"") != std::string::npos);
  const auto state = shown({.from = s.from, .id = "cart-7", .snapshots = true});
  CHECK(state.code == damaged);
  CHECK(state.err.find("revision 1, the newest of \"cart-7\"") != std::string::npos);
}

TEST_CASE("an encrypted journal shows its contents with keys, and only what they seal without") {
  const sample s(keys("k1"));
  const auto sealed = shown({.from = s.from, .id = "account-1"});
  CHECK(sealed.code == good);
  CHECK(sealed.out.find("<56 bytes, sealed with the key k1>") != std::string::npos);
  source with = s.from;
  with.key_file = s.folder.path("keys");
  std::ofstream(with.key_file) << "k1:" << std::string(64, '0');
  const auto wrong = shown({.from = with, .id = "account-1"});
  CHECK(wrong.code == damaged);
  CHECK(wrong.out.empty());
  std::string digits;
  for (int k = 0; k < 32; ++k) digits += "07";
  std::ofstream(with.key_file) << "k1:" << digits;
  CHECK(shown({.from = with, .id = "account-1"}).out.find("{\"limit\":100}") != std::string::npos);
  with.key_file = s.folder.path("no keys");
  const auto missing = shown({.from = with, .id = "account-1"});
  CHECK(missing.code == cannot_open);
  CHECK(missing.err.find("no keys: cannot be opened") != std::string::npos);
}

TEST_CASE("compact reports the sizes, and export and import go there and back") {
  const sample s;
  const auto small = run([&](const terminal& t) { return compact(s.from, t); }, true);
  CHECK(small.code == good);
  CHECK(small.out.find(" bytes before, ") != std::string::npos);
  const std::string file = s.folder.path("bank.jsonl");
  const auto exported = run([&](const terminal& t) { return export_to({s.from, file}, t); }, true);
  CHECK(exported.code == good);
  CHECK(exported.out ==
        "exported: 3 ids, 2 events, 2 snapshots and states, 2 timers, 1 mark, 1 message\n");
  CHECK(exported.err.find("\r\x1b[K3 ids, ") != std::string::npos);  // its progress
  const auto again = run([&](const terminal& t) { return export_to({s.from, file}, t); });
  CHECK(again.code == cannot_open);
  CHECK(again.err == "odeon: " + file + ": is there already, and is not written over\n");
  const source copy{.journal = s.folder.path("copy.db")};
  const auto imported = run([&](const terminal& t) { return import_from({copy, file}, t); });
  CHECK(imported.code == good);
  CHECK(imported.out.substr(2) == exported.out.substr(2));
  for (const char* id : {"account-1", "cart-7", "reminder"}) {
    show_options o{.from = s.from,
                   .id = id,
                   .timers = true,
                   .outbox = true,
                   .snapshots = true,
                   .marks = true,
                   .json = true};
    const auto before = shown(o);
    o.from = copy;
    CHECK(shown(o).out == before.out);
    CHECK(shown({.from = copy, .id = id, .json = true}).out ==
          shown({.from = s.from, .id = id, .json = true}).out);
  }
  const auto twice = run([&](const terminal& t) { return import_from({copy, file}, t); });
  CHECK(twice.code == cannot_open);
  CHECK(twice.err.find("needs an empty journal") != std::string::npos);
  const auto piped = run([&](const terminal& t) { return export_to({copy, "-"}, t); });
  std::ifstream whole(file);
  CHECK(piped.out == std::string(std::istreambuf_iterator<char>(whole), {}));
}

TEST_CASE("the command line refuses what it does not know with exit code 2") {
  const sample s;
  CHECK(command_line({"odeon", "journal"}) == usage);
  CHECK(command_line({"odeon", "journal", "ls"}) == usage);
  CHECK(command_line({"odeon", "journal", "cat", "--journal", s.from.journal.c_str()}) == usage);
  CHECK(command_line({"odeon", "journal", "verify", "--journal", "mariadb:x"}) == usage);
  CHECK(command_line({"odeon", "journal", "verify", "--journal", s.from.journal.c_str()}) == good);
  const std::string none = s.folder.path("none.db");
  CHECK(command_line({"odeon", "journal", "ls", "--journal", none.c_str()}) == cannot_open);
  CHECK(!std::filesystem::exists(none));
  CHECK(command_line({"odeon", "journal", "import", "/no/such/file", "--journal", none.c_str()}) ==
        cannot_open);
  CHECK(!std::filesystem::exists(none));
}
