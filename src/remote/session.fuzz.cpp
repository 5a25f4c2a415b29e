#include "remote/attacker.test.hpp"

#include <cstdlib>

/// @file libFuzzer on an open session: any items in frames with right counters and checks, as a
/// peer that has the secret could send them. Each input is a list of frames: lane, size, items.
/// What is delivered passes through another connection and comes out the same.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace session_test;
  session_options o = options_of(role::acceptor);
  o.limits.names = 32;
  o.limits.message_bytes = 200'000;
  side victim(o);
  attacker x(victim);
  std::span<const std::byte> in = std::as_bytes(std::span(data, size));
  while (in.size() > 2 && !victim.failed) {
    const auto on = static_cast<lane>(std::to_integer<unsigned>(in[0]) % lane_count);
    const std::size_t length = std::min<std::size_t>(
        std::to_integer<std::size_t>(in[1]) | (std::to_integer<std::size_t>(in[2]) << 8U),
        in.size() - 3);
    const auto items = in.subspan(3, length);
    in = in.subspan(3 + length);
    if (const auto ok = x.send(on, [&](buffer& out) { out.append(items); });
        !ok && ok.error() != errc::protocol_violation && ok.error() != errc::limit_exceeded)
      std::abort();
    if (victim.take().size() > 4096) std::abort();
  }
  if (victim.messages.empty()) return 0;
  pair again;
  again.run();
  const std::vector<owned>& expected = victim.messages;
  again.send(again.a, expected);
  if (again.a.failed || again.b.failed || again.b.messages.size() != expected.size()) std::abort();
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (std::ranges::find(again.b.messages, expected[i]) == again.b.messages.end()) std::abort();
  return 0;
}
