#include "odeon/bank/random.hpp"
#include "odeon/bank/reconcile.hpp"
#include "odeon/bank/scratch.test.hpp"
#include "odeon/bank/simulated_bank.test.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace odeon::bank;

namespace {

constexpr cents opening = 100'00;
constexpr cents limit = 160'00;

struct scenario {
  std::vector<std::string> accounts;
  std::vector<transfer> transfers;
};

// Few accounts and large amounts: refusals and refunds are common, and so is contention.
scenario make_scenario(random_numbers& random) {
  scenario s;
  const std::uint64_t count = random.between(2, 6);
  for (std::uint64_t i = 0; i < count; ++i) s.accounts.push_back("a" + std::to_string(i));
  for (std::uint64_t line = 1; line <= 40; ++line) {
    const std::uint64_t from = random.below(count);
    const std::uint64_t to = (from + 1 + random.below(count - 1)) % count;
    s.transfers.push_back({s.accounts[from], s.accounts[to],
                           static_cast<cents>(random.between(1, 80'00)), "r" + std::to_string(line),
                           line});
  }
  return s;
}

std::string as_csv(const scenario& s) {
  std::string text;
  for (const auto& t : s.transfers)
    text += t.from + "," + t.to + "," + format_amount(t.amount) + "," + t.reference + "\n";
  return text;
}

// One life, of at most `budget` steps; then the power goes off. What was acknowledged is added.
// True: it reached the end.
bool live(simulated_bank& bank, const scenario& s, std::uint64_t budget,
          std::string& acknowledged) {
  std::vector<odeon::future<open_account::reply>> opened;
  for (const auto& name : s.accounts)
    opened.push_back(bank.spawn_account(name).ask<open_account>(opening, limit));
  const auto all_ready = [](auto& futures) {
    return [&futures] {
      return std::ranges::all_of(futures, [](const auto& f) { return f.is_ready(); });
    };
  };
  auto& told = *bank.answers();
  bool complete = bank.run_until(all_ready(opened), budget);
  if (complete) {
    auto resumed = bank.spawn_coordinators();
    complete = bank.run_until(all_ready(resumed), budget);
    std::uint64_t under_way = 0;
    if (complete)
      for (auto& r : resumed) under_way += r.get().under_way;
    complete =
        complete && bank.run_until([&] { return told.verdicts.size() == under_way; }, budget);
    if (complete) {
      bank.tell_accounts_settled();
      bank.submit_all(s.transfers);
      complete = bank.run_until(
          [&] { return told.verdicts.size() == under_way + s.transfers.size(); }, budget);
    }
  }
  CHECK(told.troubles.empty());
  for (const auto& v : told.verdicts) {
    CHECK(v.how != ending::duplicate);
    acknowledged += acknowledgement_line(v.how, v.reference) + "\n";
  }
  bank.crash();
  return complete;
}

}  // namespace

TEST_CASE("no money and no acknowledged transfer is lost, wherever the power goes off") {
  unsigned crashes = 0;
  std::uint64_t ends[3] = {};
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    const scratch folder;
    random_numbers random(seed);
    const scenario s = make_scenario(random);
    const auto store = std::make_shared<odeon::memory_store>();
    std::string acknowledged;
    // A whole life takes about two thousand steps.
    for (int life = 0; life < 4; ++life) {
      simulated_bank bank(store, random.next());
      crashes += live(bank, s, random.below(2'000), acknowledged) ? 0 : 1;
    }
    {
      simulated_bank bank(store, random.next());
      REQUIRE(live(bank, s, 1'000'000, acknowledged));
    }
    simulated_bank after(store, 1);
    const auto books =
        reconcile(after.rt(), after.stored(),
                  {.transfers = folder.file("transfers.csv", as_csv(s)),
                   .acknowledgements = folder.file("acknowledged.txt", acknowledged)});
    REQUIRE(books.has_value());
    for (const auto& problem : books->problems) FAIL_CHECK(problem);
    CHECK(books->good());
    CHECK(books->acknowledged == s.transfers.size());
    ends[0] += books->completed;
    ends[1] += books->refused;
    ends[2] += books->refunded;
  }
  // The scenarios are not harmless.
  CHECK(crashes > 100);
  for (const auto count : ends) CHECK(count > 100);
}
