#include "support/state_store_laws.hpp"
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/sidecar/statestore.hpp>
#include <odeon/wire/bytes.hpp>

#include <doctest/doctest.h>

#include <map>
#include <string>

namespace odeon::sidecar {
namespace {

using state_store_laws::calls;
using state_store_laws::value;

const std::string one = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string two = "//////////////////////////////////////////8=";
const std::string three = std::string(64, 'c');  // in hexadecimal

/// A disk on which stores are opened and closed.
struct world {
  simulated_runtime rt;
  std::shared_ptr<memory_store> disk = std::make_shared<memory_store>();
  statestore_kinds kinds{{"disk", [this](runtime& r, const statestore_options&) {
                            return result<std::unique_ptr<journal>>(make_memory_journal(r, disk));
                          }}};

  result<std::unique_ptr<state_store>> open(const std::string& keys, bool accept_plain = false) {
    statestore_options o;
    o.kind = "disk";
    o.keys = keys;
    o.accept_plain = accept_plain;
    return open_statestore(rt, o, kinds);
  }
  /// Why it cannot be opened.
  std::string refused(const std::string& keys) {
    const auto s = open(keys);
    if (s) return "it was opened";
    CHECK(s.error() == errc::invalid_argument);
    const std::string why(s.error().text());
    for (const auto& key : {one, two, three}) CHECK(why.find(key) == std::string::npos);
    return why;
  }
  void save(state_store& s, const char* actor, const char* what) {
    const calls c{rt, s};
    const auto o = c.open({"s", actor});
    REQUIRE(o.has_value());
    REQUIRE(c.save(o->lease, value(what)).has_value());
  }
  /// An actor's newest state, as "value", or the code of the error.
  std::string read(state_store& s, const char* actor) {
    const auto seen = calls{rt, s}.peek({"s", actor});
    if (!seen) return std::string(to_string(seen.error().code()));
    return *seen ? (*seen)->state.value : "nothing";
  }
  /// All payloads of states, as they lie there.
  std::string raw() {
    const auto j = make_memory_journal(rt, disk);
    std::string out;
    const auto ids = wait_for<std::vector<std::string>>(
        rt, [&](auto done) { j->persistence_ids("", 1000, std::move(done)); });
    for (const auto& id : *ids) {
      const auto s = wait_for<loaded_snapshot>(
          rt, [&](auto done) { j->load_snapshot({.persistence_id = id}, std::move(done)); });
      out += wire::as_text(s->snapshot->payload);
    }
    return out;
  }
};

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST_CASE("a store without keys opens again without keys, and refuses one") {
  world w;
  w.save(**w.open(""), "a", "plain words");
  CHECK(w.read(**w.open(""), "a") == "plain words");
  CHECK(has(w.raw(), "plain words"));
  CHECK(has(w.refused(one),
            "holds states that are not sealed, and a key was given: start without "
            "SPAWN_STATESTORE_KEY, or set ODEON_STATESTORE_ACCEPT_PLAIN=true"));
  CHECK(w.read(**w.open(""), "a") == "plain words");
}

TEST_CASE("a store with a key holds no plain state, and wants the key at its start") {
  world w;
  w.save(**w.open(one), "a", "secret words");
  CHECK_FALSE(has(w.raw(), "secret words"));
  CHECK(w.read(**w.open(one), "a") == "secret words");
  CHECK(has(w.refused(""), "and no key was given: set SPAWN_STATESTORE_KEY"));
  CHECK(has(w.refused(two), "which is not among those of SPAWN_STATESTORE_KEY: the key is wrong"));
  CHECK(w.read(**w.open(one), "a") == "secret words");
}

TEST_CASE("another key under the name of the right one is refused") {
  world w;
  w.save(**w.open("main:" + one), "a", "words");
  CHECK(has(w.refused("main:" + two), "under the name \"main\": the key is wrong"));
  CHECK(w.read(**w.open("main:" + one), "a") == "words");
}

TEST_CASE("keys rotate: old states stay readable, and what is written gets the new key") {
  world w;
  {
    const auto s = w.open(one);
    w.save(**s, "a", "of one");
    w.save(**s, "b", "of one");
  }
  {
    const auto s = w.open(one + "," + two);
    CHECK(w.read(**s, "a") == "of one");
    w.save(**s, "a", "of two");
    CHECK(w.read(**s, "a") == "of two");
  }
  // The record has followed: the old key alone is not enough any more.
  CHECK(has(w.refused(one), "the key is wrong, or an old one was taken out too early"));
  {
    const auto s = w.open(two);
    CHECK(w.read(**s, "a") == "of two");
    CHECK(w.read(**s, "b") == "not_found");  // nobody has written it since
  }
  const auto s = w.open("# ages\n" + one + "\n" + two + "\nnewest:" + three);
  CHECK(w.read(**s, "a") == "of two");
  CHECK(w.read(**s, "b") == "of one");
}

TEST_CASE("plain states are taken over where that was asked for") {
  world w;
  {
    const auto s = w.open("");
    w.save(**s, "a", "first words");
    w.save(**s, "b", "other words");
  }
  {
    const auto s = w.open(one, true);
    REQUIRE(s.has_value());
    CHECK(w.read(**s, "a") == "first words");
    w.save(**s, "a", "later words");
  }
  CHECK(has(w.refused(""), "no key was given"));
  CHECK_FALSE(has(w.raw(), "later words"));
  CHECK(has(w.raw(), "other words"));
  CHECK(w.read(**w.open(one, true), "b") == "other words");
  CHECK(w.read(**w.open(one), "a") == "later words");
}

TEST_CASE("keys that cannot be read are refused with their number and without a word of them") {
  world w;
  for (const auto& keys :
       {one + ",c2hvcnQ=", one + " x:" + two.substr(1), one + "\n" + two.substr(2)})
    CHECK(has(w.refused(keys), "SPAWN_STATESTORE_KEY: key 2: "));
  CHECK(has(w.refused("# nothing"), "there is no key in it"));
  CHECK(has(w.refused(one + " " + one), "key 2: "));
  const auto ids = parse_statestore_keys(two + " " + one);
  REQUIRE(ids.has_value());
  CHECK(ids->newest().size() == 13);
  CHECK(ids->newest() == parse_statestore_keys(one)->newest());
}

TEST_CASE("a damaged key record is damage, and not a wrong key") {
  world w;
  w.save(**w.open(one), "a", "words");
  REQUIRE(w.disk->damage_snapshot("sidecar-key-check", 1));
  CHECK(w.open(one).error() == errc::corrupt_record);
}

TEST_CASE("an unknown kind and a file in no folder are refused with a sentence") {
  simulated_runtime rt;
  statestore_options o;
  o.kind = "oracle";
  CHECK(open_statestore(rt, o).error().text() ==
        "\"oracle\" is no kind of statestore that this program can open: it has sqlite, memory");
  const auto real = make_threaded_runtime();
  o.kind = "sqlite";
  o.path = "/no/such/folder/states.db";
  const auto nowhere = open_statestore(*real, o);
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(has(std::string(nowhere.error().text()), "/no/such/folder"));
}

TEST_CASE("the environment names the statestore") {
  std::map<std::string, std::string> set;
  const auto read = [&] {
    return statestore_from_environment([&](const std::string& name) -> std::optional<std::string> {
      const auto v = set.find(name);
      if (v == set.end()) return std::nullopt;
      return v->second;
    });
  };
  CHECK(read()->kind == "sqlite");
  CHECK(read()->path == "odeon-sidecar.db");
  CHECK(read()->states.keep_revisions == 10);
  set = {{"PROXY_DATABASE_TYPE", "mysql"},     {"PROXY_DATABASE_HOST", "db"},
         {"PROXY_DATABASE_PORT", "3307"},      {"PROXY_DATABASE_NAME", "actors"},
         {"PROXY_DATABASE_USERNAME", "odeon"}, {"PROXY_DATABASE_SECRET", "pw"},
         {"SPAWN_STATESTORE_KEY", one},        {"ODEON_STATESTORE_REVISIONS", "3"},
         {"PROXY_DATABASE_PATH", ""},          {"ODEON_STATESTORE_ACCEPT_PLAIN", "true"}};
  const auto o = read();
  REQUIRE(o.has_value());
  CHECK(o->kind == "mariadb");
  CHECK(o->host == "db");
  CHECK(o->port == 3307);
  CHECK(o->database == "actors");
  CHECK(o->user == "odeon");
  CHECK(o->password == "pw");
  CHECK(o->path == "odeon-sidecar.db");
  CHECK(o->states.keep_revisions == 3);
  CHECK(o->accept_plain);
  for (const auto& [name, meaning] : statestore_variables()) CHECK(set.count(std::string(name)));
  set["PROXY_DATABASE_PORT"] = "70000";
  CHECK(read().error().text() == "PROXY_DATABASE_PORT is \"70000\" and takes a number");
  set["PROXY_DATABASE_PORT"] = "1";
  set["ODEON_STATESTORE_ACCEPT_PLAIN"] = "yes";
  CHECK(read().error() == errc::config_invalid);
}

}  // namespace
}  // namespace odeon::sidecar
