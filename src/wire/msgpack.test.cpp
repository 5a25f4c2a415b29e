#include "wire/msgpack_vectors.test.hpp"
#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <list>
#include <numeric>

namespace {

using namespace sample;
using odeon::errc;
namespace wire = odeon::wire;
namespace vectors = odeon::wire::vectors;
using wire::format;

order sample_order() {
  return {.id = "o-17",
          .paid = true,
          .note = {},
          .price = 12.5,
          .lines = {{"bolt", 3}, {"nut", -70000}},
          .tags = {{"a", 1}, {"b", 300}},
          .raw = from_hex("00ff"),
          .text = "grün ✓ 𝄞"};
}

template <class T>
void agrees(const T& value, std::string_view hex) {
  CHECK(to_hex(wire::encode(value)) == hex);
  auto back = wire::decode<T>(from_hex(hex));
  REQUIRE(back.has_value());
  CHECK(*back == value);
}

// `header` as Python writes it, then `each` bytes for each of the elements, and the value again.
template <class T>
void agrees_by_header(const T& value, std::string_view header, std::size_t each) {
  const wire::bytes b = wire::encode(value);
  REQUIRE(b.size() == header.size() / 2 + value.size() * each);
  CHECK(to_hex(std::span(b).first(header.size() / 2)) == header);
  CHECK((wire::decode<T>(b) == value));
}

TEST_CASE("integers have the bytes that Python's msgpack gives them") {
  for (const auto& v : vectors::unsigned_integers) {
    agrees(v.value, v.hex);
    if (v.value <= std::numeric_limits<std::int64_t>::max()) {
      agrees(static_cast<std::int64_t>(v.value), v.hex);
    }
  }
  for (const auto& v : vectors::negative_integers) agrees(v.value, v.hex);
}

TEST_CASE("floating numbers have the bytes that Python's msgpack gives them") {
  for (const auto& v : vectors::doubles) {
    agrees(v.value, v.hex);
    CHECK(std::signbit(*wire::decode<double>(from_hex(v.hex))) == std::signbit(v.value));
  }
  for (const auto& v : vectors::floats) agrees(v.value, v.hex);
  CHECK(std::isnan(*wire::decode<double>(wire::encode(std::nan("")))));
}

TEST_CASE("strings, bytes, arrays and maps have the headers that Python's msgpack gives them") {
  for (const auto& v : vectors::strings) agrees_by_header(std::string(v.length, 'a'), v.header, 1);
  for (const auto& v : vectors::binaries) agrees_by_header(wire::bytes(v.length), v.header, 1);
  for (const auto& v : vectors::arrays) agrees_by_header(std::vector<int>(v.length), v.header, 1);
  for (const auto& v : vectors::maps) {
    std::map<std::uint32_t, int> map;
    for (unsigned i = 0; i < v.length; ++i) map[i] = 0;
    const wire::bytes b = wire::encode(map);
    CHECK(to_hex(std::span(b).first(v.header.size() / 2)) == v.header);
    CHECK((wire::decode<std::map<std::uint32_t, int>>(b) == map));
  }
}

TEST_CASE("records have the bytes that Python's msgpack gives a dict and a list") {
  const order o = sample_order();
  CHECK(to_hex(wire::encode(o, format::msgpack)) == vectors::order_named);
  CHECK(to_hex(wire::encode(o, format::compact)) == vectors::order_compact);
  CHECK(*wire::decode<order>(from_hex(vectors::order_named)) == o);
}

TEST_CASE("one decoder reads the named and the compact form, whichever it is told") {
  const order o = sample_order();
  CHECK(*wire::decode<order>(from_hex(vectors::order_compact), format::msgpack) == o);
  CHECK(*wire::decode<order>(from_hex(vectors::order_named), format::compact) == o);
}

TEST_CASE("every kind is read back as it was written") {
  const everything e = full();
  for (format f : {format::msgpack, format::compact}) {
    const wire::bytes b = wire::encode(e, f);
    auto back = wire::decode<everything>(b, f);
    REQUIRE(back.has_value());
    CHECK(wire::encode(*back, f) == b);
    CHECK(back->tree == e.tree);
    CHECK(back->either == e.either);
    CHECK(back->done == e.done);
    CHECK(*back->shared == *e.shared);
    CHECK(back->by_color == e.by_color);
  }
}

TEST_CASE(
    "fields may come in any order, unknown ones are skipped, missing ones keep their default") {
  // {"count": 3, "sku": "a"} · {"sku": "a"} · {"new": {"x": [1, ext, bin]}, "sku": "a"} · {}
  CHECK(*wire::decode<line>(from_hex("82a5636f756e7403a3736b75a161")) == line{"a", 3});
  CHECK(*wire::decode<line>(from_hex("81a3736b75a161")) == line{"a", 1});
  CHECK(*wire::decode<line>(from_hex("82a36e657781a17893 01d40101c40100a3736b75a161")) ==
        line{"a", 1});
  CHECK(*wire::decode<line>(from_hex("80")) == line{"", 1});
}

TEST_CASE("every kind of unknown value is skipped") {
  for (std::string_view value : {"c0",
                                 "c2",
                                 "07",
                                 "ff",
                                 "ccff",
                                 "cdffff",
                                 "ceffffffff",
                                 "cfffffffffffffffff",
                                 "d0ff",
                                 "d1ffff",
                                 "d2ffffffff",
                                 "d3ffffffffffffffff",
                                 "ca00000000",
                                 "cb0000000000000000",
                                 "a161",
                                 "d90161",
                                 "da000161",
                                 "db0000000161",
                                 "c40100",
                                 "c5000100",
                                 "c60000000100",
                                 "9101",
                                 "dc000101",
                                 "dd0000000101",
                                 "810101",
                                 "de00010101",
                                 "df000000010101",
                                 "d40100",
                                 "d5010000",
                                 "d60100000000",
                                 "d7010000000000000000",
                                 "d80100000000000000000000000000000000",
                                 "c7010100",
                                 "c800010100",
                                 "c9000000010100"}) {
    CAPTURE(value);
    const std::string hex = "82a178" + std::string(value) + "a3736b75a161";
    CHECK(wire::decode<line>(from_hex(hex)) == line{"a", 1});
  }
  // A key that is no string is nobody's field: {1: 2, "sku": "a"}
  CHECK(wire::decode<line>(from_hex("820102a3736b75a161")) == line{"a", 1});
}

TEST_CASE("the compact form may end early and may go on") {
  CHECK(*wire::decode<line>(from_hex("90")) == line{"", 1});
  CHECK(*wire::decode<line>(from_hex("91a161")) == line{"a", 1});
  CHECK(*wire::decode<line>(from_hex("94a16107c0a162")) == line{"a", 7});
}

TEST_CASE("numbers may be written wider than they need and narrower than the field") {
  CHECK(*wire::decode<std::int8_t>(from_hex("d3ffffffffffffffff")) == -1);
  CHECK(*wire::decode<std::uint64_t>(from_hex("07")) == 7);
  CHECK(*wire::decode<double>(from_hex("07")) == 7.0);
  CHECK(*wire::decode<double>(from_hex("ff")) == -1.0);
  CHECK(*wire::decode<float>(from_hex("cb3ff8000000000000")) == 1.5F);
  CHECK(*wire::decode<double>(from_hex("ca3fc00000")) == 1.5);
}

TEST_CASE("an integer that the field cannot hold is refused with its value") {
  CHECK(hex_refusal<std::int8_t>("cc80") == "wrong_type: at byte 0: 128 does not fit signed char");
  CHECK(hex_refusal<std::uint8_t>("cd0100").contains("256 does not fit unsigned char"));
  CHECK(hex_refusal<std::uint32_t>("ff").contains("-1 does not fit unsigned int"));
  CHECK(hex_refusal<std::int64_t>("cf8000000000000000").contains("9223372036854775808"));
  CHECK(hex_refusal<std::uint64_t>("d3ffffffffffffffff").contains("-1"));
  CHECK(hex_refusal<float>("cb7fefffffffffffff").contains("does not fit a float"));
  CHECK(std::isinf(*wire::decode<float>(from_hex("cb7ff0000000000000"))));
}

TEST_CASE("a value of another type is refused with its offset, its field and both types") {
  // {"lines": [{"sku": "a", "count": "x"}]}
  CHECK(hex_refusal<order>("81a56c696e65739182a3736b75a161a5636f756e74a178") ==
        "wrong_type: at byte 21, field lines[0].count: expected an integer, found a string");
  CHECK(hex_refusal<order>("81a474616773 81a16bc3")
            .contains("field tags[\"k\"]: expected an integer, "
                      "found a boolean"));
  CHECK(hex_refusal<order>("07").contains("expected a map, found an integer"));
  CHECK(hex_refusal<bool>("00").contains("expected a boolean, found an integer"));
  CHECK(hex_refusal<std::string>("c40161").contains("expected a string, found bytes"));
  CHECK(hex_refusal<wire::bytes>("a161").contains("expected bytes, found a string"));
  CHECK(hex_refusal<int>("c0").contains("expected an integer, found nil"));
  CHECK(hex_refusal<int>("ca00000000").contains("expected an integer, found a number"));
  CHECK(hex_refusal<int>("d40100").contains("found an extension value"));
  CHECK(hex_refusal<std::vector<int>>("80").contains("expected an array, found a map"));
  CHECK(hex_refusal<std::monostate>("01").contains("expected nil, found an integer"));
}

TEST_CASE("wrong sizes of arrays, tuples and fixed bytes are refused") {
  CHECK(hex_refusal<std::array<int, 2>>("9101").contains("expected an array of 2, found one of 1"));
  CHECK(hex_refusal<std::pair<int, int>>("93010101").contains("expected an array of 2"));
  CHECK(hex_refusal<std::array<std::uint8_t, 2>>("c40101").contains("expected 2 bytes, found 1"));
}

TEST_CASE("a variant without a matching alternative is refused") {
  using either = std::variant<int, std::string>;
  CHECK(std::get<1>(*wire::decode<either>(from_hex("81a6737472696e67a161"))) == "a");
  CHECK(std::get<1>(*wire::decode<either>(from_hex("9201a161"))) == "a");
  CHECK(hex_refusal<either>("81a3663634c0").contains("\"f64\" is no alternative"));
  CHECK(hex_refusal<either>("9205c0").contains("no alternative 5"));
  CHECK(hex_refusal<either>("80").contains("a map of one member"));
  CHECK(hex_refusal<either>("9101").contains("an array of two"));
  CHECK(hex_refusal<either>("01").contains("expected an array, found an integer"));
}

TEST_CASE("alternatives that look alike are told apart by their position") {
  using twice = std::variant<std::vector<int>, std::list<int>>;
  const wire::bytes b = wire::encode(twice(std::list<int>{1}));
  CHECK(to_hex(b) == "92019101");
  CHECK(wire::decode<twice>(b)->index() == 1);
  CHECK(hex_refusal<twice>("81a46c69737490").contains("is no alternative"));
}

TEST_CASE("a field, a key and a set's element may be there once") {
  CHECK(hex_refusal<line>("82a5636f756e7401a5636f756e7402") ==
        "bad_encoding: at byte 8: the field \"count\" is there twice");
  CHECK(hex_refusal<std::map<int, int>>("8201010102").contains("the key is in the map already"));
  CHECK(hex_refusal<std::set<int>>("920101") ==
        "bad_encoding: at byte 2, field [1]: the element is in the set already");
}

TEST_CASE("input that ends early is truncated, at every length") {
  const wire::bytes whole = wire::encode(full());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    auto read = wire::decode<everything>(std::span(whole).first(n));
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error() == errc::truncated);
  }
}

