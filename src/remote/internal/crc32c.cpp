#include "remote/internal/crc32c.hpp"

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

namespace odeon::remote::detail {

namespace {

static_assert(std::endian::native == std::endian::little, "words are loaded as they lie");

// Sarwate's table of the reflected polynomial 0x82f63b78, a byte at a time.
constexpr auto table = [] {
  std::array<std::uint32_t, 256> t{};
  for (std::uint32_t b = 0; b < t.size(); ++b) {
    t[b] = b;
    for (int bit = 0; bit < 8; ++bit) t[b] = (t[b] >> 1) ^ ((t[b] & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return t;
}();

using crc_fn = std::uint32_t (*)(std::span<const std::byte>, std::uint32_t) noexcept;

[[maybe_unused]] std::uint64_t word(const std::byte* at) noexcept {
  std::uint64_t w;
  std::memcpy(&w, at, sizeof w);
  return w;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::span<const std::byte> bytes,
                                                               std::uint32_t seed) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t crc = ~seed;
  for (; left >= 8; left -= 8, at += 8) crc = _mm_crc32_u64(crc, word(at));
  auto tail = static_cast<std::uint32_t>(crc);
  for (; left > 0; --left, ++at) tail = _mm_crc32_u8(tail, std::to_integer<unsigned char>(*at));
  return ~tail;
}
crc_fn choose() noexcept {
  return __builtin_cpu_supports("sse4.2") != 0 ? by_instruction : crc32c_portable;
}
#elif defined(__aarch64__)
__attribute__((target("crc"))) std::uint32_t by_instruction(std::span<const std::byte> bytes,
                                                            std::uint32_t seed) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t crc = ~seed;
  for (; left >= 8; left -= 8, at += 8) crc = __crc32cd(crc, word(at));
  for (; left > 0; --left, ++at) crc = __crc32cb(crc, std::to_integer<unsigned char>(*at));
  return ~crc;
}
crc_fn choose() noexcept {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0 ? by_instruction : crc32c_portable;
}
#else
crc_fn choose() noexcept { return crc32c_portable; }
#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  std::uint32_t crc = ~seed;
  for (const std::byte b : bytes)
    crc = (crc >> 8) ^ table[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xff];
  return ~crc;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
  static const crc_fn chosen = choose();
  return chosen(bytes, seed);
}

}  // namespace odeon::remote::detail
