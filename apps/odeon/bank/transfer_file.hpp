#pragma once

#include "odeon/bank/line_reader.hpp"
#include "odeon/bank/money.hpp"
#include <odeon/base/error.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// @file The input: a CSV file of transfers, `from,to,amount,reference`.
///
/// The rules are those of RFC 4180: fields may stand in double quotes, a quote within them is
/// doubled; CRLF and LF both end a line. A quoted field ends on its line. Blanks around a field
/// without quotes do not count, nor do empty lines. A first line with the four column names is a
/// header. Everything else that is not a transfer is a `rejected_line` with its number.

namespace odeon::bank {

inline constexpr std::size_t max_name_bytes = 64;  ///< of an account's name and of a reference

/// One line of the file, understood.
struct transfer {
  std::string from;
  std::string to;
  cents amount = 0;
  std::string reference;   ///< names the transfer: it is carried out once
  std::uint64_t line = 0;  ///< of the file

  friend bool operator==(const transfer&, const transfer&) = default;
};

/// A line that is no transfer, and why.
struct rejected_line {
  std::uint64_t line = 0;
  std::string reason;

  friend bool operator==(const rejected_line&, const rejected_line&) = default;
};

/// The fields of one line. Error: `bad_encoding`, a quote in the wrong place.
[[nodiscard]] result<std::vector<std::string>> split_fields(std::string_view line);

/// Whether it is what RFC 3629 calls UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Understands one line. Errors: the reason why it is no transfer, without its place.
[[nodiscard]] result<transfer> parse_transfer(std::string_view line);

/// Reads the file in order. Does not look for references that come twice: that takes a memory of
/// them, which the coordinators have.
class transfer_file {
 public:
  using entry = std::variant<transfer, rejected_line>;

  /// Errors: as `line_reader::open`.
  [[nodiscard]] static result<transfer_file> open(const std::string& path);

  /// The next transfer or rejected line; nothing at the end. Errors: as `line_reader::next`.
  [[nodiscard]] result<std::optional<entry>> next();

  [[nodiscard]] const line_reader& lines() const noexcept { return lines_; }

 private:
  explicit transfer_file(line_reader lines) : lines_(std::move(lines)) {}
  line_reader lines_;
};

}  // namespace odeon::bank
