#include "odeon/journal/text.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace odeon::journal_tool {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void append_hex(std::string& out, unsigned char c) {
  out += hex_digits[c >> 4];
  out += hex_digits[c & 15];
}

// The length of the well-formed character at the front (Unicode, table 3-7); 0: there is none.
std::size_t character(std::string_view t) noexcept {
  const auto at = [&](std::size_t k) { return static_cast<unsigned char>(t[k]); };
  const auto follows = [&](std::size_t k, unsigned low = 0x80, unsigned high = 0xbf) {
    return k < t.size() && at(k) >= low && at(k) <= high;
  };
  const unsigned c = at(0);
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c <= 0xdf) return follows(1) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef)
    return follows(1, c == 0xe0 ? 0xa0 : 0x80, c == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  if (c >= 0xf0 && c <= 0xf4)
    return follows(1, c == 0xf0 ? 0x90 : 0x80, c == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3)
               ? 4
               : 0;
  return 0;
}

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t k = 0; k < 256; ++k) {
    std::uint32_t v = k;
    for (int bit = 0; bit < 8; ++bit) v = (v >> 1) ^ ((v & 1) != 0 ? 0x82f63b78u : 0);
    table[k] = v;
  }
  return table;
}();

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = character(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t size = character(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (size == 0) {
      out += "\xef\xbf\xbd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text.front();
    } else if (c < 0x20 || c == 0x7f) {
      out += "\\u00";
      append_hex(out, c);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out + '"';
}

std::string shown(std::string_view text) {
  const auto is_plain = [](char c) { return c > ' ' && c < 127 && c != '"' && c != '\\'; };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return std::string(text);
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t size = character(text);
    const auto c = static_cast<unsigned char>(text.front());
    // U+0080 to U+009f are controls as well.
    const bool control = c < 0x20 || c == 0x7f ||
                         (c == 0xc2 && size == 2 && static_cast<unsigned char>(text[1]) < 0xa0);
    if (size == 0 || control) {
      out += "\\x";
      append_hex(out, c);
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += text.substr(0, size);
    text.remove_prefix(size);
  }
  return out + '"';
}

std::string iso_time(wall_time t) {
  using std::chrono::floor;
  const auto day = floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(t - day);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%09lldZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<long long>(clock.subseconds().count()));
  return out.data();
}

std::string to_hex(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const auto b : bytes) append_hex(out, std::to_integer<unsigned char>(b));
  return out;
}

std::string to_base64(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t k = 0; k < bytes.size(); k += 3) {
    const std::size_t left = std::min<std::size_t>(bytes.size() - k, 3);
    unsigned group = 0;
    for (std::size_t b = 0; b < 3; ++b)
      group = (group << 8) | (b < left ? std::to_integer<unsigned>(bytes[k + b]) : 0);
    for (std::size_t d = 0; d < 4; ++d)
      out += d <= left ? base64_digits[(group >> (18 - 6 * d)) & 63] : '=';
  }
  return out;
}

result<std::vector<std::byte>> from_base64(std::string_view text) {
  const auto bad = [](std::size_t at) {
    return fail(errc::bad_encoding, "the base64 text is wrong at character " + std::to_string(at));
  };
  if (text.size() % 4 != 0) return bad(text.size());
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::vector<std::byte> out;
  out.reserve(text.size() / 4 * 3);
  unsigned held = 0;
  unsigned bits = 0;
  for (std::size_t k = 0; k < text.size() - padding; ++k) {
    const std::size_t value = base64_digits.find(text[k]);
    if (value == std::string_view::npos) return bad(k);
    held = ((held << 6) | static_cast<unsigned>(value)) & 0xffffu;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out.push_back(static_cast<std::byte>((held >> bits) & 0xffu));
  }
  if ((held & ((1u << bits) - 1)) != 0) return bad(text.size() - padding - 1);
  return out;
}

std::optional<std::string> sealed_with(std::span<const std::byte> payload) {
  static constexpr std::string_view magic = "\xc5OE1";
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (text.size() < 48 || !text.starts_with(magic)) return {};
  const std::string_view id = text.substr(4, 16);
  return std::string(id.substr(0, id.find('\0')));
}

std::string payload_text(std::span<const std::byte> payload) {
  if (const auto key = sealed_with(payload))
    return "<" + std::to_string(payload.size()) + " bytes, sealed with the key " + shown(*key) +
           ">";
  auto json = msgpack_as_json(payload);
  return json ? std::move(*json) : to_hex(payload);
}

std::string payload_members(std::span<const std::byte> payload) {
  if (const auto key = sealed_with(payload))
    return "\"sealed_with\":" + json_text(*key) + ",\"payload_hex\":\"" + to_hex(payload) + "\"";
  if (const auto json = msgpack_as_json(payload)) return "\"payload\":" + *json;
  return "\"payload_hex\":\"" + to_hex(payload) + "\"";
}

std::uint32_t crc32c(std::string_view bytes, std::uint32_t sum) noexcept {
  sum = ~sum;
  for (const char c : bytes)
    sum = (sum >> 8) ^ crc_table[(sum ^ static_cast<unsigned char>(c)) & 0xff];
  return ~sum;
}

}  // namespace odeon::journal_tool
