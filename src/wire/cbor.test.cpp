#include "wire/cbor_vectors.test.hpp"
#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace {

using namespace sample;
using odeon::errc;
namespace wire = odeon::wire;
namespace vectors = odeon::wire::cbor_vectors;
using wire::format;

template <class T>
void agrees(const T& value, std::string_view hex) {
  CHECK(to_hex(wire::encode(value, format::cbor)) == hex);
  auto back = wire::decode<T>(from_hex(hex), format::cbor);
  REQUIRE(back.has_value());
  CHECK(*back == value);
}

template <class T>
void agrees_by_header(const T& value, std::string_view header) {
  const wire::bytes b = wire::encode(value, format::cbor);
  REQUIRE(b.size() >= header.size() / 2);
  CHECK(to_hex(std::span(b).first(header.size() / 2)) == header);
  CHECK((wire::decode<T>(b, format::cbor) == value));
}

template <class T>
std::string refused(std::string_view hex, const wire::limits& bounds = {}) {
  return refusal_of<T>(from_hex(hex), format::cbor, bounds);
}

template <class T>
T read(std::string_view hex) {
  auto v = wire::decode<T>(from_hex(hex), format::cbor);
  REQUIRE_MESSAGE(v.has_value(), v.error().to_string());
  return *std::move(v);
}

TEST_CASE("CBOR numbers have the bytes of the RFC's examples") {
  for (const auto& v : vectors::unsigned_integers) {
    agrees(v.value, v.hex);
    if (v.value <= std::numeric_limits<std::int64_t>::max()) {
      agrees(static_cast<std::int64_t>(v.value), v.hex);
    }
  }
  for (const auto& v : vectors::negative_integers) agrees(v.value, v.hex);
  for (const auto& v : vectors::doubles) {
    agrees(v.value, v.hex);
    CHECK(std::signbit(read<double>(v.hex)) == std::signbit(v.value));
  }
}

TEST_CASE("CBOR texts, bytes, arrays and maps have the headers that others give them") {
  for (const auto& v : vectors::lengths) {
    agrees_by_header(std::string(v.length, 'a'), v.text);
    agrees_by_header(wire::bytes(v.length), v.bytes);
    agrees_by_header(std::vector<int>(v.length), v.array);
    std::map<unsigned, int> map;
    for (unsigned i = 0; i < v.length; ++i) map.emplace_hint(map.end(), i, 0);
    agrees_by_header(map, v.map);
  }
}

TEST_CASE("a record in CBOR has the bytes that others give a map") {
  agrees(order{.id = "o-17",
               .paid = true,
               .note = {},
               .price = 12.5,
               .lines = {{"bolt", 3}, {"nut", -70000}},
               .tags = {{"a", 1}, {"b", 300}},
               .raw = from_hex("00ff"),
               .text = "grün ✓ 𝄞"},
         vectors::order_named);
}

TEST_CASE("every kind is read back from CBOR as it was written") {
  const everything e = full();
  const wire::bytes b = wire::encode(e, format::cbor);
  auto back = wire::decode<everything>(b, format::cbor);
  REQUIRE(back.has_value());
  CHECK(wire::encode(*back, format::cbor) == b);
  CHECK(wire::encode(*back, format::msgpack) == wire::encode(e, format::msgpack));
}

bool half_is_right(unsigned bits) {
  const std::byte in[] = {std::byte{0xf9}, std::byte(bits >> 8U), std::byte(bits & 0xffU)};
  const auto narrow = wire::decode<float>(in, format::cbor);
  const auto wide = wire::decode<double>(in, format::cbor);
  if (!narrow || !wide) return false;
  const int exponent = static_cast<int>(bits >> 10U & 31U);
  const int mantissa = static_cast<int>(bits & 1023U);
  bool right = exponent == 31 && (mantissa == 0 ? std::isinf(*narrow) : std::isnan(*narrow));
  if (exponent != 31) {
    const double size =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    right = *wide == ((bits & 0x8000U) != 0 ? -size : size) && double{*narrow} == *wide;
  }
  return right && std::ranges::equal(wire::encode(*narrow, format::cbor), in) &&
         std::ranges::equal(wire::encode(*wide, format::cbor), in);
}

