#include "wire/internal/cbor.hpp"
#include "wire/internal/entry.hpp"
#include "wire/internal/half.hpp"
#include "wire/internal/text.hpp"

#include <cmath>
#include <limits>

namespace odeon::wire::internal {

// --- heads and tags ----------------------------------------------------------------------------

cbor_reader::tag cbor_reader::meaning(std::uint64_t number) noexcept {
  switch (number) {
    case 1: return tag::epoch;
    case 2: return tag::positive;
    case 3: return tag::negative;
    // What follows stands for a value elsewhere: it is not that value.
    case 25:
    case 29: return tag::reference;
    case 55799: return tag::none;  // "this is CBOR"
    default: return tag::other;
  }
}

token cbor_reader::kind_here() const noexcept {
  if (at_ == end_ || (info() >= 28 && info() <= 30)) return token::none;
  switch (major()) {
    case 0:
    case 1: return is_indefinite() ? token::none : token::integer;
    case 2: return token::blob;
    case 3: return token::text;
    case 4: return token::array;
    case 5: return token::map;
    case 6: return token::none;
    default: break;
  }
  switch (info()) {
    case 20:
    case 21: return token::boolean;
    case 22:
    case 23: return token::nil;  // null, undefined
    case 24: return left() >= 2 && at_[1] >= 32 ? token::other : token::none;
    case 25:
    case 26:
    case 27: return token::real;
    case 31: return token::none;  // a break where none may be
    default: return token::other;
  }
}

token cbor_reader::peek() {
  while (at_ != end_ && major() == 6) {
    std::uint64_t number = 0;
    if (!argument(number)) return token::none;
    if (const tag t = meaning(number); t != tag::none) tag_ = t;
  }
  if (tag_ == tag::reference) return at_ == end_ ? token::none : token::other;
  const token found = kind_here();
  return is_big() && found == token::blob ? token::integer : found;
}

bool cbor_reader::malformed() {
  constexpr std::string_view digits = "0123456789abcdef";
  if (at_ == end_ || (*at_ == 0xf8 && left() < 2)) return truncated();
  std::string text = "the byte 0x";
  text += digits[*at_ >> 4U];
  text += digits[*at_ & 15U];
  text += is_break() ? ", a break, where a value is expected" : " begins nothing in CBOR";
  return why_.set(errc::bad_encoding, std::move(text), offset());
}

bool cbor_reader::mismatch(std::string_view wanted) {
  const token found = peek();
  if (found == token::none) return malformed();
  return refuse_type(wanted, tag_ == tag::reference  ? "a reference to another value"
                             : found == token::other ? "a simple value"
                             : is_big()              ? "a big number"
                                                     : describe(found));
}

// The number in the head at `at_`, which is stepped over.
bool cbor_reader::argument(std::uint64_t& v) {
  const auto take = [&]<class U>(U raw) {
    if (!get(raw)) return false;
    v = raw;
    return true;
  };
  switch (info()) {
    case 24: return take(std::uint8_t{});
    case 25: return take(std::uint16_t{});
    case 26: return take(std::uint32_t{});
    case 27: return take(std::uint64_t{});
    case 28:
    case 29:
    case 30:
    case 31: return malformed();
    default: v = *at_++ & 31U; return true;
  }
}

// --- values ------------------------------------------------------------------------------------

bool cbor_reader::nil() {
  if (peek() != token::nil) return false;
  ++at_;
  tag_ = tag::none;
  return true;
}

bool cbor_reader::boolean(bool& v) {
  if (peek() != token::boolean) return mismatch("a boolean");
  v = *at_++ == 0xf5;
  tag_ = tag::none;
  return true;
}

bool cbor_reader::number(integer& v) {
  if (peek() != token::integer) return mismatch("an integer");
  if (is_big() && major() == 2) return big_number(v);
  const std::size_t start = offset();
  const bool negative = major() == 1;
  std::uint64_t bits = 0;
  if (!argument(bits)) return false;
  tag_ = tag::none;
  if (negative && bits > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return why_.set(errc::wrong_type, "the negative number does not fit 64 bits", start);
  }
  v = {negative ? ~bits : bits, negative};
  return true;
}

// Tags 2 and 3: bytes of a number, big-endian, that may as well have been an integer.
bool cbor_reader::big_number(integer& v) {
  const bool negative = tag_ == tag::negative;
  const std::size_t start = offset();
  std::uint64_t bits = 0;
  bool fits = true;
  const auto add = [&](std::size_t n) {
    for (const std::uint8_t* p = at_; p != at_ + n; ++p) {
      fits = fits && bits >> 56U == 0;
      bits = bits << 8U | *p;
    }
    return true;
  };
  if (!chunks(2, add)) return false;
  tag_ = tag::none;
  if (!fits || (negative && bits > std::uint64_t{std::numeric_limits<std::int64_t>::max()})) {
    return why_.set(errc::wrong_type, "the big number does not fit 64 bits", start);
  }
  v = {negative ? ~bits : bits, negative};
  return true;
}

bool cbor_reader::real(double& v) {
  const token found = peek();
  if (found == token::real && info() == 27) {
    std::uint64_t bits = 0;
    if (!get(bits)) return false;
    v = std::bit_cast<double>(bits);
    tag_ = tag::none;
    return true;
  }
  if (found == token::real) {
    float narrow = 0;
    if (!real(narrow)) return false;
    v = widen(narrow);
    return true;
  }
  if (found != token::integer) return mismatch("a number");
  integer whole;
  if (!number(whole)) return false;
  v = whole.negative ? static_cast<double>(whole.as_signed()) : static_cast<double>(whole.bits);
  return true;
}

bool cbor_reader::real(float& v) {
  const token found = peek();
  const std::size_t start = offset();
  if (found == token::real && info() == 25) {
    std::uint16_t bits = 0;
    if (!get(bits)) return false;
    v = from_half(bits);
    tag_ = tag::none;
    return true;
  }
  if (found == token::real && info() == 26) {
    std::uint32_t bits = 0;
    if (!get(bits)) return false;
    v = std::bit_cast<float>(bits);
    tag_ = tag::none;
    return true;
  }
  double wide = 0;
  return real(wide) && narrow(wide, v, start);
}

bool cbor_reader::nanoseconds(integer& v, bool is_point) {
  const token found = peek();
  const std::size_t start = offset();
  if (tag_ == tag::none || is_big()) return number(v);
  if (tag_ != tag::epoch || !is_point || (found != token::integer && found != token::real)) {
    return why_.set(errc::wrong_type, "expected nanoseconds, found another tagged value", start);
  }
  constexpr std::int64_t second = 1'000'000'000;
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / second;
  if (found == token::integer) {
    if (!number(v)) return false;
    const std::int64_t s = v.as_signed();
    if ((!v.negative && v.bits > std::uint64_t{most}) || s < -most) {
      return why_.set(errc::wrong_type, "the time is not within 292 years of 1970", start);
    }
    v = integer::of(s * second);
    return true;
  }
  double s = 0;
  if (!real(s)) return false;
  if (!(std::fabs(s) < double{most})) {
    return why_.set(errc::wrong_type, "the time is not within 292 years of 1970", start);
  }
  v = integer::of(std::int64_t{std::llround(s * double{second})});
  return true;
}

// The length of the definite run at `at_`, whose head is stepped over.
bool cbor_reader::run(std::size_t start, std::size_t& n) {
  std::uint64_t length = 0;
  if (!argument(length)) return false;
  n = length;
  return check_run(start, n);
}

// Calls `take(n)` for each run of the bytes or text at `at_` (`wanted` is its major type), standing
// at the run.
template <class F>
bool cbor_reader::chunks(unsigned wanted, F&& take) {
  const std::size_t start = offset();
  std::size_t n = 0;
  if (!is_indefinite()) {
    if (!run(start, n) || !take(n)) return false;
    at_ += n;
    return true;
  }
  ++at_;
  std::size_t total = 0;
  while (!is_break()) {
    if (at_ == end_) return truncated();
    if (major() != wanted || is_indefinite()) {
      return why_.set(errc::bad_encoding, "a chunk is not of the kind of the whole", offset());
    }
    if (!run(offset(), n)) return false;
    total += n;
    if (total > bounds_.max_string) {
      return why_.set(errc::limit_exceeded, "the chunks together are longer than allowed", start);
    }
    if (!take(n)) return false;
    at_ += n;
  }
  ++at_;
  return true;
}

bool cbor_reader::text(std::string_view& v) {
  if (peek() != token::text) return mismatch("a string");
  const std::size_t start = offset();
  const bool whole = !is_indefinite();
  joined_.clear();
  tag_ = tag::none;
  const auto take = [&](std::size_t n) {
    const std::string_view part(reinterpret_cast<const char*>(at_), n);
    if (!is_utf8(part)) return why_.set(errc::bad_encoding, "the string is not UTF-8", start);
    if (whole) {
      v = part;
    } else {
      joined_ += part;
    }
    return true;
  };
  if (!chunks(3, take)) return false;
  if (!whole) v = joined_;
  return true;
}

bool cbor_reader::blob_size(std::size_t& n) {
  if (peek() != token::blob) return mismatch("bytes");
  n = 0;
  const std::uint8_t* const start = at_;
  const auto add = [&](std::size_t size) {
    n += size;
    return true;
  };
  if (!chunks(2, add)) return false;
  at_ = start;
  return true;
}

bool cbor_reader::blob_copy(std::byte* to) {
  tag_ = tag::none;
  const auto take = [&](std::size_t n) {
    if (n != 0) std::memcpy(to, at_, n);
    to += n;
    return true;
  };
  return chunks(2, take);
}

// --- containers --------------------------------------------------------------------------------

bool cbor_reader::enter_container(token wanted, std::size_t& n) {
  if (peek() != wanted) return mismatch(wanted == token::array ? "an array" : "a map");
  tag_ = tag::none;
  const std::size_t start = offset();
  const bool open = is_indefinite();
  if (open) {
    if (!count_items(n)) return false;
    ++at_;
  } else {
    std::uint64_t count = 0;
    if (!argument(count)) return false;
    n = count;
  }
  if (!enter(start, n, wanted == token::map ? 2 : 1)) return false;
  open_[depth_ - 1] = open;
  return true;
}

void cbor_reader::leave() noexcept {
  --depth_;
  if (open_[depth_]) ++at_;
}

bool cbor_reader::skip() {
  token found = peek();
  if (tag_ == tag::reference || is_big()) found = kind_here();
  tag_ = tag::none;
  const auto nothing = [](std::size_t) { return true; };
  switch (found) {
    case token::nil:
    case token::boolean: ++at_; return true;
    case token::integer:
    case token::real:
    case token::other: {
      std::uint64_t v = 0;
      return argument(v);
    }
    case token::text: {
      std::string_view v;
      return text(v);
    }
    case token::blob: return chunks(2, nothing);
    case token::array:
    case token::map: {
      std::size_t n = 0;
      const bool pairs = found == token::map;
      if (!enter_container(found, n)) return false;
      for (std::size_t i = 0; i < n; ++i) {
        if (!skip() || (pairs && !skip())) return false;
      }
      leave();
      return true;
    }
    case token::none: break;
  }
  return malformed();
}

// --- containers that do not say how many items they have ---------------------------------------

// Of the container at `at_`; finds out about all within it on the way.
bool cbor_reader::count_items(std::size_t& n) {
  if (scanned_ == nullptr || at_ >= scanned_) {
    found_.clear();
    next_found_ = 0;
    const std::uint8_t* const start = at_;
    if (!scan(depth_)) return false;
    scanned_ = at_;
    at_ = start;
  }
  while (found_[next_found_].at != at_) ++next_found_;  // those before it were skipped
  n = found_[next_found_].items;
  return true;
}

// Steps over one item.
bool cbor_reader::scan(std::uint32_t depth) {
  while (at_ != end_ && major() == 6) {
    std::uint64_t number = 0;
    if (!argument(number)) return false;
  }
  switch (kind_here()) {
    case token::none: return malformed();
    case token::text: return chunks(3, [](std::size_t) { return true; });
    case token::blob: return chunks(2, [](std::size_t) { return true; });
    case token::array:
    case token::map: return scan_container(depth);
    default: break;
  }
  std::uint64_t v = 0;
  return argument(v);
}

bool cbor_reader::scan_container(std::uint32_t depth) {
  if (depth >= bounds_.max_depth) {
    return why_.set(errc::limit_exceeded, "nested more deeply than allowed", offset());
  }
  const std::size_t start = offset();
  const std::size_t values_each = major() == 5 ? 2 : 1;
  if (!is_indefinite()) {
    std::uint64_t n = 0;
    if (!argument(n)) return false;
    if (n > left() / values_each) {
      return why_.set(errc::truncated, "the items announced are more than the bytes left", start);
    }
    for (std::uint64_t i = 0; i < n * values_each; ++i) {
      if (!scan(depth + 1)) return false;
    }
    return true;
  }
  if (!charge(1, sizeof(indefinite))) return false;
  const std::size_t index = found_.size();
  found_.push_back({at_, 0});
  ++at_;
  std::size_t values = 0;
  for (; !is_break(); ++values) {
    if (!scan(depth + 1)) return false;
  }
  if (values % values_each != 0) {
    return why_.set(errc::bad_encoding, "the map ends behind a key", offset());
  }
  ++at_;
  found_[index].items = values / values_each;
  return true;
}

bool read_cbor(void* value, const schema& s, std::span<const std::byte> in, const limits& bounds,
               const context& c, failure& why) {
  cbor_reader reader(in, bounds, why);
  return decoder<cbor_reader>(reader, c, why).value(s, value) && reader.finish();
}

}  // namespace odeon::wire::internal
