#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

/// @file What each kind of bad input gets, in each format: the code, the place and the reason.

namespace till {

struct sale_v1 {
  static constexpr auto manifest = "till.sale";
  static constexpr auto required = odeon::wire::fields("cents");
  int cents = 0;
};
struct sale_v2 {
  static constexpr auto manifest = "till.sale";
  static constexpr int version = 2;
  static sale_v2 upcast(const sale_v1& old) { return {old.cents, "EUR"}; }
  int cents = 0;
  std::string currency;
};
struct sale_v4 {
  static constexpr auto manifest = "till.sale";
  static constexpr int version = 4;  // there never was a third
  static odeon::result<sale_v4> upcast(const sale_v2& old) {
    if (old.cents < 0) return odeon::fail(odeon::errc::refused, "a sale of less than nothing");
    return sale_v4{{{"total", old.cents / 100.0}}, old.currency};
  }
  std::map<std::string, double> amounts;
  std::string currency;
};
struct sale {
  static constexpr auto manifest = "till.sale";
  static constexpr int version = 5;
  static constexpr auto required = odeon::wire::fields("amounts", "currency");
  static sale upcast(const sale_v4& old) { return {old.amounts, old.currency, 0}; }
  std::map<std::string, double> amounts;
  std::string currency;
  int lane = 7;
  friend bool operator==(const sale&, const sale&) = default;
};

// What other programs may write.
struct without_currency {
  std::map<std::string, double> amounts;
};
struct wrong_amount {
  std::map<std::string, std::string> amounts;
  std::string currency;
};
struct day {
  std::vector<sale> sales;
};
struct bad_day {
  std::vector<without_currency> sales;
};

}  // namespace till

namespace {

using namespace till;
using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

constexpr format all_formats[] = {format::msgpack, format::compact, format::json, format::cbor};

template <class F>
void in_every_format(F&& check) {
  for (const format f : all_formats) {
    CAPTURE(to_string(f));
    check(f);
  }
}

template <class T>
odeon::error refused(int version, std::span<const std::byte> in, format f,
                     const wire::limits& bounds = {}) {
  auto read = wire::decode_version<T>(version, in, f, bounds);
  REQUIRE_FALSE(read.has_value());
  return read.error();
}

TEST_CASE("a chain of upcasts brings every earlier version up to date, in every format") {
  in_every_format([](format f) {
    const sale now{{{"total", 1.5}}, "EUR", 0};
    CHECK(wire::decode_version<sale>(1, wire::encode(sale_v1{150}, f), f).value() == now);
    CHECK(wire::decode_version<sale>(2, wire::encode(sale_v2{150, "EUR"}, f), f).value() == now);
    CHECK(wire::decode_version<sale>(4, wire::encode(sale_v4{now.amounts, "EUR"}, f), f).value() ==
          now);
    CHECK(wire::decode_version<sale>(5, wire::encode(now, f), f).value() == now);
  });
}

TEST_CASE("what goes wrong in the middle of a chain of upcasts is told from there") {
  in_every_format([](format f) {
    CHECK(refused<sale>(1, wire::encode(sale_v1{-1}, f), f).to_string() ==
          "refused: a sale of less than nothing");
    CHECK(refused<sale>(1, wire::encode(sample::line{}, f), f).code() ==
          (f == format::compact ? errc::wrong_type : errc::missing_field));
    CHECK(refused<sale>(2, wire::encode(sale_v2{1, "\xc3\xbc"}, f), f, {.max_string = 1}) ==
          errc::limit_exceeded);
  });
}

TEST_CASE("a newer version, and one that never was, are refused with manifest and version") {
  in_every_format([](format f) {
    const wire::bytes b = wire::encode(sale{}, f);
    CHECK(refused<sale>(6, b, f).to_string() ==
          "newer_version: till.sale, version 6: this program knows versions up to 5");
    CHECK(refused<sale>(3, b, f).to_string() ==
          "no_codec: till.sale, version 3: nothing upcasts from it to version 4");
    CHECK(refused<sale>(0, b, f) == errc::no_codec);
    CHECK(refused<sale>(-1, b, f) == errc::no_codec);
  });
}

TEST_CASE("a field that must be there is missed by name, with the place of its record") {
  in_every_format([](format f) {
    CHECK(wire::decode<sale>(wire::encode(sale{{}, "EUR", 1}, f), f)->lane == 1);
    // The field that need not be there has its default.
    CHECK(wire::decode<sale>(wire::encode(sale_v4{{}, "EUR"}, f), f)->lane == 7);
    const auto why = refused<day>(1, wire::encode(bad_day{{{}, {}}}, f), f);
    CHECK(why == errc::missing_field);
    CHECK(why.text().starts_with("at byte "));
    CHECK(why.text().ends_with("field sales[0]: the field \"currency\" is not there"));
  });
  CHECK(sample::json_refusal<sale>("{}") ==
        "missing_field: at byte 0: the field \"amounts\" is not there");
}

TEST_CASE("a value of another type is refused with its offset and the way to it") {
  in_every_format([](format f) {
    const auto why = refused<sale>(5, wire::encode(wrong_amount{{{"total", "x"}}, "EUR"}, f), f);
    CHECK(why == errc::wrong_type);
    CHECK(why.text().starts_with("at byte "));
    CHECK(why.text().ends_with("field amounts[\"total\"]: expected a number, found a string"));
  });
}

TEST_CASE("a value cut anywhere is truncated, and never another value") {
  in_every_format([](format f) {
    const wire::bytes b = wire::encode(sale{{{"total", 1.5}, {"tax", 0.1}}, "EUR", 3}, f);
    for (std::size_t n = 0; n < b.size(); ++n) {
      const auto why = refused<sale>(5, std::span(b).first(n), f);
      REQUIRE(why == errc::truncated);
      REQUIRE(why.text().contains("at byte "));
    }
  });
}

TEST_CASE("a value beyond a bound is refused with the bound") {
  in_every_format([](format f) {
    const wire::bytes b = wire::encode(sale{{{"total", 1.5}, {"tax", 0.1}}, "EUR", 3}, f);
    CHECK(refused<sale>(5, b, f, {.max_bytes = b.size() - 1}).text().contains("more than the"));
    for (const wire::limits& bounds :
         {wire::limits{.max_bytes = 8}, wire::limits{.max_depth = 1}, wire::limits{.max_items = 2},
          wire::limits{.max_string = 2}, wire::limits{.max_memory = 16}}) {
      CHECK(refused<sale>(5, b, f, bounds) == errc::limit_exceeded);
    }
  });
}

TEST_CASE("bytes of no known manifest are refused before they are looked at") {
  wire::registry types;
  types.add<sale>();
  in_every_format([&](format f) {
    const wire::tagged_view strange{"till.sales", 5, f, {}};
    CHECK(types.decode(strange).error().to_string() ==
          "unknown_manifest: no type is registered as \"till.sales\"; the nearest is "
          "\"till.sale\"");
    CHECK(types.decode({"till.sale", 9, f, {}}).error() == errc::newer_version);
    CHECK(types.decode({"till.sale", 5, f, {}}).error() == errc::truncated);
  });
  CHECK(types.decode({"till.sale", 5, static_cast<format>(99), {}}).error() == errc::no_codec);
}

}  // namespace
