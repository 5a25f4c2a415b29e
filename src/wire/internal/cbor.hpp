#pragma once

#include "wire/internal/binary_reader.hpp"
#include "wire/internal/decoder.hpp"
#include "wire/internal/entry.hpp"
#include <odeon/wire/bytes.hpp>

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// @file CBOR (RFC 8949). Written: definite lengths, the shortest form of every number ("preferred
/// serialization", section 4.1), no tags. Read: every well-formed item; tags are skipped, but for
/// those that change what their content means.

namespace odeon::wire::internal {

/// See `encoder` for what the members mean.
class cbor_writer {
 public:
  static constexpr bool by_name = true;
  static constexpr bool text_form = false;

  explicit cbor_writer(buffer& out) noexcept : out_(out) {}

  void nil() { put(0xf6); }
  void boolean(bool v) { put(v ? 0xf5 : 0xf4); }
  void number(integer v) { v.negative ? head(1, ~v.bits) : head(0, v.bits); }
  void real(float v);
  void real(double v);
  bool text(std::string_view v, failure& why);
  bool blob(std::span<const std::byte> v, failure& why);
  bool key(std::string_view v, failure& why) { return text(v, why); }
  void name(std::string_view v) {
    head(3, v.size());
    out_.append(v);
  }
  void begin_array(std::size_t n) { head(4, n); }
  void begin_map(std::size_t n) { head(5, n); }
  void next() noexcept {}
  void end_array() noexcept {}
  void end_map() noexcept {}

 private:
  void put(std::uint8_t v) { out_.push_back(std::byte{v}); }
  void head(std::uint8_t major, std::uint64_t argument);
  template <class U>
  void put_wide(std::uint8_t first, U v);

  buffer& out_;
};

/// Reads CBOR from bytes that nobody vouches for. See `decoder` for what the members mean.
///
/// A container of indefinite length does not say how many items it has. The first that is met is
/// walked once, and what is found of it and of all such containers in it is kept until it is left
/// behind: the whole costs two passes at most, and 16 bytes a container, which count as memory.
class cbor_reader : public binary_reader {
 public:
  static constexpr bool text_form = false;

  using binary_reader::binary_reader;

  /// Steps over tags.
  [[nodiscard]] token peek();
  bool mismatch(std::string_view wanted);

  bool nil();
  bool boolean(bool& v);
  bool number(integer& v);
  bool real(double& v);
  bool real(float& v);
  bool text(std::string_view& v);  ///< valid until the next text
  bool name(std::string_view& v) { return peek() == token::text && text(v); }
  bool blob_size(std::size_t& n);
  bool blob_copy(std::byte* to);
  bool enter_array(std::size_t& n) { return enter_container(token::array, n); }
  bool enter_map(std::size_t& n) { return enter_container(token::map, n); }
  void leave() noexcept;
  bool skip();

  /// Nanoseconds. A time point may also be tagged as seconds since 1970 (tag 1).
  bool nanoseconds(integer& v, bool is_point);

 private:
  struct indefinite {
    const std::uint8_t* at;
    std::size_t items;
  };
  enum class tag : std::uint8_t { none, epoch, positive, negative, reference, other };

  [[nodiscard]] static tag meaning(std::uint64_t number) noexcept;
  [[nodiscard]] unsigned major() const noexcept { return *at_ >> 5U; }
  [[nodiscard]] unsigned info() const noexcept { return *at_ & 31U; }
  [[nodiscard]] bool is_indefinite() const noexcept { return info() == 31; }
  [[nodiscard]] bool is_break() const noexcept { return at_ != end_ && *at_ == 0xff; }
  [[nodiscard]] token kind_here() const noexcept;
  [[nodiscard]] bool is_big() const noexcept {
    return tag_ == tag::positive || tag_ == tag::negative;
  }

  bool malformed();
  bool argument(std::uint64_t& v);
  bool run(std::size_t start, std::size_t& n);
  template <class F>
  bool chunks(unsigned wanted, F&& take);
  bool real_bits(std::uint64_t& bits);
  bool big_number(integer& v);
  bool enter_container(token wanted, std::size_t& n);
  bool count_items(std::size_t& n);
  bool scan(std::uint32_t depth);
  bool scan_container(std::uint32_t depth);

  tag tag_ = tag::none;  ///< of the item at `at_`, once peek() has stepped over it
  std::string joined_;   ///< a text that came in chunks
  std::vector<indefinite> found_;
  std::size_t next_found_ = 0;
  const std::uint8_t* scanned_ = nullptr;  ///< how far `found_` reaches
  std::bitset<deepest> open_;              ///< the levels that end with a break
};

}  // namespace odeon::wire::internal
