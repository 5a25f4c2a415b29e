#pragma once

#include <odeon/stream/pipe.hpp>

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

/// @file From pieces of bytes to frames. Bytes are `std::string`s, cut anywhere, as files and
/// connections give them. A frame beyond its bound fails the stream with `errc::limit_exceeded`
/// before it is kept; bytes that are left at the end fail it with `errc::truncated`. Texts of
/// errors have the offset of the frame in the stream.

namespace odeon::stream {

namespace detail {

/// Cuts frames out of pieces. src/stream/framing.cpp
class delimiter_cutter {
 public:
  delimiter_cutter(std::string delimiter, std::size_t max, bool rest_is_frame);
  /// Takes a piece of bytes.
  void feed(std::string_view piece);
  /// The next frame, if there is a whole one. Throws `actor_error`.
  std::optional<std::string> next();
  /// At the end of the bytes: the last frame, if what is left is one. Throws `actor_error`.
  std::optional<std::string> finish();

 private:
  std::string delimiter_;
  std::size_t max_;
  bool rest_is_frame_;
  std::string bytes_;
  std::size_t begin_ = 0;   // of the next frame
  std::size_t looked_ = 0;  // up to here there is no delimiter
  std::size_t offset_ = 0;  // of bytes_ in the stream
};

class length_cutter {
 public:
  length_cutter(std::size_t max, std::size_t size);
  void feed(std::string_view piece);
  std::optional<std::string> next();
  std::optional<std::string> finish();

 private:
  std::size_t max_, size_;
  std::string bytes_;
  std::size_t begin_ = 0, offset_ = 0;
};

template <class Up, class Cutter>
class framing_stage : public linear<Up> {
  static_assert(std::is_convertible_v<typename Up::value_type, std::string_view>,
                "odeon: framing takes pieces of bytes as std::string");

 public:
  using value_type = std::string;
  framing_stage(Up up, Cutter c) : linear<Up>(std::move(up)), cutter_(std::move(c)) {}
  polled<std::string> next(island& in) {
    while (!over_) {
      if (auto frame = cutter_.next()) return polled<std::string>(std::move(*frame));
      auto p = this->up_.next(in);
      if (p) {
        cutter_.feed(*p);
      } else if (p.has_ended()) {
        over_ = true;
        if (auto frame = cutter_.finish()) return polled<std::string>(std::move(*frame));
      } else {
        return pending;
      }
    }
    return ended;
  }
  void drive(island& in) {
    if (!over_) this->up_.drive(in);
  }

 private:
  Cutter cutter_;
  bool over_ = false;
};

template <class Up>
class length_prefix_stage : public linear<Up> {
  static_assert(std::is_convertible_v<typename Up::value_type, std::string_view>,
                "odeon: framing takes frames as std::string");

 public:
  using value_type = std::string;
  length_prefix_stage(Up up, std::size_t max, std::size_t size);
  polled<std::string> next(island& in) {
    auto p = this->up_.next(in);
    if (!p) return p.template nothing<std::string>();
    return polled<std::string>(with_length(*p));
  }

 private:
  [[nodiscard]] std::string with_length(std::string_view frame) const;
  std::size_t max_, size_;
};

std::string prefixed(std::string_view frame, std::size_t max, std::size_t size);
std::size_t checked_field(std::size_t size);

template <class Up>
length_prefix_stage<Up>::length_prefix_stage(Up up, std::size_t max, std::size_t size)
    : linear<Up>(std::move(up)),
      max_(max),
      size_(checked_field(size)) {}
template <class Up>
std::string length_prefix_stage<Up>::with_length(std::string_view frame) const {
  return prefixed(frame, max_, size_);
}

}  // namespace detail

namespace framing {

/// Frames that end with `delimiter` (not empty, else `errc::invalid_argument` is thrown here),
/// without it, of at most `max` bytes. With `rest_is_frame` what is left at the end is a frame too.
[[nodiscard]] inline auto delimiter(std::string delimiter, std::size_t max,
                                    bool rest_is_frame = false) {
  return detail::flow_with<detail::framing_stage>(
      detail::delimiter_cutter(std::move(delimiter), max, rest_is_frame));
}
/// Lines of at most `max` bytes, without their "\n"; the last one needs none.
[[nodiscard]] inline auto lines(std::size_t max = 64 * 1024) { return delimiter("\n", max, true); }
/// Frames of at most `max` bytes behind a big-endian field of `size` bytes (1 to 8) with their
/// length.
[[nodiscard]] inline auto length_field(std::size_t max, std::size_t size = 4) {
  return detail::flow_with<detail::framing_stage>(detail::length_cutter(max, size));
}
/// The other way: puts the field before each frame; one that is longer than `max`, or than the
/// field can tell, fails the stream.
[[nodiscard]] inline auto length_prefix(std::size_t max, std::size_t size = 4) {
  return detail::plain_flow_with<detail::length_prefix_stage>(max, size);
}

}  // namespace framing

}  // namespace odeon::stream
