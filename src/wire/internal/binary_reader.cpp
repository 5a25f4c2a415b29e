#include "wire/internal/binary_reader.hpp"

#include <cmath>
#include <limits>
#include <string>

namespace odeon::wire::internal {

bool binary_reader::too_much() {
  return why_.set(errc::limit_exceeded, "the values need more than the allowed memory", offset());
}

bool binary_reader::more_follows() {
  return why_.set(errc::bad_encoding, std::to_string(left()) + " bytes follow the value", offset());
}

bool binary_reader::truncated() {
  return why_.set(errc::truncated, "the bytes end within a value", offset());
}

bool binary_reader::refuse_type(std::string_view wanted, std::string_view found) {
  return why_.set(errc::wrong_type,
                  "expected " + std::string(wanted) + ", found " + std::string(found), offset());
}

bool binary_reader::enter(std::size_t start, std::size_t items, std::size_t values_each) {
  // Each value takes a byte at least, so a count that the rest cannot hold is refused before
  // anything is made.
  if (items > left() / values_each) {
    return why_.set(errc::truncated,
                    std::to_string(items) + " items are announced, " + std::to_string(left()) +
                        " bytes are left",
                    start);
  }
  if (items > items_left_) return why_.set(errc::limit_exceeded, "more items than allowed", start);
  if (depth_ >= bounds_.max_depth) {
    return why_.set(errc::limit_exceeded, "nested more deeply than allowed", start);
  }
  items_left_ -= items;
  ++depth_;
  return true;
}

bool binary_reader::refuse_run(std::size_t start, std::size_t n) {
  if (n > left()) {
    return why_.set(
        errc::truncated,
        std::to_string(n) + " bytes are announced, " + std::to_string(left()) + " are left", start);
  }
  return why_.set(
      errc::limit_exceeded,
      std::to_string(n) + " bytes are more than the allowed " + std::to_string(bounds_.max_string),
      start);
}

bool binary_reader::narrow(double v, float& out, std::size_t start) {
  if (std::isfinite(v) && std::fabs(v) > double{std::numeric_limits<float>::max()}) {
    return why_.set(errc::wrong_type, "the number does not fit a float", start);
  }
  out = static_cast<float>(v);
  return true;
}

}  // namespace odeon::wire::internal