TEST_CASE("every half is read as its value and written back as itself") {
  std::vector<unsigned> wrong;
  for (unsigned bits = 0; bits <= 0xffff; ++bits) {
    if (!half_is_right(bits)) wrong.push_back(bits);
  }
  CHECK(wrong == std::vector<unsigned>());
}

TEST_CASE("a number takes the narrowest CBOR float that is exactly it, a NaN with its bits") {
  const auto size = [](double v) { return wire::encode(v, format::cbor).size(); };
  CHECK(size(std::ldexp(1.0, -24)) == 3);
  CHECK(size(std::ldexp(1.0, -25)) == 5);
  CHECK(size(65505.0) == 5);
  CHECK(size(65536.0) == 5);
  CHECK(size(1.0 + std::ldexp(1.0, -10)) == 3);
  CHECK(size(1.0 + std::ldexp(1.0, -11)) == 5);
  CHECK(size(1.0 + std::ldexp(1.0, -24)) == 9);
  CHECK(size(std::ldexp(1.0, -149)) == 5);
  for (std::uint64_t bits : {0x7ff0000000000001U, 0x7ff8000000000000U, 0xfff0000020000000U,
                             0x7ff0040000000000U, 0xffffffffffffffffU}) {
    const auto nan = std::bit_cast<double>(bits);
    const wire::bytes written = wire::encode(nan, format::cbor);
    CHECK(std::bit_cast<std::uint64_t>(*wire::decode<double>(written, format::cbor)) == bits);
  }
}

TEST_CASE("CBOR lengths that are not the shortest are read") {
  CHECK(read<int>("1800") == 0);
  CHECK(read<int>("1b0000000000000005") == 5);
  CHECK(read<int>("3b0000000000000005") == -6);
  CHECK(read<std::string>("7b000000000000000161") == "a");
  CHECK(read<std::vector<int>>("9b000000000000000101") == std::vector{1});
  CHECK(read<double>("fa3f800000") == 1.0);
  CHECK(read<float>("fb3ff0000000000000") == 1.0F);
  CHECK(read<double>("07") == 7.0);
}

TEST_CASE("CBOR of indefinite length is read, at any depth and behind what is skipped") {
  CHECK(read<std::vector<int>>("9fff").empty());
  CHECK(read<std::vector<int>>("9f010203ff") == std::vector{1, 2, 3});
  CHECK(read<std::vector<std::vector<int>>>("9f9f0102ff8103ff") ==
        std::vector<std::vector<int>>{{1, 2}, {3}});
  CHECK(read<std::map<std::string, int>>("bf616101616202ff") ==
        std::map<std::string, int>{{"a", 1}, {"b", 2}});
  CHECK(read<std::string>("7f657374726561646d696e67ff") == "streaming");
  CHECK(read<wire::bytes>("5f42010243030405ff") == from_hex("0102030405"));
  CHECK(read<wire::bytes>("5fff").empty());
  CHECK(read<std::array<std::uint8_t, 2>>("5f41014102ff") == std::array<std::uint8_t, 2>{1, 2});
  CHECK(read<line>("bf63736b757f61616162ff65636f756e7403ff") == line{"ab", 3});
  // {_ "x": [_ [_ 1], {_ "y": [_ ]}], "sku": "a", "z": [_ 1], "count": 2}: what is not known is
  // skipped, and what comes behind it is found.
  CHECK(read<line>("bf61789f9f01ffbf61799fffffff63736b756161617a9f01ff65636f756e7402ff") ==
        line{"a", 2});
  // Two containers of indefinite length beside each other in a definite one.
  CHECK(read<std::vector<std::vector<int>>>("839f01ff9f0202ff80") ==
        std::vector<std::vector<int>>{{1}, {2, 2}, {}});
}

TEST_CASE("CBOR of indefinite length that is not well-formed is refused with its place") {
  CHECK(refused<std::vector<int>>("9f01").starts_with("truncated: at byte 2"));
  CHECK(refused<std::map<int, int>>("bf01ff").contains("the map ends behind a key"));
  CHECK(refused<std::string>("7f6161").starts_with("truncated: at byte 3"));
  CHECK(refused<std::string>("7f4161ff").contains("a chunk is not of the kind of the whole"));
  CHECK(refused<std::string>("7f7f6161ffff").contains("a chunk is not of the kind"));
  CHECK(refused<std::string>("7f61c361bcff").contains("not UTF-8"));  // a letter cut in two
  CHECK(refused<wire::bytes>("5f6161ff").contains("a chunk is not of the kind of the whole"));
  CHECK(refused<int>("1f").contains("at byte 0: the byte 0x1f begins nothing in CBOR"));
  CHECK(refused<int>("ff").contains("0xff, a break, where a value is expected"));
  CHECK(refused<std::vector<int>>("82 01ff").contains(
      "at byte 2, field [1]: the byte 0xff, a break"));
  CHECK(refused<std::pair<int, int>>("9f0102 03ff") ==
        "wrong_type: at byte 0: expected an array of 2, found one of 3");
}

