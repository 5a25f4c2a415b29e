#pragma once

#include "http_head.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// @file The body of a message, out of its framing: byte counts, chunks (RFC 9112, section 7.1), or
/// all until the end. Chunks are taken in their strict form: hex digits alone, CR and LF in pairs,
/// and no control characters in what is passed over (extensions and trailers).

namespace odeon::http_detail {

class body_decoder {
 public:
  /// `overhead`: bytes of extensions and trailers, altogether.
  void begin(framing f, std::uint64_t length, std::size_t overhead) noexcept {
    left_ = length;
    overhead_ = overhead;
    state_ = f == framing::none      ? state::done
             : f == framing::length  ? state::counted
             : f == framing::chunked ? state::size
                                     : state::to_end;
    digits_ = 0;
  }

  struct step {
    std::size_t used = 0;   ///< bytes of the front, to be given no more
    std::string_view data;  ///< of the body, among them
    std::optional<refusal> wrong;
  };
  /// Takes from the front of `in`, at most up to the end of one run of data.
  [[nodiscard]] step take(std::string_view in) {
    step s;
    while (s.used < in.size() && state_ != state::done) {
      if (state_ == state::counted || state_ == state::data || state_ == state::to_end) {
        std::uint64_t n = in.size() - s.used;
        if (state_ != state::to_end) n = std::min(n, left_);
        s.data = in.substr(s.used, std::size_t(n));
        s.used += std::size_t(n);
        if (state_ == state::to_end) return s;
        left_ -= n;
        if (left_ == 0) state_ = state_ == state::data ? state::data_cr : state::done;
        return s;
      }
      const char* wrong = byte(in[s.used++]);
      if (wrong) {
        s.wrong = refusal{400, wrong};
        return s;
      }
    }
    return s;
  }
  [[nodiscard]] bool is_done() const noexcept { return state_ == state::done; }
  /// The connection has ended. False: the body was cut.
  [[nodiscard]] bool end() noexcept {
    if (state_ == state::to_end) state_ = state::done;
    return is_done();
  }

 private:
  enum class state : std::uint8_t {
    done,
    counted,
    to_end,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,  // of a chunk
    line,
    name,
    value,
    line_lf,
    last_lf,  // of the trailers
  };
  static bool is_text(char c) noexcept {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7F');
  }
  const char* passed() noexcept {
    if (overhead_ == 0) return "too many bytes of chunk extensions or trailers";
    --overhead_;
    return nullptr;
  }
  const char* byte(char c) noexcept {
    switch (state_) {
      case state::size: {
        const int v = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
        if (v >= 0) {
          // Fifteen digits are 2^60: no sum of sizes overflows.
          if (++digits_ > 15) return "a chunk size of more than 15 digits";
          left_ = left_ * 16 + unsigned(v);
          return nullptr;
        }
        if (digits_ == 0) return "a chunk without its size";
        if (c == ';') return state_ = state::extension, passed();
        if (c == '\r') return state_ = state::size_lf, nullptr;
        return "a chunk size that is no hex number";
      }
      case state::extension:
        if (c == '\r') return state_ = state::size_lf, nullptr;
        return is_text(c) ? passed() : "a control character in a chunk extension";
      case state::size_lf:
        if (c != '\n') return "a CR without its LF after a chunk size";
        digits_ = 0;
        state_ = left_ == 0 ? state::line : state::data;
        return nullptr;
      case state::data_cr:
        state_ = state::data_lf;
        return c == '\r' ? nullptr : "a chunk is longer than its size";
      case state::data_lf:
        state_ = state::size;
        return c == '\n' ? nullptr : "a CR without its LF after a chunk";
      case state::line:
        if (c == '\r') return state_ = state::last_lf, nullptr;
        if (c == ':' || c == ' ' || c == '\t') return "a trailer without a name";
        state_ = state::name;
        [[fallthrough]];
      case state::name:
        if (c == ':') return state_ = state::value, passed();
        return is_text(c) && c != ' ' && c != '\t' ? passed() : "a trailer that is no field";
      case state::value:
        if (c == '\r') return state_ = state::line_lf, nullptr;
        return is_text(c) ? passed() : "a control character in a trailer";
      case state::line_lf:
        state_ = state::line;
        return c == '\n' ? nullptr : "a CR without its LF in the trailers";
      case state::last_lf:
        state_ = state::done;
        return c == '\n' ? nullptr : "a CR without its LF after the trailers";
      default: return nullptr;
    }
  }

  std::uint64_t left_ = 0;
  std::size_t overhead_ = 0;
  unsigned digits_ = 0;
  state state_ = state::done;
};

}  // namespace odeon::http_detail
