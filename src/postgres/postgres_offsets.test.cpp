#include "postgres/server.test.hpp"
#include "support/server_journal.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/postgres/postgres_offsets.hpp>
#include <odeon/projection/projection.hpp>
#include <odeon/wire/codec.hpp>

#include <functional>
#include <stdexcept>

using namespace odeon;
using projection::postgres_offsets;
using projection::postgres_transaction;
using projection::store_transaction;

namespace {

struct added {
  static constexpr auto manifest = "test.added";
  long amount = 0;
};

constexpr const char* setup =
    "CREATE TABLE IF NOT EXISTS public.booked(id text, sequence bigint, amount bigint NOT NULL,"
    " PRIMARY KEY (id, sequence))";

/// Exactly once: a second time would break the primary key.
struct bookkeeper {
  using events = odeon::events<added>;
  void on(const added& e, const projection::event_info& i, postgres_transaction& tx) {
    tx.execute("INSERT INTO public.booked VALUES ($1, $2, $3)",
               {std::string(i.persistence_id), static_cast<std::int64_t>(i.sequence),
                static_cast<std::int64_t>(e.amount)});
  }
};

/// A store, with calls that wait.
struct offsets {
  runtime& rt;
  std::shared_ptr<postgres_offsets> store;

  explicit offsets(runtime& r) : rt(r) {
    auto opened = postgres_offsets::open(
        rt, {.connection = pg_test::connection_as("odeon"), .schema = "offsets", .setup = setup});
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().to_string()));
    store = *opened;
  }
  result<std::uint64_t> load(const char* name) {
    return wait_for<std::uint64_t>(rt, [&](auto done) { store->load(name, std::move(done)); });
  }
  result<void> run(const char* name, std::uint64_t from, std::uint64_t to,
                   const std::function<void(postgres_transaction&)>& what) {
    return wait_for<void>(rt, [&](auto done) {
      store->run(
          name, from, to,
          [&](store_transaction& tx) -> result<void> {
            what(static_cast<postgres_transaction&>(tx));
            return {};
          },
          std::move(done));
    });
  }
};

}  // namespace

TEST_CASE("an offset in PostgreSQL moves from where it is and nowhere else") {
  if (pg_test::missing()) return;
  const auto rt = make_threaded_runtime();
  offsets o(*rt);
  CHECK(o.load("p") == 0u);
  const auto nothing = [](postgres_transaction&) {};
  CHECK(o.run("p", 0, 7, nothing).has_value());
  CHECK(o.run("q", 0, 3, nothing).has_value());
  CHECK(o.load("p") == 7u);
  const auto late = o.run("p", 0, 9, nothing);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error() == errc::version_conflict);
  CHECK(late.error().text().contains("is 7, not 0"));
  CHECK(o.run("p", 7, 2, nothing).has_value());
  offsets another(*rt);
  const auto all = wait_for<std::vector<projection::stored_offset>>(
      *rt, [&](auto done) { another.store->list(std::move(done)); });
  REQUIRE(all.has_value());
  REQUIRE(all->size() == 2);
  CHECK((*all)[0].projection == "p");
  CHECK((*all)[0].position == 2);
  CHECK((*all)[1].position == 3);
}

TEST_CASE("what is written with an offset in PostgreSQL is there with it, or not at all") {
  if (pg_test::missing()) return;
  const auto rt = make_threaded_runtime();
  offsets o(*rt);
  const auto insert = [](postgres_transaction& tx, std::int64_t n) {
    return tx.execute("INSERT INTO public.booked VALUES ('tx', $1, $2)", {n, n * 10});
  };
  CHECK(o.run("tx", 0, 1, [&](auto& tx) { CHECK(insert(tx, 1) == 1); }).has_value());
  const auto threw = o.run("tx", 1, 2, [&](auto& tx) {
    insert(tx, 2);
    throw std::runtime_error("oh dear");
  });
  CHECK(threw.error() == errc::handler_failed);
  const auto broke = o.run("tx", 1, 2, [&](auto& tx) {
    insert(tx, 2);
    insert(tx, 1);
  });
  CHECK(broke.error() == errc::invalid_argument);
  const auto hid_it = o.run("tx", 1, 2, [&](auto& tx) {
    insert(tx, 2);
    try {
      insert(tx, 1);
    } catch (const actor_error&) {
    }
  });
  CHECK(hid_it.error() == errc::invalid_argument);
  CHECK(o.load("tx") == 1u);
  CHECK(pg_test::sql("SELECT count(*) FROM public.booked WHERE id = 'tx'") == "1");
}

