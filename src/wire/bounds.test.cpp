#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>

/// @file What decoding allocates, counted: hostile headers get no memory for what they announce.

namespace {

thread_local bool counting = false;
thread_local std::size_t allocated = 0;

void* take(std::size_t size) {
  if (counting) allocated += size;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}

}  // namespace

// Every allocation of this program comes by here.
void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace {

using namespace sample;
using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

struct counted {
  std::string refusal;
  std::size_t bytes = 0;
};

template <class T>
counted decode_counted(std::span<const std::byte> in, format f, const wire::limits& bounds = {}) {
  allocated = 0;
  counting = true;
  auto read = wire::decode<T>(in, f, bounds);
  counting = false;
  counted out{read ? std::string() : read.error().to_string(), allocated};
  return out;
}

// An error's own text, and a container's first room.
constexpr std::size_t little = 4096;

template <class T>
void gets_little(std::string_view hex, format f) {
  CAPTURE(hex);
  CAPTURE(to_string(f));
  const auto seen = decode_counted<T>(from_hex(hex), f);
  CHECK_FALSE(seen.refusal.empty());
  CHECK(seen.bytes < little);
}

TEST_CASE("counts and lengths that the input cannot hold get no memory") {
  for (std::string_view hex : {"ddffffffff", "ddffffffff00", "dcffff0000"}) {
    gets_little<std::vector<everything>>(hex, format::msgpack);
    gets_little<std::vector<std::int64_t>>(hex, format::compact);
    gets_little<std::set<std::string>>(hex, format::msgpack);
  }
  for (std::string_view hex : {"dfffffffff", "dfffffffff0000", "deffff0000"}) {
    gets_little<std::map<int, everything>>(hex, format::msgpack);
    gets_little<std::unordered_map<int, std::string>>(hex, format::msgpack);
  }
  for (std::string_view hex : {"9bffffffffffffffff", "9b7fffffffffffffff00", "9affffffff0000"}) {
    gets_little<std::vector<everything>>(hex, format::cbor);
    gets_little<std::vector<std::int64_t>>(hex, format::cbor);
    gets_little<std::set<std::string>>(hex, format::cbor);
  }
  for (std::string_view hex : {"bbffffffffffffffff", "bb7fffffffffffffff0000", "b9ffff0000"}) {
    gets_little<std::map<int, everything>>(hex, format::cbor);
    gets_little<std::unordered_map<int, std::string>>(hex, format::cbor);
  }
  gets_little<std::string>("dbffffffff6161", format::msgpack);
  gets_little<wire::bytes>("c6ffffffff0000", format::msgpack);
  gets_little<std::string>("7bffffffffffffffff6161", format::cbor);
  gets_little<wire::bytes>("5b7fffffffffffffff0000", format::cbor);
  gets_little<wire::bytes>("5f5b7fffffffffffffff0000ff", format::cbor);
}

TEST_CASE("a container whose count is true but whose elements are not gets room for a few") {
  // A thousand are announced and there are bytes for them; the first is refused.
  const std::string zeros(2000, 'c');  // "cc": no boolean in any format
  gets_little<std::vector<bool>>("dc03e8" + zeros, format::msgpack);
  gets_little<std::vector<bool>>("9903e8" + zeros, format::cbor);
  const auto large = decode_counted<std::vector<everything>>(
      from_hex("dd000186a0" + std::string(200'000, 'c')), format::msgpack);
  CHECK_FALSE(large.refusal.empty());
  CHECK(large.bytes < (std::size_t{128} << 10U));  // 64 KiB ahead of what was shown
}

TEST_CASE("what is read stays within the allowed memory, and what is more is refused") {
  constexpr std::size_t allowed = std::size_t{256} << 10U;
  const wire::limits bounds{.max_memory = allowed};
  const auto refused = [&]<class T>(std::type_identity<T>, const wire::bytes& in, format f) {
    const auto seen = decode_counted<T>(in, f, bounds);
    CAPTURE(to_string(f));
    CHECK(seen.refusal.contains("allowed memory"));
    // A vector that grows has its old and its new place at once.
    CHECK(seen.bytes < 4 * allowed);
  };
  const std::vector<std::string> texts(20'000, "0123456789012345678901234567890123456789");
  const std::vector<std::vector<int>> empties(40'000);
  std::map<int, std::string> map;
  for (int i = 0; i < 10'000; ++i) map.emplace(i, "");
  for (const format f : {format::msgpack, format::compact, format::cbor}) {
    refused(std::type_identity<std::vector<std::string>>(), wire::encode(texts, f), f);
    refused(std::type_identity<std::vector<std::vector<int>>>(), wire::encode(empties, f), f);
    refused(std::type_identity<std::map<int, std::string>>(), wire::encode(map, f), f);
  }
}

TEST_CASE("a text of JSON gets memory in proportion to itself") {
  std::string open(50, '[');
  CHECK(decode_counted<std::vector<int>>(wire::as_bytes(open), format::json).bytes < 2 * little);
  std::string many = "[";
  for (int i = 0; i < 10'000; ++i) many += "{},";
  many += "{}]";
  const auto seen = decode_counted<std::vector<everything>>(wire::as_bytes(many), format::json,
                                                            {.max_memory = 1'000'000});
  CHECK(seen.refusal.contains("allowed memory"));
  CHECK(seen.bytes < 60 * many.size());
}

TEST_CASE(
    "containers of indefinite length in each other are remembered within the allowed memory") {
  std::string hex = "9f";
  for (int i = 0; i < 50'000; ++i) hex += "80";
  for (int i = 0; i < 50'000; ++i) hex += "9fff";
  const auto seen = decode_counted<std::vector<std::vector<int>>>(
      from_hex(hex + "ff"), format::cbor, {.max_memory = 100'000});
  CHECK(seen.refusal.contains("allowed memory"));
  CHECK(seen.bytes < 400'000);
}

TEST_CASE("a value that fits is read with what it needs and no more") {
  const std::string text(100'000, 'x');
  for (const format f : {format::msgpack, format::cbor}) {
    const auto seen = decode_counted<std::string>(wire::encode(text, f), f);
    CHECK(seen.refusal.empty());
    CHECK(seen.bytes <= text.size() + 64);
  }
}

}  // namespace
