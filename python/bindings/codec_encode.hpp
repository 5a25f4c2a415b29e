#pragma once

#include "codec_internal.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

/// @file The lower half of encoding: MessagePack into a buffer, and where in a message an error is.

namespace odeon::python::codecs {

inline constexpr std::size_t max_run = std::numeric_limits<std::uint32_t>::max();

class encoder_base {
 public:
  encoder_base(codec_object* codec, unsigned flags, encoded_message& message) noexcept
      : codec_(codec),
        flags_(flags),
        message_(message),
        out_(message.payload),
        left_(static_cast<int>(codec->bounds.max_depth)) {}

 protected:
  // --- places and errors -----------------------------------------------------------------------

  // One sentence at most; an exception that is set already becomes its cause.
  bool fail(std::string what) {
    if (what_.empty()) what_ = std::move(what);
    return false;
  }

  bool too_deep() { return fail("the value is nested too deeply, or holds itself"); }

  bool expected(const char* wanted, PyObject* found) {
    return fail(std::string("expected ") + wanted + ", found " + Py_TYPE(found)->tp_name);
  }

  void in(std::string_view step) {
    if (path_.size() + step.size() <= max_path) path_.insert(0, step);
  }
  void in_element(Py_ssize_t i) { in("[" + std::to_string(i) + "]"); }
  void in_field(const plan_field& f) {
    in(f.text);
    in(".");
  }
  void in_entry(PyObject* key) {
    owned raised = take_exception();  // repr must not see it
    const owned text(PyObject_Repr(key));
    const char* shown = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
    if (shown == nullptr) PyErr_Clear();
    in("[" + std::string(shown == nullptr ? "?" : shown).substr(0, 64) + "]");
    restore_exception(std::move(raised));
  }

  bool raise(PyObject* value) {
    if (is_fatal_error()) return false;
    std::string place = Py_TYPE(value)->tp_name;
    if (const auto dot = place.rfind('.'); dot != std::string::npos) place.erase(0, dot + 1);
    raise_from(codec_->hooks[hook_encoding_error], place + path_ + ": ", what_);
    return false;
  }

  // --- bytes -----------------------------------------------------------------------------------

  bool put(unsigned byte) {
    out_.push_back(static_cast<std::byte>(byte));
    return true;
  }

  template <class U>
  bool wide(unsigned tag, U v) {
    std::byte* p = out_.extend(1 + sizeof(U));
    *p = static_cast<std::byte>(tag);
    v = std::byteswap(v);
    std::memcpy(p + 1, &v, sizeof(U));
    return true;
  }

  bool real(double v) { return wide(0xcb, std::bit_cast<std::uint64_t>(v)); }

  bool whole(std::uint64_t v) {
    if (v < 0x80) return put(static_cast<unsigned>(v));
    if (v <= 0xff) return wide(0xcc, static_cast<std::uint8_t>(v));
    if (v <= 0xffff) return wide(0xcd, static_cast<std::uint16_t>(v));
    if (v <= 0xffffffff) return wide(0xce, static_cast<std::uint32_t>(v));
    return wide(0xcf, v);
  }

  bool integer(PyObject* v) {
    int overflow = 0;
    const long long n = PyLong_AsLongLongAndOverflow(v, &overflow);
    if (overflow > 0) {
      const unsigned long long u = PyLong_AsUnsignedLongLong(v);
      if (PyErr_Occurred() == nullptr) return whole(u);
      PyErr_Clear();
    }
    if (overflow != 0) return big(v);
    if (n == -1 && PyErr_Occurred() != nullptr) return fail({});
    if (n >= 0) return whole(static_cast<std::uint64_t>(n));
    if (n >= -32) return put(static_cast<unsigned>(n) & 0xffU);
    if (n >= INT8_MIN) return wide(0xd0, static_cast<std::uint8_t>(n));
    if (n >= INT16_MIN) return wide(0xd1, static_cast<std::uint16_t>(n));
    if (n >= INT32_MIN) return wide(0xd2, static_cast<std::uint32_t>(n));
    return wide(0xd3, static_cast<std::uint64_t>(n));
  }

