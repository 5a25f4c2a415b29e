#pragma once

#include <odeon/base/error.hpp>
#include <odeon/net/crypto.hpp>
#include <odeon/remote/relay.hpp>
#include <odeon/wire/bytes.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

/// @file The frames between a node and a relay, as bytes: docs/reference/relay-protocol.md. Each is
/// a length (u32), a kind (u8), and its fields; numbers are little-endian. What is read is a view
/// into the bytes it was read from.

namespace odeon::remote::relay_detail {

using wire::bytes;

inline constexpr std::uint8_t version = 1;
inline constexpr std::uint32_t magic = 0x5952'444f;      // "ODRY"
inline constexpr std::size_t head_size = 4;              // the length
inline constexpr std::size_t handshake_frame_max = 512;  // before a registration
inline constexpr std::size_t text_max = 256;             // of a refusal
using nonce = std::array<std::byte, 32>;

/// Relay: first of all.
struct challenge {
  static constexpr std::uint8_t kind = 0x01;
  std::uint8_t lowest = version, highest = version;
  bool authenticate = true;
  nonce random = {};
  std::uint32_t envelope_bytes = 0;  // the bound of a frame
  std::uint32_t heartbeat_ms = 0;    // something must be heard within three of them
};
/// Node: its name and the proof; `tag` is zeros without a secret.
struct registration {
  static constexpr std::uint8_t kind = 0x02;
  std::uint8_t chosen = version;
  bool authenticate = true;
  nonce random = {};
  digest tag = {};
  std::string_view name;
};
/// Relay: the registration is good, and here is its own proof.
struct welcome {
  static constexpr std::uint8_t kind = 0x03;
  digest tag = {};
};
/// Either: the connection ends, and why.
struct goodbye {
  static constexpr std::uint8_t kind = 0x04;
  relay_refusal why = relay_refusal::none;
  std::string_view text;
};
/// Node: to that name. `number` counts 1, 2, … on a connection.
struct envelope {
  static constexpr std::uint8_t kind = 0x10;
  std::uint64_t number = 0;
  std::string_view target;
  const_bytes payload;
};
/// Relay: from that name.
struct delivery {
  static constexpr std::uint8_t kind = 0x11;
  std::string_view source;
  const_bytes payload;
};
/// Relay: `count` envelopes from `first` on are in the queues of their targets.
struct ack {
  static constexpr std::uint8_t kind = 0x12;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
};
/// Relay: that envelope is not.
struct nack {
  static constexpr std::uint8_t kind = 0x13;
  std::uint64_t number = 0;
  relay_refusal why = relay_refusal::none;
};
/// Either; the other answers with the same token.
struct ping {
  static constexpr std::uint8_t kind = 0x20;
  std::uint64_t token = 0;
};
struct pong {
  static constexpr std::uint8_t kind = 0x21;
  std::uint64_t token = 0;
};

using frame = std::variant<challenge, registration, welcome, goodbye, envelope, delivery, ack, nack,
                           ping, pong>;

/// A whole frame without its length. Errors: `truncated`, `bad_encoding` with the offset.
[[nodiscard]] result<frame> read_frame(const_bytes body);
/// Appends the frame with its length.
void append(bytes& out, const frame& f);
/// Bytes that an envelope or delivery is longer than its name and payload, the length included.
inline constexpr std::size_t envelope_overhead = head_size + 1 + 8 + 1;

/// HMAC-SHA256 by which a node shows that it knows the secret, and by which the relay does.
[[nodiscard]] digest node_proof(const_bytes secret, const nonce& relay, const nonce& node,
                                std::string_view name) noexcept;
[[nodiscard]] digest relay_proof(const_bytes secret, const nonce& relay, const nonce& node,
                                 std::string_view name) noexcept;

/// Cuts a stream of bytes into frames. Holds at most one frame that is not whole yet.
class frame_reader {
 public:
  explicit frame_reader(std::size_t max) noexcept : max_(max) {}
  /// The greatest frame from here on.
  void allow(std::size_t max) noexcept { max_ = max; }

  /// Calls `each(const_bytes body)` for each whole frame of what was held and `in`; it returns
  /// false to stop, and the rest is dropped then. Error: `limit_exceeded`, from the length alone.
  template <class F>
  [[nodiscard]] result<void> feed(const_bytes in, F each) {
    while (!in.empty() || !held_.empty()) {
      const auto body = next(in);
      if (!body) return std::unexpected(body.error());
      if (!*body) return {};
      const bool go_on = each(**body);
      done();
      if (!go_on) return {};
    }
    return {};
  }
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }

 private:
  [[nodiscard]] result<std::optional<const_bytes>> next(const_bytes& in);
  void done() noexcept;
  std::size_t max_;
  bytes held_;         // the beginning of a frame
  bool used_ = false;  // `held_` is the frame that `each` has in hand
};

/// Fields, one after the other, of bytes that nobody vouches for.
class field_reader {
 public:
  explicit field_reader(const_bytes in) noexcept : in_(in) {}
  template <class T>
  T number() noexcept {
    T v = 0;
    const const_bytes b = take(sizeof(T));
    for (std::size_t i = 0; i < b.size(); ++i)
      v = static_cast<T>(v | static_cast<T>(T(std::to_integer<std::uint8_t>(b[i])) << (8 * i)));
    return v;
  }
  /// A u8 or u16 length and so many characters.
  std::string_view text8() noexcept { return wire::as_text(take(number<std::uint8_t>())); }
  std::string_view text16() noexcept { return wire::as_text(take(number<std::uint16_t>())); }
  template <std::size_t N>
  std::array<std::byte, N> array() noexcept {
    std::array<std::byte, N> a = {};
    const const_bytes b = take(N);
    for (std::size_t i = 0; i < b.size(); ++i) a[i] = b[i];
    return a;
  }
  const_bytes rest() noexcept { return take(in_.size() - at_); }
  [[nodiscard]] bool good() const noexcept { return good_; }
  /// Read to the last byte, and no further.
  [[nodiscard]] bool whole() const noexcept { return good_ && at_ == in_.size(); }
  [[nodiscard]] std::size_t offset() const noexcept { return at_; }

 private:
  const_bytes take(std::size_t n) noexcept;
  const_bytes in_;
  std::size_t at_ = 0;
  bool good_ = true;
};

template <class T>
void put(bytes& out, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(v) >> (8 * i)));
}
inline void put(bytes& out, const_bytes b) { out.insert(out.end(), b.begin(), b.end()); }

}  // namespace odeon::remote::relay_detail
