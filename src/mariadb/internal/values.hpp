#pragma once

#include <mariadb/mysql.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file Values of prepared statements: of one execution, and of one for each row of many.

namespace odeon::detail {

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The values of one execution. Texts that are added must live until it has been sent.
class my_values {
 public:
  my_values& number(std::uint64_t n) {
    MYSQL_BIND& b = next(MYSQL_TYPE_LONGLONG);
    b.buffer = &numbers_.emplace_back(static_cast<long long>(n));
    return *this;
  }
  my_values& number(std::int64_t n) { return number(static_cast<std::uint64_t>(n)); }
  my_values& bytes(std::string_view text) {
    MYSQL_BIND& b = next(MYSQL_TYPE_BLOB);
    b.buffer = const_cast<char*>(text.data() == nullptr ? "" : text.data());
    b.buffer_length = text.size();
    b.length_value = text.size();
    return *this;
  }
  [[nodiscard]] std::vector<MYSQL_BIND>& binds() {
    for (auto& b : binds_)
      if (b.buffer_type == MYSQL_TYPE_BLOB) b.length = &b.length_value;
    return binds_;
  }

 private:
  MYSQL_BIND& next(enum_field_types type) {
    MYSQL_BIND& b = binds_.emplace_back();
    b.buffer_type = type;
    return b;
  }
  std::vector<MYSQL_BIND> binds_;
  std::deque<long long> numbers_;
};

/// The values of many executions, column by column. `types`: 'n' for a number, 'b' for bytes,
/// which must live until they have been sent.
class my_rows {
 public:
  explicit my_rows(std::string_view types) : types_(types), columns_(types.size()) {}

  template <class... Values>
  void row(const Values&... values) {
    std::size_t at = 0;
    weights_.push_back(0);
    (add(columns_[at++], values), ...);
  }

  [[nodiscard]] std::size_t size() const noexcept { return weights_.size(); }

  /// How many rows from `first` on make up `bytes` on the wire; at least one.
  [[nodiscard]] std::size_t fitting(std::size_t first, std::size_t bytes) const noexcept {
    std::size_t count = 0;
    for (std::size_t sum = 0; first + count < size(); ++count) {
      sum += weights_[first + count];
      if (count > 0 && sum > bytes) break;
    }
    return count;
  }

  /// The columns from row `first` on, as libmariadb's array binding wants them.
  [[nodiscard]] std::vector<MYSQL_BIND> binds(std::size_t first) {
    std::vector<MYSQL_BIND> out(types_.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
      if (types_[k] == 'n') {
        out[k].buffer_type = MYSQL_TYPE_LONGLONG;
        out[k].buffer = columns_[k].numbers.data() + first;
      } else {
        out[k].buffer_type = MYSQL_TYPE_BLOB;
        out[k].buffer = columns_[k].texts.data() + first;
        out[k].length = columns_[k].sizes.data() + first;
      }
    }
    return out;
  }

 private:
  static constexpr std::size_t value_overhead = 10;  // its size and indicator
  struct column {
    std::vector<long long> numbers;
    std::vector<const char*> texts;
    std::vector<unsigned long> sizes;
  };
  void add(column& c, std::uint64_t n) {
    c.numbers.push_back(static_cast<long long>(n));
    weights_.back() += value_overhead;
  }
  void add(column& c, std::int64_t n) { add(c, static_cast<std::uint64_t>(n)); }
  void add(column& c, std::string_view text) {
    c.texts.push_back(text.data() == nullptr ? "" : text.data());
    c.sizes.push_back(text.size());
    weights_.back() += value_overhead + text.size();
  }
  void add(column& c, std::span<const std::byte> bytes) { add(c, as_text(bytes)); }

  std::string_view types_;
  std::vector<column> columns_;
  std::vector<std::size_t> weights_;
};

/// A row that was fetched; its bytes are valid until the next one.
class my_row {
 public:
  explicit my_row(std::size_t columns)
      : numbers_(columns),
        texts_(columns),
        sizes_(columns),
        nulls_(columns) {}
  [[nodiscard]] bool null(std::size_t k) const noexcept { return nulls_[k] != 0; }
  [[nodiscard]] std::uint64_t natural(std::size_t k) const noexcept {
    return static_cast<std::uint64_t>(numbers_[k]);
  }
  [[nodiscard]] std::int64_t integer(std::size_t k) const noexcept { return numbers_[k]; }
  [[nodiscard]] std::uint32_t natural32(std::size_t k) const noexcept {
    return static_cast<std::uint32_t>(numbers_[k]);
  }
  [[nodiscard]] std::string_view bytes(std::size_t k) const noexcept { return texts_[k]; }
  [[nodiscard]] std::span<const std::byte> payload(std::size_t k) const noexcept {
    return std::as_bytes(std::span(texts_[k]));
  }

 private:
  friend class my_connection;
  std::vector<long long> numbers_;
  std::vector<std::string> texts_;
  std::vector<unsigned long> sizes_;
  std::vector<my_bool> nulls_;
};

}  // namespace odeon::detail
