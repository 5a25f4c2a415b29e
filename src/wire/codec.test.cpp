#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

namespace shop {

struct price_v1 {
  static constexpr auto manifest = "shop.price";
  long cents = 0;
};
struct price_v2 {
  static constexpr auto manifest = "shop.price";
  static constexpr int version = 2;
  static price_v2 upcast(const price_v1& old) { return {static_cast<double>(old.cents) / 100}; }
  double amount = 0;
};
struct price {
  static constexpr auto manifest = "shop.price";
  static constexpr int version = 3;
  using previous = price_v2;
  static price upcast(const price_v1& old) { return {"one step", static_cast<double>(old.cents)}; }
  static odeon::result<price> upcast(const price_v2& old) {
    if (old.amount < 0) return odeon::fail(odeon::errc::refused, "a negative price");
    return price{"EUR", old.amount};
  }
  std::string currency;
  double amount = 0;
  friend bool operator==(const price&, const price&) = default;
};
struct without_upcast {
  static constexpr int version = 4;
  int value = 0;
};

/// Not an aggregate, without a default constructor: it travels as text.
class colour_code {
 public:
  explicit colour_code(unsigned rgb) : rgb_(rgb) {}
  [[nodiscard]] unsigned rgb() const { return rgb_; }
  friend auto operator<=>(const colour_code&, const colour_code&) = default;

 private:
  unsigned rgb_;
};

/// What a handle needs to travel, as a reference to an actor needs its system.
struct directory {
  std::map<int, std::string> names;
};
struct handle {
  handle() = default;
  explicit handle(int number) : id(number) {}
  int id = 0;
};
struct unreadable {
  unreadable() = default;
  explicit unreadable(int) {}
};

struct painted {
  std::string what;
  std::vector<colour_code> with;
  std::map<colour_code, int> stock;
  std::optional<colour_code> last;
  std::variant<int, colour_code> either;
};

}  // namespace shop

template <>
struct odeon::wire::codec<shop::colour_code> {
  using wire_type = std::string;
  static std::string to_wire(const shop::colour_code& c) { return "#" + std::to_string(c.rgb()); }
  static odeon::result<shop::colour_code> from_wire(const std::string& text) {
    if (!text.starts_with('#')) return odeon::fail(errc::bad_encoding, "a colour begins with #");
    return shop::colour_code(static_cast<unsigned>(std::stoul(text.substr(1))));
  }
  static shop::colour_code blank() { return shop::colour_code(0); }
};

template <>
struct odeon::wire::codec<shop::handle> {
  using wire_type = std::string;
  static odeon::result<std::string> to_wire(const shop::handle& h, const context& c) {
    const auto* known = c.find<shop::directory>();
    if (known == nullptr)
      return odeon::fail(errc::invalid_argument, "a handle needs its directory");
    return known->names.at(h.id);
  }
  static odeon::result<shop::handle> from_wire(const std::string& name, const context& c) {
    if (const auto* known = c.find<shop::directory>()) {
      for (const auto& [id, text] : known->names) {
        if (text == name) return shop::handle(id);
      }
    }
    return odeon::fail(errc::not_found, "no handle is called " + name);
  }
};

template <>
struct odeon::wire::codec<shop::unreadable> {
  using wire_type = int;
  static int to_wire(const shop::unreadable&) { return 1; }
};

namespace {

using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

TEST_CASE("bytes of the present version are read as they are") {
  const shop::price p{"USD", 2.5};
  CHECK(*wire::decode_version<shop::price>(3, wire::encode(p)) == p);
}

TEST_CASE("bytes of an older version go through every upcast in between") {
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    const auto first = wire::encode(shop::price_v1{250}, f);
    CHECK(*wire::decode_version<shop::price>(1, first, f) == shop::price{"EUR", 2.5});
    const auto second = wire::encode(shop::price_v2{7.5}, f);
    CHECK(*wire::decode_version<shop::price>(2, second, f) == shop::price{"EUR", 7.5});
  }
}

TEST_CASE("an upcast may refuse, and its reason is the error") {
  auto read = wire::decode_version<shop::price>(1, wire::encode(shop::price_v1{-1}));
  CHECK(read.error() == odeon::error(errc::refused, "a negative price"));
}

TEST_CASE("malformed bytes of an older version are an error of that version") {
  CHECK(wire::decode_version<shop::price>(1, sample::from_hex("81a563656e7473a178"))
            .error()
            .to_string() ==
        "wrong_type: at byte 7, field cents: expected an integer, found a string");
}

TEST_CASE("a newer version is refused, and an older one that nothing upcasts from") {
  const auto bytes = wire::encode(shop::price{});
  CHECK(wire::decode_version<shop::price>(4, bytes).error().to_string() ==
        "newer_version: shop.price, version 4: this program knows versions up to 3");
  CHECK(wire::decode_version<shop::price>(0, bytes).error() == errc::no_codec);
  CHECK(wire::decode_version<shop::without_upcast>(3, bytes).error().to_string() ==
        "no_codec: shop::without_upcast, version 3: nothing upcasts from it to version 4");
}

