#include "odeon/bank/money.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <limits>
#include <string>

using namespace odeon::bank;
using odeon::errc;

namespace {

errc refusal(std::string_view text) {
  const auto read = parse_amount(text);
  REQUIRE_FALSE(read.has_value());
  return read.error().code();
}

}  // namespace

TEST_CASE("an amount has none, one or two digits behind the point") {
  CHECK(parse_amount("12").value() == 1200);
  CHECK(parse_amount("12.5").value() == 1250);
  CHECK(parse_amount("12.05").value() == 1205);
  CHECK(parse_amount("0.01").value() == 1);
  CHECK(parse_amount("007").value() == 700);
}

TEST_CASE("text that is no amount is refused") {
  for (const auto* text : {"", ".", "-", "12.", ".5", "12.505", "1,2", "1e3", "0x10", "+1", " 1",
                           "1 ", "--1", "1.-5", "twelve", "nan", "1.2.3", "\xff"})
    CHECK_MESSAGE(refusal(text) == errc::bad_encoding, text);
}

TEST_CASE("nothing and less than nothing are not transferred") {
  CHECK(refusal("0") == errc::invalid_argument);
  CHECK(refusal("0.00") == errc::invalid_argument);
  CHECK(refusal("-0") == errc::invalid_argument);
  CHECK(refusal("-12.50") == errc::invalid_argument);
}

TEST_CASE("an amount beyond all money is refused and does not wrap around") {
  CHECK(parse_amount(format_amount(max_money)).value() == max_money);
  CHECK(refusal(format_amount(max_money + 1)) == errc::limit_exceeded);
  CHECK(refusal("9223372036854775807") == errc::limit_exceeded);
  CHECK(refusal(std::string(400, '9')) == errc::limit_exceeded);
}

TEST_CASE("what is written is what is read") {
  const bool held = rc::check([] {
    const auto amount = *rc::gen::inRange<cents>(1, max_money);
    RC_ASSERT(parse_amount(format_amount(amount)).value() == amount);
  });
  CHECK(held);
}

TEST_CASE("people see thousands apart") {
  CHECK(show_amount(0) == "0.00");
  CHECK(show_amount(99'999) == "999.99");
  CHECK(show_amount(100'000) == "1,000.00");
  CHECK(show_amount(123'456'789) == "1,234,567.89");
  CHECK(show_amount(-100'000) == "-1,000.00");
  CHECK(show_amount(-99'900) == "-999.00");
  CHECK(show_amount(std::numeric_limits<cents>::min()) == "-92,233,720,368,547,758.08");
}
