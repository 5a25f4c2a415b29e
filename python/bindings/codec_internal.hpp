#pragma once

#include "codec.hpp"
#include "codec_plan.hpp"

#include <string>
#include <string_view>

/// @file What the codec's two halves share.

namespace odeon::python::codecs {

/// The manifest of a message that is a built-in value, or one that has no class with a plan.
inline constexpr std::string_view value_manifest = "python.value";

/// Bytes of the place inside a message that an error may have.
inline constexpr std::size_t max_path = 1024;

/// The exception that is set is none for a codec to word: no memory, an interrupt, an exit.
[[nodiscard]] bool is_fatal_error() noexcept;

/// The exception that is set, with its traceback, or null; none is set then.
[[nodiscard]] owned take_exception() noexcept;
void restore_exception(owned raised) noexcept;

/// Raises `type(place + what)`. An exception that is set becomes its cause, and its text is `what`
/// when that is empty.
void raise_from(PyObject* type, const std::string& place, const std::string& what);

}  // namespace odeon::python::codecs
