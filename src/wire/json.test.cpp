#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace {

using namespace sample;
using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

template <class T>
odeon::result<T> from_json(std::string_view text) {
  return wire::decode<T>(wire::as_bytes(text), format::json);
}

TEST_CASE("each kind has its form in JSON") {
  CHECK(
      to_json(full()) ==
      R"({"yes":true,"i8":-7,"u16":40000,"i64":-9000000000000000001,"u64":18000000000000000001,)"
      R"("f32":0.1,"f64":-0.1,"shade":"blue","text":"grün \"x\"\n","raw":"AP8Q","four":"AQID/w==",)"
      R"("maybe":{"sku":"bolt","count":3},"either":{"sample::line":{"sku":"nut","count":-70000}},)"
      R"("outcome":{"error":"no"},"done":{"error":{"code":"refused","text":"closed"}},)"
      R"("deque":[1,-2,300],"flags":[true,false,true],"three":[7,8,9],)"
      R"("by_color":{"green":{"sku":"a","count":1},"1000":{"sku":"b","count":2}},)"
      R"("by_number":{"-5":"minus five"},"by_pair":[[[1,2],0.5]],"set":["x","y"],)"
      R"("tuple":[4,"four",[4,4]],"seconds":90000000000,"when":1700000000123456789,)"
      R"("shared":{"id":"o","paid":true,"note":"n","price":1.5,"lines":[{"sku":"s","count":2}],)"
      R"("tags":{"k":1},"raw":"","text":"t"},"tree":{"value":1,"children":[{"value":0,)"
      R"("children":[],"named":{},"next":null},{"value":2,"children":[],"named":{},"next":null}],)"
      R"("named":{"left":{"value":3,"children":[],"named":{},"next":null}},)"
      R"("next":{"value":0,"children":[],"named":{},"next":null}}})");
}

TEST_CASE("every kind is read back from JSON as it was written") {
  const everything e = full();
  const wire::bytes text = wire::encode(e, format::json);
  auto back = wire::decode<everything>(text, format::json);
  REQUIRE(back.has_value());
  CHECK(wire::encode(*back, format::json) == text);
  CHECK(wire::encode(*back) == wire::encode(e));
}

