#include "wire/sample.test.hpp"
#include <odeon/wire/contract.hpp>
#include <odeon/wire/contract_diff.hpp>

#include <doctest/doctest.h>

#include <algorithm>

/// @file Each rule is asked for what it says, and then the codecs for whether that is so.

namespace {

namespace wire = odeon::wire;
using odeon::errc;
using wire::breakage;
using wire::contract_use;
using wire::format;

constexpr breakage none{};
constexpr breakage only_wire{.wire = true};
constexpr breakage refused{.wire = true, .stored = true};
constexpr breakage misread{.wire = true, .replay = true};
constexpr breakage all{.wire = true, .stored = true, .replay = true};

template <class... T>
wire::contract contract_of(contract_use use = contract_use::both) {
  wire::registry types;
  types.add<T...>();
  wire::contract made;
  made.add(types, use);
  return made;
}

// Through the document, as the program does it.
std::vector<wire::contract_change> diff(const wire::contract& a, const wire::contract& b) {
  return wire::compare(wire::contract::from_json(a.to_json()).value(),
                       wire::contract::from_json(b.to_json()).value());
}

breakage sum(const std::vector<wire::contract_change>& changes) {
  breakage total;
  for (const auto& c : changes) {
    total.wire = total.wire || c.breaks.wire;
    total.stored = total.stored || c.breaks.stored;
    total.replay = total.replay || c.breaks.replay;
  }
  return total;
}

bool says(const std::vector<wire::contract_change>& changes, std::string_view text) {
  return std::ranges::any_of(changes, [&](const auto& c) { return c.to_string().contains(text); });
}

template <class T>
struct holder {
  static constexpr auto manifest = "m";
  T f{};
};

// Whether some value of A, in a format that the contract has, is refused as a B.
template <class A, class B>
bool some_refused(const std::vector<A>& values) {
  bool any = false;
  for (const A& v : values) {
    for (const format f : {format::msgpack, format::json, format::cbor}) {
      any = any || !wire::decode<holder<B>>(wire::encode(holder<A>{v}, f), f).has_value();
    }
  }
  return any;
}

// `olds`: values that show the worst; `news`: such as programs write in the ordinary course.
template <class A, class B>
void rule(const std::vector<A>& olds, const std::vector<B>& news, breakage expected,
          std::string_view text, bool caution = false) {
  CAPTURE(text);
  const auto changes = diff(contract_of<holder<A>>(), contract_of<holder<B>>());
  for (const auto& c : changes) INFO(c.to_string());
  CHECK(sum(changes) == expected);
  CHECK((text.empty() ? changes.empty() : says(changes, text)));
  CHECK(std::ranges::any_of(changes, &wire::contract_change::caution) == caution);
  const bool old_refused = some_refused<A, B>(olds);
  const bool new_refused = some_refused<B, A>(news);
  CHECK(old_refused == expected.stored);
  if (!expected.replay) CHECK((old_refused || new_refused) == expected.wire);
}

enum class few { a, b = 3 };
enum class more { a, b = 3, c };
enum class fewer { a };
enum class other_name { a, z = 3 };
enum class renumbered { a, b = 4 };
enum class small : std::uint8_t { a, b = 3 };

struct point {
  int x = 0;
  int y = 0;
};

TEST_CASE("the same contract has no changes") {
  const auto c = contract_of<sample::everything, sample::order>();
  CHECK(diff(c, c).empty());
  CHECK_FALSE(wire::breaks({}));
}

TEST_CASE("numbers may grow and not shrink") {
  rule<int, long>({-1}, {5}, none, "was i32, is i64: older programs refuse what does not fit",
                  true);
  rule<long, int>({1L << 40}, {5}, refused, "was i64, is i32: numbers that do not fit are refused");
  rule<int, unsigned>({-1}, {5U}, refused, "was i32, is u32");
  rule<std::uint16_t, int>({1}, {5}, none, "was u16, is i32", true);
  rule<int, double>({-1}, {5.5}, only_wire,
                    "older programs refuse numbers written with a fraction");
  rule<long, double>({-1}, {5.5}, misread, "large numbers lose digits");
  rule<double, int>({1.5}, {5}, refused, "a number with a fraction is refused");
  rule<float, double>({1.5F}, {5.5}, none, "was f32, is f64", true);
  rule<double, float>({1e300}, {5.5F}, all, "large numbers are refused, others lose digits");
  rule<bool, int>({true}, {5}, refused, "was bool, is i32: each refuses what the other writes");
}

TEST_CASE("a field may become optional and not the reverse") {
  rule<int, std::optional<int>>({1}, {5}, none, "older programs refuse null", true);
  rule<std::optional<int>, int>({{}}, {5}, refused, "was optional i32, is i32: null is refused");
  rule<std::optional<int>, std::shared_ptr<const int>>({{}}, {{}}, none, "", false);
}

TEST_CASE("types of other kinds refuse each other") {
  rule<std::string, int>({"x"}, {5}, refused, "was string, is i32");
  rule<std::string, wire::bytes>({"x#"}, {{}}, refused, "was string, is bytes");
  rule<std::vector<int>, std::map<int, int>>({{1}}, {{{1, 2}}}, refused, "was list of i32, is map");
  rule<point, std::vector<std::string>>({{}}, {{"x"}}, refused, "was record");
  rule<std::vector<int>, std::vector<std::string>>({{1}}, {{"x"}}, refused,
                                                   "field f[]: was i32, is string");
  rule<std::map<int, int>, std::map<int, bool>>({{{1, 1}}}, {{{1, true}}}, refused,
                                                "field f[]: was i32, is bool");
  rule<std::pair<int, int>, std::tuple<int, int, int>>({{1, 2}}, {{1, 2, 3}}, refused,
                                                       "a tuple of another length");
  rule<std::pair<int, int>, std::pair<int, bool>>({{1, 2}}, {{1, true}}, refused,
                                                  "field f[1]: was i32, is bool");
}

TEST_CASE("a duration that becomes a time is read and means another thing") {
  rule<std::chrono::seconds, odeon::wall_time>({std::chrono::seconds(1)}, {}, misread,
                                               "was duration, is time: the number is read");
}

TEST_CASE("sequences may become lists and not the reverse") {
  using list = std::vector<int>;
  using set = std::set<int>;
  using three = std::array<int, 3>;
  rule<set, list>({{1}}, {{1}}, none, "was set of i32, is list of i32", true);
  rule<list, set>({{1, 1}}, {{1}}, refused, "an element that is there twice is refused");
  rule<three, list>({{1, 2, 3}}, {{1, 2, 3}}, none, "older programs refuse", true);
  rule<list, three>({{1}}, {{1, 2, 3}}, refused, "an array of another length is refused");
  rule<three, std::array<int, 4>>({{1}}, {{1}}, refused, "an array of another length is refused");
  using key = std::array<std::uint8_t, 4>;
  rule<key, wire::bytes>({{1}}, {wire::bytes(4)}, none, "was 4 bytes, is bytes", true);
  rule<wire::bytes, key>({{}}, {{1}}, refused, "another number of bytes is refused");
}

TEST_CASE("an enum may gain enumerators, and neither lose, rename nor renumber them") {
  rule<few, more>({few::b}, {more::b}, none, "enumerator \"c\" is new", true);
  rule<few, fewer>({few::b}, {fewer::a}, all, "enumerator \"b\" is gone");
  rule<few, other_name>({few::b}, {other_name::z}, refused, "\"b\" is now called \"z\": in JSON");
  rule<few, renumbered>({}, {}, misread, "\"b\" was 3, is 4: its number means another one");
  rule<few, small>({static_cast<few>(1000)}, {small::b}, refused, "the enum's type was i32, is u8");
  rule<few, int>({few::b}, {5}, refused, "in JSON an enumerator is its name, which is refused");
  rule<int, few>({5}, {few::b}, only_wire, "which older programs refuse");
}

TEST_CASE("a contract without JSON knows enumerators by their numbers alone") {
  auto before = contract_of<holder<few>>();
  auto after = contract_of<holder<other_name>>();
  before.formats = after.formats = {format::msgpack};
  CHECK(sum(diff(before, after)) == none);
  auto removed = contract_of<holder<fewer>>();
  removed.formats = {format::msgpack};
  CHECK(sum(diff(before, removed)) == breakage{.replay = true});
  auto number = contract_of<holder<int>>();
  number.formats = {format::msgpack};
  CHECK(sum(diff(before, number)) == none);
}

TEST_CASE("a variant may gain alternatives and not lose them, and they may move by name") {
  using two = std::variant<int, std::string>;
  rule<two, std::variant<int, std::string, point>>({{1}}, {{1}}, none, "is new, and older", true);
  rule<two, std::variant<int>>({{"x"}}, {{1}}, refused, "the alternative \"string\" is gone");
  rule<two, std::variant<std::string, int>>({{1}, {"x"}}, {{1}, {"x"}}, none,
                                            "only compact, which is not in use, would mind");
  rule<two, std::variant<int, std::string, long, unsigned>>({{1}}, {{1}}, none, "\"u32\" is new",
                                                            true);
  using alike = std::variant<std::vector<int>, std::vector<bool>>;
  rule<alike, std::variant<std::vector<int>>>({{std::vector<bool>{}}}, {}, refused,
                                              "has fewer alternatives");
  rule<std::variant<std::vector<int>>, alike>({{}}, {}, refused, "what names its alternative");
  using three_alike = std::variant<std::vector<int>, std::vector<bool>, std::vector<long>>;
  rule<alike, three_alike>({{std::vector<int>{}}}, {{std::vector<int>{}}}, none, "new alternative",
                           true);
  rule<three_alike, alike>({{std::vector<long>{}}}, {}, refused, "has fewer alternatives");
}

struct wide {
  static constexpr auto manifest = "m";
  int a = 1;
  std::string b;
};
struct demanding {
  static constexpr auto manifest = "m";
  static constexpr auto required = wire::fields("b");
  int a = 1;
  std::string b;
};
struct narrow {
  static constexpr auto manifest = "m";
  int a = 1;
};
struct swapped {
  static constexpr auto manifest = "m";
  std::string b;
  int a = 1;
};
struct renamed {
  static constexpr auto manifest = "m";
  int a = 1;
  std::string text;
};
struct other_default {
  static constexpr auto manifest = "m";
  int a = 2;
  std::string b;
};
struct in_front {
  static constexpr auto manifest = "m";
  bool first = true;
  int a = 1;
  std::string b;
};

template <class A, class B>
breakage compact_rule(std::string_view text) {
  auto before = contract_of<A>();
  auto after = contract_of<B>();
  before.formats = {format::compact};
  const auto changes = diff(before, after);
  CHECK(says(changes, text));
  return sum(changes);
}

TEST_CASE("a field may be added, and one that is gone loses what is stored") {
  const auto added = diff(contract_of<narrow>(), contract_of<wide>());
  CHECK(sum(added) == none);
  CHECK(says(added, "compatible: m, field b: is new, and \"\" where it is missing"));
  const auto gone = diff(contract_of<wide>(), contract_of<narrow>());
  CHECK(sum(gone) == misread);
  CHECK(says(gone,
             "breaks the wire and replay: m, field b: is gone: what bytes say of it is skipped"));
  // It is read all the same, without what it said.
  CHECK(wire::decode<narrow>(wire::encode(wide{7, "x"}))->a == 7);
}

TEST_CASE("a field that must be there breaks what was written without it") {
  const auto added = diff(contract_of<narrow>(), contract_of<demanding>());
  CHECK(sum(added) == refused);
  CHECK(says(added, "m, field b: is new and required: bytes that lack it are refused"));
  CHECK(wire::decode<demanding>(wire::encode(narrow{})).error() == errc::missing_field);
  const auto later = diff(contract_of<wide>(), contract_of<demanding>());
  CHECK(sum(later) == breakage{.stored = true});
  CHECK(says(later, "is required now"));
  CHECK(diff(contract_of<demanding>(), contract_of<wide>()).empty());
}

TEST_CASE("a field that is renamed is gone, and the likely new name is told") {
  const auto changes = diff(contract_of<wide>(), contract_of<renamed>());
  CHECK(sum(changes) == misread);
  CHECK(says(changes, "\"text\" is new and of the same type: a field that is renamed needs a new"));
}

TEST_CASE("the order of fields matters to compact alone") {
  const auto named = diff(contract_of<wide>(), contract_of<swapped>());
  CHECK(sum(named) == none);
  CHECK(says(named, "at place 0 stood \"a\", now \"b\": only compact, which is not in use"));
  CHECK(compact_rule<wide, swapped>("compact reads the one as the other") == all);
  CHECK(compact_rule<wide, in_front>("at place 0 stood \"a\", now \"first\"") == all);
  CHECK(compact_rule<narrow, wide>("is new") == none);  // at the end
  CHECK_FALSE(wire::decode<swapped>(wire::encode(wide{}, format::compact), format::compact));
  CHECK(wire::decode<wide>(wire::encode(narrow{}, format::compact), format::compact).has_value());
  using ab = holder<std::variant<int, std::string>>;
  using ba = holder<std::variant<std::string, int>>;
  CHECK(compact_rule<ab, ba>("compact knows them by their place") == all);
  CHECK_FALSE(wire::decode<ba>(wire::encode(ab{1}, format::compact), format::compact));
}

TEST_CASE("another default changes what old bytes say that lack the field") {
  const auto changes = diff(contract_of<wide>(), contract_of<other_default>());
  CHECK(sum(changes) == breakage{.replay = true});
  CHECK(says(changes, "breaks replay: m, field a: its default was 1, is 2"));
}

TEST_CASE("a change deep inside is told with the way to it, once where a type holds itself") {
  struct leaf_a {
    int v = 0;
    std::vector<leaf_a> more;
  };
  struct leaf_b {
    std::string v;
    std::vector<leaf_b> more;
  };
  const auto changes =
      diff(contract_of<holder<std::map<std::string, std::vector<std::optional<leaf_a>>>>>(),
           contract_of<holder<std::map<std::string, std::vector<std::optional<leaf_b>>>>>());
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].to_string() ==
        "breaks the wire and stored data: m, field f[][].v: was i32, is string: each refuses what "
        "the other writes");
}

