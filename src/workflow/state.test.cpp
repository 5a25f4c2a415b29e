#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/workflow/state.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;

namespace {

struct account {
  static constexpr auto manifest = "test.account";
  std::string owner;
  long balance = 0;
  std::map<std::string, double> rates;
};
struct tally_v1 {
  int n = 0;
};
struct tally {
  static constexpr auto manifest = "test.tally";
  static constexpr int version = 2;
  static tally upcast(const tally_v1& old) { return {old.n, "old"}; }
  int n = 0;
  std::string how;
};
struct tally_as_it_was {
  static constexpr auto manifest = "test.tally";
  int n = 0;
};

using opener =
    std::function<result<std::shared_ptr<state_store>>(runtime&, std::string, state_options)>;

struct folder {
  std::string path;
  folder() {
    path = (std::filesystem::temp_directory_path() / "odeon-state-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
  }
  ~folder() { std::filesystem::remove_all(path); }
};

std::string content(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}
void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

/// The same for each kind of file.
void for_each_file(const std::function<void(const opener&, const std::string&)>& check) {
  SUBCASE("JSON file") { check(open_json_state, "state.json"); }
  SUBCASE("SQLite file") { check(open_sqlite_state, "state.db"); }
}

}  // namespace

TEST_CASE("a transaction sees its own changes and others see them when it is committed") {
  simulated_runtime rt;
  auto s = make_memory_state(rt);
  auto t = s->begin();
  t.put("a", account{"Ada", 5, {}});
  t.put("b", 2);
  CHECK(t.get<account>("a")->owner == "Ada");
  CHECK(t.keys() == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(s->get<account>("a"));
  t.commit().get();
  CHECK(s->get<account>("a")->balance == 5);
  auto u = s->begin();
  u.erase("a");
  u.put("c", 3);
  CHECK_FALSE(u.get<account>("a"));
  CHECK(u.keys() == std::vector<std::string>{"b", "c"});
  u.rollback();
  u.commit().get();
  CHECK(s->keys() == std::vector<std::string>{"a", "b"});
  CHECK(s->keys("b") == std::vector<std::string>{"b"});
}

TEST_CASE("of two transactions that touch one key the second to commit is refused whole") {
  simulated_runtime rt;
  auto s = make_memory_state(rt);
  s->put("n", 1).get();
  auto a = s->begin(), b = s->begin();
  a.put("n", *a.get<int>("n") + 1);
  b.put("other", 7);
  b.put("n", *b.get<int>("n") + 1);
  a.commit().get();
  auto r = b.commit().result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::version_conflict);
  CHECK(r.error().text() == "the key 'n' was changed by another transaction");
  CHECK(s->get<int>("n") == 2);
  CHECK_FALSE(s->get<int>("other"));
  // Reading is enough to depend on a key that is not there.
  auto c = s->begin(), d = s->begin();
  CHECK_FALSE(c.get<int>("new"));
  c.put("x", 1);
  d.put("new", 1);
  d.commit().get();
  CHECK_FALSE(c.commit().result());
}

TEST_CASE("a named lock goes to those who wait in their order, and past those who have gone") {
  simulated_runtime rt;
  auto s = make_memory_state(rt, {.max_lock_waiters = 2});
  auto first = s->lock("till").get();
  CHECK(first.is_held());
  auto gone = s->lock("till");
  auto second = s->lock("till");
  auto third = s->lock("till").result();
  REQUIRE_FALSE(third);
  CHECK(third.error() == errc::limit_exceeded);
  CHECK(s->lock("other").get().is_held());
  CHECK_FALSE(second.is_ready());
  gone.cancel();
  first.release();
  REQUIRE(second.is_ready());
  CHECK(second.get().is_held());  // and given back at once
  CHECK(s->lock("till").get().is_held());
}

TEST_CASE("a state has bounds, and a commit past one changes nothing") {
  simulated_runtime rt;
  auto s = make_memory_state(
      rt, {.max_keys = 2, .max_key_bytes = 8, .max_value_bytes = 20, .max_total_bytes = 30});
  const auto refused = [&](const std::string& key, const std::string& value) {
    auto r = s->put(key, value).result();
    return !r && r.error() == errc::limit_exceeded;
  };
  CHECK(refused("123456789", "x"));
  CHECK(refused("k", std::string(30, 'x')));
  CHECK_FALSE(refused("a", "1234567890"));
  CHECK(refused("b", "123456789012345678"));
  CHECK_FALSE(refused("b", "1"));
  CHECK(refused("c", "1"));
  CHECK_FALSE(refused("a", "2"));
  CHECK(s->keys() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a file keeps each commit, with types, versions and odd names") {
  for_each_file([](const opener& open, const std::string& name) {
    const folder f;
    const std::string path = f.path + "/" + name;
    simulated_runtime rt;
    {
      auto s = open(rt, path, {});
      REQUIRE_MESSAGE(s.has_value(), (s ? "" : s.error().to_string()));
      (*s)->put("ada", account{"Ada \"L\"\n{", -7, {{"eur", 0.1}, {"}", 1e300}}}).get();
      (*s)->put("od\"d\\ key}", std::vector<std::string>{"[", "]", "\\"}).get();
      (*s)->put("t", tally_as_it_was{3}).get();
      (*s)->put("gone", 1).get();
      auto t = (*s)->begin();
      t.erase("gone");
      t.commit().get();
    }
    auto s = open(rt, path, {});
    REQUIRE_MESSAGE(s.has_value(), (s ? "" : s.error().to_string()));
    const auto ada = (*s)->get<account>("ada");
    REQUIRE(ada);
    CHECK(ada->owner == "Ada \"L\"\n{");
    CHECK(ada->balance == -7);
    CHECK(ada->rates.at("eur") == 0.1);
    CHECK(ada->rates.at("}") == 1e300);
    CHECK((*s)->get<std::vector<std::string>>("od\"d\\ key}")->at(2) == "\\");
    CHECK((*s)->keys().size() == 3);
    CHECK((*s)->get<tally>("t")->how == "old");  // read through its upcast
    CHECK((*s)->get<tally>("t")->n == 3);
    CHECK_THROWS_AS(static_cast<void>((*s)->get<int>("ada")), actor_error);
  });
}

TEST_CASE("a file has one user at a time") {
  for_each_file([](const opener& open, const std::string& name) {
    const folder f;
    simulated_runtime rt;
    auto s = open(rt, f.path + "/" + name, {});
    REQUIRE(s.has_value());
    auto t = open(rt, f.path + "/" + name, {});
    REQUIRE_FALSE(t);
    CHECK(t.error() == errc::io_failed);
    CHECK(std::string(t.error().text()).find("is in use") != std::string::npos);
    s->reset();
    CHECK(open(rt, f.path + "/" + name, {}).has_value());
    CHECK_FALSE(open(rt, f.path + "/no/folder", {}).has_value());
  });
}

TEST_CASE("an older schema is migrated in one transaction, and a newer one refused") {
  for_each_file([](const opener& open, const std::string& name) {
    const folder f;
    const std::string path = f.path + "/" + name;
    simulated_runtime rt;
    {
      auto s = open(rt, path, {});
      REQUIRE(s.has_value());
      (*s)->put("n", 5).get();
    }
    CHECK(open(rt, path, {.schema_version = 2}).error() == errc::version_conflict);
    const auto broken = [](int, state_transaction& t) -> result<void> {
      t.put("n", 99);
      return fail(errc::refused, "not today");
    };
    auto failed = open(rt, path, {.schema_version = 3, .migrate = broken});
    REQUIRE_FALSE(failed);
    CHECK(std::string(failed.error().text()).find("not today") != std::string::npos);
    int from_seen = 0;
    const auto good = [&](int from, state_transaction& t) -> result<void> {
      from_seen = from;
      t.put("m", *t.get<int>("n") * 2);
      t.erase("n");
      return {};
    };
    {
      auto s = open(rt, path, {.schema_version = 3, .migrate = good});
      REQUIRE_MESSAGE(s.has_value(), (s ? "" : s.error().to_string()));
      CHECK(from_seen == 1);
      CHECK((*s)->get<int>("m") == 10);
      CHECK((*s)->keys().size() == 1);
    }
    from_seen = 0;
    CHECK(open(rt, path, {.schema_version = 3, .migrate = good}).has_value());
    CHECK(from_seen == 0);
    CHECK(open(rt, path, {.schema_version = 2}).error() == errc::newer_version);
  });
}

TEST_CASE("a file that is no state is refused with the place and stays as it is") {
  const folder f;
  simulated_runtime rt;
  const std::string path = f.path + "/state.json";
  for (const std::string text :
       {"", "{", "[]", "{\"format\": \"other/1\"}", "{\"schema\": 1, \"values\": {}}",
        "{\"format\": \"odeon.state/1\", \"schema\": 1, \"values\": {\"a\": {\"type\": 1}}}",
        "{\"format\": \"odeon.state/1\", \"schema\": 1, \"values\": {\"a\": {\"value\": [1}}}",
        "{\"format\": \"odeon.state/1\", \"schema\": 1, \"values\": {}} more"}) {
    CAPTURE(text);
    write(path, text);
    auto r = open_json_state(rt, path);
    REQUIRE_FALSE(r);
    CHECK(r.error() == errc::bad_encoding);
    CHECK(content(path) == text);
  }
  write(path,
        "{\"format\": \"odeon.state/1\", \"schema\": 1, \"values\": {\"a\": "
        "{\"type\": \"int\", \"version\": 1, \"value\": " +
            std::string(1'000, '[') + "}}}");
  CHECK(open_json_state(rt, path).error() == errc::bad_encoding);
  const std::string db = f.path + "/state.db";
  write(db, std::string(5'000, 'x'));
  CHECK(open_sqlite_state(rt, db).error() == errc::bad_encoding);
}

TEST_CASE("a commit that the disk refuses leaves the state and the file as they were") {
  const folder f;
  simulated_runtime rt;
  const std::string path = f.path + "/state.json";
  auto s = open_json_state(rt, path);
  REQUIRE(s.has_value());
  (*s)->put("n", 1).get();
  const std::string before = content(path);
  std::filesystem::create_directory(path + ".new");
  auto r = (*s)->put("n", 2).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::io_failed);
  CHECK(content(path) == before);
  CHECK((*s)->get<int>("n") == 1);
  std::filesystem::remove(path + ".new");
  (*s)->put("n", 3).get();
  CHECK((*s)->get<int>("n") == 3);
}

TEST_CASE("a state in a journal is there for the next one, through snapshots and fencing") {
  simulated_runtime rt;
  auto disk = std::make_shared<memory_store>();
  constexpr int commits = 600;  // more than two snapshots
  {
    std::shared_ptr<journal> j = make_memory_journal(rt, disk);
    auto s = open_journal_state(rt, j, "shop");
    REQUIRE(s.has_value());
    for (int i = 1; i <= commits; ++i) {
      auto t = (*s)->begin();
      t.put("n", i);
      if (i % 2 == 0) t.erase("odd");
      if (i % 2 == 1) t.put("odd", i);
      t.commit().get();
    }
    auto second = open_journal_state(rt, j, "shop");
    REQUIRE(second.has_value());
    CHECK((*second)->get<int>("n") == commits);
    auto late = (*s)->put("n", 0).as_result().get();
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error() == errc::fenced);
    CHECK((*second)->get<int>("n") == commits);
    CHECK(open_journal_state(rt, j, "other").value()->keys().empty());
  }
  std::shared_ptr<journal> j = make_memory_journal(rt, disk);
  auto again = open_journal_state(rt, j, "shop");
  REQUIRE(again.has_value());
  CHECK((*again)->get<int>("n") == commits);
  CHECK((*again)->keys() == std::vector<std::string>{"n"});
  const auto older = open_journal_state(rt, j, "shop", {.schema_version = 2});
  REQUIRE_FALSE(older.has_value());
  CHECK(older.error() == errc::version_conflict);
}
