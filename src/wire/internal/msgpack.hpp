#pragma once

#include "wire/internal/binary_reader.hpp"
#include "wire/internal/decoder.hpp"
#include <odeon/wire/bytes.hpp>
#include <odeon/wire/codec.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

/// @file MessagePack (msgpack.org, specification of 2017: nil, bool, int, float, str, bin, array,
/// map; ext is skipped).

namespace odeon::wire::internal {

/// Writes each value in its shortest form. See `encoder` for what the members mean.
template <bool ByName>
class msgpack_writer {
 public:
  static constexpr bool by_name = ByName;
  static constexpr bool text_form = false;

  explicit msgpack_writer(buffer& out) noexcept : out_(out) {}

  void nil() { put(0xc0); }
  void boolean(bool v) { put(v ? 0xc3 : 0xc2); }
  void number(integer v) {
    if (!v.negative && v.bits < 0x80) return put(static_cast<std::uint8_t>(v.bits));
    wide_number(v);
  }
  void real(float v) { put_wide(0xca, std::bit_cast<std::uint32_t>(v)); }
  void real(double v) { put_wide(0xcb, std::bit_cast<std::uint64_t>(v)); }

  bool text(std::string_view v, failure& why);
  bool blob(std::span<const std::byte> v, failure& why);
  bool key(std::string_view v, failure& why) { return text(v, why); }

  /// A name known to be short and in ASCII or UTF-8.
  [[gnu::always_inline]] void name(std::string_view v) {
    if (v.size() >= 32) return long_name(v);
    auto* p = out_.extend(1 + v.size());
    p[0] = static_cast<std::byte>(0xa0 | v.size());
    copy(p + 1, v.data(), v.size());
  }

  void begin_array(std::size_t n) {
    n < 16 ? put(static_cast<std::uint8_t>(0x90 | n)) : header(n, 0, 0xdc, 0xdd);
  }
  void begin_map(std::size_t n) {
    n < 16 ? put(static_cast<std::uint8_t>(0x80 | n)) : header(n, 0, 0xde, 0xdf);
  }
  void next() noexcept {}
  void end_array() noexcept {}
  void end_map() noexcept {}

 private:
  void put(std::uint8_t v) { out_.push_back(std::byte{v}); }

  template <class U>
  void put_wide(std::uint8_t tag, U v) {
    auto* p = out_.extend(1 + sizeof(U));
    *p = std::byte{tag};
    v = std::byteswap(v);
    std::memcpy(p + 1, &v, sizeof(U));
  }

  // For the lengths of names, a loop of few steps is faster than a call.
  [[gnu::always_inline]] static void copy(std::byte* to, const char* from, std::size_t n) {
    if (n >= 8) {
      std::memcpy(to, from, 8);
      std::memcpy(to + n - 8, from + n - 8, 8);
      if (n > 16) std::memcpy(to + 8, from + 8, n - 16);
    } else if (n >= 4) {
      std::memcpy(to, from, 4);
      std::memcpy(to + n - 4, from + n - 4, 4);
    } else {
      for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<std::byte>(from[i]);
    }
  }

  void wide_number(integer v);
  void long_name(std::string_view v);
  void header(std::size_t n, std::uint8_t tag8, std::uint8_t tag16, std::uint8_t tag32);

  buffer& out_;
};

/// Reads MessagePack from bytes that nobody vouches for. See `decoder` for what the members mean.
class msgpack_reader : public binary_reader {
 public:
  static constexpr bool text_form = false;

  using binary_reader::binary_reader;

  [[nodiscard]] token peek() const noexcept;
  bool mismatch(std::string_view wanted);

  bool nil() noexcept {
    if (at_ == end_ || *at_ != 0xc0) return false;
    ++at_;
    return true;
  }
  bool boolean(bool& v);
  bool number(integer& v) {
    if (at_ != end_ && *at_ < 0x80) {
      v = integer::of(std::uint64_t{*at_++});
      return true;
    }
    return wide_number(v);
  }
  bool real(double& v);
  bool real(float& v);
  bool text(std::string_view& v);
  bool name(std::string_view& v) {
    if (at_ == end_ || (*at_ & 0xe0U) != 0xa0) return long_name(v);
    const std::size_t n = *at_ & 0x1fU;
    if (n >= left()) return false;  // skip() then tells what is wrong
    v = {reinterpret_cast<const char*>(at_ + 1), n};
    at_ += 1 + n;
    return true;
  }
  /// Takes that name if it is next, in its shortest form.
  [[gnu::always_inline]] bool next_name(std::string_view v) noexcept {
    const std::size_t n = v.size();
    if (n > 0x1fU || left() <= n || *at_ != (0xa0U | n)) return false;
    if (!same_text(v, {reinterpret_cast<const char*>(at_ + 1), n})) return false;
    at_ += 1 + n;
    return true;
  }
  bool blob_size(std::size_t& n) {
    if (left() < 2 || *at_ != 0xc4) return long_blob(n);
    n = at_[1];
    if (n > left() - 2 || n > bounds_.max_string) return long_blob(n);
    at_ += 2;
    blob_ = n;
    return true;
  }
  bool blob_copy(std::byte* to) noexcept {
    if (blob_ != 0) std::memcpy(to, at_, blob_);
    at_ += blob_;
    return true;
  }
  bool enter_array(std::size_t& n);
  bool enter_map(std::size_t& n) {
    if (at_ == end_ || (*at_ & 0xf0U) != 0x80) return enter_long_map(n);
    n = *at_ & 0x0fU;
    if (n * 2 >= left() || n > items_left_ || depth_ >= bounds_.max_depth) return enter_long_map(n);
    ++at_;
    ++depth_;
    items_left_ -= n;
    return true;
  }
  void leave() noexcept { --depth_; }
  bool skip();

 private:
  bool wide_number(integer& v);
  bool long_name(std::string_view& v);
  bool long_blob(std::size_t& n);
  bool enter_long_map(std::size_t& n);
  bool length(std::uint8_t width, std::size_t& n);
  bool run(std::uint8_t width, std::size_t& n);
  bool skip_ext(std::size_t header, std::size_t body);

  std::size_t blob_ = 0;
};

}  // namespace odeon::wire::internal
