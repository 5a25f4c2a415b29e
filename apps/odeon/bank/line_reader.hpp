#pragma once

#include <odeon/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace odeon::bank {

/// One line of a text file, without its line break.
struct raw_line {
  std::uint64_t number = 0;  ///< from 1, as editors count
  std::string_view text;     ///< valid until the next call; a part of it when `too_long`
  bool too_long = false;     ///< longer than `max_line_bytes`; the rest was skipped
};

inline constexpr std::size_t max_line_bytes = 4096;

/// Reads a file line by line. Lines end with "\n" or "\r\n"; the last one may have neither. A byte
/// order mark at the beginning is no part of the first line. Memory: 64 KiB, however long a line
/// is. Blocks the calling thread.
class line_reader {
 public:
  /// Errors, naming the file: `not_found`; `io_failed` (what the system says, or it is not a
  /// regular file: it is read more than once).
  [[nodiscard]] static result<line_reader> open(const std::string& path);

  /// Nothing at the end. Error: `io_failed`, naming the file and the line.
  [[nodiscard]] result<std::optional<raw_line>> next();

  /// Of the file, when it was opened.
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return file_bytes_; }
  /// Up to the end of the last line given.
  [[nodiscard]] std::uint64_t bytes_read() const noexcept { return consumed_; }

 private:
  struct closer {
    void operator()(const int* fd) const noexcept;
  };
  line_reader(std::string path, int fd, std::uint64_t bytes);
  // Moves what is left to the front of the buffer and reads behind it. False: the file's end.
  result<bool> fill();

  std::string path_;
  std::unique_ptr<int, closer> fd_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t number_ = 0;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace odeon::bank
