#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/fwd.hpp>

#include <chrono>
#include <concepts>
#include <string>

/// @file Codecs for types of the standard library and of Odeon that are neither aggregates nor
/// containers.

namespace odeon::wire {

/// How an `odeon::error` travels.
struct error_body {
  errc code = errc::internal;
  std::string text;
};

template <>
struct codec<error> {
  using wire_type = error_body;

  /// Bytes of the text that are not UTF-8 (an exception's or the system's) become '?': an error
  /// must get through.
  static error_body to_wire(const error& e);
  static error from_wire(error_body body);
  static error blank() { return errc::internal; }
};

/// A duration with a floating representation travels as seconds.
template <std::floating_point R, class P>
struct codec<std::chrono::duration<R, P>> {
  using wire_type = double;
  using seconds = std::chrono::duration<double>;

  static double to_wire(std::chrono::duration<R, P> d) { return seconds(d).count(); }
  static std::chrono::duration<R, P> from_wire(double s) {
    return std::chrono::duration_cast<std::chrono::duration<R, P>>(seconds(s));
  }
};

/// A time point with a floating representation travels as seconds since its clock's epoch.
template <class C, std::floating_point R, class P>
struct codec<std::chrono::time_point<C, std::chrono::duration<R, P>>> {
  using duration = std::chrono::duration<R, P>;
  using wire_type = double;

  static double to_wire(std::chrono::time_point<C, duration> t) {
    return codec<duration>::to_wire(t.time_since_epoch());
  }
  static std::chrono::time_point<C, duration> from_wire(double s) {
    return std::chrono::time_point<C, duration>(codec<duration>::from_wire(s));
  }
};

}  // namespace odeon::wire
