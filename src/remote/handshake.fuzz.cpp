#include "remote/attacker.test.hpp"

#include <cstdlib>

/// @file libFuzzer on the handshake, both roles and all protections: any bytes as what a stranger
/// says, as they are or with lengths and checksums made right. Nobody who lacks the secret comes
/// in, an error always has a text, and what is answered is bounded.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace session_test;
  if (size < 2) return 0;
  const auto how = static_cast<protection>(data[0] % 3);
  const auto as = static_cast<role>(data[0] / 3 % 2);
  const bool repaired = (data[0] & 0x80U) != 0;
  session_options o = options_of(as, how);
  o.fresh = nonce_of(200);  // what was recorded was said to another one
  side victim(o);
  const auto portion = static_cast<std::size_t>(data[1]) + 1;
  victim.portion = [portion](std::size_t) { return portion; };
  bytes said = victim.take();
  std::span<const std::byte> in = std::as_bytes(std::span(data + 2, size - 2));
  while (!in.empty() && !victim.failed) {
    bytes part(in.begin(), in.end());
    if (repaired && in.size() > 16) {
      // One message: its body is as long as the input says, in the measure that there is one.
      std::uint16_t body;
      std::memcpy(&body, in.data() + 8, 2);
      const std::size_t length = std::min<std::size_t>(body, in.size() - 16);
      part.resize(16 + length);
      const auto claimed = static_cast<std::uint32_t>(length);
      std::memcpy(part.data() + 8, &claimed, 4);
      repair(part);
    }
    in = in.subspan(part.size());
    if (const auto ok = victim.feed(part); !ok && ok.error().text().empty()) std::abort();
    const bytes more = victim.take();
    said.insert(said.end(), more.begin(), more.end());
  }
  if (how == protection::secret && victim.s.state() == session_state::open) std::abort();
  if (how == protection::secret && !victim.messages.empty()) std::abort();
  if (said.size() > 4096) std::abort();
  return 0;
}
