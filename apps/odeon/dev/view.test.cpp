#include "odeon/dev/view.hpp"

#include "odeon/dev/screen.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>

using namespace odeon::dev;
using namespace std::chrono_literals;

namespace {

bool contains(const std::vector<std::string>& lines, std::string_view text) {
  return std::ranges::any_of(lines, [&](const auto& l) { return l.find(text) != l.npos; });
}

odeon::bank::reconciliation sound() {
  return {.transfers = 3,
          .rejected = 2,
          .duplicates = 1,
          .completed = 1,
          .refused = 1,
          .refunded = 1,
          .events = 13,
          .accounts = 2,
          .acknowledged = 3,
          .confirmed = 3,
          .debits = 2,
          .credits = 1,
          .refunds = 1,
          .debited = 90'00,
          .credited = 30'00,
          .given_back = 60'00,
          .opened_with = 200'00,
          .sum_of_balances = 200'00,
          .lowest_balance = 70'00};
}

}  // namespace

TEST_CASE("numbers have their thousands apart, and times three digits") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(1'234'567) == "1,234,567");
  CHECK(show_us(999) == "999 us");
  CHECK(show_us(1'000) == "1.00 ms");
  CHECK(show_us(12'345) == "12.3 ms");
  CHECK(show_us(999'499) == "999 ms");
  CHECK(show_us(999'500) == "1.00 s");
  CHECK(show_us(75'000'000) == "75.0 s");
}

TEST_CASE("a bar is as full as its share, and never too long") {
  CHECK(bar(0, 4) == "[>   ]");
  CHECK(bar(0.5, 4) == "[==> ]");
  CHECK(bar(1, 4) == "[====]");
  CHECK(bar(7, 4) == "[====]");
  CHECK(bar(-1, 4) == "[>   ]");
}

TEST_CASE("the proof of sound books says yes everywhere") {
  const auto lines = proof(sound(), 3, 1s);
  CHECK_FALSE(contains(lines, "NO"));
  CHECK(contains(lines, "exactly once: 3 of 3"));
  CHECK(contains(lines, "opened with 200.00 and hold 200.00"));
  CHECK(contains(lines, "every bad line was reported: 3 of 3"));
  CHECK_FALSE(contains(proof(sound(), std::nullopt, 1s), "every bad line"));
}

TEST_CASE("whatever is wrong in the books is told") {
  const auto says_no = [](auto change) {
    auto r = sound();
    change(r);
    return contains(proof(r, 3, 1s), "  NO ");
  };
  CHECK(says_no([](auto& r) { r.completed = 0; }));
  CHECK(says_no([](auto& r) { r.confirmed = 2; }));
  CHECK(says_no([](auto& r) { r.credited = 29'99; }));
  CHECK(says_no([](auto& r) { r.sum_of_balances = 199'99; }));
  CHECK(says_no([](auto& r) { r.lowest_balance = -1; }));
  CHECK(says_no([](auto& r) { r.duplicates = 0; }));

  auto r = sound();
  r.problem_count = 5;
  r.problems = {"one thing", "another"};
  const auto lines = proof(r, 3, 1s);
  CHECK(contains(lines, "wrong: one thing"));
  CHECK(contains(lines, "and 3 more"));
}

TEST_CASE("a line is cut between characters") {
  CHECK(cut("abc", 5) == "abc");
  CHECK(cut("abc", 2) == "ab");
  CHECK(cut("a\xe2\x80\xa6z", 2) == "a\xe2\x80\xa6");
  CHECK(cut("\xe2\x80\xa6", 0).empty());
}