TEST_CASE(
    "a document of ten thousand records in each other is compared as far as its depth allows") {
  wire::contract chain;
  constexpr int links = 10'000;
  for (int i = 0; i < links; ++i) {
    const wire::type_shape next = {.kind = "record", .name = std::to_string((i + 1) % links)};
    chain.types[std::to_string(i)].fields = {{"next", next, ""}};
  }
  chain.entries["m"].type = {.kind = "record", .name = "0"};
  wire::contract other = chain;
  other.types["9999"].fields[0].type = {.kind = "i32"};
  CHECK(says(wire::compare(chain, other), "stands too deep to be compared"));
}

TEST_CASE("a nested type may be renamed, as only its form is on the wire") {
  struct spot {
    int x = 0;
    int y = 0;
  };
  CHECK(diff(contract_of<holder<point>>(), contract_of<holder<spot>>()).empty());
  // But not one in a variant without a manifest, whose name is the label.
  CHECK(sum(diff(contract_of<holder<std::variant<int, point>>>(),
                 contract_of<holder<std::variant<int, spot>>>())) == refused);
}

struct moved {
  int a = 1;
};
struct moved_again {
  int a = 1;
};

TEST_CASE("a manifest that is gone breaks all that its use has, and a likely new name is told") {
  const auto changes = diff(contract_of<moved, point>(), contract_of<moved_again, point>());
  CHECK(sum(changes) == all);
  CHECK(says(changes, "moved_again is new and has the same fields: give it this manifest"));
  CHECK(says(changes, "compatible: "));  // the new one
  CHECK(sum(diff(contract_of<moved>(contract_use::messages), {})) == only_wire);
  CHECK(sum(diff(contract_of<moved>(contract_use::stored), {})) ==
        breakage{.stored = true, .replay = true});
}

