#include "wire/sample.test.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <list>
#include <unordered_set>

namespace {

using namespace sample;
namespace wire = odeon::wire;
using wire::format;

// --- generators that cover more than rapidcheck's own ------------------------------------------

std::string utf8(std::uint32_t c) {
  const auto byte = [](std::uint32_t v) { return static_cast<char>(v); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6U), byte(0x80 | (c & 63U))};
  if (c < 0x10000) {
    return {byte(0xe0 | c >> 12U), byte(0x80 | (c >> 6U & 63U)), byte(0x80 | (c & 63U))};
  }
  return {byte(0xf0 | c >> 18U), byte(0x80 | (c >> 12U & 63U)), byte(0x80 | (c >> 6U & 63U)),
          byte(0x80 | (c & 63U))};
}

rc::Gen<std::string> text() {
  const auto code_point = rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 0x80),
                                         rc::gen::inRange<std::uint32_t>(0x80, 0x800),
                                         rc::gen::inRange<std::uint32_t>(0x800, 0xd800),
                                         rc::gen::inRange<std::uint32_t>(0xe000, 0x10000),
                                         rc::gen::inRange<std::uint32_t>(0x10000, 0x110000));
  return rc::gen::map(rc::gen::container<std::vector<std::uint32_t>>(code_point),
                      [](const std::vector<std::uint32_t>& points) {
                        std::string all;
                        for (std::uint32_t p : points) all += utf8(p);
                        return all;
                      });
}

// Every pattern of bits but the NaNs, which are not equal to themselves.
template <class F, class Bits>
rc::Gen<F> number() {
  const auto all = rc::gen::map(rc::gen::arbitrary<std::array<std::uint8_t, sizeof(Bits)>>(),
                                [](const auto& raw) { return std::bit_cast<F>(raw); });
  return rc::gen::suchThat(rc::gen::oneOf(all, rc::gen::arbitrary<F>()),
                           [](F v) { return !std::isnan(v); });
}

