#pragma once

#include "protocol.hpp"
#include <odeon/net/crypto.hpp>
#include <odeon/wire/bytes.hpp>

#include <optional>
#include <span>
#include <string>

/// @file How two sides become acquainted: hello, hello, confirm, welcome; or a refusal in place of
/// any of them. Both proofs and all keys cover both hellos whole, so nobody between the two can
/// change a word of what either says, and no message of one handshake is of use in another.
///
/// The dialer proves first: who merely connects learns nothing that depends on the secret.

namespace odeon::remote::detail {

/// `invalid_argument`: a hello of these options is not possible (names empty, too long or with
/// control characters, too many tags, a secret below 16 bytes); the text names the option.
[[nodiscard]] result<void> check_options(const session_options& options);

/// A stranger's text, cut and fit for a log.
[[nodiscard]] std::string made_printable(std::string_view text);

/// What the frames of one direction are protected with.
struct direction_keys {
  std::uint32_t crc_seed = 0;       ///< without a secret
  std::array<std::byte, 32> key{};  ///< with one
  std::array<std::byte, 12> iv{};
};
struct connection_keys {
  direction_keys dialer;
  direction_keys acceptor;
};

/// One side of one handshake.
class handshake {
 public:
  enum class step : std::uint8_t { hello, proof, deciding, done, failed };

  /// The options must have passed `check_options`.
  explicit handshake(session_options options);
  handshake(handshake&&) noexcept = default;
  handshake& operator=(handshake&&) noexcept = default;
  ~handshake();  ///< wipes the secret and the keys

  [[nodiscard]] step at() const noexcept { return step_; }
  [[nodiscard]] const session_options& options() const noexcept { return options_; }
  [[nodiscard]] const std::optional<peer_hello>& peer() const noexcept { return peer_; }
  /// In `done`.
  [[nodiscard]] const connection_keys& keys() const noexcept { return keys_; }
  /// What is to be written; the caller clears it.
  [[nodiscard]] wire::buffer& out() noexcept { return out_; }

  /// Takes one message from the front, if there is a whole one, and returns its length; else 0.
  /// Errors as `session::receive`; a refusal is in `out()` then, unless the peer has refused.
  [[nodiscard]] result<std::size_t> receive(std::span<const std::byte> bytes);
  void accept();  ///< in `deciding`
  void refuse(const error& why);

 private:
  result<void> on_hello(std::span<const std::byte> whole, std::span<const std::byte> body);
  result<void> check_peer() const;
  result<void> on_proof(std::span<const std::byte> proof);
  error on_refusal(std::span<const std::byte> body) const;
  void derive(std::span<const std::byte> theirs);
  void send(std::uint8_t kind, std::span<const std::byte> body);
  void send_proof(std::uint8_t kind);
  [[nodiscard]] digest proof_of(role side) const;
  /// Ends it; the peer is told `to_peer` in place of the error's own code.
  std::unexpected<error> end(errc code, errc to_peer, std::string text);

  session_options options_;
  step step_ = step::hello;
  std::optional<peer_hello> peer_;
  wire::bytes mine_;  // this side's hello
  digest transcript_{};
  connection_keys keys_;
  wire::buffer out_;
};

}  // namespace odeon::remote::detail
