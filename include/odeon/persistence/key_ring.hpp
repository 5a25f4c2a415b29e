#pragma once

#include <odeon/base/error.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

/// @file The keys that a journal is encrypted with: see `encryption.hpp`.

namespace odeon {

/// AES-256 keys by id. The newest one writes, all of them read: a key is exchanged by adding a new
/// one, and the old ones stay for as long as there is a record that they sealed.
///
/// A value that can be moved and not copied. Its keys lie in memory that is overwritten when they
/// go; no error text and no log has a key in it, nor text that may be one.
class key_ring {
 public:
  static constexpr std::size_t key_bytes = 32;
  static constexpr std::size_t max_id_bytes = 16;
  static constexpr std::size_t max_keys = 1000;

  key_ring();
  ~key_ring();
  key_ring(key_ring&&) noexcept;
  key_ring& operator=(key_ring&&) noexcept;

  /// Adds a key, the newest from now on. Errors: `invalid_argument` (an id that is empty, longer
  /// than `max_id_bytes`, or of other characters than letters, digits, '.', '-' and '_'; a key that
  /// is not `key_bytes` long), `name_taken` (there is a key of that id), `limit_exceeded`.
  [[nodiscard]] result<void> add(std::string_view id, std::span<const std::byte> key);

  /// Reads keys from a text: entries "id:key" with the key in hexadecimal (64 digits) or base64 (44
  /// characters), in the order of their age, the newest last. Between entries stand blanks, line
  /// breaks or commas; '#' begins a comment, which ends with its line.
  ///
  /// Errors: as `add`, and `bad_encoding`, each with the number of the entry in `text`;
  /// `not_found`: there is no entry. `source` is named in them ("keys.txt").
  [[nodiscard]] static result<key_ring> parse(std::string_view text, std::string_view source);

  /// Reads a file of such a text, at most 1 MiB. Whoever can read the file can read the journal:
  /// its rights are the caller's concern. Errors: as `parse`, `not_found`, `io_failed`.
  [[nodiscard]] static result<key_ring> from_file(const std::string& path);

  /// Reads such a text from an environment variable. The variable stays; children inherit it, and
  /// the system shows it to the same user. Errors: as `parse`; `not_found`: it is not set.
  [[nodiscard]] static result<key_ring> from_environment(const std::string& variable);

  [[nodiscard]] bool empty() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;

  /// The id of the key that writes; "" when there is none.
  [[nodiscard]] std::string_view newest() const noexcept;

  /// The key of that id, `key_bytes` long, valid as long as this object; empty when there is none.
  /// For codecs of one's own: do not copy it about.
  [[nodiscard]] std::span<const std::byte> find(std::string_view id) const noexcept;

 private:
  struct keys;
  std::unique_ptr<keys> keys_;
};

}  // namespace odeon