TEST_CASE("a rename with an alias is compatible, readers first") {
  wire::registry types;
  types.add<moved_again>();
  types.add_alias<moved_again>(wire::manifest<moved>);
  wire::contract after;
  after.add(types);
  const auto changes = diff(contract_of<moved>(), after);
  CHECK(sum(changes) == none);
  CHECK(says(changes, "compatible, readers first"));
  CHECK(says(changes, "is now written as "));
}

struct first_version {
  static constexpr auto manifest = "m";
  int cents = 0;
};
struct second_version {
  static constexpr auto manifest = "m";
  static constexpr int version = 2;
  static second_version upcast(const first_version& v) { return {v.cents / 100.0}; }
  double amount = 0;
};
struct without_upcast {
  static constexpr auto manifest = "m";
  static constexpr int version = 2;
  double amount = 0;
};
struct wrong_copy {
  static constexpr auto manifest = "m";
  std::string cents;
};
struct wrong_upcast {
  static constexpr auto manifest = "m";
  static constexpr int version = 2;
  static wrong_upcast upcast(const wrong_copy&) { return {}; }
  double amount = 0;
};
struct third_version {
  static constexpr auto manifest = "m";
  static constexpr int version = 3;
  static third_version upcast(const second_version& v) { return {v.amount, 0}; }
  double amount = 0;
  int kind = 0;
};
struct third_from_second_only {
  static constexpr auto manifest = "m";
  static constexpr int version = 3;
  static third_from_second_only upcast(const without_upcast& v) { return {v.amount, 0}; }
  double amount = 0;
  int kind = 0;
};

