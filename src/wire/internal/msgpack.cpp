#include "wire/internal/msgpack.hpp"

#include "wire/internal/entry.hpp"
#include "wire/internal/text.hpp"

#include <limits>

namespace odeon::wire::internal {

// --- writing -----------------------------------------------------------------------------------

template <bool ByName>
void msgpack_writer<ByName>::wide_number(integer v) {
  if (v.negative) {
    const std::int64_t n = v.as_signed();
    if (n >= -32) return put(static_cast<std::uint8_t>(n));
    if (n >= std::numeric_limits<std::int8_t>::min())
      return put_wide(0xd0, static_cast<std::uint8_t>(n));
    if (n >= std::numeric_limits<std::int16_t>::min())
      return put_wide(0xd1, static_cast<std::uint16_t>(n));
    if (n >= std::numeric_limits<std::int32_t>::min())
      return put_wide(0xd2, static_cast<std::uint32_t>(n));
    return put_wide(0xd3, v.bits);
  }
  if (v.bits <= 0xff) return put_wide(0xcc, static_cast<std::uint8_t>(v.bits));
  if (v.bits <= 0xffff) return put_wide(0xcd, static_cast<std::uint16_t>(v.bits));
  if (v.bits <= 0xffffffff) return put_wide(0xce, static_cast<std::uint32_t>(v.bits));
  put_wide(0xcf, v.bits);
}

template <bool ByName>
void msgpack_writer<ByName>::header(std::size_t n, std::uint8_t tag8, std::uint8_t tag16,
                                    std::uint8_t tag32) {
  if (tag8 != 0 && n <= 0xff) return put_wide(tag8, static_cast<std::uint8_t>(n));
  if (n <= 0xffff) return put_wide(tag16, static_cast<std::uint16_t>(n));
  put_wide(tag32, static_cast<std::uint32_t>(n));
}

template <bool ByName>
void msgpack_writer<ByName>::long_name(std::string_view v) {
  header(v.size(), 0xd9, 0xda, 0xdb);
  out_.append(v);
}

template <bool ByName>
bool msgpack_writer<ByName>::text(std::string_view v, failure& why) {
  if (v.size() > std::numeric_limits<std::uint32_t>::max()) {
    return why.set(errc::limit_exceeded, "a string of 4 GiB or more");
  }
  if (!is_utf8(v))
    return why.set(errc::bad_encoding, "the text is not UTF-8; bytes belong in wire::bytes");
  name(v);
  return true;
}

template <bool ByName>
bool msgpack_writer<ByName>::blob(std::span<const std::byte> v, failure& why) {
  if (v.size() > std::numeric_limits<std::uint32_t>::max()) {
    return why.set(errc::limit_exceeded, "4 GiB of bytes or more");
  }
  header(v.size(), 0xc4, 0xc5, 0xc6);
  out_.append(v);
  return true;
}

// --- reading -----------------------------------------------------------------------------------

token msgpack_reader::peek() const noexcept {
  if (at_ == end_) return token::none;
  const std::uint8_t tag = *at_;
  if (tag < 0x80 || tag >= 0xe0) return token::integer;
  if (tag < 0x90) return token::map;
  if (tag < 0xa0) return token::array;
  if (tag < 0xc0) return token::text;
  switch (tag) {
    case 0xc0: return token::nil;
    case 0xc1: return token::none;
    case 0xc2:
    case 0xc3: return token::boolean;
    case 0xc4:
    case 0xc5:
    case 0xc6: return token::blob;
    case 0xca:
    case 0xcb: return token::real;
    case 0xd9:
    case 0xda:
    case 0xdb: return token::text;
    case 0xdc:
    case 0xdd: return token::array;
    case 0xde:
    case 0xdf: return token::map;
    default: return tag >= 0xcc && tag <= 0xd3 ? token::integer : token::other;
  }
}

bool msgpack_reader::mismatch(std::string_view wanted) {
  if (at_ == end_) return truncated();
  const token found = peek();
  if (found == token::none) {
    return why_.set(errc::bad_encoding, "the byte 0xc1, which MessagePack does not use", offset());
  }
  return refuse_type(wanted, describe(found));
}

bool msgpack_reader::boolean(bool& v) {
  if (peek() != token::boolean) return mismatch("a boolean");
  v = *at_++ == 0xc3;
  return true;
}

bool msgpack_reader::wide_number(integer& v) {
  if (peek() != token::integer) return mismatch("an integer");
  const auto take = [&]<class U>(U raw) {
    if (!get(raw)) return false;
    v = integer::of(std::uint64_t{raw});
    return true;
  };
  const auto take_signed = [&]<class S>(S, auto raw) {
    if (!get(raw)) return false;
    v = integer::of(std::int64_t{static_cast<S>(raw)});
    return true;
  };
  switch (*at_) {
    case 0xcc: return take(std::uint8_t{});
    case 0xcd: return take(std::uint16_t{});
    case 0xce: return take(std::uint32_t{});
    case 0xcf: return take(std::uint64_t{});
    case 0xd0: return take_signed(std::int8_t{}, std::uint8_t{});
    case 0xd1: return take_signed(std::int16_t{}, std::uint16_t{});
    case 0xd2: return take_signed(std::int32_t{}, std::uint32_t{});
    case 0xd3: return take_signed(std::int64_t{}, std::uint64_t{});
    default: v = integer::of(std::int64_t{static_cast<std::int8_t>(*at_++)}); return true;
  }
}

bool msgpack_reader::real(double& v) {
  if (at_ == end_) return truncated();
  if (*at_ == 0xcb) {
    std::uint64_t raw = 0;
    if (!get(raw)) return false;
    v = std::bit_cast<double>(raw);
    return true;
  }
  if (*at_ == 0xca) {
    std::uint32_t raw = 0;
    if (!get(raw)) return false;
    v = std::bit_cast<float>(raw);
    return true;
  }
  if (peek() != token::integer) return mismatch("a number");
  integer whole;
  if (!number(whole)) return false;
  v = whole.negative ? static_cast<double>(whole.as_signed()) : static_cast<double>(whole.bits);
  return true;
}

bool msgpack_reader::real(float& v) {
  const std::size_t offset = this->offset();
  if (at_ != end_ && *at_ == 0xca) {
    std::uint32_t raw = 0;
    if (!get(raw)) return false;
    v = std::bit_cast<float>(
        raw);  // as it is: a detour through double would change a signalling NaN
    return true;
  }
  double wide = 0;
  return real(wide) && narrow(wide, v, offset);
}

bool msgpack_reader::length(std::uint8_t width, std::size_t& n) {
  if (width == 1) {
    std::uint8_t v = 0;
    if (!get(v)) return false;
    n = v;
  } else if (width == 2) {
    std::uint16_t v = 0;
    if (!get(v)) return false;
    n = v;
  } else {
    std::uint32_t v = 0;
    if (!get(v)) return false;
    n = v;
  }
  return true;
}

// The header of a run of bytes that must be there in full.
bool msgpack_reader::run(std::uint8_t width, std::size_t& n) {
  const std::size_t start = offset();
  if (!length(width, n)) return false;
  return check_run(start, n);
}

bool msgpack_reader::text(std::string_view& v) {
  const std::size_t offset = this->offset();
  std::size_t n = 0;
  if (at_ != end_ && (*at_ & 0xe0U) == 0xa0) {
    n = *at_ & 0x1fU;
    if (left() < 1 + n) return truncated();
    if (n > bounds_.max_string) {
      return why_.set(errc::limit_exceeded, "the string is longer than allowed", offset);
    }
    ++at_;
  } else {
    if (peek() != token::text) return mismatch("a string");
    if (!run(static_cast<std::uint8_t>(1U << (*at_ - 0xd9U)), n)) return false;
  }
  v = {reinterpret_cast<const char*>(at_), n};
  at_ += n;
  return is_utf8(v) || why_.set(errc::bad_encoding, "the string is not UTF-8", offset);
}

bool msgpack_reader::long_name(std::string_view& v) { return peek() == token::text && text(v); }

// Also those that must be refused.
bool msgpack_reader::long_blob(std::size_t& n) {
  if (peek() != token::blob) return mismatch("bytes");
  if (!run(static_cast<std::uint8_t>(1U << (*at_ - 0xc4U)), n)) return false;
  blob_ = n;
  return true;
}

bool msgpack_reader::enter_array(std::size_t& n) {
  const std::size_t start = offset();
  if (peek() != token::array) return mismatch("an array");
  if (*at_ < 0xa0) {
    n = *at_++ & 0x0fU;
  } else if (!length(*at_ == 0xdc ? 2 : 4, n)) {
    return false;
  }
  return enter(start, n, 1);
}

// Also every map that must be refused: this one says why.
bool msgpack_reader::enter_long_map(std::size_t& n) {
  const std::size_t start = offset();
  if (peek() != token::map) return mismatch("a map");
  if (*at_ < 0x90) {
    n = *at_++ & 0x0fU;
  } else if (!length(*at_ == 0xde ? 2 : 4, n)) {
    return false;
  }
  return enter(start, n, 2);
}

bool msgpack_reader::skip_ext(std::size_t header, std::size_t body) {
  if (left() < header + body) return truncated();
  at_ += header + body;
  return true;
}

bool msgpack_reader::skip() {
  std::size_t n = 0;
  switch (peek()) {
    case token::nil: ++at_; return true;
    case token::boolean: {
      bool v = false;
      return boolean(v);
    }
    case token::integer: {
      integer v;
      return number(v);
    }
    case token::real: {
      double v = 0;
      return real(v);
    }
    case token::text: {
      std::string_view v;
      return text(v);
    }
    case token::blob:
      if (!blob_size(n)) return false;
      at_ += n;
      return true;
    case token::array:
    case token::map: {
      const bool pairs = peek() == token::map;
      if (pairs ? !enter_map(n) : !enter_array(n)) return false;
      for (std::size_t i = 0; i < n; ++i) {
        if (!skip() || (pairs && !skip())) return false;
      }
      leave();
      return true;
    }
    case token::other: {
      if (*at_ >= 0xd4 && *at_ <= 0xd8) return skip_ext(2, std::size_t{1} << (*at_ - 0xd4U));
      return run(static_cast<std::uint8_t>(1U << (*at_ - 0xc7U)), n) && skip_ext(1, n);
    }
    case token::none: break;
  }
  return mismatch("a value");
}

// --- both --------------------------------------------------------------------------------------

bool write_msgpack(buffer& out, const schema& s, const void* value, bool by_name, const context& c,
                   failure& why) {
  constexpr std::uint32_t depth = limits{}.max_depth;
  if (by_name) {
    msgpack_writer<true> writer(out);
    return encoder<msgpack_writer<true>>(writer, c, why, depth).value(s, value);
  }
  msgpack_writer<false> writer(out);
  return encoder<msgpack_writer<false>>(writer, c, why, depth).value(s, value);
}

bool read_msgpack(void* value, const schema& s, std::span<const std::byte> in, const limits& bounds,
                  const context& c, failure& why) {
  msgpack_reader reader(in, bounds, why);
  return decoder<msgpack_reader>(reader, c, why).value(s, value) && reader.finish();
}

}  // namespace odeon::wire::internal
