#pragma once

#include <odeon/net/http_message.hpp>

#include <cstddef>
#include <string>
#include <string_view>

/// @file The alphabet of HTTP/1.1 (RFC 9110, section 5.6).

namespace odeon {

/// For the parser alone: what it gives has been checked already.
struct http_fields_access {
  static void append(http_fields& f, std::string_view name, std::string_view value) {
    f.append(name, value);
  }
};

namespace http_detail {

inline char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c; }
inline bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}
inline std::string_view trimmed(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}
inline int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
inline bool is_token(std::string_view s) noexcept {
  for (const char c : s) {
    const bool good = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
                      std::string_view("!#$%&'*+-.^_`|~").contains(c);
    if (!good) return false;
  }
  return !s.empty();
}
inline bool is_field_value(std::string_view s) noexcept {
  for (const char c : s)
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7F') return false;
  return true;
}
/// At most 64 bytes of it, with "?" for what is no visible ASCII: bytes from outside in a sentence.
inline std::string printable(std::string_view s) {
  std::string out(s.substr(0, 64));
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  if (s.size() > 64) out += "…";
  return out;
}

/// How many of the bytes are whole characters of UTF-8. `cut`: what follows may become one.
std::size_t utf8_prefix(std::string_view bytes, bool& cut) noexcept;

}  // namespace http_detail

}  // namespace odeon
