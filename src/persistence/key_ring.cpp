#include <odeon/persistence/key_ring.hpp>

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

namespace odeon {

namespace {

constexpr std::size_t file_bytes_max = 1u << 20;
constexpr std::size_t hex_digits = 2 * key_ring::key_bytes;
constexpr std::size_t base64_digits = 44;

/// A key in memory of its own, which is overwritten before it is given back.
struct secret {
  std::array<std::byte, key_ring::key_bytes> bytes{};
  secret() = default;
  secret(const secret&) = delete;
  secret& operator=(const secret&) = delete;
  ~secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

/// Text that may hold keys; overwritten at the end of its scope.
struct secret_text {
  std::string text;
  ~secret_text() { OPENSSL_cleanse(text.data(), text.size()); }
};

bool fits_an_id(std::string_view id) noexcept {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !id.empty() && id.size() <= key_ring::max_id_bytes && std::ranges::all_of(id, good);
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64_value(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

bool from_hex(std::string_view text, secret& out) noexcept {
  for (std::size_t k = 0; k < out.bytes.size(); ++k) {
    const int high = hex_value(text[2 * k]);
    const int low = hex_value(text[2 * k + 1]);
    if (high < 0 || low < 0) return false;
    out.bytes[k] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

// 32 bytes are 43 digits, the last of which has two bits to spare, and one '='.
bool from_base64(std::string_view text, secret& out) noexcept {
  unsigned bits = 0;
  unsigned held = 0;
  std::size_t at = 0;
  for (const char c : text.substr(0, base64_digits - 1)) {
    const int value = base64_value(c);
    if (value < 0) return false;
    held = ((held << 6) | static_cast<unsigned>(value)) & 0xffffu;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.bytes[at++] = static_cast<std::byte>((held >> bits) & 0xffu);
  }
  return text.back() == '=' && at == out.bytes.size() && (held & ((1u << bits) - 1)) == 0;
}

bool is_gap(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ','; }

/// Cuts the next entry off the front of `text`; empty at the end.
std::string_view next_entry(std::string_view& text) noexcept {
  while (!text.empty()) {
    if (text.front() == '#') {
      text.remove_prefix(std::min(text.find('\n'), text.size()));
    } else if (is_gap(text.front())) {
      text.remove_prefix(1);
    } else {
      const auto end = std::ranges::find_if(text, [](char c) { return is_gap(c) || c == '#'; });
      const auto entry = text.substr(0, static_cast<std::size_t>(end - text.begin()));
      text.remove_prefix(entry.size());
      return entry;
    }
  }
  return {};
}

}  // namespace

struct key_ring::keys {
  struct entry {
    std::string id;
    std::unique_ptr<secret> key;  // so that moving entries moves no key
  };
  std::vector<entry> list;
};

key_ring::key_ring() : keys_(std::make_unique<keys>()) {}
key_ring::~key_ring() = default;
key_ring::key_ring(key_ring&& other) noexcept = default;
key_ring& key_ring::operator=(key_ring&& other) noexcept = default;

bool key_ring::empty() const noexcept { return size() == 0; }
std::size_t key_ring::size() const noexcept { return keys_ ? keys_->list.size() : 0; }
std::string_view key_ring::newest() const noexcept {
  return empty() ? std::string_view() : keys_->list.back().id;
}

std::span<const std::byte> key_ring::find(std::string_view id) const noexcept {
  if (empty()) return {};
  const auto found = std::ranges::find(keys_->list, id, &keys::entry::id);
  if (found == keys_->list.end()) return {};
  return found->key->bytes;
}

result<void> key_ring::add(std::string_view id, std::span<const std::byte> key) {
  // What is no id may be a key in the wrong place: it is not repeated.
  if (!fits_an_id(id))
    return fail(errc::invalid_argument,
                "a key's id has 1 to 16 letters, digits, '.', '-' or '_', and this one has not");
  if (key.size() != key_bytes)
    return fail(errc::invalid_argument, "the key \"" + std::string(id) + "\" has " +
                                            std::to_string(key.size()) +
                                            " bytes, and AES-256 needs 32");
  if (!find(id).empty())
    return fail(errc::name_taken, "there are two keys with the id \"" + std::string(id) + "\"");
  if (size() == max_keys) return fail(errc::limit_exceeded, "there are more than 1000 keys");
  if (!keys_) keys_ = std::make_unique<keys>();
  auto copy = std::make_unique<secret>();
  std::ranges::copy(key, copy->bytes.begin());
  keys_->list.push_back({std::string(id), std::move(copy)});
  return {};
}

result<key_ring> key_ring::parse(std::string_view text, std::string_view source) {
  key_ring out;
  std::size_t number = 0;
  const auto refuse = [&](errc code, const std::string& why) {
    return fail(code, std::string(source) + ": key " + std::to_string(number) + ": " + why);
  };
  while (true) {
    const std::string_view entry = next_entry(text);
    if (entry.empty()) break;
    ++number;
    const auto colon = entry.find(':');
    if (colon == std::string_view::npos)
      return refuse(errc::bad_encoding, "it is not of the form id:key");
    const std::string_view id = entry.substr(0, colon);
    const std::string_view digits = entry.substr(colon + 1);
    secret key;
    std::optional<bool> read;
    if (digits.size() == hex_digits) read = from_hex(digits, key);
    if (digits.size() == base64_digits) read = from_base64(digits, key);
    if (!read)
      return refuse(errc::bad_encoding,
                    "it has " + std::to_string(digits.size()) +
                        " characters, and 32 bytes are 64 hexadecimal digits or 44 of base64");
    if (!*read) return refuse(errc::bad_encoding, "it is neither hexadecimal nor base64");
    if (auto ok = out.add(id, key.bytes); !ok)
      return refuse(ok.error().code(), std::string(ok.error().text()));
  }
  if (number == 0) return fail(errc::not_found, std::string(source) + ": there is no key in it");
  return out;
}

result<key_ring> key_ring::from_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return fail(errno == ENOENT ? errc::not_found : errc::io_failed,
                path + ": cannot be opened (" + std::strerror(errno) + ")");
  secret_text held{std::string(file_bytes_max + 1, '\0')};
  file.read(held.text.data(), static_cast<std::streamsize>(held.text.size()));
  const auto size = static_cast<std::size_t>(file.gcount());
  if (file.bad()) return fail(errc::io_failed, path + ": cannot be read");
  if (size > file_bytes_max) return fail(errc::limit_exceeded, path + ": is larger than 1 MiB");
  return parse(std::string_view(held.text).substr(0, size), path);
}

result<key_ring> key_ring::from_environment(const std::string& variable) {
  const char* text = std::getenv(variable.c_str());
  if (text == nullptr)
    return fail(errc::not_found, "the environment variable " + variable + " is not set");
  return parse(text, "the environment variable " + variable);
}

}  // namespace odeon
