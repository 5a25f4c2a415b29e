#include "wire/internal/cbor.hpp"
#include "wire/internal/half.hpp"

namespace odeon::wire::internal {

template <class U>
void cbor_writer::put_wide(std::uint8_t first, U v) {
  auto* p = out_.extend(1 + sizeof(U));
  *p = std::byte{first};
  v = std::byteswap(v);
  std::memcpy(p + 1, &v, sizeof(U));
}

void cbor_writer::head(std::uint8_t major, std::uint64_t argument) {
  const auto first = static_cast<std::uint8_t>(major << 5U);
  if (argument < 24) return put(static_cast<std::uint8_t>(first | argument));
  if (argument <= 0xff) return put_wide(first | 24U, static_cast<std::uint8_t>(argument));
  if (argument <= 0xffff) return put_wide(first | 25U, static_cast<std::uint16_t>(argument));
  if (argument <= 0xffffffff) return put_wide(first | 26U, static_cast<std::uint32_t>(argument));
  put_wide(first | 27U, argument);
}

void cbor_writer::real(float v) {
  if (const auto half = to_half(v)) return put_wide(0xf9, *half);
  put_wide(0xfa, std::bit_cast<std::uint32_t>(v));
}

void cbor_writer::real(double v) {
  if (const auto narrow = to_float(v)) return real(*narrow);
  put_wide(0xfb, std::bit_cast<std::uint64_t>(v));
}

bool cbor_writer::text(std::string_view v, failure& why) {
  if (!is_utf8(v))
    return why.set(errc::bad_encoding, "the text is not UTF-8; bytes belong in wire::bytes");
  name(v);
  return true;
}

bool cbor_writer::blob(std::span<const std::byte> v, failure&) {
  head(2, v.size());
  out_.append(v);
  return true;
}

bool write_cbor(buffer& out, const schema& s, const void* value, const context& c, failure& why) {
  cbor_writer writer(out);
  return encoder<cbor_writer>(writer, c, why, limits{}.max_depth).value(s, value);
}

}  // namespace odeon::wire::internal
