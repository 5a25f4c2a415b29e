#include "common.test.hpp"
#include <odeon/projection/offset_store.hpp>
#include <odeon/projection/sqlite_offsets.hpp>

namespace odeon::projection_test {
namespace {

using projection::offset_store;
using projection::sqlite_offsets;
using projection::sqlite_transaction;

using fixture = with_books;

TEST_CASE("an offset moves from a known value, and is told where it stands otherwise") {
  fixture w;
  const std::shared_ptr<offset_store> stores[] = {projection::make_memory_offsets(), w.books()};
  for (const auto& s : stores) {
    const auto save = [&](const char* name, std::uint64_t from, std::uint64_t to) {
      return wait_for<void>(w.rt, [&](auto done) { s->save(name, from, to, std::move(done)); });
    };
    CHECK(w.offset(*s, "a") == 0);
    CHECK(save("a", 0, 7));
    CHECK(save("b", 0, 3));
    CHECK(w.offset(*s, "a") == 7);
    auto wrong = save("a", 3, 9);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code() == errc::version_conflict);
    CHECK(wrong.error().text().find("is 7, not 3") != std::string_view::npos);
    CHECK(save("c", 1, 9).error().code() == errc::version_conflict);  // it has none
    CHECK(save("a", 0, 9).error().code() == errc::version_conflict);
    CHECK(save("a", 7, 0));  // back to the beginning
    CHECK(save("a", 0, 1));
    CHECK(w.offset(*s, "a") == 1);
    CHECK(w.offset(*s, "b") == 3);
    auto all = wait_for<std::vector<projection::stored_offset>>(
        w.rt, [&](auto done) { s->list(std::move(done)); });
    REQUIRE(all);
    REQUIRE(all->size() >= 2);
    CHECK((*all)[0].projection == "a");
    CHECK((*all)[1].position == 3);
  }
}

TEST_CASE("offsets in a file are there when it is opened again") {
  fixture w;
  {
    auto s = w.books();
    REQUIRE(wait_for<void>(w.rt, [&](auto done) { s->save("a", 0, 7, std::move(done)); }));
  }
  CHECK(w.offset(*w.books(), "a") == 7);
}

TEST_CASE("wrong SQL, wrong values and a broken rule undo the transaction") {
  fixture w;
  auto books = w.books();
  const auto outcome = [&](auto what) {
    auto r = wait_for<void>(w.rt, [&](auto done) {
      books->run(
          "p", 0, 1,
          [&](projection::store_transaction& tx) -> result<void> {
            auto& sql = static_cast<sqlite_transaction&>(tx);
            sql.execute("INSERT INTO booked VALUES('x', 1, 1)");
            what(sql);
            return {};
          },
          std::move(done));
    });
    REQUIRE_FALSE(r);
    CHECK(w.booked(*books).empty());
    CHECK(w.offset(*books) == 0);
    return r.error();
  };
  const std::string one = "INSERT INTO booked VALUES('x', 1, 1)";
  CHECK(outcome([](auto& t) { t.execute("SELEKT 1"); }).code() == errc::invalid_argument);
  CHECK(outcome([](auto& t) { t.execute("SELECT ?"); }).code() == errc::invalid_argument);
  CHECK(outcome([](auto& t) { t.execute("SELECT 1; SELECT 2"); }).text().find("SELECT 2") !=
        std::string_view::npos);
  CHECK(outcome([&](auto& t) { t.execute(one); }).code() == errc::refused);
  CHECK(outcome([](auto&) { throw 7; }).code() == errc::handler_failed);
  const auto bad = sqlite_offsets::open(w.rt, {.path = w.folder.path("none/x.db")});
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code() == errc::io_failed);
  CHECK(bad.error().text().find("none/x.db") != std::string_view::npos);
}

TEST_CASE("every kind of value goes into a row and comes back") {
  fixture w;
  auto books = w.books();
  const projection::sql_row row = {std::monostate(), std::int64_t(-7), 0.5, std::string("a\0b", 3),
                                   std::vector<std::byte>{std::byte(1), std::byte(0)}};
  std::vector<projection::sql_row> back;
  auto ok = wait_for<void>(w.rt, [&](auto done) {
    books->with(
        [&](projection::store_transaction& tx) -> result<void> {
          auto& sql = static_cast<sqlite_transaction&>(tx);
          sql.execute("CREATE TABLE v(a, b, c, d, e)");
          CHECK(sql.execute("INSERT INTO v VALUES(?, ?, ?, ?, ?)", row) == 1);
          back = sql.query("SELECT * FROM v");
          return {};
        },
        std::move(done));
  });
  REQUIRE(ok);
  REQUIRE(back.size() == 1);
  CHECK(back[0] == row);
}

}  // namespace
}  // namespace odeon::projection_test
