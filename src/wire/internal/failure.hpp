#pragma once

#include <odeon/base/error.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace odeon::wire::internal {

/// The first thing that went wrong in one encode or decode, and the way to it. The place that fails
/// sets code and text; on the way back out each level adds its step in front, so that a success
/// pays nothing for paths.
class failure {
 public:
  /// Records what happened, once: a later call keeps the first. Always false, to be returned.
  bool set(errc code, std::string what, std::optional<std::size_t> offset = {});

  [[nodiscard]] bool is_set() const noexcept { return set_; }

  /// Says where, when `set` did not. Always false.
  bool place(std::size_t offset);

  /// Replaces the offset by `f(offset)`.
  template <class F>
  void translate(const F& f) {
    if (offset_) offset_ = f(*offset_);
  }

  void in_field(std::string_view name);
  void in_element(std::size_t index);
  void in_entry(std::string_view key);  ///< `key` as it should appear between the brackets

  /// "at byte 17, field limits[3].amount: expected an integer, found a string".
  [[nodiscard]] error take() &&;

 private:
  void prepend(std::string_view step);

  bool set_ = false;
  errc code_ = errc::internal;
  std::optional<std::size_t> offset_;
  std::string what_;
  std::string path_;
};

/// `text` in quotes, cut at a length fit for a message, without control characters.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace odeon::wire::internal
