#pragma once

#include <odeon/stream/framing.hpp>

#include <cstdint>

/// @file JSON values cut out of pieces of bytes: `{…}{…}`, one for each line, or the elements of
/// one array.

namespace odeon::stream {

namespace detail {

/// Looks at brackets and strings alone: what is in between is for a parser to judge.
/// src/stream/framing_json.cpp
class json_cutter {
 public:
  explicit json_cutter(std::size_t max) : max_(max) {}
  void feed(std::string_view piece);
  /// The next frame, if there is a whole one. Throws `actor_error`.
  std::optional<std::string> next();
  /// At the end of the bytes. Throws `actor_error`.
  std::optional<std::string> finish();

 private:
  enum class place : std::uint8_t { before, array, after_element, after_comma, closed };
  void between(char c);
  void inside(char c);

  std::size_t max_;
  std::string bytes_;
  std::size_t begin_ = 0;   // of the frame
  std::size_t at_ = 0;      // up to here it was looked at
  std::size_t offset_ = 0;  // of bytes_ in the stream
  std::string open_;        // the closing brackets that a frame waits for, the next one last
  place place_ = place::before;
  bool in_array_ = false, in_string_ = false, escaped_ = false;
};

}  // namespace detail

namespace framing {

inline constexpr std::size_t json_depth_max = 512;  ///< brackets inside each other

/// The JSON objects in bytes, each with its braces and of at most `max` bytes: one after the other,
/// with any white space or one comma between them, or as the elements of one array. Anything else
/// between them fails the stream with `errc::bad_encoding`, as do brackets that do not match; an
/// end inside an object or the array with `errc::truncated`; a longer object, and one deeper than
/// `json_depth_max`, with `errc::limit_exceeded`. What is inside an object is not looked at, but
/// for strings and brackets.
[[nodiscard]] inline auto json_objects(std::size_t max) {
  return detail::flow_with<detail::framing_stage>(detail::json_cutter(max));
}

}  // namespace framing

}  // namespace odeon::stream
