#include <odeon/base/crc32c.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>
#include <numeric>
#include <string>
#include <vector>

using odeon::crc32c;
using odeon::crc32c_portable;

namespace {

std::vector<std::byte> bytes(std::size_t count, int first, int step) {
  std::vector<std::byte> out(count);
  for (std::size_t k = 0; k < count; ++k) out[k] = std::byte(first + static_cast<int>(k) * step);
  return out;
}

}  // namespace

TEST_CASE("CRC-32C gives the values of RFC 3720, appendix B.4") {
  CHECK(crc32c(bytes(32, 0x00, 0)) == 0x8a9136aau);
  CHECK(crc32c(bytes(32, 0xff, 0)) == 0x62a8ab43u);
  CHECK(crc32c(bytes(32, 0, 1)) == 0x46dd794eu);
  CHECK(crc32c(bytes(32, 31, -1)) == 0x113fdb5cu);
  const std::array<unsigned char, 48> read_command{
      0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
      0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
      0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
  CHECK(crc32c(std::as_bytes(std::span(read_command))) == 0xd9963a56u);
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c("") == 0);
}

TEST_CASE("the table and the instruction agree at every length and alignment") {
  const auto text = bytes(400, 7, 13);
  for (std::size_t from = 0; from < 9; ++from)
    for (std::size_t size = 0; size + from <= 300; ++size) {
      const auto part = std::span(text).subspan(from, size);
      REQUIRE(crc32c(part) == crc32c_portable(part));
    }
}

TEST_CASE("the table and the instruction agree on long texts, which are taken in parts") {
  const auto text = bytes(10'000, 7, 13);
  for (std::size_t size = 1'500; size <= 10'000; size += size < 3'200 ? 1 : 97)
    REQUIRE(crc32c(std::span(text).first(size), 99) ==
            crc32c_portable(std::span(text).first(size), 99));
}

TEST_CASE("a checksum goes on where the last one ended") {
  CHECK(rc::check([](const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    auto both = a;
    both.insert(both.end(), b.begin(), b.end());
    const auto as = [](const std::vector<std::uint8_t>& v) { return std::as_bytes(std::span(v)); };
    RC_ASSERT(crc32c(as(b), crc32c(as(a))) == crc32c(as(both)));
    RC_ASSERT(crc32c_portable(as(b), crc32c_portable(as(a))) == crc32c(as(both)));
  }));
}
