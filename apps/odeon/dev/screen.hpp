#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace odeon::dev {

/// Where a command shows how far it is: lines that stay, and below them, on a terminal, a block
/// that is drawn again and again.
class screen {
 public:
  /// `out` is not owned. Live when it is a terminal that understands cursor movement.
  explicit screen(std::FILE* out);
  ~screen();
  screen(const screen&) = delete;
  screen& operator=(const screen&) = delete;

  [[nodiscard]] bool is_live() const noexcept { return live_; }

  /// A line that stays. The block, if there is one, moves down.
  void say(std::string_view line);
  /// The block, in place of the one before; longer lines are cut at the terminal's width. Nothing
  /// when not live.
  void show(std::vector<std::string> block);
  /// Takes the block away.
  void clear() { show({}); }

 private:
  void draw(std::string_view above);

  std::FILE* out_;
  bool live_;
  std::vector<std::string> block_;
  std::size_t drawn_ = 0;  // lines of the block that are on the terminal
};

/// The first `columns` characters of UTF-8 text, taking each code point for one column.
[[nodiscard]] std::string_view cut(std::string_view text, std::size_t columns) noexcept;

}  // namespace odeon::dev
