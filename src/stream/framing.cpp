#include <odeon/stream/framing.hpp>

#include <cstdint>

namespace odeon::stream::detail {

namespace {

[[noreturn]] void throw_too_long(std::size_t at, std::size_t max) {
  throw actor_error(errc::limit_exceeded, "the frame at offset " + std::to_string(at) +
                                              " is longer than " + std::to_string(max) + " bytes");
}

/// Forgets what was given once it is the larger part: each byte is moved at most once on average.
void compact(std::string& bytes, std::size_t& begin, std::size_t& offset) {
  if (begin < bytes.size() / 2) return;
  bytes.erase(0, begin);
  offset += begin;
  begin = 0;
}

}  // namespace

// -- delimiter ------------------------------------------------------------------------------------

delimiter_cutter::delimiter_cutter(std::string delimiter, std::size_t max, bool rest_is_frame)
    : delimiter_(std::move(delimiter)),
      max_(max),
      rest_is_frame_(rest_is_frame) {
  if (delimiter_.empty())
    throw actor_error(errc::invalid_argument, "framing::delimiter: the delimiter is empty");
}

void delimiter_cutter::feed(std::string_view piece) {
  const std::size_t before = begin_;
  compact(bytes_, begin_, offset_);
  looked_ -= before - begin_;
  bytes_.append(piece);
}

std::optional<std::string> delimiter_cutter::next() {
  const std::size_t at = bytes_.find(delimiter_, looked_);
  if (at == std::string::npos) {
    // The delimiter may begin in the last bytes.
    const std::size_t kept = delimiter_.size() - 1;
    looked_ = std::max(begin_, bytes_.size() > kept ? bytes_.size() - kept : 0);
    if (looked_ - begin_ > max_) throw_too_long(offset_ + begin_, max_);
    return std::nullopt;
  }
  if (at - begin_ > max_) throw_too_long(offset_ + begin_, max_);
  std::string out = bytes_.substr(begin_, at - begin_);
  begin_ = looked_ = at + delimiter_.size();
  return out;
}

std::optional<std::string> delimiter_cutter::finish() {
  const std::size_t left = bytes_.size() - begin_;
  if (left == 0) return std::nullopt;
  if (!rest_is_frame_)
    throw actor_error(errc::truncated, "the bytes end in the frame at offset " +
                                           std::to_string(offset_ + begin_) + ", after " +
                                           std::to_string(left) + " bytes without a delimiter");
  if (left > max_) throw_too_long(offset_ + begin_, max_);
  return bytes_.substr(begin_);
}

// -- length field ---------------------------------------------------------------------------------

std::size_t checked_field(std::size_t size) {
  if (size < 1 || size > 8)
    throw actor_error(errc::invalid_argument,
                      "framing: a length field has 1 to 8 bytes, not " + std::to_string(size));
  return size;
}

length_cutter::length_cutter(std::size_t max, std::size_t size)
    : max_(max),
      size_(checked_field(size)) {}

void length_cutter::feed(std::string_view piece) {
  compact(bytes_, begin_, offset_);
  bytes_.append(piece);
}

std::optional<std::string> length_cutter::next() {
  if (bytes_.size() - begin_ < size_) return std::nullopt;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < size_; ++i)
    length = length << 8 | static_cast<unsigned char>(bytes_[begin_ + i]);
  if (length > max_)
    throw actor_error(errc::limit_exceeded, "the frame at offset " +
                                                std::to_string(offset_ + begin_) + " says " +
                                                std::to_string(length) + " bytes, and " +
                                                std::to_string(max_) + " are allowed");
  if (bytes_.size() - begin_ - size_ < length) return std::nullopt;
  std::string out = bytes_.substr(begin_ + size_, length);
  begin_ += size_ + length;
  return out;
}

std::optional<std::string> length_cutter::finish() {
  if (bytes_.size() == begin_) return std::nullopt;
  throw actor_error(errc::truncated, "the bytes end in the frame at offset " +
                                         std::to_string(offset_ + begin_) + ", after " +
                                         std::to_string(bytes_.size() - begin_) + " bytes");
}

std::string prefixed(std::string_view frame, std::size_t max, std::size_t size) {
  if (frame.size() > max || (size < 8 && frame.size() >> (8 * size)))
    throw actor_error(errc::limit_exceeded, "framing::length_prefix: a frame of " +
                                                std::to_string(frame.size()) +
                                                " bytes is too long for its field or its bound");
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    out[size - 1 - i] = static_cast<char>(frame.size() >> (8 * i));
  return out.append(frame);
}

}  // namespace odeon::stream::detail
