#include "odeon/bank/transfer_file.hpp"

#include "odeon/bank/scratch.test.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>
#include <vector>

using namespace odeon::bank;

namespace {

std::vector<transfer_file::entry> entries_of(std::string_view content) {
  const scratch folder;
  auto file = transfer_file::open(folder.file("transfers.csv", content));
  REQUIRE(file.has_value());
  std::vector<transfer_file::entry> entries;
  for (;;) {
    auto next = file->next();
    REQUIRE(next.has_value());
    if (!*next) return entries;
    entries.push_back(**std::move(next));
  }
}

// The reason why `line`, the second of a file, is rejected.
std::string reason(std::string_view line) {
  const auto entries = entries_of("a,b,1,first\n" + std::string(line) + "\nc,d,2,last\n");
  REQUIRE(entries.size() == 3);
  CHECK(std::get<transfer>(entries[0]) == transfer{"a", "b", 100, "first", 1});
  CHECK(std::get<transfer>(entries[2]) == transfer{"c", "d", 200, "last", 3});
  const auto& rejected = std::get<rejected_line>(entries[1]);
  CHECK(rejected.line == 2);
  return rejected.reason;
}

transfer only(std::string_view content) {
  const auto entries = entries_of(content);
  REQUIRE(entries.size() == 1);
  return std::get<transfer>(entries[0]);
}

}  // namespace

TEST_CASE("a header is recognised, and not needed") {
  CHECK(only("from,to,amount,reference\na,b,12.50,r") == transfer{"a", "b", 1250, "r", 2});
  CHECK(only("From, To, AMOUNT, Reference\r\na,b,12.50,r\r\n") == transfer{"a", "b", 1250, "r", 2});
  CHECK(only("\xef\xbb\xbf\"from\",to,amount,reference\na,b,1,r") ==
        transfer{"a", "b", 100, "r", 2});
  CHECK(only("a,b,12.50,r") == transfer{"a", "b", 1250, "r", 1});
  CHECK(entries_of("from,to,amount,reference").empty());
}

TEST_CASE("a header further down is a bad line") {
  CHECK(reason("from,to,amount,reference").starts_with("the amount is not a number"));
}

TEST_CASE("empty lines count as lines and are nothing else") {
  CHECK(only("\n  \n\na,b,1,r\n\n").line == 4);
}

TEST_CASE("blanks around a field do not count, quotes keep them") {
  CHECK(only("  a , b,\t1 , r ") == transfer{"a", "b", 100, "r", 1});
  CHECK(only("\" a \",\"b, c\",\"1.50\",\"say \"\"r\"\"\"") ==
        transfer{" a ", "b, c", 150, "say \"r\"", 1});
  CHECK(only("M\xc3\xbcller,\xe6\x9d\x8e,1,\xf0\x9f\x92\xb6").from == "M\xc3\xbcller");
}

TEST_CASE("a line with another number of columns is rejected") {
  CHECK(reason("a,b,1") == "3 columns instead of 4 (from,to,amount,reference)");
  CHECK(reason("a") == "1 column instead of 4 (from,to,amount,reference)");
  CHECK(reason("a,b,1,r,") == "5 columns instead of 4 (from,to,amount,reference)");
  CHECK(reason("a;b;1;r") == "1 column instead of 4 (from,to,amount,reference)");
}

TEST_CASE("a field that is empty or too long is rejected by its name") {
  CHECK(reason(",b,1,r") == "the from field is empty");
  CHECK(reason("a,\"\",1,r") == "the to field is empty");
  CHECK(reason("a,b,1,") == "the reference field is empty");
  CHECK(reason("a,b,,r").starts_with("the amount is not a number"));
  CHECK(reason("a,b,1," + std::string(65, 'r')) == "the reference field is longer than 64 bytes");
  CHECK(only("a,b,1," + std::string(64, 'r')).reference.size() == 64);
}

TEST_CASE("an amount that nobody can transfer is rejected") {
  CHECK(reason("a,b,0.00,r") == "the amount is zero");
  CHECK(reason("a,b,-3,r") == "the amount is negative");
  CHECK(reason("a,b,1.005,r") == "the amount has more than two digits behind the point");
  CHECK(reason("a,b,99999999999999999999,r").starts_with("the amount is larger than "));
}

TEST_CASE("a transfer to the same account is rejected") {
  CHECK(reason("a,\"a\",1,r") == "from and to are the same account, a");
}

TEST_CASE("bytes that are no text are rejected") {
  CHECK(reason("a\xff,b,1,r") == "the line is not UTF-8");
  CHECK(reason(std::string("a\0b,c,1,r", 9)) == "the from field has a control character");
  CHECK(reason("a,b,1,r\x7f") == "the reference field has a control character");
  CHECK(reason("a\rb,c,1,r") == "the from field has a control character");
}

TEST_CASE("quotes in the wrong place are rejected") {
  CHECK(reason("\"a,b,1,r") == "a quoted field does not end on its line");
  CHECK(reason("\"a\"x,b,1,r") == "text behind the end of a quoted field");
}

TEST_CASE("a line that is too long is rejected") {
  CHECK(reason(std::string(max_line_bytes + 1, 'x')) == "the line is longer than 4096 bytes");
}

TEST_CASE("UTF-8 is checked to the letter") {
  for (const auto* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(is_utf8(good));
  for (const auto* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3z", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82z"})
    CHECK_FALSE(is_utf8(bad));
}
