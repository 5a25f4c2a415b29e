#include "common.test.hpp"
#include <odeon/core/events.hpp>
#include <odeon/projection/projection.hpp>
#include <odeon/projection/sqlite_offsets.hpp>

#include <functional>
#include <stdexcept>

namespace odeon::projection_test {
namespace {

using projection::event_info;
using projection::sqlite_transaction;

/// What a handler has seen, and what it is to do with the n-th event it sees.
struct journal_of {
  std::vector<long> seen;
  std::function<void(std::size_t nth)> trouble;
  std::vector<std::uint64_t> rewinds;

  void note(long amount) {
    seen.push_back(amount);
    if (trouble) trouble(seen.size());
  }
};
using notes = std::shared_ptr<journal_of>;

/// At least once.
struct listener {
  using events = odeon::events<added, taken>;
  notes to;
  explicit listener(notes n) : to(std::move(n)) {}
  task<void> on(const added& e, const event_info&) {
    to->note(e.amount);
    co_return;
  }
  void on(const taken& e, const event_info&) { to->note(-e.amount); }
  void rewound(std::uint64_t at) { to->rewinds.push_back(at); }
};

/// Exactly once.
struct bookkeeper {
  using events = odeon::events<added, taken>;
  notes to;
  explicit bookkeeper(notes n) : to(std::move(n)) {}
  void on(const added& e, const event_info& i, sqlite_transaction& tx) { book(e.amount, i, tx); }
  result<void> on(const taken& e, const event_info& i, sqlite_transaction& tx) {
    book(-e.amount, i, tx);
    return {};
  }
  void rewound(std::uint64_t at, sqlite_transaction& tx) {
    to->rewinds.push_back(at);
    tx.execute("DELETE FROM booked");
  }
  void book(long amount, const event_info& i, sqlite_transaction& tx) {
    tx.execute("INSERT INTO booked(id, sequence, amount) VALUES(?, ?, ?)",
               {std::string(i.persistence_id), std::int64_t(i.sequence), std::int64_t(amount)});
    to->note(amount);
  }
};

struct fixture : with_books {
  notes n = std::make_shared<journal_of>();
  std::vector<projection::halted> halts;
  std::vector<projection::skipped> skips;

