#pragma once

#include <odeon/runtime/transport.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

/// @file The few primitives that protocols between nodes are made of: SHA-256, HMAC, HKDF, and
/// AES-256-GCM. OpenSSL does the work and stays in `src/net`. Random bytes are not here: they come
/// from the runtime (`runtime::random`), so that a simulation can be repeated.
///
/// Keys are the caller's: what is derived here is wiped when its object goes, what was handed in is
/// not (see `wipe`).

namespace odeon {

/// A SHA-256 value, or a tag of HMAC-SHA256.
using digest = std::array<std::byte, 32>;

/// SHA-256 (FIPS 180-4) of the pieces one after the other; nothing is copied. @threadsafe
[[nodiscard]] digest sha256(std::span<const const_bytes> pieces) noexcept;
[[nodiscard]] inline digest sha256(const_bytes bytes) noexcept { return sha256({&bytes, 1}); }

/// HMAC-SHA256 (RFC 2104) of the pieces one after the other, under a key of any length. For many
/// messages under one key, see `mac_key`. @threadsafe
[[nodiscard]] digest hmac_sha256(const_bytes key, std::span<const const_bytes> pieces) noexcept;
[[nodiscard]] inline digest hmac_sha256(const_bytes key, const_bytes bytes) noexcept {
  return hmac_sha256(key, {&bytes, 1});
}

inline constexpr std::size_t hkdf_bytes_max = 255 * 32;  ///< that one derivation gives

/// HKDF-SHA256 (RFC 5869), both steps: fills `out` with keys derived from `key`. `salt` may be
/// empty; `info` says what the keys are for, and different texts give independent keys. At most
/// `hkdf_bytes_max` bytes of `out`, which is an invariant. @threadsafe
void hkdf_sha256(const_bytes key, const_bytes salt, const_bytes info,
                 std::span<std::byte> out) noexcept;

/// Whether both have the same length and the same bytes. How long it takes depends on the lengths
/// alone. @threadsafe
[[nodiscard]] bool equal_in_constant_time(const_bytes a, const_bytes b) noexcept;

/// Overwrites a secret with zeros, which no compiler leaves out. @threadsafe
void wipe(std::span<std::byte> secret) noexcept;

/// A key of HMAC-SHA256 with its first two blocks done: a message of up to 55 bytes then costs two
/// blocks instead of four, and nothing is allocated. A value of 64 bytes; wiped when it goes. Any
/// number of threads may use one at the same time.
class mac_key {
 public:
  /// A key of any length; the empty one is a key like others.
  explicit mac_key(const_bytes key) noexcept;
  mac_key(const mac_key&) noexcept = default;
  mac_key& operator=(const mac_key&) noexcept = default;
  ~mac_key();

  /// The tag of the pieces one after the other.
  [[nodiscard]] digest sign(std::span<const const_bytes> pieces) const noexcept;
  [[nodiscard]] digest sign(const_bytes bytes) const noexcept { return sign({&bytes, 1}); }

  /// Whether `tag` is that of the pieces, or its first bytes: at least 16 of them, and at most 32;
  /// a tag of another length is never right. In constant time.
  [[nodiscard]] bool verify(std::span<const const_bytes> pieces, const_bytes tag) const noexcept;
  [[nodiscard]] bool verify(const_bytes bytes, const_bytes tag) const noexcept {
    return verify({&bytes, 1}, tag);
  }

 private:
  using chaining = std::array<std::uint32_t, 8>;
  chaining inner_{}, outer_{};
};

inline constexpr std::size_t seal_tag_size = 16;  ///< bytes that a sealed text is longer by

/// A key of AES-256-GCM (NIST SP 800-38D) whose nonces are counted: the nonce of message n is `iv`
/// with the big-endian n exclusive-ored into its last eight bytes, as in TLS 1.3. One key seals one
/// direction of one connection, each number once: a number used twice gives the texts away, which
/// the caller's counting excludes. Not for several threads at once. Allocates when it is made, and
/// not after.
class seal_key {
 public:
  seal_key(std::span<const std::byte, 32> key, std::span<const std::byte, 12> iv);
  seal_key(seal_key&&) noexcept;
  seal_key& operator=(seal_key&&) noexcept;
  ~seal_key();  ///< wipes the key

  /// Encrypts `text` where it stands; `tag` then holds what `open` compares. `aside` is protected
  /// as well and travels openly. At most 2^31-1 bytes each, which is an invariant.
  void seal(std::uint64_t number, const_bytes aside, std::span<std::byte> text,
            std::span<std::byte, seal_tag_size> tag) noexcept;

  /// Decrypts `text` where it stands. False: it, the number, `aside` or the tag are not what was
  /// sealed; `text` is zeros then.
  [[nodiscard]] bool open(std::uint64_t number, const_bytes aside, std::span<std::byte> text,
                          std::span<const std::byte, seal_tag_size> tag) noexcept;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace odeon
