#include "odeon/journal/text.hpp"

#include <bit>
#include <charconv>
#include <cmath>

/// @file MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) as JSON text.

namespace odeon::journal_tool {

namespace {

constexpr int depth_max = 64;

class printer {
 public:
  explicit printer(std::span<const std::byte> in) : in_(in) {}

  std::optional<std::string> run() {
    if (!value(0) || at_ != in_.size()) return {};
    return std::move(out_);
  }

 private:
  bool take(std::size_t size, std::span<const std::byte>& bytes) {
    if (in_.size() - at_ < size) return false;
    bytes = in_.subspan(at_, size);
    at_ += size;
    return true;
  }

  bool number(std::size_t size, std::uint64_t& n) {
    std::span<const std::byte> bytes;
    if (!take(size, bytes)) return false;
    n = 0;
    for (const auto b : bytes) n = (n << 8) | std::to_integer<std::uint64_t>(b);
    return true;
  }

  bool text(std::size_t size) {
    std::span<const std::byte> bytes;
    if (!take(size, bytes)) return false;
    const std::string_view t(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!is_utf8(t)) return false;
    out_ += json_text(t);
    return true;
  }

  bool binary(std::size_t size) {
    std::span<const std::byte> bytes;
    if (!take(size, bytes)) return false;
    out_ += "{\"$bin\":\"" + to_hex(bytes) + "\"}";
    return true;
  }

  bool extension(std::size_t size) {
    std::uint64_t type = 0;
    std::span<const std::byte> bytes;
    if (!number(1, type) || !take(size, bytes)) return false;
    out_ += "{\"$ext\":" + std::to_string(static_cast<std::int8_t>(type)) + ",\"hex\":\"" +
            to_hex(bytes) + "\"}";
    return true;
  }

  bool list(std::uint64_t count, int depth) {
    out_ += '[';
    for (std::uint64_t k = 0; k < count; ++k) {
      if (k > 0) out_ += ',';
      if (!value(depth + 1)) return false;
    }
    out_ += ']';
    return true;
  }

  bool map(std::uint64_t count, int depth) {
    out_ += '{';
    for (std::uint64_t k = 0; k < count; ++k) {
      if (k > 0) out_ += ',';
      const std::size_t begin = out_.size();
      if (!value(depth + 1)) return false;
      if (out_[begin] != '"') {
        const std::string key = out_.substr(begin);
        out_.resize(begin);
        out_ += json_text(key);
      }
      out_ += ':';
      if (!value(depth + 1)) return false;
    }
    out_ += '}';
    return true;
  }

  template <class Real>
  bool real(Real r) {
    if (!std::isfinite(r)) {
      out_ += std::isnan(r) ? "\"NaN\"" : r > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      return true;
    }
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, r).ptr;
    out_.append(digits, end);
    return true;
  }

  bool sized(std::size_t width, bool (printer::*what)(std::size_t)) {
    std::uint64_t size = 0;
    return number(width, size) && (this->*what)(size);
  }

  bool counted(std::size_t width, bool (printer::*what)(std::uint64_t, int), int depth) {
    std::uint64_t count = 0;
    return number(width, count) && (this->*what)(count, depth);
  }

  bool integer(std::size_t width, bool is_signed) {
    std::uint64_t n = 0;
    if (!number(width, n)) return false;
    if (!is_signed) {
      out_ += std::to_string(n);
      return true;
    }
    const auto shift = static_cast<unsigned>(64 - 8 * width);
    out_ += std::to_string(static_cast<std::int64_t>(n << shift) >> shift);
    return true;
  }

  bool literal(const char* what) {
    out_ += what;
    return true;
  }

  bool value(int depth) {
    std::uint64_t head = 0;
    if (depth > depth_max || !number(1, head)) return false;
    const auto c = static_cast<unsigned>(head);
    if (c <= 0x7f) return literal(std::to_string(c).c_str());
    if (c <= 0x8f) return map(c & 15, depth);
    if (c <= 0x9f) return list(c & 15, depth);
    if (c <= 0xbf) return text(c & 31);
    if (c >= 0xe0) return literal(std::to_string(static_cast<int>(c) - 256).c_str());
    std::uint64_t bits = 0;
    switch (c) {
      case 0xc0: return literal("null");
      case 0xc2: return literal("false");
      case 0xc3: return literal("true");
      case 0xc4: return sized(1, &printer::binary);
      case 0xc5: return sized(2, &printer::binary);
      case 0xc6: return sized(4, &printer::binary);
      case 0xc7: return sized(1, &printer::extension);
      case 0xc8: return sized(2, &printer::extension);
      case 0xc9: return sized(4, &printer::extension);
      case 0xca:
        return number(4, bits) && real(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
      case 0xcb: return number(8, bits) && real(std::bit_cast<double>(bits));
      case 0xcc: return integer(1, false);
      case 0xcd: return integer(2, false);
      case 0xce: return integer(4, false);
      case 0xcf: return integer(8, false);
      case 0xd0: return integer(1, true);
      case 0xd1: return integer(2, true);
      case 0xd2: return integer(4, true);
      case 0xd3: return integer(8, true);
      case 0xd4: return extension(1);
      case 0xd5: return extension(2);
      case 0xd6: return extension(4);
      case 0xd7: return extension(8);
      case 0xd8: return extension(16);
      case 0xd9: return sized(1, &printer::text);
      case 0xda: return sized(2, &printer::text);
      case 0xdb: return sized(4, &printer::text);
      case 0xdc: return counted(2, &printer::list, depth);
      case 0xdd: return counted(4, &printer::list, depth);
      case 0xde: return counted(2, &printer::map, depth);
      case 0xdf: return counted(4, &printer::map, depth);
      default: return false;
    }
  }

  std::span<const std::byte> in_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::optional<std::string> msgpack_as_json(std::span<const std::byte> bytes) {
  return printer(bytes).run();
}

}  // namespace odeon::journal_tool