TEST_CASE("bytes behind the value are refused") {
  CHECK(hex_refusal<int>("0700") == "bad_encoding: at byte 1: 1 bytes follow the value");
}

TEST_CASE("the byte that MessagePack does not use is refused wherever a value may be") {
  CHECK(hex_refusal<int>("c1").starts_with("bad_encoding: at byte 0"));
  CHECK(hex_refusal<line>("81a178c1").starts_with("bad_encoding: at byte 3"));
  CHECK(hex_refusal<line>("c1").starts_with("bad_encoding"));
}

TEST_CASE("text that is not UTF-8 is refused both ways") {
  CHECK(hex_refusal<std::string>("a1ff") == "bad_encoding: at byte 0: the string is not UTF-8");
  CHECK(hex_refusal<std::string>("a3eda080").contains("not UTF-8"));    // a surrogate
  CHECK(hex_refusal<std::string>("a2c080").contains("not UTF-8"));      // an overlong nul
  CHECK(hex_refusal<std::string>("a4f4908080").contains("not UTF-8"));  // above U+10FFFF
  CHECK(hex_refusal<std::string>("a961626364656667e282").contains("not UTF-8"));
  auto written = wire::try_encode(line{"\xff", 1});
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().to_string() ==
        "bad_encoding: field sku: the text is not UTF-8; bytes belong in wire::bytes");
}

}  // namespace
