#pragma once

#include "wire/internal/decoder.hpp"
#include "wire/internal/json_tape.hpp"
#include <odeon/wire/bytes.hpp>

#include <string_view>

/// @file JSON (RFC 8259). What JSON lacks is written so: bytes as base64, numbers that are not
/// finite as "nan", "inf" and "-inf", maps whose keys are no text as arrays of pairs.

namespace odeon::wire::internal {

/// See `encoder` for what the members mean.
class json_writer {
 public:
  static constexpr bool by_name = true;
  static constexpr bool text_form = true;

  explicit json_writer(buffer& out) noexcept : out_(out) {}

  void nil() { out_.append("null"); }
  void boolean(bool v) { out_.append(v ? "true" : "false"); }
  void number(integer v);
  void real(float v);
  void real(double v);
  bool text(std::string_view v, failure& why);
  bool blob(std::span<const std::byte> v, failure& why);

  void begin_array(std::size_t) { open('['); }
  void begin_map(std::size_t) { open('{'); }
  void end_array() { close(']'); }
  void end_map() { close('}'); }
  void next() {
    if (!first_) put(',');
    first_ = false;
  }
  bool key(std::string_view v, failure& why) {
    next();
    if (!text(v, why)) return false;
    put(':');
    return true;
  }
  void name(std::string_view v);

 private:
  void put(char c) { out_.push_back(static_cast<std::byte>(c)); }
  void open(char c) {
    put(c);
    first_ = true;
  }
  void close(char c) {
    put(c);
    first_ = false;
  }
  template <class F>
  void finite_or_word(F v);

  buffer& out_;
  bool first_ = true;
};

/// Reads a parsed JSON text. Its offsets count tokens, and are turned into bytes when an error is
/// told. See `decoder` for what the members mean.
class json_reader {
 public:
  static constexpr bool text_form = true;

  json_reader(const json_tape& tape, const limits& bounds, failure& why) noexcept
      : tape_(tape),
        memory_{bounds.max_memory},
        why_(why) {}

  [[nodiscard]] std::size_t offset() const noexcept { return next_; }
  [[nodiscard]] token peek() const noexcept {
    return next_ < tape_.size() ? tape_.at(next_).type : token::none;
  }
  bool mismatch(std::string_view wanted);

  bool nil() noexcept {
    if (peek() != token::nil) return false;
    ++next_;
    return true;
  }
  bool boolean(bool& v);
  bool number(integer& v);
  bool real(double& v) { return real_of(v); }
  bool real(float& v) { return real_of(v); }
  bool text(std::string_view& v);
  bool name(std::string_view& v) { return text(v); }
  bool blob_size(std::size_t& n);
  bool blob_copy(std::byte* to);
  bool enter_array(std::size_t& n);
  bool enter_map(std::size_t& n);
  void leave() noexcept {}
  bool skip();
  bool charge(std::size_t count, std::size_t size = 1) {
    return memory_.take(count, size) ||
           why_.set(errc::limit_exceeded, "the values need more than the allowed memory", next_);
  }

 private:
  template <class F>
  bool real_of(F& v);
  template <class F>
  bool parse_real(std::string_view digits, F& v);

  const json_tape& tape_;
  std::size_t next_ = 0;
  budget memory_;
  failure& why_;
};

}  // namespace odeon::wire::internal
