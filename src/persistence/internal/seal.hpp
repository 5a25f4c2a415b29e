#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/key_ring.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file Sealing and opening one payload. `odeon/persistence/encryption.hpp` describes the bytes.

namespace odeon::detail {

/// What a payload belongs to: a kind, then texts and numbers in a form that no two lists share.
class seal_place {
 public:
  /// `what`: for errors, "event 7 of \"a\"".
  seal_place(char kind, std::string what) : what_(std::move(what)) {
    bytes_.push_back(static_cast<std::byte>(kind));
  }
  seal_place& text(std::string_view t);
  seal_place& number(std::uint64_t n);
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::string& what() const noexcept { return what_; }

 private:
  std::string what_;
  std::vector<std::byte> bytes_;
};

/// @threadsafe
class sealer {
 public:
  sealer(runtime& rt, key_ring keys, bool accept_plain);

  /// The sealed form of a payload. Errors: `internal`, when OpenSSL has no memory.
  [[nodiscard]] result<std::vector<std::byte>> seal(std::span<const std::byte> plain,
                                                    const seal_place& place);

  /// The plain form, in `out`. Errors: `corrupt_record`, `not_found` (the key), each with the
  /// place.
  [[nodiscard]] result<void> open(std::span<const std::byte> sealed, const seal_place& place,
                                  std::vector<std::byte>& out) const;

 private:
  void draw(std::span<std::byte> nonce);

  runtime& rt_;
  const key_ring keys_;
  const bool accept_plain_;
  std::mutex mutex_;               // guards all below
  std::vector<std::byte> nonces_;  // drawn from the runtime, not used yet
};

}  // namespace odeon::detail