TEST_CASE("manifest and version are the type's own where it says them") {
  CHECK(wire::manifest<shop::price> == "shop.price");
  CHECK(wire::version<shop::price> == 3);
  CHECK(wire::manifest<sample::line> == "sample::line");
  CHECK(wire::version<sample::line> == 1);
  CHECK(std::same_as<wire::previous_version<shop::price>, shop::price_v2>);
  CHECK(std::same_as<wire::previous_version<shop::price_v2>, shop::price_v1>);
  CHECK(wire::upcastable<shop::price>);
  CHECK_FALSE(wire::upcastable<shop::without_upcast>);
}

TEST_CASE("a type with a codec travels as its wire type, wherever it stands") {
  const shop::painted p{"door",
                        {shop::colour_code(1), shop::colour_code(2)},
                        {{shop::colour_code(3), 4}},
                        shop::colour_code(5),
                        shop::colour_code(6)};
  CHECK(sample::to_json(p) == R"({"what":"door","with":["#1","#2"],"stock":{"#3":4},"last":"#5",)"
                              R"("either":{"shop::colour_code":"#6"}})");
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    auto back = wire::decode<shop::painted>(wire::encode(p, f), f);
    REQUIRE(back.has_value());
    CHECK(back->with == p.with);
    CHECK(back->stock == p.stock);
    CHECK(back->last == p.last);
    CHECK(back->either == p.either);
  }
}

TEST_CASE("a codec's refusal carries its offset and field") {
  CHECK(sample::json_refusal<shop::painted>(R"({"with":["#1","x"]})") ==
        "bad_encoding: at byte 14, field with[1]: a colour begins with #");
  CHECK(sample::json_refusal<shop::painted>(R"({"with":["#1",2]})") ==
        "wrong_type: at byte 14, field with[1]: expected a string, found an integer");
  CHECK(sample::json_refusal<shop::painted>(R"({"stock":{"x":2}})") ==
        "bad_encoding: at byte 10, field stock[key 0]: a colour begins with #");
}

TEST_CASE("a codec finds what it needs in the context") {
  shop::directory known{{{1, "one"}, {2, "two"}}};
  wire::context c;
  c.with(known);
  const std::vector<shop::handle> handles = {shop::handle(2), shop::handle(1)};
  auto text = wire::encode(handles, format::json, c);
  CHECK(wire::as_text(text) == R"(["two","one"])");
  auto back = wire::decode<std::vector<shop::handle>>(text, format::json, {}, c);
  REQUIRE(back.has_value());
  CHECK(back->at(0).id == 2);
  CHECK(wire::decode<std::vector<shop::handle>>(text, format::json).error().to_string() ==
        "not_found: at byte 1, field [0]: no handle is called two");
  CHECK(wire::try_encode(handles).error() ==
        odeon::error(errc::invalid_argument, "field [0]: a handle needs its directory"));
}

TEST_CASE("a context holds one thing of each type and gives null for others") {
  int number = 1;
  int other = 2;
  const std::string text = "x";
  wire::context c;
  c.with(number).with(text).with(other);
  CHECK(c.find<int>() == &other);
  CHECK(c.find<const std::string>() == &text);
  CHECK(c.find<double>() == nullptr);
}

TEST_CASE("a codec that only writes makes a type encodable and not decodable") {
  CHECK(wire::encodable<shop::unreadable>);
  CHECK_FALSE(wire::decodable<shop::unreadable>);
  CHECK(sample::to_hex(wire::encode(shop::unreadable())) == "01");
}

TEST_CASE("formats have names and numbers that stay") {
  CHECK(wire::to_string(format::msgpack) == "msgpack");
  CHECK(wire::to_string(format::compact) == "compact");
  CHECK(wire::to_string(format::json) == "json");
  CHECK(wire::format_named("json") == format::json);
  CHECK_FALSE(wire::format_named("yaml").has_value());
  CHECK(static_cast<int>(format::msgpack) == 1);
  CHECK(static_cast<int>(format::compact) == 2);
  CHECK(static_cast<int>(format::json) == 3);
  CHECK(static_cast<int>(format::cbor) == 4);
  CHECK(static_cast<int>(format::raw) == 5);
  for (format f : {format::cbor, format::raw}) CHECK(wire::format_named(wire::to_string(f)) == f);
}

TEST_CASE("a format that does not exist is refused both ways") {
  const auto unknown = static_cast<format>(200);
  CHECK(wire::to_string(unknown) == "unknown");
  CHECK(wire::try_encode(1, unknown).error() == errc::no_codec);
  CHECK(wire::decode<int>(sample::from_hex("01"), unknown).error().to_string() ==
        "no_codec: there is no codec for format 200");
}

TEST_CASE("encoding appends, and a buffer that is used again keeps its memory") {
  wire::buffer out;
  wire::encode_to(out, 1);
  wire::encode_to(out, std::string("a"));
  CHECK(sample::to_hex(out.view()) == "01a161");
  const auto* before = out.view().data();
  out.clear();
  wire::encode_to(out, 2);
  CHECK(out.view().data() == before);
}

class explosive {
  ODEON_REFLECT(explosive, text_)
  std::string text_;

 public:
  explosive() = default;
  explicit explosive(int) { throw 1; }
};

TEST_CASE("a variant that lost its value is refused when written") {
  struct holder {
    std::variant<int, explosive> v;
  };
  holder h;
  CHECK_THROWS_AS(h.v.emplace<1>(1), int);
  REQUIRE(h.v.valueless_by_exception());
  CHECK(wire::try_encode(h).error().to_string() ==
        "invalid_argument: field v: a variant that lost its value in an exception");
}

}  // namespace
