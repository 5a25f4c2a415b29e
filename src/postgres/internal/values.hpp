#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file Values of statements in PostgreSQL's binary format: numbers are big-endian; an array is
/// the number of dimensions, whether it has nulls, its elements' type, count and first index, then
/// each element with its size before it.

namespace odeon::detail {

template <class T>
void put_big_endian(std::string& to, T value) {
  for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8)
    to += static_cast<char>(static_cast<std::uint64_t>(value) >> shift);
}

[[nodiscard]] inline std::uint64_t get_big_endian(std::string_view from) noexcept {
  std::uint64_t out = 0;
  for (const char c : from) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A one-dimensional array that grows.
class pg_array {
 public:
  static pg_array of_numbers() { return pg_array(20); }  // int8's oid
  static pg_array of_bytes() { return pg_array(17); }    // bytea's

  void add(std::uint64_t number) {
    put_big_endian<std::uint32_t>(data_, 8);
    put_big_endian(data_, number);
    ++count_;
  }
  void add(std::int64_t number) { add(static_cast<std::uint64_t>(number)); }
  void add(std::string_view bytes) {
    put_big_endian(data_, static_cast<std::uint32_t>(bytes.size()));
    data_ += bytes;
    ++count_;
  }
  void add(std::span<const std::byte> bytes) { add(as_text(bytes)); }

  [[nodiscard]] std::string take() && {
    std::string head;
    put_big_endian<std::uint32_t>(head, count_ == 0 ? 0 : 1);
    put_big_endian<std::uint32_t>(head, 0);
    put_big_endian(head, element_);
    if (count_ > 0) {
      put_big_endian(head, count_);
      put_big_endian<std::uint32_t>(head, 1);
    }
    data_.insert(0, head);
    return std::move(data_);
  }

 private:
  explicit pg_array(std::uint32_t element) : element_(element) {}
  std::uint32_t element_;
  std::uint32_t count_ = 0;
  std::string data_;
};

/// The values of one statement. Texts that are added must live until it has been sent; numbers and
/// arrays are kept.
class pg_values {
 public:
  pg_values& number(std::uint64_t n) {
    std::string kept;
    put_big_endian(kept, n);
    return keep(std::move(kept));
  }
  pg_values& number(std::int64_t n) { return number(static_cast<std::uint64_t>(n)); }
  pg_values& bytes(std::string_view b) {
    texts_.push_back(b.data() == nullptr ? std::string_view("") : b);
    return *this;
  }
  pg_values& array(pg_array&& a) { return keep(std::move(a).take()); }

  [[nodiscard]] std::span<const std::string_view> all() const noexcept { return texts_; }

 private:
  pg_values& keep(std::string value) {
    texts_.emplace_back(*kept_.emplace_back(std::make_unique<std::string>(std::move(value))));
    return *this;
  }
  std::vector<std::unique_ptr<std::string>> kept_;
  std::vector<std::string_view> texts_;
};

/// Columns side by side: what `unnest` makes rows of.
class pg_columns {
 public:
  explicit pg_columns(std::vector<pg_array> columns) : columns_(std::move(columns)) {}
  template <class... Values>
  void row(const Values&... values) {
    std::size_t at = 0;
    (columns_[at++].add(values), ...);
  }
  [[nodiscard]] pg_values values() && {
    pg_values out;
    for (auto& c : columns_) out.array(std::move(c));
    return out;
  }

 private:
  std::vector<pg_array> columns_;
};

/// The result of a statement.
struct pg_clear {
  void operator()(PGresult* r) const noexcept { PQclear(r); }
};
using pg_result = std::unique_ptr<PGresult, pg_clear>;

/// A row of a binary result.
class pg_row {
 public:
  pg_row(const PGresult* from, int row) noexcept : from_(from), row_(row) {}
  [[nodiscard]] bool null(int column) const noexcept {
    return PQgetisnull(from_, row_, column) != 0;
  }
  [[nodiscard]] std::string_view bytes(int column) const noexcept {
    return {PQgetvalue(from_, row_, column),
            static_cast<std::size_t>(PQgetlength(from_, row_, column))};
  }
  [[nodiscard]] std::span<const std::byte> payload(int column) const noexcept {
    return std::as_bytes(std::span(bytes(column)));
  }
  [[nodiscard]] std::uint64_t natural(int column) const noexcept {
    return get_big_endian(bytes(column));
  }
  [[nodiscard]] std::int64_t integer(int column) const noexcept {
    return static_cast<std::int64_t>(natural(column));  // of eight bytes
  }
  [[nodiscard]] std::uint32_t natural32(int column) const noexcept {
    return static_cast<std::uint32_t>(natural(column));
  }

 private:
  const PGresult* from_;
  int row_;
};

}  // namespace odeon::detail
