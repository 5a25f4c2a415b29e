#include "odeon/journal/text.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>

using namespace odeon;
using namespace odeon::journal_tool;

namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

std::string json_of(std::string_view msgpack) {
  return msgpack_as_json(bytes_of(msgpack)).value_or("nothing");
}

}  // namespace

TEST_CASE("MessagePack is shown as JSON") {
  using namespace std::string_view_literals;
  CHECK(json_of("\x82\xa7"
                "balance\xce\x00\x01\x86\xa0\xa4open\xc3"sv) ==
        R"({"balance":100000,"open":true})");
  CHECK(json_of("\x95\xc0\xc2\x7f\xe0\xd0\x80"sv) == "[null,false,127,-32,-128]");
  CHECK(json_of("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"sv) == "18446744073709551615");
  CHECK(json_of("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"sv) == "-9223372036854775808");
  CHECK(json_of("\xd1\xff\x00"sv) == "-256");
  CHECK(json_of("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"sv) == "1.5");
  CHECK(json_of("\xca\x7f\xc0\x00\x00"sv) == "\"NaN\"");
  CHECK(json_of("\xa3\"\\\n"sv) == R"("\"\\\u000a")");
  CHECK(json_of("\xc4\x02\x00\xff"sv) == R"({"$bin":"00ff"})");
  CHECK(json_of("\xd6\xff\x00\x00\x00\x01"sv) == R"({"$ext":-1,"hex":"00000001"})");
  CHECK(json_of("\x82\x01\xa1"
                "a\x91\x02\x90"sv) == R"({"1":"a","[2]":[]})");
}

TEST_CASE("what is not exactly one MessagePack value is not shown as one") {
  using namespace std::string_view_literals;
  for (const auto bad :
       {""sv, "\xc1"sv, "\x91"sv, "\x81\xa1"sv, "hi"sv, "\xa2\xff\xff"sv, "\xdd\xff\xff\xff\xff"sv,
        "\xc6\xff\xff\xff\xff"sv, "\xc9\x00\x00\x00"sv, "\xcb\x00"sv})
    CHECK(json_of(bad) == "nothing");
  CHECK(json_of(std::string(64, '\x91') + "\x01") != "nothing");
  CHECK(json_of(std::string(65, '\x91') + "\x01") == "nothing");  // deeper than the bound
  CHECK(rc::check([](const std::vector<std::uint8_t>& noise) {
    static_cast<void>(payload_text(std::as_bytes(std::span(noise))));
  }));
}

TEST_CASE("a payload is JSON where it decodes, else digits, and sealed when it is") {
  using namespace std::string_view_literals;
  CHECK(payload_text(bytes_of("\x91\x01"sv)) == "[1]");
  CHECK(payload_text(bytes_of("hi"sv)) == "6869");
  CHECK(payload_members(bytes_of("\x91\x01"sv)) == R"("payload":[1])");
  CHECK(payload_members(bytes_of("hi"sv)) == R"("payload_hex":"6869")");
  const std::string sealed = "\xc5OE1k1" + std::string(14, '\0') + std::string(30, 'x');
  CHECK(sealed_with(bytes_of(sealed)) == "k1");
  CHECK(!sealed_with(bytes_of(sealed).size() > 48 ? bytes_of(sealed.substr(0, 47)) : bytes_of("")));
  CHECK(payload_text(bytes_of(sealed)) == "<50 bytes, sealed with the key k1>");
  CHECK(payload_members(bytes_of(sealed)).starts_with(R"("sealed_with":"k1","payload_hex":"c54f)"));
}

TEST_CASE("base64 goes there and back, and refuses what it cannot have written") {
  CHECK(rc::check([](const std::vector<std::uint8_t>& raw) {
    const auto bytes = std::as_bytes(std::span(raw));
    const auto back = from_base64(to_base64(bytes));
    RC_ASSERT(back.has_value());
    RC_ASSERT(std::ranges::equal(*back, bytes));
  }));
  CHECK(to_base64(bytes_of("foobar")) == "Zm9vYmFy");
  CHECK(to_base64(bytes_of("fooba")) == "Zm9vYmE=");
  CHECK(to_base64(bytes_of("foob")) == "Zm9vYg==");
  for (const char* bad : {"Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm9v!m9v", "Zg==Zg=="}) {
    CAPTURE(bad);
    CHECK(from_base64(bad).error().code() == errc::bad_encoding);
  }
}

TEST_CASE("text for a terminal has no controls, and JSON is always valid") {
  CHECK(shown("bank.deposited") == "bank.deposited");
  CHECK(shown("konto/\xc3\xa4") == "\"konto/\xc3\xa4\"");
  CHECK(shown("a b\x1b[2J") == "\"a b\\x1b[2J\"");
  CHECK(shown("\xff\xc2\x9b") == "\"\\xff\\xc2\\x9b\"");
  CHECK(shown("") == "\"\"");
  CHECK(json_text("a\"\xff\x01") == "\"a\\\"\xef\xbf\xbd\\u0001\"");
  CHECK(is_utf8("\xf0\x9f\x8c\x8d"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    CHECK(!is_utf8(bad));
}

TEST_CASE("times are shown in UTC to the nanosecond") {
  CHECK(iso_time(wall_time(duration(1'767'225'600'000'000'001))) ==
        "2026-01-01T00:00:00.000000001Z");
  CHECK(iso_time(wall_time(duration(-1))) == "1969-12-31T23:59:59.999999999Z");
  CHECK(iso_time(wall_time::max()) == "2262-04-11T23:47:16.854775807Z");
}

TEST_CASE("the checksum of an export's lines is CRC-32C") {
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c("56789", crc32c("1234")) == 0xe3069283u);
}