  void listen() {
    on_halt =
        system->events().on<projection::halted>([this](const auto& h) { halts.push_back(h); });
    on_skip =
        system->events().on<projection::skipped>([this](const auto& s) { skips.push_back(s); });
  }
  subscription on_halt, on_skip;
};

projection::settings named(const char* name = "p") {
  projection::settings s;
  s.name = name;
  s.tag = "money";
  s.pauses = schedule::fixed(1s);
  s.backoff = {.initial = 1s, .max = 1s, .jitter = 0};
  return s;
}
using amounts = std::vector<long>;

TEST_CASE("a projection handles what is there and what comes, and goes on behind it later") {
  fixture w;
  auto offsets = projection::make_memory_offsets();
  w.write("a", added{1}, taken{2});
  auto p = projection::start<listener>(*w.system, named(), offsets, w.n);
  w.rt.settle();
  CHECK(w.n->seen == amounts{1, -2});
  w.write("b", added{3});
  w.rt.settle();
  CHECK(w.n->seen == amounts{1, -2, 3});
  auto at = p.ask<projection::get_progress>().get();
  CHECK(at.name == "p");
  CHECK(at.handled == 3);
  CHECK(at.caught_up);
  CHECK(at.lag == 0s);
  CHECK(at.offset == w.offset(*offsets));
  w.restart();
  w.write("a", added{4});
  (void)projection::start<listener>(*w.system, named(), offsets, w.n);
  w.rt.settle();
  CHECK(w.n->seen == amounts{1, -2, 3, 4});
}

TEST_CASE("at least once: after a crash before the offset was stored events come again") {
  fixture w;
  auto offsets = projection::make_memory_offsets();
  w.write_many("a", 5);
  w.n->trouble = [&](std::size_t nth) {
    if (nth == 4) throw actor_error(errc::store_closed, "pretends to crash");
  };
  auto s = named();
  s.attempts = 1;
  s.batch = 2;
  auto p = projection::start<listener>(*w.system, s, offsets, w.n);
  w.rt.settle();
  CHECK(p.is_terminated());
  CHECK(w.n->seen == amounts{1, 2, 3, 4});
  w.n->trouble = nullptr;
  // As if the process had ended after the third event and before its offset.
  REQUIRE(wait_for<void>(w.rt, [&](auto done) { offsets->save("p", 3, 2, std::move(done)); }));
  w.restart();
  (void)projection::start<listener>(*w.system, s, offsets, w.n);
  w.rt.settle();
  CHECK(w.n->seen == amounts{1, 2, 3, 4, 3, 4, 5});
}

TEST_CASE("exactly once: rows and offset are one transaction") {
  fixture w;
  w.write_many("a", 5);
  int crashes = 0;
  w.n->trouble = [&](std::size_t) {
    // Between the handler's row and the offset; trouble of the store restarts the projection.
    if (w.n->seen.back() == 4 && crashes++ < 3) throw actor_error(errc::io_failed, "no more");
  };
  auto books = w.books();
  auto s = named();
  (void)projection::start<bookkeeper>(*w.system, s, books, w.n);
  w.rt.settle();
  CHECK(w.booked(*books).empty());
  CHECK(w.offset(*books) == 0);
  w.rt.advance(10s);
  CHECK(crashes == 4);
  CHECK(w.n->seen.size() > 5);                        // the handler was called again,
  CHECK(w.booked(*books) == amounts{1, 2, 3, 4, 5});  // and its rows are there once
  CHECK(w.offset(*books) == 5);
}

TEST_CASE("exactly once: also when the actor is killed in the middle, and over restarts") {
  fixture w;
  w.write_many("a", 10);
  {
    auto books = w.books();
    auto s = named();
    s.batch = 3;
    auto p = projection::start<bookkeeper>(*w.system, s, books, w.n);
    w.n->trouble = [&](std::size_t nth) {
      if (nth == 5) w.system->kill(p);  // the transaction it is in still commits, or not: whole
    };
    w.rt.settle();
    CHECK(p.is_terminated());
    w.n->trouble = nullptr;
    CHECK(w.booked(*books).size() == w.offset(*books));
    CHECK(w.booked(*books).size() < 10);
    w.restart();
  }
  auto books = w.books();
  (void)projection::start<bookkeeper>(*w.system, named(), books, w.n);
  w.rt.settle();
  CHECK(w.booked(*books) == amounts{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
}

TEST_CASE("a damaged event stops the projection with the reason") {
  fixture w;
  w.listen();
  w.write_many("a", 3);
  REQUIRE(w.disk->damage_event("a", 3));
  auto s = named();
  s.batch = 1;
  auto p = projection::start<listener>(*w.system, s, projection::make_memory_offsets(), w.n);
  w.rt.advance(1min);
  CHECK(p.is_terminated());
  CHECK(w.n->seen == amounts{1, 2});
  REQUIRE(w.halts.size() == 1);
  CHECK(w.halts[0].why.code() == errc::corrupt_record);
  CHECK(w.halts[0].offset == 2);
}

TEST_CASE("a poison event stops the projection after its attempts, and is handled when it can be") {
  for (const bool exactly_once : {false, true}) {
    fixture w;
    w.listen();
    w.write_many("a", 5);
    bool poison = true;
    w.n->trouble = [&](std::size_t) {
      if (w.n->seen.back() == 3 && poison) throw std::runtime_error("three is a bad number");
    };
    auto books = w.books();
    projection::ref p;
    const auto start = [&] {
      p = exactly_once ? projection::start<bookkeeper>(*w.system, named(), books, w.n)
                       : projection::start<listener>(*w.system, named(), books, w.n);
    };
    start();
    w.rt.advance(1500ms);
    CHECK_FALSE(p.is_terminated());
    w.rt.advance(1s);
    CHECK(p.is_terminated());
    REQUIRE(w.halts.size() == 1);
    CHECK(w.halts[0].offset == 2);
    CHECK(w.halts[0].why.text().find("three is a bad number") != std::string_view::npos);
    CHECK(w.halts[0].why.text().find("event 3 of \"a\"") != std::string_view::npos);
    poison = false;
    start();
    w.rt.settle();
    CHECK(w.offset(*books) == 5);
    if (exactly_once) CHECK(w.booked(*books) == amounts{1, 2, 3, 4, 5});
  }
}

TEST_CASE("a poison event is skipped after its attempts where that is wanted, and counted") {
  for (const bool exactly_once : {false, true}) {
    fixture w;
    w.listen();
    w.write_many("a", 5);
    w.n->trouble = [&](std::size_t) {
      if (w.n->seen.back() % 2 == 0) throw std::runtime_error("even numbers are bad");
    };
    auto books = w.books();
    auto s = named();
    s.poison = projection::policy::skip;
    auto p = exactly_once ? projection::start<bookkeeper>(*w.system, s, books, w.n)
                          : projection::start<listener>(*w.system, s, books, w.n);
    w.rt.advance(10s);
    CHECK(w.offset(*books) == 5);
    auto at = p.ask<projection::get_progress>().get();
    CHECK(at.handled == 3);
    CHECK(at.skipped == 2);
    CHECK(at.retries == 4);
    REQUIRE(w.skips.size() == 2);
    CHECK(w.skips[1].sequence == 4);
    CHECK(w.halts.empty());
    if (exactly_once) CHECK(w.booked(*books) == amounts{1, 3, 5});
  }
}

TEST_CASE("an unknown event stops the projection, or is skipped") {
  for (const auto what : {projection::policy::fail, projection::policy::skip}) {
    fixture w;
    w.listen();
    w.write("a", added{1}, renamed{"b"}, added{2});
    auto s = named();
    s.unknown = what;
    auto p = projection::start<listener>(*w.system, s, projection::make_memory_offsets(), w.n);
    w.rt.advance(10s);
    if (what == projection::policy::fail) {
      CHECK(w.n->seen == amounts{1});
      REQUIRE(w.halts.size() == 1);
      CHECK(w.halts[0].why.code() == errc::unknown_manifest);
      CHECK(w.halts[0].why.text().find("test.renamed") != std::string_view::npos);
      CHECK(p.is_terminated());
    } else {
      CHECK(w.n->seen == amounts{1, 2});
      CHECK(w.skips.size() == 1);
    }
  }
}

TEST_CASE("a projection pauses, goes on, and is rewound with what its handler has written") {
  fixture w;
  w.write_many("a", 3);
  auto books = w.books();
  auto p = projection::start<bookkeeper>(*w.system, named(), books, w.n);
  w.rt.settle();
  p.ask<projection::pause>().get();
  w.write_many("b", 2);
  w.rt.advance(1min);
  CHECK(w.booked(*books).size() == 3);
  auto at = p.ask<projection::get_progress>().get();
  CHECK(at.paused);
  p.ask<projection::rewind>(1u).get();  // also while it is paused
  CHECK(w.booked(*books).empty());
  CHECK(w.n->rewinds == std::vector<std::uint64_t>{1});
  p.ask<projection::resume>().get();
  w.rt.settle();
  CHECK(w.booked(*books) == amounts{2, 3, 1, 2});
  CHECK_FALSE(p.ask<projection::get_progress>().get().paused);
}

TEST_CASE("several projections share a store, each under its name") {
  fixture w;
  w.write_many("a", 3);
  auto books = w.books();
  auto one = projection::start<bookkeeper>(*w.system, named("one"), books, w.n);
  auto slow = named("two");
  slow.tag = "other";
  (void)projection::start<bookkeeper>(*w.system, slow, books, w.n);
  w.rt.settle();
  CHECK(w.offset(*books, "one") == 3);
  CHECK(w.offset(*books, "two") == 0);
  one.ask<projection::rewind>(0u).get();
  auto all = wait_for<std::vector<projection::stored_offset>>(
      w.rt, [&](auto done) { books->list(std::move(done)); });
  REQUIRE(all);
  REQUIRE(all->size() == 1);
  CHECK((*all)[0].projection == "one");
  CHECK_THROWS_AS((void)projection::start<bookkeeper>(*w.system, named("one"), books, w.n),
                  actor_error);
}

TEST_CASE("of two projections under one name in a store the slower one stops") {
  fixture w;
  w.listen();
  w.write_many("a", 3);
  auto books = w.books();
  auto p = projection::start<bookkeeper>(*w.system, named(), books, w.n);
  w.rt.settle();
  REQUIRE(wait_for<void>(w.rt, [&](auto done) {  // another process has gone on
    books->save("p", 3, 7, std::move(done));
  }));
  w.write_many("b", 2);
  w.rt.advance(10s);
  CHECK(p.is_terminated());
  REQUIRE(w.halts.size() == 1);
  CHECK(w.halts[0].why.code() == errc::version_conflict);
  CHECK(w.booked(*books).size() == 3);
}

TEST_CASE("how far a projection is behind is told now and then") {
  fixture w;
  std::vector<projection::progress> told;
  auto listening =
      w.system->events().on<projection::progress>([&](const auto& p) { told.push_back(p); });
  w.write_many("a", 2);
  w.rt.advance(1min);
  bool stuck = true;
  w.n->trouble = [&](std::size_t) {
    if (w.n->seen.back() == 2 && stuck) throw std::runtime_error("stuck");
  };
  auto s = named();
  s.attempts = 1000;
  s.report_every = 10s;
  (void)projection::start<listener>(*w.system, s, projection::make_memory_offsets(), w.n);
  w.rt.advance(11s);
  REQUIRE(told.size() == 1);
  CHECK(told[0].handled == 1);
  CHECK(told[0].lag >= 1min);
  CHECK_FALSE(told[0].caught_up);
  stuck = false;
  w.rt.advance(2s);
  REQUIRE(told.size() == 2);  // it has caught up
  CHECK(told[1].caught_up);
  CHECK(told[1].lag == 0s);
}

TEST_CASE("settings that cannot be right are refused with the projection's name") {
  fixture w;
  auto offsets = projection::make_memory_offsets();
  const auto why = [&](projection::settings s) {
    try {
      (void)projection::start<listener>(*w.system, s, offsets, w.n);
      return std::string("it was started");
    } catch (const actor_error& e) {
      CHECK(e.which() == errc::invalid_argument);
      return std::string(e.what());
    }
  };
  CHECK(why({.name = "p", .tag = ""}).find("needs a tag") != std::string::npos);
  CHECK(why({.name = "", .tag = "t"}).find("needs a name") != std::string::npos);
  CHECK(why({.name = "p", .tag = "t", .batch = 0}).find("at least 1") != std::string::npos);
}

}  // namespace
}  // namespace odeon::projection_test
