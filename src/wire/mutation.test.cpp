#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <algorithm>

/// @file Decoders against damaged input. What is asserted here is little: that each decode ends,
/// with a value or an error of the codes that bytes from outside may give. The sanitizers assert
/// the rest.

namespace {

using namespace sample;
using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

// SplitMix64 (Steele, Lea and Flood, 2014): the same damage in each run.
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ z >> 30U) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27U) * 0x94d049bb133111ebU;
    return z ^ z >> 31U;
  }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : (*this)() % n; }

 private:
  std::uint64_t state_;
};

constexpr unsigned char telling[] = {0x1f, 0x5f, 0x9f, 0xbf, 0xc2, 0xf7, 0xf9, 0x00, 0x7f, 0x80,
                                     0x90, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xc9, 0xca, 0xcb, 0xcf,
                                     0xd3, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xff, '"',
                                     '\\', '{',  '}',  '[',  ']',  ',',  ':',  '-',  'e',  '0'};

void damage(wire::bytes& b, dice& roll) {
  const std::size_t at = roll.below(b.size() + 1);
  const auto place = b.begin() + static_cast<std::ptrdiff_t>(at);
  switch (roll.below(7)) {
    case 0:
      if (at < b.size()) b[at] ^= static_cast<std::byte>(1U << roll.below(8));
      break;
    case 1:
      if (at < b.size()) b[at] = static_cast<std::byte>(telling[roll.below(std::size(telling))]);
      break;
    case 2: b.insert(place, static_cast<std::byte>(telling[roll.below(std::size(telling))])); break;
    case 3:
      if (at < b.size()) b.erase(place);
      break;
    case 4: b.resize(at); break;
    case 5: {  // a run of bytes appears again elsewhere
      const std::size_t from = roll.below(b.size() + 1);
      const std::size_t count = std::min<std::size_t>(roll.below(24), b.size() - from);
      const wire::bytes run(b.begin() + static_cast<std::ptrdiff_t>(from),
                            b.begin() + static_cast<std::ptrdiff_t>(from + count));
      b.insert(place, run.begin(), run.end());
      break;
    }
    default:
      for (std::size_t i = at; i < std::min(at + 4, b.size()); ++i)
        b[i] = static_cast<std::byte>(roll());
  }
}

bool may_be_told(errc code) {
  return code == errc::truncated || code == errc::bad_encoding || code == errc::wrong_type ||
         code == errc::limit_exceeded;
}

struct tally {
  int values = 0;
  int errors = 0;
};

void attack(format f, int rounds, tally& seen) {
  const wire::bytes good = wire::encode(full(), f);
  const wire::limits bounds{.max_items = 10'000, .max_memory = std::size_t{1} << 20U};
  dice roll(0x0de0 + static_cast<std::uint64_t>(f));
  for (int i = 0; i < rounds; ++i) {
    wire::bytes bad = good;
    for (std::size_t hits = 1 + roll.below(4); hits != 0; --hits) damage(bad, roll);
    // Exactly sized memory, so that the sanitizer sees one byte too far.
    const auto exact = std::make_unique_for_overwrite<std::byte[]>(bad.size());
    std::ranges::copy(bad, exact.get());
    auto read = wire::decode<everything>({exact.get(), bad.size()}, f, bounds);
    if (read) {
      ++seen.values;
      // What was read can be written, and then is read as the same value.
      const wire::bytes again = wire::encode(*read, f);
      auto twice = wire::decode<everything>(again, f);
      REQUIRE(twice.has_value());
      REQUIRE(wire::encode(*twice, f) == again);
    } else {
      ++seen.errors;
      if (!may_be_told(read.error().code()) || read.error().text().empty()) {
        FAIL(read.error().to_string());
      }
    }
  }
}

TEST_CASE("thousands of damaged inputs end in a value or an error, in every format") {
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    CAPTURE(to_string(f));
    tally seen;
    attack(f, 1'500, seen);
    // The damage is neither harmless nor total, or this test would say nothing.
    CHECK(seen.values > 25);
    CHECK(seen.errors > 250);
  }
}

template <class T>
void any_value_of_any_byte(const T& value, format f, int expected) {
  CAPTURE(to_string(f));
  const wire::bytes good = wire::encode(value, f);
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int v = 0; v < 256; ++v) {
      wire::bytes bad = good;
      bad[at] = static_cast<std::byte>(v);
      auto read = wire::decode<T>(bad, f);
      if (read) continue;
      ++refused;
      if (!may_be_told(read.error().code())) FAIL(read.error().to_string());
    }
  }
  CHECK(refused > expected);
}

TEST_CASE("every byte of a message may have any value: tens of thousands of inputs in all") {
  for (format f : {format::msgpack, format::json, format::cbor}) {
    any_value_of_any_byte(line{"s", 300}, f, 500);
  }
  const order o{.id = "o", .note = "n", .lines = {{"s", 300}}, .tags = {{"k", 1}}};
  any_value_of_any_byte(o, format::compact, 1'000);
}

TEST_CASE("noise is refused or read, as any type") {
  dice roll(7);
  for (int i = 0; i < 1'500; ++i) {
    wire::bytes noise(roll.below(64));
    for (std::byte& b : noise) b = static_cast<std::byte>(roll());
    for (format f : {format::msgpack, format::json, format::cbor}) {
      (void)wire::decode<everything>(noise, f);
      (void)wire::decode<std::vector<order>>(noise, f);
      (void)wire::decode<std::map<std::string, std::vector<std::uint64_t>>>(noise, f);
      auto number = wire::decode<int>(noise, f);
      REQUIRE((number.has_value() || may_be_told(number.error().code())));
    }
  }
}

}  // namespace
