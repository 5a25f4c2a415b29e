#include "mariadb/server.test.hpp"
#include "support/server_journal.hpp"

#include <algorithm>

using namespace odeon;

namespace {

server_journal::kit kit() {
  static const auto rt = make_threaded_runtime();
  return {.rt = *rt,
          .server = *my_test::server(),
          .open =
              [](const std::string& name, const server_journal::how& how) {
                auto o = my_test::options_on(name + "_");
                o.create = how.create;
                o.reconnect_patience = how.patience;
                o.statement_timeout = how.statement_timeout;
                o.connect_timeout = std::min<duration>(o.connect_timeout, how.statement_timeout);
                return open_mariadb_journal(*rt, o);
              },
          .sql = my_test::sql,
          .table = [](const std::string& name,
                      const char* table) { return "bank." + name + "_" + table; },
          .literal = [](std::string_view text) { return "'" + std::string(text) + "'"; }};
}

/// What opening is refused with.
error refusal(mariadb_journal_options options) {
  const auto rt = make_threaded_runtime();
  const auto j = open_mariadb_journal(*rt, std::move(options));
  REQUIRE_FALSE(j.has_value());
  return j.error();
}

void says(const error& e, std::string_view what) {
  INFO(e.to_string());
  CHECK(e.text().find(what) != std::string_view::npos);
}

}  // namespace

TEST_CASE("a newer writer fences older ones of other MariaDB journals") {
  if (!my_test::missing()) server_journal::newer_writers_fence_across(kit());
}

TEST_CASE("who follows a tag misses nothing that several MariaDB journals write") {
  if (!my_test::missing()) server_journal::a_follower_misses_nothing(kit());
}

TEST_CASE("MariaDB journals that are opened at once make one store") {
  if (!my_test::missing()) server_journal::openers_at_once_make_one_store(kit());
}

TEST_CASE("what was changed in MariaDB's tables is found with its table and key") {
  if (!my_test::missing()) server_journal::damage_is_found(kit());
}

TEST_CASE("a full MariaDB server refuses what does not fit, and goes on") {
  if (my_test::missing()) return;
  server_journal::a_full_disk_refuses_what_does_not_fit(kit(), [](bool full) {
    if (full)
      my_test::sql(
          "CREATE TRIGGER bank.full_disk BEFORE INSERT ON bank.full_events FOR EACH ROW"
          " IF length(new.payload) > 100 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114,"
          " MESSAGE_TEXT = 'The table is full'; END IF");
    else
      my_test::sql("DROP TRIGGER bank.full_disk");
  });
}

TEST_CASE("a MariaDB server that is not there or refuses the login is told without a password") {
  if (my_test::missing()) return;
  auto o = my_test::options_on("refused_");
  o.password = "secret";
  o.socket = "/nowhere/socket";
  auto why = refusal(o);
  CHECK(why == errc::io_failed);
  says(why, "/nowhere/socket");
  CHECK_FALSE(why.text().contains("secret"));
  my_test::sql("CREATE USER locked@localhost IDENTIFIED BY 'right'");
  o = my_test::options_on("refused_");
  o.user = "locked";
  o.password = "secret";
  why = refusal(o);
  CHECK(why == errc::io_failed);
  says(why, "Access denied for user 'locked'");
  CHECK_FALSE(why.text().contains("secret"));
  o = my_test::options_on("refused_");
  o.database = "none";
  CHECK(refusal(o) == errc::not_found);
  o = my_test::options_on("refused_");
  o.require_tls = true;
  CHECK(refusal(o) == errc::io_failed);
}

TEST_CASE("MariaDB tables that are no journal, or a newer one, are refused and stay") {
  if (my_test::missing()) return;
  auto o = my_test::options_on("not_there_");
  o.create = false;
  CHECK(refusal(o) == errc::not_found);
  my_test::sql("CREATE TABLE bank.shop_events(id int)");
  CHECK(refusal(my_test::options_on("shop_")) == errc::wrong_type);
  my_test::sql("CREATE TABLE bank.shop_meta(k text, v text)");
  CHECK(refusal(my_test::options_on("shop_")) == errc::wrong_type);
  CHECK(my_test::sql("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE"
                     " 'shop\\_%'") == "2");
  const auto on = kit();
  on.good("versions")->close();
  const auto set = [](const char* version) {
    my_test::sql("UPDATE bank.versions_meta SET value = " + std::string(version) +
                 " WHERE name = 'schema_version'");
  };
  set("99");
  const auto newer = refusal(my_test::options_on("versions_"));
  CHECK(newer == errc::newer_version);
  says(newer, "99");
  set("-5");
  CHECK(refusal(my_test::options_on("versions_")) == errc::corrupt_record);
  set("1");
  my_test::sql("ALTER TABLE bank.versions_events DROP COLUMN crc");
  CHECK(refusal(my_test::options_on("versions_")) == errc::wrong_type);
}

TEST_CASE("making MariaDB's tables goes on where somebody was interrupted") {
  if (my_test::missing()) return;
  const auto on = kit();
  const auto works = [&](const std::string& name) {
    const auto j = on.good(name);
    CHECK(server_journal::calls{on.rt, *j}.open("x").has_value());
  };
  my_test::sql("CREATE TABLE bank.half_meta(name VARCHAR(32) PRIMARY KEY, value BIGINT NOT NULL)");
  works("half");
  on.good("later")->close();
  my_test::sql("DROP TABLE bank.later_marks");
  my_test::sql("DROP TABLE bank.later_outbox");
  my_test::sql("UPDATE bank.later_meta SET value = 0 WHERE name = 'schema_version'");
  works("later");
}

