#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <new>
#include <thread>

namespace stock {

struct counted_v1 {
  static constexpr auto manifest = "stock.counted";
  int pieces = 0;
};
struct counted {
  static constexpr auto manifest = "stock.counted";
  static constexpr int version = 2;
  static counted upcast(const counted_v1& old) { return {old.pieces * 10}; }
  int units = 0;
  friend bool operator==(const counted&, const counted&) = default;
};
struct pretender {
  static constexpr auto manifest = "stock.counted";
  std::string other;
};

/// Counts the values that are alive.
class tracked {
 public:
  tracked() { ++alive; }
  tracked(const tracked&) { ++alive; }
  tracked& operator=(const tracked&) = default;
  ~tracked() { --alive; }
  static inline int alive = 0;

 private:
  ODEON_REFLECT(tracked, value_)
  int value_ = 0;
};

}  // namespace stock

namespace {

using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

TEST_CASE("a registered type is found by its manifest and by its type") {
  wire::registry r;
  r.add<stock::counted, sample::order>();
  auto by_name = r.find("stock.counted");
  REQUIRE(by_name.has_value());
  CHECK((*by_name)->version() == 2);
  CHECK(&(*by_name)->type() == &wire::schema_of<stock::counted>);
  CHECK(*r.find<stock::counted>() == *by_name);
  CHECK((*r.find<sample::order>())->manifest() == "sample::order");
}

TEST_CASE("adding a type again changes nothing") {
  wire::registry r;
  auto first = r.try_add<stock::counted>();
  auto again = r.try_add<stock::counted>();
  CHECK(*first == *again);
  CHECK(r.all().size() == 1);
}

TEST_CASE("two types under one manifest are an error that names both") {
  wire::registry r;
  r.add<stock::counted>();
  auto second = r.try_add<stock::pretender>();
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().to_string() ==
        "name_taken: the manifest \"stock.counted\" of stock::pretender is already that of "
        "stock::counted");
  CHECK_THROWS_AS(r.add<stock::pretender>(), odeon::actor_error);
  CHECK(&(*r.find("stock.counted"))->type() == &wire::schema_of<stock::counted>);
}

TEST_CASE("an unknown manifest is refused with the nearest one") {
  wire::registry r;
  r.add<stock::counted, sample::order, sample::line>();
  CHECK(r.find("stock.count").error().to_string() ==
        "unknown_manifest: no type is registered as \"stock.count\"; the nearest is "
        "\"stock.counted\"");
  CHECK(r.find("zzzzzz").error().to_string() ==
        "unknown_manifest: no type is registered as \"zzzzzz\"");
  CHECK(r.find(std::string(100'000, 'x')).error() == errc::unknown_manifest);
}

TEST_CASE("a type that was not added has no codec") {
  wire::registry r;
  CHECK(r.find<sample::order>().error() == errc::no_codec);
  CHECK(r.encode(sample::order{}).error().to_string() ==
        "no_codec: sample::order is not registered: add it to the registry");
}

TEST_CASE("a value becomes tagged bytes and an erased value again") {
  wire::registry r;
  r.add<sample::order>();
  const sample::order o{.id = "o-1", .lines = {{"a", 2}}};
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    auto t = r.encode(o, f);
    REQUIRE(t.has_value());
    CHECK(t->manifest == "sample::order");
    CHECK(t->form == f);
    auto back = r.decode(*t);
    REQUIRE(back.has_value());
    REQUIRE(back->as<sample::order>() != nullptr);
    CHECK(*back->as<sample::order>() == o);
    CHECK(back->as<sample::line>() == nullptr);
  }
}

TEST_CASE("an erased value of an older version is brought up to date") {
  wire::registry r;
  r.add<stock::counted>();
  auto back = r.decode(wire::encode_tagged(stock::counted_v1{4}));
  REQUIRE(back.has_value());
  CHECK(*back->as<stock::counted>() == stock::counted{40});
  CHECK(r.decode(wire::tagged{"stock.counted", 3, format::msgpack, {}}).error() ==
        errc::newer_version);
}

TEST_CASE("an earlier manifest is read, and the present one is written") {
  wire::registry r;
  r.add_alias<stock::counted>("warehouse.count");
  CHECK(r.encode(stock::counted{1}).error() == errc::no_codec);
  r.add<stock::counted>();
  CHECK(r.encode(stock::counted{1})->manifest == "stock.counted");
  auto old = wire::tagged{"warehouse.count", 2, format::msgpack, wire::encode(stock::counted{7})};
  CHECK(*r.decode(old)->as<stock::counted>() == stock::counted{7});
  CHECK(r.all().size() == 2);
}

TEST_CASE("decoding into storage leaves a value after success and nothing after failure") {
  wire::registry r;
  r.add<stock::tracked>();
  const wire::registered& type = **r.find<stock::tracked>();
  REQUIRE(stock::tracked::alive == 0);
  alignas(stock::tracked) std::byte storage[sizeof(stock::tracked)];
  REQUIRE(type.decode_into(storage, 1, sample::from_hex("81a576616c756505")).has_value());
  CHECK(stock::tracked::alive == 1);
  wire::buffer out;
  REQUIRE(type.encode_to(out, storage).has_value());
  CHECK(sample::to_hex(out.view()) == "81a576616c756505");
  type.destroy(storage);
  CHECK(stock::tracked::alive == 0);
  CHECK(type.decode_into(storage, 1, sample::from_hex("81a576616c7565c3")).error() ==
        errc::wrong_type);
  CHECK(stock::tracked::alive == 0);
}

TEST_CASE("a tagged value of another type is refused with both manifests") {
  const auto t = wire::encode_tagged(stock::counted{1});
  CHECK(*wire::decode_tagged<stock::counted>(t) == stock::counted{1});
  CHECK(wire::decode_tagged<sample::line>(t).error().to_string() ==
        "wrong_type: the value is a \"stock.counted\", not a \"sample::line\"");
}

TEST_CASE("a value that cannot be written is refused as a tagged one too, without an exception") {
  CHECK(*wire::try_encode_tagged(stock::counted{1}) == wire::encode_tagged(stock::counted{1}));
  auto bad = wire::try_encode_tagged(sample::line{"\xff", 1}, format::json);
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error() == errc::bad_encoding);
}

TEST_CASE("a tagged value is itself a value that travels") {
  const auto t = wire::encode_tagged(stock::counted{1}, format::json);
  CHECK(*wire::decode<wire::tagged>(wire::encode(t)) == t);
  CHECK(sample::to_json(t) ==
        R"({"manifest":"stock.counted","version":2,"form":"json","payload":"eyJ1bml0cyI6MX0="})");
}

TEST_CASE("all entries are listed by manifest") {
  wire::registry r;
  r.add<stock::counted, sample::order, sample::line>();
  std::string names;
  for (const wire::registered* entry : r.all()) names += std::string(entry->manifest()) + " ";
  CHECK(names == "sample::line sample::order stock.counted ");
}

TEST_CASE("finding and adding at the same time is safe") {
  wire::registry r;
  r.add<sample::order>();
  std::thread adder([&r] {
    for (int i = 0; i < 500; ++i) r.add_alias<sample::line>("line." + std::to_string(i));
  });
  for (int i = 0; i < 500; ++i) CHECK(r.find("sample::order").has_value());
  adder.join();
  CHECK(r.find("line.499").has_value());
}

}  // namespace
