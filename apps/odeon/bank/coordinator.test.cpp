#include "odeon/bank/coordinator.hpp"

#include "odeon/bank/simulated_bank.test.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace odeon::bank;
using odeon::errc;

namespace {

// Two accounts with 100.00 each that may hold 150.00, and all coordinators.
struct fixture {
  std::shared_ptr<odeon::memory_store> store = std::make_shared<odeon::memory_store>();
  std::unique_ptr<simulated_bank> bank;

  fixture() { start(1); }
  std::uint64_t start(std::uint64_t seed) {
    bank.reset();
    bank = std::make_unique<simulated_bank>(store, seed);
    for (const char* name : {"a", "b"})
      (void)bank->spawn_account(name).ask<open_account>(100'00, 150'00).get();
    std::uint64_t under_way = 0;
    for (auto& resumed : bank->spawn_coordinators()) under_way += resumed.get().under_way;
    return under_way;
  }
  // The verdicts on these, in the order of the lines.
  std::vector<verdict> run(const std::vector<transfer>& transfers) {
    bank->answers()->verdicts.clear();
    bank->submit_all(transfers);
    bank->rt().settle();
    auto verdicts = bank->answers()->verdicts;
    std::ranges::sort(verdicts, {}, &verdict::line);
    return verdicts;
  }
  verdict only(const transfer& t) {
    const auto verdicts = run({t});
    REQUIRE(verdicts.size() == 1);
    CHECK(verdicts[0].reference == t.reference);
    CHECK(verdicts[0].line == t.line);
    return verdicts[0];
  }
  cents balance(const char* name) { return bank->account_of(name).ask<get_balance>().get(); }
  // The events of the coordinator of a reference.
  std::vector<std::string> events(const std::string& reference) {
    const std::string id = "coordinator/" + std::to_string(coordinator_of(reference));
    auto read = odeon::wait_for<std::vector<odeon::stored_event>>(bank->rt(), [&](auto done) {
      odeon::read_events(bank->stored(), {.persistence_id = id}, std::move(done));
    });
    std::vector<std::string> names;
    for (const auto& e : read.value()) names.push_back(e.event.manifest);
    return names;
  }
};

using list = std::vector<std::string>;

}  // namespace

TEST_CASE_FIXTURE(fixture, "a transfer moves the money and is completed") {
  const verdict v = only({"a", "b", 30'00, "r", 1});
  CHECK(v.how == ending::completed);
  CHECK_FALSE(v.known_before);
  CHECK(balance("a") == 70'00);
  CHECK(balance("b") == 130'00);
  CHECK(events("r") == list{"bank.transfer_started", "bank.transfer_completed"});
}

TEST_CASE_FIXTURE(fixture, "a source without the money refuses, and nothing moves") {
  const verdict v = only({"a", "b", 100'01, "r", 1});
  CHECK(v.how == ending::refused);
  CHECK(v.why == refusal::insufficient_funds);
  CHECK(balance("a") == 100'00);
  CHECK(balance("b") == 100'00);
  CHECK(events("r") == list{"bank.transfer_started", "bank.transfer_refused"});
}

TEST_CASE_FIXTURE(fixture, "what a full target refuses goes back to the source") {
  const verdict v = only({"a", "b", 50'01, "r", 1});
  CHECK(v.how == ending::refunded);
  CHECK(v.why == refusal::over_limit);
  CHECK(balance("a") == 100'00);
  CHECK(balance("b") == 100'00);
  CHECK(events("r") ==
        list{"bank.transfer_started", "bank.refund_decided", "bank.transfer_refunded"});
}

TEST_CASE_FIXTURE(fixture, "the same line again is the same transfer, and says so") {
  const transfer t{"a", "b", 30'00, "r", 1};
  (void)only(t);
  CHECK(only(t).known_before);
  start(2);
  const verdict v = only(t);
  CHECK(v.known_before);
  CHECK(v.how == ending::completed);
  CHECK(balance("a") == 70'00);
}

TEST_CASE_FIXTURE(fixture, "another line with the same reference is a duplicate") {
  const auto verdicts =
      run({{"a", "b", 1'00, "r", 4}, {"a", "b", 1'00, "r", 9}, {"b", "a", 2'00, "r", 11}});
  REQUIRE(verdicts.size() == 3);
  CHECK(verdicts[0].how == ending::completed);
  for (const auto& v : {verdicts[1], verdicts[2]}) {
    CHECK(v.how == ending::duplicate);
    CHECK(v.first_line == 4);
  }
  CHECK(balance("a") == 99'00);
}

TEST_CASE_FIXTURE(fixture, "a reference that was used for another transfer stays that one's") {
  (void)only({"a", "b", 1'00, "r", 4});
  start(2);
  const verdict v = only({"a", "b", 2'00, "r", 1});
  CHECK(v.how == ending::duplicate);
  CHECK(v.first_line == 4);
  CHECK(balance("a") == 99'00);
}

TEST_CASE_FIXTURE(fixture, "a transfer to an account that is not there is trouble, and waits") {
  CHECK(run({{"nobody", "b", 1'00, "r", 1}}).empty());
  REQUIRE(bank->answers()->troubles.size() == 1);
  CHECK(bank->answers()->troubles[0].why ==
        odeon::error(errc::not_found, "transfer r: no account nobody"));
  CHECK(start(2) == 1);
}

TEST_CASE_FIXTURE(fixture, "a transfer whose account cannot write is trouble, and goes on later") {
  bank->account_of("a").tell<settle>("x");
  bank->rt().settle();
  bank->submit_all({{"a", "b", 30'00, "r", 1}});
  // The start is committed, the withdrawal fails.
  while (events("r").empty()) (void)bank->rt().step();
  store->fail_next_commits(1, odeon::error(errc::store_full, "the disk is full"));
  bank->rt().settle();
  REQUIRE(bank->answers()->troubles.size() == 1);
  CHECK(bank->answers()->troubles[0].why ==
        odeon::error(errc::store_full, "transfer r: the disk is full"));
  CHECK(bank->answers()->verdicts.empty());

  CHECK(start(2) == 1);
  bank->rt().settle();
  REQUIRE(bank->answers()->verdicts.size() == 1);
  CHECK(bank->answers()->verdicts[0].resumed);
  CHECK(bank->answers()->verdicts[0].how == ending::completed);
  CHECK(balance("a") == 70'00);
  CHECK(balance("b") == 130'00);
}
