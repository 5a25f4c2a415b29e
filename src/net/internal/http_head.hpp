#pragma once

#include <odeon/net/http_message.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

/// @file The head of a message: start line and fields. Boost.Beast's parser knows the grammar; what
/// it tolerates and this library does not is looked for before and after it. http_head.cpp is the
/// one source that includes Beast's HTTP.

namespace odeon::http_detail {

/// What bytes from outside get: a status for a server's answer, and a sentence.
struct refusal {
  int status;
  std::string why;
};

struct head_limits {
  std::size_t target_bytes, header_bytes, header_count;
};

enum class framing : std::uint8_t {
  none,     ///< no body
  length,   ///< so many bytes
  chunked,  ///< in chunks
  to_end,   ///< until the connection ends: answers only
};

struct request_head {
  http_request request;
  framing body = framing::none;
  std::uint64_t length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  bool is_upgrade = false;  ///< of "websocket"
};
struct response_head {
  http_response response;
  framing body = framing::none;
  std::uint64_t length = 0;
  bool keep_alive = true;
};

/// Looks for the end of a head, as far as the bytes go.
class head_scan {
 public:
  /// The size of the head when it is whole, 0 when bytes are missing, or what is wrong with it
  /// already. `bytes` begins where it began at the last call.
  [[nodiscard]] std::expected<std::size_t, refusal> look(std::string_view bytes,
                                                         const head_limits& limits,
                                                         bool is_request);
  void reset() noexcept { *this = {}; }

 private:
  std::size_t looked_ = 0, lines_ = 0, line_at_ = 0;
};

/// `head` ends with its empty line: `head_scan` has found it.
[[nodiscard]] std::expected<request_head, refusal> parse_request_head(std::string_view head);
/// `to_head`: the request was HEAD, so no body follows.
[[nodiscard]] std::expected<response_head, refusal> parse_response_head(std::string_view head,
                                                                        bool to_head);

/// The path of a target: decoded once and checked. For routing patterns as well.
[[nodiscard]] std::expected<std::string, refusal> path_of_target(std::string_view target);

/// "dGhl…" of a client's key (RFC 6455, section 4.2.2).
[[nodiscard]] std::string websocket_accept(std::string_view key);
/// Sixteen bytes, as a key.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace odeon::http_detail