TEST_CASE("CBOR tags are skipped, and what they say of numbers and times is understood") {
  CHECK(read<int>("d9d9f707") == 7);
  CHECK(read<std::string>("d8206161") == "a");                        // 32: a URI
  CHECK(read<line>("d9d9f7a1c063736b75c06161") == line{"a", 1});      // 0 on a key and a value
  CHECK(read<std::set<int>>("d90102820102") == std::set<int>{1, 2});  // 258: a set
  CHECK(read<std::uint64_t>("c248ffffffffffffffff") == 0xffffffffffffffffU);
  CHECK(read<std::int64_t>("c3487fffffffffffffff") == std::numeric_limits<std::int64_t>::min());
  CHECK(read<int>("c24a00000000000000000007") == 7);
  CHECK(read<int>("c25f41014102ff") == 258);
  CHECK(read<double>("c24107") == 7.0);
  CHECK(refused<std::uint64_t>("c249010000000000000000") ==
        "wrong_type: at byte 1: the big number does not fit 64 bits");
  CHECK(refused<std::int64_t>("c348ffffffffffffffff").contains("does not fit 64 bits"));
  CHECK(refused<std::int64_t>("3bffffffffffffffff") ==
        "wrong_type: at byte 0: the negative number does not fit 64 bits");
  CHECK(refused<wire::bytes>("c24107").contains("expected bytes, found a big number"));
  CHECK(refused<int>("d81d00").contains("a reference to another value"));
  CHECK(refused<std::string>("d81900").contains("a reference to another value"));
}

TEST_CASE("a CBOR time tagged as seconds since 1970 is a time point, and nothing else is") {
  using namespace std::chrono;
  CHECK(read<odeon::wall_time>("1b17979cfe362a0000") ==
        odeon::wall_time(nanoseconds(0x17979cfe362a0000)));
  CHECK(read<odeon::wall_time>("c11a514b67b0") == odeon::wall_time(seconds(1363896240)));
  CHECK(read<odeon::wall_time>("c1fb41d452d9ec200000") ==
        odeon::wall_time(milliseconds(1363896240500)));
  CHECK(read<sys_seconds>("c120") == sys_seconds(seconds(-1)));
  CHECK(refused<sys_seconds>("c1fb41d452d9ec200000").contains("is no value of"));
  CHECK(refused<odeon::wall_time>("c1fb7e37e43c8800759c").contains("within 292 years"));
  CHECK(refused<odeon::wall_time>("c1f97e00").contains("within 292 years"));
  CHECK(refused<odeon::wall_time>("c11bffffffffffffffff").contains("within 292 years"));
  CHECK(refused<odeon::wall_time>("d86400").contains("another tagged value"));  // 100: days
  CHECK(refused<seconds>("c100").contains("another tagged value"));
  CHECK(refused<int>("c16161").contains("expected an integer, found a string"));
}

TEST_CASE("CBOR that lacks its end, or has too much, is refused") {
  const wire::bytes good = wire::encode(full(), format::cbor);
  for (std::size_t n = 0; n < good.size(); ++n) {
    auto cut = wire::decode<everything>(std::span(good).first(n), format::cbor);
    REQUIRE_FALSE(cut.has_value());
    REQUIRE(cut.error() == errc::truncated);
  }
  wire::bytes more = good;
  more.push_back(std::byte{0});
  CHECK(refusal_of<everything>(more, format::cbor).contains("1 bytes follow the value"));
}