TEST_CASE("a MariaDB user without rights, or a server that only reads, is told as such") {
  if (my_test::missing()) return;
  my_test::sql("CREATE USER guest@localhost");
  auto o = my_test::options_on("guarded_");
  o.user = "guest";
  says(refusal(o), "Access denied");
  my_test::sql("GRANT CREATE, INSERT, UPDATE, DELETE, SELECT ON bank.* TO guest@localhost");
  const auto on = kit();
  const auto j = open_mariadb_journal(on.rt, o);
  REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
  server_journal::calls c{on.rt, **j};
  CHECK(c.open("x") == 1u);
  my_test::sql("SET GLOBAL read_only = 1");
  const auto refused = c.append("x", 1, 0, "no");
  const auto read = c.events("x");
  my_test::sql("SET GLOBAL read_only = 0");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::io_failed);
  says(refused.error(), "read-only");
  CHECK(read->empty());
  CHECK(c.append("x", 1, 0, "yes")->sequence == 1);
}

TEST_CASE("a MariaDB server that may lose commits is refused unless it is asked for") {
  if (my_test::missing()) return;
  my_test::sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
  auto o = my_test::options_on("unsafe_");
  const auto why = refusal(o);
  o.accept_unsafe_server = true;
  const auto on = kit();
  const auto taken = open_mariadb_journal(on.rt, o);
  my_test::sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
  CHECK(why == errc::io_failed);
  says(why, "innodb_flush_log_at_trx_commit = 2");
  CHECK(taken.has_value());
}

TEST_CASE("what MariaDB does not take in one piece is refused, and the journal says its bounds") {
  if (my_test::missing()) return;
  const auto on = kit();
  const auto j = on.good("pieces");
  const std::size_t limit = j->options().max_snapshot_bytes;
  CHECK(limit == 16777216 - 65536);
  server_journal::calls c{on.rt, *j};
  REQUIRE(c.open("x") == 1u);
  append_request r{.persistence_id = "x", .epoch = 1};
  r.state = state_record{.manifest = "s", .payload = std::vector<std::byte>(limit + 1)};
  const auto refused = c.append(r);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::limit_exceeded);
  r.state->payload.resize(limit);
  r.outbox.assign(5, {.id = "m", .payload = std::vector<std::byte>(5'000'000)});
  const auto ack = c.append(std::move(r));
  REQUIRE_MESSAGE(ack.has_value(), (ack ? "" : ack.error().to_string()));
  CHECK(c.snapshot("x")->snapshot->payload.size() == limit);
}

TEST_CASE("MariaDB options outside their range are refused") {
  if (my_test::missing()) return;
  const auto o = my_test::options_on("range_");
  const auto bad = [&](auto change) {
    auto other = o;
    change(other);
    return refusal(other) == errc::invalid_argument;
  };
  CHECK(bad([](auto& x) { x.database = ""; }));
  CHECK(bad([](auto& x) { x.table_prefix = "a`b"; }));
  CHECK(bad([](auto& x) { x.table_prefix = std::string(49, 'p'); }));
  CHECK(bad([](auto& x) { x.readers = 0; }));
  CHECK(bad([](auto& x) { x.max_batch_bytes = 0; }));
  CHECK(bad([](auto& x) { x.max_tags = 33; }));
  CHECK(bad([](auto& x) { x.max_snapshot_bytes = 1u << 30; }));
  CHECK(bad([](auto& x) { x.statement_timeout = duration::zero(); }));
  CHECK(bad([](auto& x) { x.reconnect_delay_max = duration::zero(); }));
}

// Last, for they stop the server.

TEST_CASE("a MariaDB server killed in mid load loses nothing, and is found again") {
  if (!my_test::missing()) server_journal::kills_lose_nothing(kit(), 4);
}

TEST_CASE("no position is given twice, though a crash may take back what others have seen") {
  if (my_test::missing()) return;
  const auto on = kit();
  const auto j = on.good("gap");
  server_journal::calls c{on.rt, *j};
  REQUIRE(c.open("x") == 1u);
  const auto first = c.append("x", 1, 0, "one");
  const auto second = c.append("x", 1, 1, "two");
  REQUIRE(second.has_value());
  CHECK(second->position == first->position + 1);
  on.server.kill();
  on.server.start();
  const auto third = c.append("x", 1, 2, "three");
  REQUIRE_MESSAGE(third.has_value(), (third ? "" : third.error().to_string()));
  CHECK(third->position > second->position + 1'000'000);
  CHECK(c.append("x", 1, 3, "four")->position == third->position + 1);
}

TEST_CASE("a MariaDB server that is restarted is waited for") {
  if (!my_test::missing()) server_journal::a_restart_is_waited_for(kit());
}

TEST_CASE("without patience calls fail at once while MariaDB is away") {
  if (!my_test::missing()) server_journal::without_patience_calls_fail_at_once(kit());
}

TEST_CASE("a MariaDB server that does not answer is given up") {
  if (!my_test::missing()) server_journal::a_silent_server_is_given_up(kit());
}
