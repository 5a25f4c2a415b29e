#include "persistence/internal/conformance.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/memory_journal.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using odeon::testing::event_of;
using odeon::testing::waiting_journal;

namespace {

struct two_journals {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  std::uint64_t epoch = 0;

  waiting_journal open(journal_options bounds) {
    waiting_journal j(*rt, make_memory_journal(*rt, store, bounds));
    epoch = j.open_writer("a").value();
    return j;
  }
};

}  // namespace

TEST_CASE("events are read in pages no larger than the bounds") {
  two_journals w;
  journal_options bounds;
  bounds.max_page_items = 4;
  {
    auto j = w.open(bounds);
    for (std::uint64_t k = 0; k < 10; ++k)
      REQUIRE(j.append("a", w.epoch, k, {event_of(std::string(100, 'x'), {"t"})}));
    CHECK(j.events("a").value().size() == 4);
    CHECK(j.by_tag("t", 0, 1000).value().size() == 4);
    CHECK(j.events({.persistence_id = "a", .from_sequence = 9}).value().size() == 2);
  }
  bounds.max_page_items = 1000;
  bounds.max_page_bytes = 300;  // ends with the event that reaches it
  auto j = w.open(bounds);
  CHECK(j.events("a").value().size() == 2);
  CHECK(j.by_tag("t").value().size() == 2);
}

TEST_CASE("an error that a replay ends with reaches the reader of a page") {
  two_journals w;
  auto j = w.open({});
  for (std::uint64_t k = 0; k < 3; ++k) REQUIRE(j.append("a", w.epoch, k, {event_of("x")}));
  REQUIRE(w.store->damage_event("a", 2));
  const auto page = j.events("a");
  REQUIRE(!page);
  CHECK(page.error().code() == errc::corrupt_record);
}

TEST_CASE("waiting returns what the call completed with, also when it completed inside") {
  two_journals w;
  auto j = w.open({});
  CHECK(wait_for<std::uint64_t>(
            *w.rt, [&](auto done) { j->highest_sequence("a", std::move(done)); }) == 0u);
  j->close();
  const auto refused =
      wait_for<std::uint64_t>(*w.rt, [&](auto done) { j->highest_sequence("a", std::move(done)); });
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::store_closed);
}
