#include "postgres/server.test.hpp"
#include "support/server_journal.hpp"

using namespace odeon;

namespace {

server_journal::kit kit() {
  static const auto rt = make_threaded_runtime();
  return {.rt = *rt,
          .server = *pg_test::server(),
          .open =
              [](const std::string& name, const server_journal::how& how) {
                auto o = pg_test::options_on(name);
                o.create = how.create;
                o.reconnect_patience = how.patience;
                o.statement_timeout = how.statement_timeout;
                o.connect_timeout = std::min<duration>(o.connect_timeout, how.statement_timeout);
                return open_postgres_journal(*rt, o);
              },
          .sql = pg_test::sql,
          .table = [](const std::string& name,
                      const char* table) { return "\"" + name + "\"." + table; },
          .literal = [](std::string_view text) { return "'" + std::string(text) + "'::bytea"; }};
}

/// What opening is refused with.
error refusal(postgres_journal_options options) {
  const auto rt = make_threaded_runtime();
  const auto j = open_postgres_journal(*rt, std::move(options));
  REQUIRE_FALSE(j.has_value());
  return j.error();
}

bool says(const error& e, std::string_view what) {
  INFO(e.to_string());
  CHECK(e.text().find(what) != std::string_view::npos);
  return e.text().find(what) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a newer writer fences older ones of other PostgreSQL journals") {
  if (!pg_test::missing()) server_journal::newer_writers_fence_across(kit());
}

TEST_CASE("who follows a tag misses nothing that several PostgreSQL journals write") {
  if (!pg_test::missing()) server_journal::a_follower_misses_nothing(kit());
}

TEST_CASE("PostgreSQL journals that are opened at once make one store") {
  if (!pg_test::missing()) server_journal::openers_at_once_make_one_store(kit());
}

TEST_CASE("what was changed in PostgreSQL's tables is found with its table and key") {
  if (!pg_test::missing()) server_journal::damage_is_found(kit());
}

TEST_CASE("a full PostgreSQL server refuses what does not fit, and goes on") {
  if (pg_test::missing()) return;
  server_journal::a_full_disk_refuses_what_does_not_fit(kit(), [](bool full) {
    if (full)
      pg_test::sql(
          "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
          " RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;"
          "CREATE TRIGGER full_disk BEFORE INSERT ON \"full\".events FOR EACH ROW"
          " WHEN (octet_length(new.payload) > 100) EXECUTE FUNCTION full_disk()");
    else
      pg_test::sql("DROP TRIGGER full_disk ON \"full\".events");
  });
}

TEST_CASE("a PostgreSQL server that is not there or refuses the login is told without a password") {
  if (pg_test::missing()) return;
  auto o = pg_test::options_on("refused");
  o.connection = "host=/nowhere dbname=bank user=odeon password=secret";
  auto why = refusal(o);
  CHECK(why == errc::io_failed);
  says(why, "host=/nowhere");
  CHECK_FALSE(why.text().contains("secret"));
  o.connection = "host=/nowhere secret";
  why = refusal(o);
  CHECK(why == errc::invalid_argument);
  CHECK_FALSE(why.text().contains("secret"));
  pg_test::sql("CREATE ROLE locked LOGIN PASSWORD 'right'");
  o.connection = pg_test::connection_as("locked", "password=secret");
  why = refusal(o);
  CHECK(why == errc::io_failed);
  says(why, "password authentication failed");
  says(why, "user=locked");
  CHECK_FALSE(why.text().contains("secret"));
  o.connection = "host=" + pg_test::server()->folder() + " dbname=none user=odeon";
  CHECK(refusal(o) == errc::not_found);
}

TEST_CASE("a PostgreSQL schema that is no journal, or a newer one, is refused and stays") {
  if (pg_test::missing()) return;
  auto o = pg_test::options_on("not there");
  o.create = false;
  CHECK(refusal(o) == errc::not_found);
  pg_test::sql("CREATE SCHEMA shop; CREATE TABLE shop.events(id int)");
  CHECK(refusal(pg_test::options_on("shop")) == errc::wrong_type);
  pg_test::sql("CREATE TABLE shop.meta(key text, value text)");
  CHECK(refusal(pg_test::options_on("shop")) == errc::wrong_type);
  CHECK(pg_test::sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'shop'") == "2");
  const auto on = kit();
  on.good("versions")->close();
  pg_test::sql("UPDATE versions.meta SET value = 99 WHERE key = 'schema_version'");
  const auto newer = refusal(pg_test::options_on("versions"));
  CHECK(newer == errc::newer_version);
  says(newer, "99");
  pg_test::sql("UPDATE versions.meta SET value = 0 WHERE key = 'schema_version'");
  CHECK(refusal(pg_test::options_on("versions")) == errc::corrupt_record);
  pg_test::sql(
      "UPDATE versions.meta SET value = 1 WHERE key = 'schema_version';"
      "ALTER TABLE versions.events DROP COLUMN crc");
  CHECK(refusal(pg_test::options_on("versions")) == errc::wrong_type);
}

TEST_CASE("a PostgreSQL role without rights is refused with the table it may not use") {
  if (pg_test::missing()) return;
  pg_test::sql("CREATE ROLE guest LOGIN");
  auto o = pg_test::options_on("guarded");
  o.connection = pg_test::connection_as("guest");
  says(refusal(o), "permission denied");
  const auto on = kit();
  on.good("guarded")->close();
  pg_test::sql(
      "GRANT USAGE ON SCHEMA guarded TO guest;"
      "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA guarded TO guest;"
      "REVOKE INSERT ON guarded.events FROM guest");
  const auto j = open_postgres_journal(on.rt, o);
  REQUIRE(j.has_value());
  server_journal::calls c{on.rt, **j};
  CHECK(c.open("x") == 1u);
  const auto refused = c.append("x", 1, 0, "no");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::io_failed);
  says(refused.error(), "permission denied for table events");
  pg_test::sql("GRANT INSERT ON guarded.events TO guest");
  CHECK(c.append("x", 1, 0, "yes")->sequence == 1);
}

TEST_CASE("a PostgreSQL server that may lose commits is refused unless it is asked for") {
  if (pg_test::missing()) return;
  const auto set = [](const std::string& value) {
    pg_test::sql("ALTER SYSTEM SET fsync = " + value);
    pg_test::sql("SELECT pg_reload_conf()");
    patience waiting(std::chrono::seconds(10));
    while (pg_test::sql("SHOW fsync") != value && waiting.pause()) {
    }
  };
  set("off");
  auto o = pg_test::options_on("unsafe");
  const auto why = refusal(o);
  o.accept_unsafe_server = true;
  const auto on = kit();
  const auto taken = open_postgres_journal(on.rt, o);
  set("on");
  CHECK(why == errc::io_failed);
  says(why, "fsync = off");
  CHECK(taken.has_value());
}

TEST_CASE("an acknowledged write waits for PostgreSQL's disk whatever the server's default") {
  if (pg_test::missing()) return;
  pg_test::sql("CREATE ROLE hasty LOGIN SUPERUSER; ALTER ROLE hasty SET synchronous_commit = off");
  const auto on = kit();
  auto o = pg_test::options_on("hasty");
  o.connection = pg_test::connection_as("hasty");
  const auto j = open_postgres_journal(on.rt, o);
  REQUIRE(j.has_value());
  pg_test::sql(
      "CREATE FUNCTION must_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " IF current_setting('synchronous_commit') = 'off' THEN RAISE EXCEPTION 'off'; END IF;"
      " RETURN new; END $$;"
      "CREATE TRIGGER must_wait BEFORE INSERT ON hasty.events FOR EACH ROW"
      " EXECUTE FUNCTION must_wait()");
  server_journal::calls c{on.rt, **j};
  CHECK(c.open("x") == 1u);
  CHECK(c.append("x", 1, 0, "is waited for").has_value());
}

TEST_CASE("a PostgreSQL schema may have any name, and options outside their range are refused") {
  if (pg_test::missing()) return;
  const auto on = kit();
  const std::string name = "we\"ird'; DROP SCHEMA public; -- @";
  auto o = pg_test::options_on(name);
  const auto j = open_postgres_journal(on.rt, o);
  REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
  CHECK(server_journal::calls{on.rt, **j}.open("x") == 1u);
  const auto bad = [&](auto change) {
    auto other = o;
    change(other);
    return refusal(other) == errc::invalid_argument;
  };
  CHECK(bad([](auto& x) { x.schema = ""; }));
  CHECK(bad([](auto& x) { x.schema = std::string(64, 's'); }));
  CHECK(bad([](auto& x) { x.readers = 0; }));
  CHECK(bad([](auto& x) { x.readers = 65; }));
  CHECK(bad([](auto& x) { x.max_batch_events = 0; }));
  CHECK(bad([](auto& x) { x.max_payload_bytes = 1u << 30; }));
  CHECK(bad([](auto& x) { x.max_name_bytes = 2000; }));
  CHECK(bad([](auto& x) { x.connect_timeout = duration::zero(); }));
  CHECK(bad([](auto& x) { x.reconnect_patience = duration(-1); }));
}

// Last, for they stop the server.

TEST_CASE("a PostgreSQL server killed in mid load loses nothing, and is found again") {
  if (!pg_test::missing()) server_journal::kills_lose_nothing(kit(), 4);
}

TEST_CASE("a PostgreSQL server that is restarted is waited for") {
  if (!pg_test::missing()) server_journal::a_restart_is_waited_for(kit());
}

TEST_CASE("without patience calls fail at once while PostgreSQL is away") {
  if (!pg_test::missing()) server_journal::without_patience_calls_fail_at_once(kit());
}

TEST_CASE("a PostgreSQL server that does not answer is given up") {
  if (!pg_test::missing()) server_journal::a_silent_server_is_given_up(kit());
}