TEST_CASE("integers of 64 bits survive as numbers") {
  for (std::int64_t v :
       {std::numeric_limits<std::int64_t>::min(), std::int64_t{-9007199254740993},
        std::int64_t{9007199254740993}, std::numeric_limits<std::int64_t>::max()}) {
    CHECK(to_json(v) == std::to_string(v));
    CHECK(*from_json<std::int64_t>(to_json(v)) == v);
  }
  CHECK(*from_json<std::uint64_t>("18446744073709551615") ==
        std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("an integer field refuses fractions, exponents and what it cannot hold") {
  CHECK(json_refusal<int>("1.0").contains("expected an integer, found a number"));
  CHECK(json_refusal<int>("1e3").contains("expected an integer, found a number"));
  CHECK(json_refusal<int>("2147483648").contains("2147483648 does not fit int"));
  CHECK(json_refusal<std::uint64_t>("18446744073709551616").contains("found a number"));
  CHECK(json_refusal<std::uint64_t>("-1").contains("-1 does not fit unsigned long"));
  CHECK(json_refusal<int>("\"1\"").contains("expected an integer, found a string"));
}

TEST_CASE("floating numbers keep their value, their sign and their kind") {
  CHECK(to_json(1.0) == "1.0");
  CHECK(to_json(-0.0) == "-0.0");
  CHECK(to_json(0.1F) == "0.1");
  CHECK(to_json(1e300) == "1e+300");
  CHECK(std::signbit(*from_json<double>("-0.0")));
  CHECK(*from_json<double>("3") == 3.0);
  CHECK(*from_json<float>("-3") == -3.0F);
  for (double v : {0.1, 5e-324, 2.2250738585072011e-308, 1.7976931348623157e308, 9007199254740993.0,
                   123456789.12345678, 0.30000000000000004}) {
    CHECK(*from_json<double>(to_json(v)) == v);
  }
}

TEST_CASE("numbers that are not finite are written as words and read from them") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  CHECK(to_json(std::vector{inf, -inf, std::nan("")}) == R"(["inf","-inf","nan"])");
  CHECK(*from_json<double>("\"inf\"") == inf);
  CHECK(*from_json<float>("\"-inf\"") == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(*from_json<double>("\"nan\"")));
  CHECK(json_refusal<double>("\"NaN\"").contains("expected a number, found a string"));
}

TEST_CASE("a number beyond its type is refused, one too small to tell from zero is zero") {
  CHECK(json_refusal<double>("1e400").contains("the number does not fit"));
  CHECK(json_refusal<double>("-0.1e400").contains("the number does not fit"));
  CHECK(json_refusal<float>("[1e39]").contains("expected a number, found an array"));
  CHECK(json_refusal<float>("1e39").contains("the number does not fit"));
  CHECK(*from_json<double>("1e-400") == 0.0);
  CHECK(*from_json<double>("123e-400") == 0.0);
  CHECK(std::signbit(*from_json<double>("-0.0001e-330")));
  CHECK(*from_json<float>("1e-60") == 0.0F);
  CHECK(*from_json<double>("0.000e99999") == 0.0);
}

TEST_CASE("enums go by name, and by number where they have none") {
  CHECK(to_json(std::vector{color::red, color::far_away, static_cast<color>(77)}) ==
        R"(["red",1000,77])");
  CHECK(*from_json<color>("\"blue\"") == color::blue);
  CHECK(*from_json<color>("5") == color::green);
  CHECK(json_refusal<color>("\"purple\"") ==
        "wrong_type: at byte 0: \"purple\" is no value of sample::color");
}

TEST_CASE("the keys of an object become keys of the map's type") {
  CHECK(*from_json<std::map<color, int>>(R"({"blue":1,"5":2})") ==
        std::map<color, int>{{color::blue, 1}, {color::green, 2}});
  CHECK(*from_json<std::map<std::uint8_t, int>>(R"({"255":1})") ==
        std::map<std::uint8_t, int>{{std::uint8_t{255}, 1}});
  CHECK(json_refusal<std::map<std::uint8_t, int>>(R"({"1":0,"256":1})") ==
        "wrong_type: at byte 7, field [key 1]: \"256\" is no key of type unsigned char");
  CHECK(json_refusal<std::map<int, int>>(R"({" 1":1})").contains("is no key of type int"));
  CHECK(json_refusal<std::map<int, int>>(R"({"1x":1})").contains("is no key of type int"));
  CHECK(
      json_refusal<std::map<color, int>>(R"({"x":1})").contains("is no key of type sample::color"));
  CHECK(json_refusal<std::map<int, int>>(R"({"1":1,"01":1})").contains("in the map already"));
  CHECK(json_refusal<std::map<std::pair<int, int>, int>>(R"([[[1,2],3],[[1,2]]])")
            .contains("field [key 1]: expected an array of 2, found one of 1"));
}

TEST_CASE("bytes are base64, and nothing that only resembles it") {
  CHECK(to_json(from_hex("")) == "\"\"");
  CHECK(to_json(from_hex("00")) == "\"AA==\"");
  CHECK(to_json(from_hex("0000")) == "\"AAA=\"");
  CHECK(to_json(from_hex("fbffbf")) == "\"+/+/\"");
  CHECK(*from_json<wire::bytes>("\"+/+/\"") == from_hex("fbffbf"));
  for (std::string_view bad : {"\"A\"", "\"AA\"", "\"AAA\"", "\"A===\"", "\"====\"", "\"AA=A\"",
                               "\"AB==\"", "\"AAB=\"", "\"A-==\"", "\"AAAA\\n\"", "\"=AAA\""}) {
    CAPTURE(bad);
    CHECK(json_refusal<wire::bytes>(bad) == "bad_encoding: at byte 0: the text is not base64");
  }
}

TEST_CASE("text is escaped where JSON asks for it and read with any escape") {
  CHECK(to_json(std::string("a\"b\\c\b\f\n\r\t\x01\x1f/é")) ==
        R"("a\"b\\c\b\f\n\r\t\u0001\u001f/é")");
  CHECK(*from_json<std::string>(R"("\u00e9\ud834\udd1e\/\u0000")") == std::string("é𝄞/\0", 8));
  CHECK(*from_json<line>(R"({"\u0073ku":"x"})") == line{"x", 1});
  CHECK(json_refusal<std::string>(R"("\ud834")").starts_with("bad_encoding"));
  CHECK(json_refusal<std::string>("\"\xff\"").starts_with("bad_encoding"));
  CHECK(wire::try_encode(std::string("\xff"), format::json).error() == errc::bad_encoding);
  CHECK(wire::try_encode(std::map<std::string, int>{{"\xff", 1}}, format::json).error() ==
        errc::bad_encoding);
}

TEST_CASE(
    "texts of all lengths around the parser's steps are read whole, with and without escapes") {
  for (std::size_t n = 0; n < 2100; n += n < 40 ? 1 : 97) {
    std::string text(n, 'x');
    CHECK(*from_json<std::string>(to_json(text)) == text);
    text += "\n";
    text += std::string(n, 'y') + "é";
    CHECK(*from_json<std::vector<std::string>>(to_json(std::vector{text, text})) ==
          std::vector{text, text});
  }
}

TEST_CASE("fields may come in any order, be unknown, be missing, and be a list") {
  CHECK(*from_json<line>(R"( { "count" : 3 , "x" : [1,{"y":[]},"z"], "sku" : "a" } )") ==
        line{"a", 3});
  CHECK(*from_json<line>("{}") == line{"", 1});
  CHECK(*from_json<line>(R"(["a",3,{"more":1}])") == line{"a", 3});
  CHECK(json_refusal<line>(R"({"count":1,"count":1})") ==
        "bad_encoding: at byte 11: the field \"count\" is there twice");
}

TEST_CASE("a value of another type is refused at its byte, with its field") {
  CHECK(json_refusal<order>(R"({"id": "\"]}", "lines": [{"sku": "a", "count": null}]})") ==
        "wrong_type: at byte 47, field lines[0].count: expected an integer, found null");
  CHECK(json_refusal<order>(R"({"tags":{"k":{}}})") ==
        "wrong_type: at byte 13, field tags[\"k\"]: expected an integer, found an object");
  CHECK(json_refusal<bool>(" 1") == "wrong_type: at byte 1: expected a boolean, found an integer");
  CHECK(json_refusal<order>("[]").empty());
  CHECK(json_refusal<order>("3").contains("expected a map, found an integer"));
  CHECK(json_refusal<std::array<int, 2>>("[1]").contains("expected an array of 2, found one of 1"));
  CHECK(json_refusal<std::vector<int>>("{}").contains("expected an array, found an object"));
}

TEST_CASE("what is no JSON is refused at its byte") {
  CHECK(json_refusal<line>(R"({"count":1,})").starts_with("bad_encoding: at byte 11"));
  CHECK(json_refusal<line>("{count:1}").starts_with("bad_encoding: at byte 1"));
  CHECK(json_refusal<int>("01").starts_with("bad_encoding: at byte 1"));
  CHECK(json_refusal<int>("1 2") == "bad_encoding: at byte 2: 1 bytes follow the value");
  CHECK(json_refusal<int>("nul").starts_with("truncated"));
  CHECK(json_refusal<int>("").starts_with("truncated: at byte 0"));
  CHECK(json_refusal<int>("\xef\xbb\xbf\x31").starts_with("bad_encoding: at byte 0"));
  CHECK(json_refusal<int>("// c\n1").starts_with("bad_encoding: at byte 0"));
  CHECK(json_refusal<double>("NaN").starts_with("bad_encoding: at byte 0"));
}

TEST_CASE("JSON that ends early is truncated, at every length") {
  const std::string whole = to_json(full());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(whole.substr(0, n));
    CHECK(json_refusal<everything>(whole.substr(0, n)).starts_with("truncated"));
  }
}

}  // namespace
