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

using crc_fn = std::uint32_t (*)(std::span<const std::byte>, std::uint32_t) noexcept;

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_instruction(std::span<const std::byte> bytes,
                                                                   std::uint32_t seed) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t crc = ~seed;
  for (; left >= 8; left -= 8, at += 8) crc = _mm_crc32_u64(crc, load<std::uint64_t>(at));
  auto tail = static_cast<std::uint32_t>(crc);
  for (; left > 0; --left, ++at) tail = _mm_crc32_u8(tail, std::to_integer<unsigned char>(*at));
  return ~tail;
}
crc_fn choose() noexcept {
  return __builtin_cpu_supports("sse4.2") != 0 ? crc32c_instruction : crc32c_portable;
}
#elif defined(__aarch64__)
__attribute__((target("crc"))) std::uint32_t crc32c_instruction(std::span<const std::byte> bytes,
                                                                std::uint32_t seed) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t crc = ~seed;
  for (; left >= 8; left -= 8, at += 8) crc = __crc32cd(crc, load<std::uint64_t>(at));
  for (; left > 0; --left, ++at) crc = __crc32cb(crc, std::to_integer<unsigned char>(*at));
  return ~crc;
}
crc_fn choose() noexcept {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0 ? crc32c_instruction : crc32c_portable;
}
#else
crc_fn choose() noexcept { return crc32c_portable; }
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
  static const crc_fn chosen = choose();
  return chosen(bytes, seed);
}

}  // namespace odeon