  // int.bit_length and int.to_bytes: the documented way to the digits of any int.
  bool big(PyObject* v) {
    const owned bits(PyObject_CallMethod(v, "bit_length", nullptr));
    if (!bits) return fail({});
    const Py_ssize_t size = PyLong_AsSsize_t(bits.get()) / 8 + 1;
    const owned method(PyObject_GetAttrString(v, "to_bytes"));
    const owned args(Py_BuildValue("(ns)", size, "big"));
    const owned words(Py_BuildValue("{s:O}", "signed", Py_True));
    if (!method || !args || !words) return fail({});
    const owned digits(PyObject_Call(method.get(), args.get(), words.get()));
    if (!digits) return fail({});
    return extended(ext_integer, [&] {
      out_.append(std::string_view(PyBytes_AS_STRING(digits.get()),
                                   static_cast<std::size_t>(PyBytes_GET_SIZE(digits.get()))));
      return true;
    });
  }

  bool text(PyObject* v) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(v, &size);
    if (data == nullptr) return fail("the text is not Unicode: it has a lone surrogate");
    const auto n = static_cast<std::size_t>(size);
    if (n < 32) {
      std::byte* p = out_.extend(n + 1);
      *p = static_cast<std::byte>(0xa0U | n);
      std::memcpy(p + 1, data, n);
      return true;
    }
    if (!head(n, 0xa0, 32, 0xd9, 0xda, 0xdb)) return false;
    out_.append(std::string_view(data, n));
    return true;
  }

  bool blob(const void* data, Py_ssize_t size) {
    const auto n = static_cast<std::size_t>(size);
    if (!head(n, 0, 0, 0xc4, 0xc5, 0xc6)) return false;
    out_.append(std::span(static_cast<const std::byte*>(data), n));
    return true;
  }

  bool array_head(std::size_t n) { return head(n, 0x90, 16, 0, 0xdc, 0xdd); }

  bool head(std::size_t n, unsigned fix, std::size_t fixed, unsigned tag8, unsigned tag16,
            unsigned tag32) {
    if (n < fixed) return put(fix | static_cast<unsigned>(n));
    if (tag8 != 0 && n <= 0xff) return wide(tag8, static_cast<std::uint8_t>(n));
    if (n <= 0xffff) return wide(tag16, static_cast<std::uint16_t>(n));
    if (n > max_run) return fail("4 GiB or more");
    return wide(tag32, static_cast<std::uint32_t>(n));
  }

  // The content, then its head, for whose size room is made.
  template <class F>
  bool extended(extension type, F&& content) {
    if (--left_ < 0) return too_deep();
    const std::size_t start = out_.size();
    std::byte* p = out_.extend(3);
    p[0] = std::byte{0xc7};
    p[2] = static_cast<std::byte>(type);
    if (!content()) return false;
    const std::size_t size = out_.size() - start - 3;
    if (size <= 0xff) {
      at(start)[1] = static_cast<std::byte>(size);
    } else if (size > max_run) {
      return fail("4 GiB or more");
    } else {
      (void)out_.extend(3);
      std::byte* head = at(start);
      std::memmove(head + 6, head + 3, size);
      const std::uint32_t length = std::byteswap(static_cast<std::uint32_t>(size));
      head[0] = std::byte{0xc9};
      std::memcpy(head + 1, &length, sizeof length);
      head[5] = static_cast<std::byte>(type);
    }
    ++left_;
    return true;
  }

  std::byte* at(std::size_t offset) noexcept {
    return const_cast<std::byte*>(out_.view().data()) + offset;
  }

  codec_object* codec_;
  unsigned flags_;
  encoded_message& message_;
  wire::buffer& out_;
  int left_;
  std::string what_;
  std::string path_;
};

}  // namespace odeon::python::codecs
