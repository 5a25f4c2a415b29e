#pragma once

#include "codec_internal.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// @file The lower half of decoding: MessagePack from bytes that nobody vouches for. Each length,
/// count and depth is checked before anything is made of it.

namespace odeon::python::codecs {

// What objects cost at least, for `limits::max_memory`.
inline constexpr std::size_t cost_of_object = 56;
inline constexpr std::size_t cost_of_item = 16;
inline constexpr std::size_t cost_of_entry = 104;

[[nodiscard]] inline std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, 64)) {
    out += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ? '?' : c;
  }
  return out + "\"";
}

class decoder_base {
 public:
  decoder_base(codec_object* codec, unsigned flags, std::span<const std::byte> in,
               PyObject* buffers)
      : codec_(codec),
        flags_(flags),
        buffers_(buffers),
        begin_(reinterpret_cast<const unsigned char*>(in.data())),
        at_(begin_),
        end_(begin_ + in.size()),
        depth_left_(static_cast<int>(codec->bounds.max_depth)),
        items_left_(codec->bounds.max_items),
        memory_left_(codec->bounds.max_memory) {}

 protected:
  // --- places and errors -----------------------------------------------------------------------

  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] std::size_t offset() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }

  bool fail(std::string what) {
    if (!failed_) {
      failed_ = true;
      what_ = std::move(what);
      if (offset_ == unset) offset_ = offset();
    }
    return false;
  }
  bool fail_at(const unsigned char* place, std::string what) {
    if (!failed_) offset_ = static_cast<std::size_t>(place - begin_);
    return fail(std::move(what));
  }
  owned none(std::string what) {
    fail(std::move(what));
    return {};
  }
  owned none_at(const unsigned char* place, std::string what) {
    fail_at(place, std::move(what));
    return {};
  }
  bool truncated() { return fail("the input ends too early"); }

  owned expected(std::string_view wanted) {
    if (at_ == end_) truncated();
    if (left() != 0 && *at_ == 0xc1) fail("the byte 0xc1, which MessagePack does not use");
    fail("expected " + std::string(wanted) + ", found " + std::string(found()));
    return {};
  }

  std::string_view found() const noexcept {
    if (at_ == end_) return "the end";
    const unsigned char tag = *at_;
    if (tag < 0x80 || tag >= 0xe0 || (tag >= 0xcc && tag <= 0xd3)) return "an integer";
    if (tag < 0x90 || tag == 0xde || tag == 0xdf) return "a map";
    if (tag < 0xa0 || tag == 0xdc || tag == 0xdd) return "an array";
    if (tag < 0xc0 || (tag >= 0xd9 && tag <= 0xdb)) return "a string";
    if (tag == 0xc0) return "nil";
    if (tag == 0xc2 || tag == 0xc3) return "a boolean";
    if (tag >= 0xc4 && tag <= 0xc6) return "bytes";
    return tag == 0xca || tag == 0xcb ? "a float" : "an extension";
  }

  void in(std::string_view step) {
    if (path_.size() + step.size() <= max_path) path_.insert(0, step);
  }
  owned in_element(std::size_t i) {
    in("[" + std::to_string(i) + "]");
    return {};
  }
  owned in_field(const plan& p, std::size_t i) {
    in("." + p.fields[i].text);
    return {};
  }

  PyObject* raise() {
    if (is_fatal_error()) return nullptr;
    std::string place = "at byte " + std::to_string(offset_ == unset ? offset() : offset_);
    if (!path_.empty()) place += ", field " + path_.substr(path_.front() == '.' ? 1 : 0);
    raise_from(codec_->hooks[hook_decoding_error], place + ": ", what_);
    return nullptr;
  }

  // --- bounds ----------------------------------------------------------------------------------

  bool charge(std::size_t bytes) {
    if (bytes > memory_left_) return fail("the values would need more memory than allowed");
    memory_left_ -= bytes;
    return true;
  }

  // Before `n` elements, each of `per` values; `leave` ends it.
  bool enter(const unsigned char* start, std::size_t n, std::size_t per, std::size_t cost) {
    if (n > left() / per) return fail_at(start, "the input ends too early");
    if (n > items_left_) return fail_at(start, "more elements than allowed");
    items_left_ -= n;
    return deeper(start) && charge(cost_of_object + n * cost);
  }
  bool deeper(const unsigned char* start) {
    if (depth_left_ == 0) return fail_at(start, "nested too deeply");
    --depth_left_;
    return true;
  }
  void leave() noexcept { ++depth_left_; }

  template <class U>
  bool take(U& to) {
    if (left() < 1 + sizeof(U)) return truncated();
    std::memcpy(&to, at_ + 1, sizeof(U));
    to = std::byteswap(to);
    at_ += 1 + sizeof(U);
    return true;
  }

  bool length(unsigned width, std::size_t& n) {
    if (width == 1) {
      std::uint8_t v = 0;
      if (!take(v)) return false;
      n = v;
    } else if (width == 2) {
      std::uint16_t v = 0;
      if (!take(v)) return false;
      n = v;
    } else {
      std::uint32_t v = 0;
      if (!take(v)) return false;
      n = v;
    }
    return true;
  }

  // The head of a run of bytes, which must be there.
  bool run(unsigned width, std::size_t& n) {
    const unsigned char* start = at_;
    if (!length(width, n)) return false;
    if (n > left()) return fail_at(start, "the input ends too early");
    if (n > codec_->bounds.max_string) return fail_at(start, "longer than allowed");
    return charge(cost_of_object + n);
  }

  // --- scalars ---------------------------------------------------------------------------------

  bool raw_text(std::string_view& text) {
    if (at_ == end_) return truncated();
    std::size_t n = 0;
    if ((*at_ & 0xe0U) == 0xa0) {
      n = *at_ & 0x1fU;
      if (left() < n + 1) return truncated();
      ++at_;
    } else if (*at_ >= 0xd9 && *at_ <= 0xdb) {
      if (!run(1U << (*at_ - 0xd9U), n)) return false;
    } else {
      expected("a string");
      return false;
    }
    text = {reinterpret_cast<const char*>(at_), n};
    at_ += n;
    return true;
  }

  owned text() {
    const unsigned char* start = at_;
    std::string_view found;
    if (!raw_text(found) || !charge(cost_of_object + found.size())) return {};
    owned made(PyUnicode_DecodeUTF8(found.data(), static_cast<Py_ssize_t>(found.size()), nullptr));
    if (made || PyErr_ExceptionMatches(PyExc_UnicodeDecodeError) == 0) {
      return made ? std::move(made) : none({});
    }
    PyErr_Clear();
    return none_at(start, "the string is not UTF-8");
  }

  owned bytes() {
    if (at_ == end_ || *at_ < 0xc4 || *at_ > 0xc6) return expected("bytes");
    std::size_t n = 0;
    if (!run(1U << (*at_ - 0xc4U), n)) return {};
    owned made(
        PyBytes_FromStringAndSize(reinterpret_cast<const char*>(at_), static_cast<Py_ssize_t>(n)));
    at_ += n;
    return made;
  }

  template <class U, class As>
  owned number() {
    U v = 0;
    if (!take(v)) return {};
    if constexpr (std::is_signed_v<As>)
      return owned(PyLong_FromLongLong(static_cast<As>(v)));
    else
      return owned(PyLong_FromUnsignedLongLong(v));
  }

  owned boolean() {
    if (at_ == end_ || (*at_ != 0xc2 && *at_ != 0xc3)) return expected("a boolean");
    return owned::share(*at_++ == 0xc3 ? Py_True : Py_False);
  }

  bool nil() noexcept {
    if (at_ == end_ || *at_ != 0xc0) return false;
    ++at_;
    return true;
  }

  // --- heads of containers and extensions
  // ---------------------------------------------------------

  [[nodiscard]] bool at_array() const noexcept {
    return at_ != end_ && ((*at_ & 0xf0U) == 0x90 || *at_ == 0xdc || *at_ == 0xdd);
  }
  [[nodiscard]] bool at_map() const noexcept {
    return at_ != end_ && ((*at_ & 0xf0U) == 0x80 || *at_ == 0xde || *at_ == 0xdf);
  }

  bool enter_array(std::size_t& n, std::size_t cost = cost_of_item) {
    const unsigned char* start = at_;
    if (!at_array()) {
      expected("an array");
      return false;
    }
    if (*at_ < 0xa0)
      n = *at_++ & 0x0fU;
    else if (!length(*at_ == 0xdc ? 2 : 4, n))
      return false;
    return enter(start, n, 1, cost);
  }

  bool enter_map(std::size_t& n, std::size_t cost = cost_of_entry) {
    const unsigned char* start = at_;
    if (!at_map()) {
      expected("a map");
      return false;
    }
    if (*at_ < 0x90)
      n = *at_++ & 0x0fU;
    else if (!length(*at_ == 0xde ? 2 : 4, n))
      return false;
    return enter(start, n, 2, cost);
  }

  // The type of the extension that is next; negative when there is none.
  [[nodiscard]] int peek_extension() const noexcept {
    if (at_ == end_) return -1;
    const unsigned char tag = *at_;
    std::size_t head = 0;
    if (tag >= 0xd4 && tag <= 0xd8)
      head = 1;
    else if (tag >= 0xc7 && tag <= 0xc9)
      head = 1 + (std::size_t{1} << (tag - 0xc7U));
    else
      return -1;
    return left() > head ? at_[head] & 0x7f : 0;
  }

  // Its type and its body, at which the input stands then.
  bool extension_head(unsigned& type, std::size_t& n) {
    const unsigned char* start = at_;
    const unsigned char tag = *at_;
    if (tag >= 0xd4 && tag <= 0xd8) {
      n = std::size_t{1} << (tag - 0xd4U);
      ++at_;
    } else if (!length(1U << (tag - 0xc7U), n)) {
      return false;
    }
    if (n >= left()) return fail_at(start, "the input ends too early");
    type = *at_++;
    return true;
  }

  static constexpr std::size_t unset = static_cast<std::size_t>(-1);

  codec_object* codec_;
  unsigned flags_;
  PyObject* buffers_;
  const unsigned char* begin_;
  const unsigned char* at_;
  const unsigned char* end_;
  int depth_left_;
  std::size_t items_left_;
  std::size_t memory_left_;
  bool failed_ = false;
  std::size_t offset_ = unset;
  std::string what_;
  std::string path_;
};

}  // namespace odeon::python::codecs
