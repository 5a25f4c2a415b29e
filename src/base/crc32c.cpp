#include <odeon/base/crc32c.hpp>

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace odeon {

namespace {

static_assert(std::endian::native == std::endian::little, "words are loaded as they lie");

constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected

// Slicing by eight (Kounavis and Berry, 2005): tables[k][b] is the effect of byte b with k bytes
// behind it.
constexpr auto tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    t[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t b = 0; b < 256; ++b) t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 0xff];
  return t;
}();

template <class Word>
Word load(const std::byte* at) noexcept {
  Word w;
  std::memcpy(&w, at, sizeof w);
  return w;
}

#if defined(__x86_64__)
#define ODEON_CRC_TARGET __attribute__((target("sse4.2")))
ODEON_CRC_TARGET std::uint32_t add(std::uint32_t crc, std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
}
ODEON_CRC_TARGET std::uint32_t add(std::uint32_t crc, std::byte b) noexcept {
  return _mm_crc32_u8(crc, std::to_integer<unsigned char>(b));
}
bool has_instruction() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }
#elif defined(__aarch64__)
#define ODEON_CRC_TARGET __attribute__((target("crc")))
ODEON_CRC_TARGET std::uint32_t add(std::uint32_t crc, std::uint64_t word) noexcept {
  return __crc32cd(crc, word);
}
ODEON_CRC_TARGET std::uint32_t add(std::uint32_t crc, std::byte b) noexcept {
  return __crc32cb(crc, std::to_integer<unsigned char>(b));
}
bool has_instruction() noexcept { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

#ifdef ODEON_CRC_TARGET

// The instruction's result takes three times as long to come as the next one to begin. So a long
// text is taken in turns of three parts at once, and the three are put together: a checksum is
// linear, and `behind` is what so many zero bytes behind it make of it.
constexpr std::size_t part_bytes = 512;

/// The effect of `part_bytes` zero bytes on byte k of a checksum.
constexpr auto behind_part = [] {
  std::array<std::array<std::uint32_t, 256>, 4> t{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < part_bytes; ++i) crc = (crc >> 8) ^ tables[0][crc & 0xff];
    for (std::size_t b = 0; b < 256; ++b)
      if (((b >> (bit % 8)) & 1) != 0) t[bit / 8][b] ^= crc;
  }
  return t;
}();
std::uint32_t behind(std::uint32_t crc) noexcept {
  return behind_part[0][crc & 0xff] ^ behind_part[1][(crc >> 8) & 0xff] ^
         behind_part[2][(crc >> 16) & 0xff] ^ behind_part[3][crc >> 24];
}

ODEON_CRC_TARGET std::uint32_t crc32c_instruction(std::span<const std::byte> bytes,
                                                  std::uint32_t seed) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t crc = ~seed;
  for (; left >= 3 * part_bytes; left -= 3 * part_bytes, at += 3 * part_bytes) {
    std::uint32_t second = 0, third = 0;
    for (std::size_t i = 0; i < part_bytes; i += 8) {
      crc = add(crc, load<std::uint64_t>(at + i));
      second = add(second, load<std::uint64_t>(at + part_bytes + i));
      third = add(third, load<std::uint64_t>(at + 2 * part_bytes + i));
    }
    crc = behind(behind(crc) ^ second) ^ third;
  }
  for (; left >= 8; left -= 8, at += 8) crc = add(crc, load<std::uint64_t>(at));
  for (; left > 0; --left, ++at) crc = add(crc, *at);
  return ~crc;
}

#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t crc = ~seed;
  for (; left >= 8; left -= 8, at += 8) {
    const auto w = load<std::uint64_t>(at) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][(w >> (8 * k)) & 0xff];
  }
  for (; left > 0; --left, ++at)
    crc = (crc >> 8) ^ tables[0][(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
#ifdef ODEON_CRC_TARGET
  static const bool fast = has_instruction();
  if (fast) return crc32c_instruction(bytes, seed);
#endif
  return crc32c_portable(bytes, seed);
}

}  // namespace odeon
