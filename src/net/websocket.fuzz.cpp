#include "internal/http_text.hpp"
#include "internal/websocket_codec.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

/// @file Any bytes as frames of a client: the same events and the same end in whatever pieces they
/// come, no message past its limit, every text valid, and what is packed unpacks to itself.

namespace {

using namespace odeon::http_detail;

std::string story(std::string_view bytes, std::size_t step, bool from_client) {
  message_deflate z;
  websocket_decoder d(from_client, {1000, 700}, &z);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string_view in = bytes.substr(at, step);
    while (!in.empty()) {
      auto e = d.take(in);
      if (!e) return out + "!" + std::to_string(e.error().code);
      if (!*e) continue;
      const websocket_event& v = **e;
      if (v.bytes.size() > 1000) std::abort();
      if (v.kind == opcode::text && !odeon::is_utf8(v.bytes)) std::abort();
      out += std::to_string(int(v.kind)) + ":" + v.bytes + "/" + std::to_string(v.code) + ";";
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool from_client : {true, false})
    if (story(bytes, 1, from_client) != story(bytes, 4096, from_client)) std::abort();
  if (size > 0 && size < 1000 && data[0] % 8 == 0) {
    message_deflate z;
    bool too_large = false;
    if (z.unpack(z.pack(bytes), size, too_large) != std::string(bytes)) std::abort();
  }
  return 0;
}
