#pragma once

#include <odeon/core/fwd.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

/// @file A thin front to the log: `log().info("hello, {}", name)`. Formatting and writing happen in
/// the library.

namespace odeon {

enum class log_level : std::uint8_t { trace, debug, info, warn, error, off };

namespace detail {

/// One argument, erased: a number, a text, or what `to_string` makes of it.
class log_arg {
 public:
  enum class kind : std::uint8_t { boolean, integer, natural, real, text };

  log_arg(bool v) noexcept : kind_(kind::boolean), integer_(v) {}
  template <std::signed_integral T>
  log_arg(T v) noexcept : kind_(kind::integer),
                          integer_(v) {}
  template <std::unsigned_integral T>
  log_arg(T v) noexcept : kind_(kind::natural),
                          natural_(v) {}
  template <std::floating_point T>
  log_arg(T v) noexcept : kind_(kind::real),
                          real_(static_cast<double>(v)) {}
  template <class T>
    requires std::is_convertible_v<const T&, std::string_view>
  log_arg(const T& v) noexcept : kind_(kind::text),
                                 text_(v) {}
  template <class T>
    requires(!std::is_convertible_v<const T&, std::string_view> && !std::is_arithmetic_v<T>)
  log_arg(const T& v) : kind_(kind::text),
                        owned_(to_string(v)),
                        text_(owned_) {}
  log_arg(const log_arg&) = delete;

  [[nodiscard]] kind which() const noexcept { return kind_; }
  [[nodiscard]] std::int64_t integer() const noexcept { return integer_; }
  [[nodiscard]] std::uint64_t natural() const noexcept { return natural_; }
  [[nodiscard]] double real() const noexcept { return real_; }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  kind kind_;
  union {
    std::int64_t integer_ = 0;
    std::uint64_t natural_;
    double real_;
  };
  std::string owned_;
  std::string_view text_;
};

bool log_enabled(log_level level) noexcept;
void log_write(log_level level, const std::string& name, std::string_view format,
               std::span<const log_arg> args);

}  // namespace detail

/// Lines below this level are not formatted; the default is `info`. @threadsafe
void set_log_level(log_level level) noexcept;

/// Writes lines under an actor's path, to stderr. `format` is that of {fmt}: "{}", "{:>8}". A wrong
/// format is logged as such and throws nothing. A line below the level costs one load.
class logger {
 public:
  explicit logger(std::string name) : name_(std::move(name)) {}

  template <class... As>
  void trace(std::string_view format, const As&... as) const {
    write(log_level::trace, format, as...);
  }
  template <class... As>
  void debug(std::string_view format, const As&... as) const {
    write(log_level::debug, format, as...);
  }
  template <class... As>
  void info(std::string_view format, const As&... as) const {
    write(log_level::info, format, as...);
  }
  template <class... As>
  void warn(std::string_view format, const As&... as) const {
    write(log_level::warn, format, as...);
  }
  template <class... As>
  void error(std::string_view format, const As&... as) const {
    write(log_level::error, format, as...);
  }

 private:
  template <class... As>
  void write(log_level level, std::string_view format, const As&... as) const {
    if (!detail::log_enabled(level)) return;
    if constexpr (sizeof...(As) == 0) {
      detail::log_write(level, name_, format, {});
    } else {
      const detail::log_arg args[] = {detail::log_arg(as)...};
      detail::log_write(level, name_, format, args);
    }
  }
  std::string name_;
};

}  // namespace odeon
