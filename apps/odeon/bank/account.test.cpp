#include "odeon/bank/account.hpp"

#include "odeon/bank/simulated_bank.test.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace odeon::bank;
using odeon::errc;

namespace {

// An open account with 100.00 that may hold 150.00.
struct fixture {
  std::shared_ptr<odeon::memory_store> store = std::make_shared<odeon::memory_store>();
  std::unique_ptr<simulated_bank> bank = std::make_unique<simulated_bank>(store, 1);
  account::ref a = bank->spawn_account("a");
  open_account::reply opened = a.ask<open_account>(100'00, 150'00).get();

  refusal take(const char* reference, cents amount) {
    return a.ask<withdraw>(reference, amount).get();
  }
  refusal give(const char* reference, cents amount) {
    return a.ask<deposit>(reference, amount).get();
  }
  cents balance() { return a.ask<get_balance>().get(); }
  std::uint64_t events() {
    return odeon::wait_for<std::uint64_t>(
               bank->rt(),
               [&](auto done) { bank->stored().highest_sequence("account/a", std::move(done)); })
        .value();
  }
  void restart() {
    bank.reset();
    bank = std::make_unique<simulated_bank>(store, 2);
    a = bank->spawn_account("a");
    opened = a.ask<open_account>(7'00, 7'00).get();
  }
};

}  // namespace

TEST_CASE_FIXTURE(fixture, "an account is opened once") {
  CHECK(opened.is_new);
  CHECK_FALSE(a.ask<open_account>(900'00, 900'00).get().is_new);
  CHECK(balance() == 100'00);
  CHECK(events() == 1);
}

TEST_CASE_FIXTURE(fixture, "a withdrawal takes what is there and nothing more") {
  CHECK(take("r1", 100'01) == refusal::insufficient_funds);
  CHECK(take("r2", 100'00) == refusal::none);
  CHECK(take("r3", 1) == refusal::insufficient_funds);
  CHECK(balance() == 0);
}

TEST_CASE_FIXTURE(fixture, "a deposit stops at the limit, a refund does not") {
  CHECK(take("r1", 60'00) == refusal::none);
  CHECK(give("r2", 110'01) == refusal::over_limit);
  CHECK(give("r3", 110'00) == refusal::none);
  CHECK(balance() == 150'00);
  CHECK(a.ask<refund>("r1", 60'00).get() == refusal::none);
  CHECK(balance() == 210'00);
  CHECK(give("r4", 1) == refusal::over_limit);
}

TEST_CASE_FIXTURE(fixture, "a reference moves money once, also after a restart") {
  for (int life = 0; life < 3; ++life) {
    CHECK(take("r1", 30'00) == refusal::none);
    CHECK(give("r2", 5'00) == refusal::none);
    CHECK(balance() == 75'00);
    CHECK(events() == 3);
    restart();
    CHECK(opened.replayed == 3);
  }
  CHECK(a.ask<refund>("r1", 30'00).get() == refusal::none);
  restart();
  CHECK(a.ask<refund>("r1", 30'00).get() == refusal::none);
  CHECK(take("r1", 30'00) == refusal::none);  // it had been withdrawn, and is back
  CHECK(balance() == 105'00);
}

TEST_CASE_FIXTURE(fixture, "a refund without a withdrawal is an error") {
  CHECK(give("r1", 5'00) == refusal::none);
  for (const char* reference : {"r1", "r2"}) {
    const auto answer = a.ask<refund>(reference, 5'00).result();
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code() == errc::invalid_argument);
  }
  CHECK(balance() == 105'00);
}

TEST_CASE_FIXTURE(fixture, "a settled reference is forgotten with the next event") {
  CHECK(take("r1", 1'00) == refusal::none);
  a.tell<settle>("r1");
  CHECK(take("r1", 1'00) == refusal::none);
  CHECK(balance() == 99'00);  // still known: nothing was written since
  CHECK(take("r2", 1'00) == refusal::none);
  CHECK(take("r1", 1'00) == refusal::none);
  CHECK(balance() == 97'00);  // it was new to the account
}

TEST_CASE_FIXTURE(fixture,
                  "what was known before a restart is forgotten when all of it is settled") {
  CHECK(take("r1", 1'00) == refusal::none);
  restart();
  CHECK(take("r1", 1'00) == refusal::none);
  CHECK(take("r2", 1'00) == refusal::none);
  a.tell<settle_recovered>();
  CHECK(take("r3", 1'00) == refusal::none);
  CHECK(balance() == 97'00);
  CHECK(take("r2", 1'00) == refusal::none);  // of this life: not settled
  CHECK(balance() == 97'00);
  CHECK(take("r1", 1'00) == refusal::none);
  CHECK(balance() == 96'00);
}

TEST_CASE_FIXTURE(fixture, "a long history is read from a snapshot") {
  for (int i = 0; i < 250; ++i) {
    CHECK(take("r", 1'00) == refusal::none);
    a.tell<settle>("r");
    CHECK(give("s", 1'00) == refusal::none);
    a.tell<settle>("s");
  }
  const auto before = events();
  restart();
  CHECK(opened.replayed < 110);
  CHECK(balance() == 100'00);
  CHECK(events() == before);
}

TEST_CASE_FIXTURE(fixture,
                  "a write that fails moves nothing and ends the account with its reason") {
  store->fail_next_commits(1, odeon::error(errc::store_full, "the disk is full"));
  const auto answer = a.ask<withdraw>("r1", 1'00).result();
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error() == odeon::error(errc::store_full, "the disk is full"));
  CHECK_FALSE(a.ask<get_balance>().result().has_value());
  restart();
  CHECK(balance() == 100'00);
}