TEST_CASE("values come back from PostgreSQL as they went") {
  if (pg_test::missing()) return;
  const auto rt = make_threaded_runtime();
  offsets o(*rt);
  const std::vector<std::byte> raw{std::byte{0}, std::byte{255}, std::byte{'\\'}};
  const auto ok = o.run("values", 0, 1, [&](postgres_transaction& tx) {
    const auto rows = tx.query(
        "SELECT $1::bigint, $2::double precision, $3::text, $4::bytea, $5::int, true, $6::numeric",
        {std::int64_t{-5}, 0.1, "'; DROP TABLE public.booked; --", raw, std::monostate(), "1.50"});
    REQUIRE(rows.size() == 1);
    CHECK(std::get<std::int64_t>(rows[0][0]) == -5);
    CHECK(std::get<double>(rows[0][1]) == 0.1);
    CHECK(std::get<std::string>(rows[0][2]) == "'; DROP TABLE public.booked; --");
    CHECK(std::get<std::vector<std::byte>>(rows[0][3]) == raw);
    CHECK(std::holds_alternative<std::monostate>(rows[0][4]));
    CHECK(std::get<std::int64_t>(rows[0][5]) == 1);
    CHECK(std::get<std::string>(rows[0][6]) == "1.50");
    CHECK_THROWS_AS(tx.execute("SELECT $1", {std::string("a\0b", 3)}), actor_error);
  });
  CHECK_MESSAGE(ok.has_value(), (ok ? "" : ok.error().to_string()));
  const auto bad = postgres_offsets::open(
      *rt, {.connection = pg_test::connection_as("odeon"), .setup = "CREATE TABL x()"});
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error() == errc::invalid_argument);
}

TEST_CASE("a projection into PostgreSQL books every event once, though the server is killed") {
  if (pg_test::missing()) return;
  constexpr std::uint64_t events = 600;
  const auto rt = make_threaded_runtime();
  auto opened = open_postgres_journal(*rt, pg_test::options_on("projected"));
  REQUIRE(opened.has_value());
  const std::shared_ptr<journal> j = std::move(*opened);
  server_journal::calls c{*rt, *j};
  REQUIRE(c.open("a") == 1u);
  append_request r{.persistence_id = "a", .epoch = 1};
  for (std::uint64_t k = 1; k <= events; ++k)
    r.events.push_back({.manifest = "test.added",
                        .payload = wire::encode(added{static_cast<long>(k)}),
                        .tags = {"money"}});
  REQUIRE(c.append(std::move(r)).has_value());
  offsets o(*rt);
  pg_test::sql("DELETE FROM public.booked");
  const auto booked = [] {
    return std::stoul(pg_test::sql("SELECT count(*) FROM public.booked WHERE id = 'a'"));
  };
  {
    actor_system system("bank", {.runtime = rt.get()});
    const auto p = projection::start<bookkeeper>(
        system,
        {.name = "books",
         .tag = "money",
         .from = j,
         .batch = 5,
         .poll = std::chrono::milliseconds(20),
         .max_restarts = 100,
         .backoff = {.initial = std::chrono::milliseconds(20), .max = std::chrono::seconds(1)}},
        o.store);
    patience waiting(std::chrono::seconds(60));
    for (const std::uint64_t until : {20u, 200u, 400u}) {
      while (booked() < until && waiting.pause()) {
      }
      pg_test::server()->kill();
      pg_test::server()->start();
    }
    while (booked() < events && waiting.pause()) {
    }
  }
  CHECK(booked() == events);
  CHECK(pg_test::sql("SELECT sum(amount) FROM public.booked WHERE id = 'a'") ==
        std::to_string(events * (events + 1) / 2));
  const auto tagged = c.by_tag("money", 0, 1000);
  REQUIRE(tagged.has_value());
  CHECK(o.load("books") == tagged->back().position);
}
