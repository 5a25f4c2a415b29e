#include "wire/internal/json.hpp"

#include "wire/internal/entry.hpp"
#include "wire/internal/text.hpp"

#include <charconv>
#include <cmath>
#include <limits>

namespace odeon::wire::internal {

// --- writing -----------------------------------------------------------------------------------

namespace {

constexpr std::string_view not_a_number = "nan";
constexpr std::string_view infinite = "inf";
constexpr std::string_view minus_infinite = "-inf";

// The character behind the backslash, or 'u' for the long form, or 0 for a character that stands
// for itself.
constexpr char escape_of(char c) noexcept {
  switch (c) {
    case '"':
    case '\\': return c;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return static_cast<unsigned char>(c) < 0x20 ? 'u' : '\0';
  }
}

}  // namespace

void json_writer::number(integer v) {
  char digits[24];
  const auto end = v.negative ? std::to_chars(digits, digits + sizeof digits, v.as_signed())
                              : std::to_chars(digits, digits + sizeof digits, v.bits);
  out_.append({digits, static_cast<std::size_t>(end.ptr - digits)});
}

template <class F>
void json_writer::finite_or_word(F v) {
  if (!std::isfinite(v)) {
    put('"');
    out_.append(std::isnan(v) ? not_a_number : v > 0 ? infinite : minus_infinite);
    put('"');
    return;
  }
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, v);
  const std::string_view shortest(digits, static_cast<std::size_t>(end.ptr - digits));
  out_.append(shortest);
  // Keeps the kind, and the sign of -0.0, which would be lost in an integer.
  if (shortest.find_first_of(".e") == std::string_view::npos) out_.append(".0");
}

void json_writer::real(float v) { finite_or_word(v); }
void json_writer::real(double v) { finite_or_word(v); }

bool json_writer::text(std::string_view v, failure& why) {
  if (!is_utf8(v))
    return why.set(errc::bad_encoding, "the text is not UTF-8; bytes belong in wire::bytes");
  put('"');
  std::size_t done = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const char e = escape_of(v[i]);
    if (e == '\0') continue;
    out_.append(v.substr(done, i - done));
    done = i + 1;
    put('\\');
    put(e);
    if (e == 'u') {
      constexpr std::string_view hex = "0123456789abcdef";
      out_.append("00");
      put(hex[static_cast<unsigned char>(v[i]) >> 4U]);
      put(hex[static_cast<unsigned char>(v[i]) & 15U]);
    }
  }
  out_.append(v.substr(done));
  put('"');
  return true;
}

bool json_writer::blob(std::span<const std::byte> v, failure&) {
  put('"');
  to_base64(v, reinterpret_cast<char*>(out_.extend(base64_size(v.size()))));
  put('"');
  return true;
}

void json_writer::name(std::string_view v) {
  next();
  put('"');
  out_.append(v);
  out_.append("\":");
}

// --- reading -----------------------------------------------------------------------------------

bool json_reader::mismatch(std::string_view wanted) {
  const token found = peek();
  const std::string_view word = found == token::nil   ? "null"
                                : found == token::map ? "an object"
                                                      : describe(found);
  return why_.set(errc::wrong_type,
                  "expected " + std::string(wanted) + ", found " + std::string(word), next_);
}

bool json_reader::boolean(bool& v) {
  if (peek() != token::boolean) return mismatch("a boolean");
  v = tape_.at(next_++).flag;
  return true;
}

bool json_reader::number(integer& v) {
  if (peek() != token::integer) return mismatch("an integer");
  const json_token& t = tape_.at(next_++);
  v = {t.where, t.flag};
  return true;
}

// The parsers of the standard library tell overflow and underflow apart by nothing: where the first
// digit that is not zero stands, against the exponent, does.
template <class F>
bool json_reader::parse_real(std::string_view digits, F& v) {
  const auto done = std::from_chars(digits.data(), digits.data() + digits.size(), v);
  if (done.ec == std::errc{}) return true;
  const std::size_t mark = std::min(digits.find_first_of("eE"), digits.size());
  const std::string_view mantissa = digits.substr(0, mark);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  const std::size_t first = std::min(mantissa.find_first_of("123456789"), mantissa.size());
  const auto leading = static_cast<long long>(point) - static_cast<long long>(first);
  long long exponent = 0;
  if (mark < digits.size()) {
    std::string_view tail = digits.substr(mark + 1);
    if (tail.starts_with('+')) tail.remove_prefix(1);
    std::from_chars(tail.data(), tail.data() + tail.size(), exponent);
  }
  if (leading + exponent > 0) return why_.set(errc::wrong_type, "the number does not fit", next_);
  v = digits.starts_with('-') ? F{-0.0} : F{0};
  return true;
}

template <class F>
bool json_reader::real_of(F& v) {
  const token found = peek();
  if (found == token::real) {
    if (!parse_real(tape_.text(tape_.at(next_)), v)) return false;
    ++next_;
    return true;
  }
  if (found == token::integer) {
    const json_token& t = tape_.at(next_++);
    v = t.flag ? static_cast<F>(static_cast<std::int64_t>(t.where)) : static_cast<F>(t.where);
    return true;
  }
  if (found == token::text) {
    const std::string_view word = tape_.text(tape_.at(next_));
    using limit = std::numeric_limits<F>;
    if (word == not_a_number || word == infinite || word == minus_infinite) {
      v = word == not_a_number ? limit::quiet_NaN()
          : word == infinite   ? limit::infinity()
                               : -limit::infinity();
      ++next_;
      return true;
    }
  }
  return mismatch("a number");
}

bool json_reader::text(std::string_view& v) {
  if (peek() != token::text) return mismatch("a string");
  v = tape_.text(tape_.at(next_++));
  return true;
}

bool json_reader::blob_size(std::size_t& n) {
  if (peek() != token::text) return mismatch("bytes as base64 text");
  const auto size = from_base64_size(tape_.text(tape_.at(next_)));
  if (!size) return why_.set(errc::bad_encoding, "the text is not base64", next_);
  n = *size;
  return true;
}

bool json_reader::blob_copy(std::byte* to) {
  if (!from_base64(tape_.text(tape_.at(next_)), to)) {
    return why_.set(errc::bad_encoding, "the text is not base64", next_);
  }
  ++next_;
  return true;
}

bool json_reader::enter_array(std::size_t& n) {
  if (peek() != token::array) return mismatch("an array");
  n = tape_.at(next_++).count;
  return true;
}

bool json_reader::enter_map(std::size_t& n) {
  if (peek() != token::map) return mismatch("an object");
  n = tape_.at(next_++).count;
  return true;
}

bool json_reader::skip() {
  const json_token& t = tape_.at(next_);
  next_ = t.type == token::array || t.type == token::map ? t.where : next_ + 1;
  return true;
}

// --- both --------------------------------------------------------------------------------------

bool write_json(buffer& out, const schema& s, const void* value, const context& c, failure& why) {
  json_writer writer(out);
  return encoder<json_writer>(writer, c, why, limits{}.max_depth).value(s, value);
}

bool read_json(void* value, const schema& s, std::span<const std::byte> in, const limits& bounds,
               const context& c, failure& why) {
  json_tape tape;
  if (!tape.parse(as_text(in), bounds, why)) return false;
  json_reader reader(tape, bounds, why);
  if (decoder<json_reader>(reader, c, why).value(s, value)) return true;
  why.translate([&](std::size_t token) { return tape.offset_of(token); });
  return false;
}

}  // namespace odeon::wire::internal
