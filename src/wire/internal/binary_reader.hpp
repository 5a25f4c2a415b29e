#pragma once

#include "wire/internal/failure.hpp"
#include "wire/internal/token.hpp"
#include <odeon/wire/codec.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace odeon::wire::internal {

/// Bytes that nobody vouches for, and what may still be used of each bound: what the readers of
/// MessagePack and CBOR have in common. Numbers are big-endian and follow a byte that tells what
/// they are, at which `at_` stands.
class binary_reader {
 public:
  binary_reader(std::span<const std::byte> in, const limits& bounds, failure& why) noexcept
      : begin_(reinterpret_cast<const std::uint8_t*>(in.data())),
        at_(begin_),
        end_(begin_ + in.size()),
        bounds_(bounds),
        items_left_(bounds.max_items),
        memory_{bounds.max_memory},
        why_(why) {}

  [[nodiscard]] std::size_t offset() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }

  bool charge(std::size_t count, std::size_t size = 1) {
    return memory_.take(count, size) || too_much();
  }

  /// Nothing may follow the outermost value.
  bool finish() { return at_ == end_ || more_follows(); }

 protected:
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  // What is wrong is said out of the way of what is right.
  [[gnu::cold]] bool too_much();
  [[gnu::cold]] bool more_follows();
  [[gnu::cold]] bool truncated();
  [[gnu::cold]] bool refuse_type(std::string_view wanted, std::string_view found);

  /// A map or array of `items`, each of one or two values, begins.
  bool enter(std::size_t start, std::size_t items, std::size_t values_each);

  /// A run of `n` bytes begins at `at_`: they are all there, and not too many.
  bool check_run(std::size_t start, std::size_t n) {
    return (n <= left() && n <= bounds_.max_string) || refuse_run(start, n);
  }
  [[gnu::cold]] bool refuse_run(std::size_t start, std::size_t n);

  /// `v` as a float, when it is in its range.
  bool narrow(double v, float& out, std::size_t start);

  /// Takes the byte at `at_` and the number behind it.
  template <class U>
  bool get(U& v) {
    if (left() < 1 + sizeof(U)) return truncated();
    std::memcpy(&v, at_ + 1, sizeof(U));
    v = std::byteswap(v);
    at_ += 1 + sizeof(U);
    return true;
  }

  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const limits& bounds_;
  std::size_t items_left_;
  budget memory_;
  std::uint32_t depth_ = 0;
  failure& why_;
};

}  // namespace odeon::wire::internal
