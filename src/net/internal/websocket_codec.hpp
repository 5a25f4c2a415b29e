#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// @file The frames of RFC 6455, without I/O: any bytes become messages or a reason to close.
///
/// Not Beast's stream, which owns an Asio socket: this runs over every transport, under virtual
/// time, and in the fuzzer. Beast gives the handshake and the compression.

namespace odeon::http_detail {

enum class opcode : std::uint8_t { more = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// Packs and unpacks single messages (RFC 7692, without context takeover).
class message_deflate {
 public:
  message_deflate();
  ~message_deflate();
  [[nodiscard]] std::string pack(std::string_view bytes);
  /// None: broken, or more than `most`, which `too_large` tells.
  [[nodiscard]] std::optional<std::string> unpack(std::string_view bytes, std::size_t most,
                                                  bool& too_large);

 private:
  struct streams;
  std::unique_ptr<streams> streams_;
};

struct websocket_event {
  opcode kind;        ///< text and binary: a whole message
  std::string bytes;  ///< of a close: the reason
  int code = 0;       ///< of a close; 1005: none
};
/// Why the connection is to be closed.
struct websocket_violation {
  int code;  ///< 1002, 1007 or 1009
  std::string why;
};

class websocket_decoder {
 public:
  struct limits {
    std::size_t message_bytes, frame_bytes;
  };
  /// `from_client`: its frames are masked, and those of servers are not.
  websocket_decoder(bool from_client, limits l, message_deflate* deflate) noexcept
      : limits_(l),
        deflate_(deflate),
        masked_(from_client) {}

  /// Takes from the front of `in` up to the end of one event; none: `in` is used up.
  [[nodiscard]] std::expected<std::optional<websocket_event>, websocket_violation> take(
      std::string_view& in);

 private:
  using outcome = std::expected<std::optional<websocket_event>, websocket_violation>;
  std::optional<websocket_violation> begin_frame();
  std::optional<websocket_violation> check_text(bool whole);
  outcome end_frame();

  const limits limits_;
  message_deflate* const deflate_;
  const bool masked_;
  std::array<unsigned char, 14> head_{};
  std::size_t head_size_ = 0, head_wanted_ = 2;
  bool in_payload_ = false;
  std::uint64_t left_ = 0;
  std::array<unsigned char, 4> key_{};
  std::size_t key_at_ = 0;
  opcode frame_ = opcode::more, message_kind_ = opcode::more;
  bool fin_ = false, in_message_ = false, packed_ = false;
  std::string message_, control_;
  std::size_t checked_ = 0;  // bytes of a text that are whole characters
};

/// Appends a frame. With a key, the payload is masked.
void append_frame(std::string& out, opcode kind, std::string_view payload, bool fin, bool packed,
                  const std::optional<std::array<unsigned char, 4>>& key);
/// The payload of a close.
[[nodiscard]] std::string close_payload(int code, std::string_view reason);
/// Whether a close may have that code.
[[nodiscard]] bool is_close_code(int code) noexcept;

}  // namespace odeon::http_detail
