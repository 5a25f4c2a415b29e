#include "odeon/bank/reconcile.hpp"

#include "odeon/bank/ledger.hpp"
#include "odeon/bank/scratch.test.hpp"
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/wire/codec.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

using namespace odeon::bank;
using odeon::errc;

namespace {

const transfer moved{"a", "b", 30'00, "moved", 1};
const transfer poor{"a", "b", 500'00, "poor", 2};
const transfer back{"b", "a", 60'00, "back", 3};

// What a bank without faults writes for three transfers, one of each ending; `skip` leaves the
// event of that number out.
ledger sound_ledger(int skip = -1) {
  ledger l;
  int number = 0;
  const auto event = [&](auto write) {
    if (number++ != skip) write();
  };
  for (const auto& t : {moved, poor, back}) l.expect(t);
  const auto a = l.open_page("a");
  event([&] { l.book(a, account_opened{100'00, 150'00}); });
  event([&] { l.book(a, withdrawn{"moved", 30'00, {}}); });
  l.close_page(a);
  const auto b = l.open_page("b");
  event([&] { l.book(b, account_opened{100'00, 150'00}); });
  event([&] { l.book(b, deposited{"moved", 30'00, {}}); });
  event([&] { l.book(b, withdrawn{"back", 60'00, {}}); });
  event([&] { l.book(b, refunded{"back", 60'00, {}}); });
  l.close_page(b);
  event([&] { l.note(transfer_started{moved}); });
  event([&] { l.note(transfer_completed{"moved"}); });
  event([&] { l.note(transfer_started{poor}); });
  event([&] { l.note(transfer_refused{"poor", refusal::insufficient_funds}); });
  event([&] { l.note(transfer_started{back}); });
  event([&] { l.note(refund_decided{"back", refusal::over_limit}); });
  event([&] { l.note(transfer_refunded{"back", refusal::over_limit}); });
  return l;
}
constexpr int sound_events = 13;

// The first problem after `fault` was added to sound books.
std::string problem_of(const std::function<void(ledger&)>& fault) {
  ledger l = sound_ledger();
  fault(l);
  const auto books = l.close(true);
  CHECK_FALSE(books.good());
  return books.problems.empty() ? "" : books.problems.front();
}

}  // namespace

TEST_CASE("sound books are good, and their figures add up") {
  ledger l = sound_ledger();
  l.acknowledge("moved", ending::completed);
  l.acknowledge("moved", ending::completed);
  l.acknowledge("back", ending::refunded);
  l.expect(rejected_line{4, "bad"});
  l.expect(transfer{"a", "b", 1, "moved", 5});
  const auto r = l.close(true);
  CHECK(r.good());
  CHECK(r.transfers == 3);
  CHECK(r.rejected == 1);
  CHECK(r.duplicates == 1);
  CHECK(r.completed == 1);
  CHECK(r.refused == 1);
  CHECK(r.refunded == 1);
  CHECK(r.acknowledged == 2);
  CHECK(r.confirmed == 2);
  CHECK(r.events == sound_events);
  CHECK(r.accounts == 2);
  CHECK(r.debits == 2);
  CHECK(r.credits == 1);
  CHECK(r.refunds == 1);
  CHECK(r.debited == 90'00);
  CHECK(r.credited == 30'00);
  CHECK(r.given_back == 60'00);
  CHECK(r.opened_with == 200'00);
  CHECK(r.sum_of_balances == 200'00);
  CHECK(r.lowest_balance == 70'00);
}

TEST_CASE("whichever event is missing, the books are not good") {
  for (int skip = 0; skip < sound_events; ++skip) {
    CAPTURE(skip);
    CHECK_FALSE(sound_ledger(skip).close(true).good());
  }
}

TEST_CASE("an event too much is found and named") {
  CHECK(problem_of([](ledger& l) { l.note(transfer_started{moved}); }) ==
        "transfer moved was started 2 times");
  CHECK(problem_of([](ledger& l) { l.note(transfer_completed{"moved"}); }) ==
        "transfer moved ended 2 times");
  CHECK(problem_of([](ledger& l) { l.note(refund_decided{"moved", refusal::over_limit}); }) ==
        "transfer moved was completed after a decision to refund");
  CHECK(problem_of([](ledger& l) { l.note(transfer_completed{"stray"}); }) ==
        "transfer stray has bookings or an end, but was never started");
  CHECK(problem_of([](ledger& l) { l.note(transfer_started{{"a", "b", 1, "stray", 9}}); }) ==
        "transfer stray is in the journal, but not in the file");
  CHECK(problem_of([](ledger& l) { l.book(1, deposited{"moved", 30'00, {}}); }) ==
        "transfer moved has 2 credits instead of one");
  CHECK(problem_of([](ledger& l) { l.book(0, withdrawn{"poor", 1, {}}); }) ==
        "transfer poor has 1 debits instead of none");
  CHECK(problem_of([](ledger& l) { l.book(0, account_opened{1, 1}); }) ==
        "account a was opened twice");
}

TEST_CASE("an account that falls below nothing is named with the transfer") {
  CHECK(problem_of([](ledger& l) { l.book(0, withdrawn{"moved", 70'01, {}}); }) ==
        "account a fell to -0.01 with moved");
}

TEST_CASE("a booking of another amount or on another account is found") {
  ledger l;
  l.expect(moved);
  const auto a = l.open_page("a");
  l.book(a, account_opened{100'00, 150'00});
  l.book(a, withdrawn{"moved", 20'00, {}});
  const auto c = l.open_page("c");
  l.book(c, account_opened{100'00, 150'00});
  l.book(c, deposited{"moved", 20'00, {}});
  l.note(transfer_started{moved});
  l.note(transfer_completed{"moved"});
  const auto r = l.close(true);
  REQUIRE(r.problems.size() >= 2);
  CHECK(r.problems[0] == "the debit of transfer moved is 20.00 on a instead of 30.00 on a");
  CHECK(r.problems[1] == "the credit of transfer moved is 20.00 on c instead of 30.00 on b");
}

TEST_CASE("an acknowledgement that the journal does not bear out is found") {
  CHECK(problem_of([](ledger& l) { l.acknowledge("moved", ending::refunded); }) ==
        "transfer moved was acknowledged as refunded, but the journal says completed");
  CHECK(problem_of([](ledger& l) { l.acknowledge("gone", ending::completed); }) ==
        "transfer gone was acknowledged as completed, but the journal does not have its end");
  CHECK(problem_of([](ledger& l) {
          l.acknowledge("moved", ending::completed);
          l.acknowledge("moved", ending::refused);
        }) == "transfer moved was acknowledged as completed and as refused");
}

TEST_CASE("transfers under way are no problem until the run is complete") {
  const auto write = [] {
    ledger l;
    l.expect(moved);
    l.expect(poor);
    const auto a = l.open_page("a");
    l.book(a, account_opened{100'00, 150'00});
    l.book(a, withdrawn{"moved", 30'00, {}});
    l.close_page(a);
    l.note(transfer_started{moved});
    return l;
  };
  const auto r = write().close(false);
  CHECK(r.good());
  CHECK(r.unfinished == 2);
  CHECK(r.on_the_way == 30'00);
  CHECK(r.sum_of_balances == 70'00);
  CHECK(write().close(true).problem_count == 2);
}

TEST_CASE("no more problems are listed than anyone reads, but all are counted") {
  ledger l;
  for (int i = 0; i < 500; ++i) l.expect(transfer{"a", "b", 1, "r" + std::to_string(i), 1});
  const auto r = l.close(true);
  CHECK(r.problem_count == 500);
  CHECK(r.problems.size() == max_listed_problems);
}

namespace {

// A journal with one event.
struct stored {
  odeon::simulated_runtime rt;
  std::shared_ptr<odeon::memory_store> store = std::make_shared<odeon::memory_store>();
  std::unique_ptr<odeon::journal> journal = odeon::make_memory_journal(rt, store);
  scratch folder;
  std::string file = folder.file("t.csv", "");

  void write(const std::string& id, odeon::event_record event) {
    const auto epoch = odeon::wait_for<std::uint64_t>(
        rt, [&](auto done) { journal->open_writer(id, std::move(done)); });
    const auto ack = odeon::wait_for<odeon::append_ack>(rt, [&](auto done) {
      journal->append({.persistence_id = id, .epoch = epoch.value(), .events = {std::move(event)}},
                      std::move(done));
    });
    REQUIRE(ack.has_value());
  }
  odeon::error refusal() {
    const auto r = reconcile(rt, *journal, {.transfers = file});
    REQUIRE_FALSE(r.has_value());
    return r.error();
  }
};

}  // namespace

TEST_CASE_FIXTURE(stored, "a damaged record ends the reconciliation with its place") {
  write("account/a", {"bank.account_opened", 1, odeon::wire::encode(account_opened{1, 1}), {}});
  REQUIRE(store->damage_event("account/a", 1));
  const auto why = refusal();
  CHECK(why.code() == errc::corrupt_record);
  CHECK(why.text().find("account/a") != std::string::npos);
}

TEST_CASE_FIXTURE(stored, "a journal of another program is refused") {
  write("user/1", {"x", 1, {}, {}});
  CHECK(refusal().code() == errc::wrong_type);
}

TEST_CASE_FIXTURE(stored, "an event of another program is refused") {
  write("account/a", {"x", 1, {}, {}});
  CHECK(refusal().code() == errc::unknown_manifest);
}

TEST_CASE_FIXTURE(stored, "acknowledgements that are none are refused with their line") {
  const std::string acknowledged = folder.file("ack.txt", "completed r1\nlost r2\n");
  const auto r = reconcile(rt, *journal, {.transfers = file, .acknowledgements = acknowledged});
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error().text() == acknowledged + ", line 2: not an acknowledgement");
}