TEST_CASE("a version is raised by an upcast, from each version that was read before") {
  const auto one = contract_of<first_version>();
  const auto two = contract_of<second_version>();
  const auto raised = diff(one, two);
  CHECK(sum(raised) == none);
  CHECK(says(raised, "compatible, readers first: m: version 1 became 2, by an upcast"));
  CHECK(sum(diff(two, contract_of<third_version>())) == none);
  CHECK(sum(diff(one, contract_of<third_version>())) == none);
  const auto bare = diff(one, contract_of<without_upcast>());
  CHECK(sum(bare) == all);
  CHECK(says(bare, "no upcast leads from version 1"));
  const auto shortened = diff(two, contract_of<third_from_second_only>());
  CHECK(sum(shortened) == all);
  CHECK(says(shortened, "no upcast leads from version 1 any more"));
}

TEST_CASE("what an upcast takes must be what was written") {
  const auto changes = diff(contract_of<first_version>(), contract_of<wrong_upcast>());
  CHECK(sum(changes) == refused);
  CHECK(says(changes, "field cents: in what the upcast from version 1 takes: was i32, is string"));
}

TEST_CASE("a version that is lowered refuses what was written since") {
  const auto changes = diff(contract_of<second_version>(), contract_of<first_version>());
  CHECK(sum(changes) == all);
  CHECK(says(changes, "has version 1, and had 2"));
  CHECK(wire::decode_version<first_version>(2, wire::encode(second_version{})).error() ==
        errc::newer_version);
}