TEST_CASE("CBOR of the wrong type is refused with its place and the way to it") {
  CHECK(refused<line>("a265636f756e7461786373 6b756161") ==
        "wrong_type: at byte 7, field count: expected an integer, found a string");
  CHECK(refused<line>("a2 65636f756e7401 65636f756e7402").contains("\"count\" is there twice"));
  CHECK(refused<std::int8_t>("1880").contains("128 does not fit signed char"));
  CHECK(refused<bool>("f7").contains("expected a boolean, found nil"));
  CHECK(refused<bool>("f0").contains("found a simple value"));
  CHECK(refused<bool>("f8ff").contains("found a simple value"));
  CHECK(refused<bool>("f810").starts_with("bad_encoding"));
  CHECK(refused<int>("1c").starts_with("bad_encoding"));
  CHECK(refused<float>("fb7e37e43c8800759c").contains("does not fit a float"));
  CHECK(read<std::optional<int>>("f7") == std::nullopt);  // undefined is nil
}

TEST_CASE("every kind of unknown CBOR value is skipped") {
  for (std::string_view value : {"00",
                                 "3903e7",
                                 "1b00000000ffffffff",
                                 "f4",
                                 "f6",
                                 "f7",
                                 "e0",
                                 "f8ff",
                                 "f93c00",
                                 "fa00000000",
                                 "fb0000000000000000",
                                 "6161",
                                 "4101",
                                 "7f6161ff",
                                 "5f4101ff",
                                 "820102",
                                 "a10102",
                                 "9f01ff",
                                 "bf0102ff",
                                 "c249010000000000000000",
                                 "d81d00",
                                 "d9d9f7c000",
                                 "9fbf0180ffff"}) {
    CAPTURE(value);
    const std::string hex = "a3617a" + std::string(value) + "63736b756161" + "65636f756e7405";
    CHECK(read<line>(hex) == line{"a", 5});
  }
  CHECK(refused<line>("a1617a1c").starts_with("bad_encoding"));
  CHECK(refused<line>("a1617ac2").starts_with("truncated"));
}

TEST_CASE("CBOR keeps to every bound") {
  for (std::string_view hex : {"9bffffffffffffffff", "9affffffff01", "99ffff"}) {
    CHECK(refused<std::vector<everything>>(hex).starts_with("truncated: at byte 0"));
    CHECK(refused<std::set<int>>(hex).starts_with("truncated: at byte 0"));
  }
  for (std::string_view hex : {"bbffffffffffffffff", "baffffffff0101", "bb8000000000000000"}) {
    CHECK(refused<std::map<int, int>>(hex).starts_with("truncated: at byte 0"));
    CHECK(refused<line>(hex).starts_with("truncated: at byte 0"));
  }
  CHECK(refused<std::string>("7bffffffffffffffff61").starts_with("truncated: at byte 0"));
  CHECK(refused<wire::bytes>("5bffffffffffffffff00").starts_with("truncated: at byte 0"));
  CHECK(refused<std::string>("6461626364", {.max_string = 3}).starts_with("limit_exceeded"));
  CHECK(
      refused<std::string>("7f6261626263 64ff", {.max_string = 3}).contains("longer than allowed"));
  CHECK(refused<wire::bytes>("5f420102420304ff", {.max_string = 3}).contains("longer than"));
  CHECK(refused<std::vector<int>>("83010101", {.max_items = 2}).contains("more items"));
  CHECK(refused<std::vector<int>>("9f010101ff", {.max_items = 2}).contains("more items"));
  CHECK(refused<std::vector<int>>("83010101", {.max_memory = 11}).contains("allowed memory"));
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "9f";
  CHECK(refused<line>("a16178" + nested, {.max_depth = 1'000'000}).starts_with("limit_exceeded"));
  CHECK(refused<line>("a16178" + nested).contains("nested more deeply than allowed"));
}

TEST_CASE("containers of indefinite length in each other cost two passes, not one a level") {
  // 60 levels around 100 000 numbers: were each level walked to count its items, this would take
  // six million steps more, and the bound on memory for what is remembered would not hold.
  std::string hex;
  for (int i = 0; i < 60; ++i) hex += "9f";
  for (int i = 0; i < 100'000; ++i) hex += "00";
  for (int i = 0; i < 60; ++i) hex += "ff";
  CHECK(read<line>("a26178" + hex + "65636f756e7405").count == 5);
  // Each container that is remembered counts as memory.
  std::string many = "9f";
  for (int i = 0; i < 100; ++i) many += "9fff";
  CHECK(refused<std::vector<std::vector<int>>>(many + "ff", {.max_memory = 1000})
            .contains("allowed memory"));
}

}  // namespace