template <class T>
rc::Gen<T> whole() {
  const auto all = rc::gen::map(rc::gen::arbitrary<std::array<std::uint8_t, sizeof(T)>>(),
                                [](const auto& raw) { return std::bit_cast<T>(raw); });
  return rc::gen::oneOf(
      all, rc::gen::arbitrary<T>(),
      rc::gen::element(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

// A container of what are containers themselves: its elements are kept small.
template <class T>
rc::Gen<std::vector<T>> some(const rc::Gen<T>& of) {
  return rc::gen::container<std::vector<T>>(rc::gen::scale(0.2, of));
}

template <class T>
rc::Gen<std::optional<T>> perhaps(const rc::Gen<T>& of) {
  return rc::gen::oneOf(rc::gen::just(std::optional<T>()),
                        rc::gen::map(of, [](const T& v) { return std::optional<T>(v); }));
}

rc::Gen<line> lines() {
  return rc::gen::map(rc::gen::pair(text(), whole<int>()),
                      [](const auto& p) { return line{p.first, p.second}; });
}

rc::Gen<wire::bytes> raw() {
  return rc::gen::map(rc::gen::arbitrary<std::vector<std::uint8_t>>(),
                      [](const std::vector<std::uint8_t>& v) {
                        const auto view = std::as_bytes(std::span(v));
                        return wire::bytes(view.begin(), view.end());
                      });
}

rc::Gen<order> orders() {
  return rc::gen::map(
      rc::gen::tuple(
          text(), rc::gen::arbitrary<bool>(), perhaps(text()), number<double, std::uint64_t>(),
          some(lines()),
          rc::gen::scale(0.2, rc::gen::container<std::map<std::string, int>>(text(), whole<int>())),
          raw(), text()),
      [](auto t) { return std::make_from_tuple<order>(std::move(t)); });
}

// --- the properties ----------------------------------------------------------------------------

template <class T>
void holds_for_all(const char* what, const rc::Gen<T>& values) {
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    CHECK(rc::check(std::string(what) + " in " + std::string(to_string(f)), [&] {
      const T value = *rc::gen::scale(0.25, values);
      const wire::bytes written = wire::encode(value, f);
      auto back = wire::decode<T>(written, f);
      if (!back) RC_FAIL(back.error().to_string());
      const bool same = *back == value;
      RC_ASSERT(same);
      // Equal values have equal bytes, but for containers that keep no order.
      if constexpr (!requires { value.bucket_count(); })
        RC_ASSERT(wire::encode(*back, f) == written);
    }));
  }
}

TEST_CASE("any integer of any width is read back") {
  holds_for_all("int8", whole<std::int8_t>());
  holds_for_all("uint8", whole<std::uint8_t>());
  holds_for_all("int16", whole<std::int16_t>());
  holds_for_all("uint16", whole<std::uint16_t>());
  holds_for_all("int32", whole<std::int32_t>());
  holds_for_all("uint32", whole<std::uint32_t>());
  holds_for_all("int64", whole<std::int64_t>());
  holds_for_all("uint64", whole<std::uint64_t>());
  holds_for_all("bool", rc::gen::arbitrary<bool>());
  holds_for_all("char16", rc::gen::map(whole<std::uint16_t>(), [](auto v) { return char16_t(v); }));
}

TEST_CASE("any floating number is read back bit by bit") {
  holds_for_all("float", number<float, std::uint32_t>());
  holds_for_all("double", number<double, std::uint64_t>());
}

TEST_CASE("any text and any bytes are read back") {
  holds_for_all("string", text());
  holds_for_all("bytes", raw());
  holds_for_all("vector of uint8", rc::gen::arbitrary<std::vector<std::uint8_t>>());
  holds_for_all("array of uint8", rc::gen::arbitrary<std::array<std::uint8_t, 5>>());
}

TEST_CASE("any value of an enum is read back, named or not") {
  holds_for_all("enum", rc::gen::map(whole<int>(), [](int v) { return static_cast<color>(v); }));
  holds_for_all("named enum",
                rc::gen::element(color::red, color::green, color::blue, color::far_away));
}

TEST_CASE("any optional, variant and expected is read back") {
  holds_for_all("optional", perhaps(lines()));
  using either = std::variant<std::monostate, int, std::string, line>;
  holds_for_all<either>(
      "variant",
      rc::gen::oneOf(rc::gen::just(either()),
                     rc::gen::map(whole<int>(), [](int v) { return either(v); }),
                     rc::gen::map(text(), [](const std::string& v) { return either(v); }),
                     rc::gen::map(lines(), [](const line& v) { return either(v); })));
  using outcome = std::expected<int, std::string>;
  holds_for_all<outcome>(
      "expected", rc::gen::oneOf(rc::gen::map(whole<int>(), [](int v) { return outcome(v); }),
                                 rc::gen::map(text(), [](const std::string& v) {
                                   return outcome(std::unexpect, v);
                                 })));
}

TEST_CASE("any sequence, set and array is read back") {
  holds_for_all("vector", some(whole<int>()));
  holds_for_all("vector of bool", rc::gen::arbitrary<std::vector<bool>>());
  holds_for_all("deque", rc::gen::container<std::deque<std::string>>(text()));
  holds_for_all("list", rc::gen::container<std::list<line>>(rc::gen::scale(0.2, lines())));
  holds_for_all("nested vectors", some(some(text())));
  holds_for_all("array", rc::gen::arbitrary<std::array<std::int16_t, 7>>());
  holds_for_all("set", rc::gen::container<std::set<std::string>>(text()));
  holds_for_all("unordered_set", rc::gen::container<std::unordered_set<int>>(whole<int>()));
  holds_for_all("multiset", rc::gen::container<std::multiset<int>>(rc::gen::inRange(0, 4)));
}

TEST_CASE("any map is read back, whatever its key") {
  holds_for_all("by text", rc::gen::scale(0.3, rc::gen::container<std::map<std::string, line>>(
                                                   text(), lines())));
  holds_for_all("by number", rc::gen::container<std::unordered_map<std::int64_t, std::string>>(
                                 whole<std::int64_t>(), text()));
  holds_for_all(
      "by enum",
      rc::gen::container<std::map<color, int>>(
          rc::gen::map(whole<int>(), [](int v) { return static_cast<color>(v); }), whole<int>()));
  holds_for_all("by pair",
                rc::gen::container<std::map<std::pair<std::string, int>, double>>(
                    rc::gen::pair(text(), whole<int>()), number<double, std::uint64_t>()));
  holds_for_all("multimap", rc::gen::container<std::multimap<int, int>>(rc::gen::inRange(0, 3),
                                                                        rc::gen::inRange(0, 3)));
}

TEST_CASE("any pair and tuple is read back") {
  holds_for_all("pair", rc::gen::pair(text(), whole<int>()));
  holds_for_all("tuple", rc::gen::tuple(text(), whole<std::uint64_t>(), some(lines())));
}

TEST_CASE("any duration and time point is read back") {
  using namespace std::chrono;
  const auto count = rc::gen::inRange<std::int64_t>(-9'000'000'000, 9'000'000'000);
  holds_for_all("seconds", rc::gen::map(count, [](auto v) { return seconds(v); }));
  holds_for_all("hours", rc::gen::map(rc::gen::inRange(-2'000'000, 2'000'000),
                                      [](auto v) { return hours(v); }));
  holds_for_all("nanoseconds",
                rc::gen::map(whole<std::int64_t>(), [](auto v) { return nanoseconds(v); }));
  holds_for_all("wall time", rc::gen::map(whole<std::int64_t>(),
                                          [](auto v) { return odeon::wall_time(nanoseconds(v)); }));
  holds_for_all("floating seconds", rc::gen::map(number<double, std::uint64_t>(),
                                                 [](double v) { return duration<double>(v); }));
}

TEST_CASE("any record is read back, and so are lists of records") {
  holds_for_all("order", orders());
  holds_for_all("orders", rc::gen::resize(12, some(orders())));
}

TEST_CASE("a named record is read back after any of its fields has changed places or is gone") {
  CHECK(rc::check("shuffled fields", [] {
    const line value = *lines();
    const bool swapped = *rc::gen::arbitrary<bool>();
    const bool with_count = *rc::gen::arbitrary<bool>();
    std::vector<std::pair<std::string, wire::bytes>> members = {{"sku", wire::encode(value.sku)}};
    if (with_count) members.emplace_back("count", wire::encode(value.count));
    members.emplace_back(*text(), wire::encode(*some(lines())));
    if (swapped) std::ranges::reverse(members);
    std::set<std::string> names;
    for (const auto& [name, held] : members) RC_PRE(names.insert(name).second);
    wire::buffer out;
    out.push_back(static_cast<std::byte>(0x80 | members.size()));
    for (const auto& [name, held] : members) {
      wire::encode_to(out, name);
      out.append(held);
    }
    auto back = wire::decode<line>(out.view());
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == (line{value.sku, with_count ? value.count : 1}));
  }));
}

}  // namespace