TEST_CASE("what breaks only what a type is not used for does not count") {
  const auto sent = diff(contract_of<wide>(contract_use::messages),
                         contract_of<other_default>(contract_use::messages));
  CHECK_FALSE(wire::breaks(sent));
  const auto kept = diff(contract_of<holder<int>>(contract_use::stored),
                         contract_of<holder<double>>(contract_use::stored));
  CHECK_FALSE(wire::breaks(kept));
  CHECK(wire::breaks(diff(contract_of<holder<int>>(contract_use::messages),
                          contract_of<holder<double>>(contract_use::stored))));
}

TEST_CASE("changes that break come first, and are told to tools as JSON") {
  const auto changes = diff(contract_of<moved, wide>(), contract_of<narrow, point>());
  REQUIRE(changes.size() >= 3);
  CHECK(std::ranges::is_partitioned(changes, [](const auto& c) { return c.breaks.any(); }));
  const std::string text = wire::to_json({{"m", "f", "is \"gone\"", {.replay = true}, false}});
  CHECK(text ==
        "[\n  {\n    \"manifest\": \"m\",\n    \"field\": \"f\",\n    \"breaks\": [\n      "
        "\"replay\"\n    ],\n    \"caution\": false,\n    \"text\": \"is \\\"gone\\\"\"\n  "
        "}\n]\n");
  CHECK(wire::to_json(std::vector<wire::contract_change>()) == "[]\n");
}

}  // namespace
