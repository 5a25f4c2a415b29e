#pragma once

#include <odeon/base/error.hpp>

#include <exception>
#include <string>

/// @file Exceptions that have been caught, as what is told of them.

namespace odeon::detail {

/// The reason of an `actor_error`; of any other exception `handler_failed` with its text. May
/// allocate; `why` is not null.
[[nodiscard]] error error_of(const std::exception_ptr& why);

/// The text of a `std::exception`, else "unknown exception".
[[nodiscard]] std::string what_of(const std::exception_ptr& why);

}  // namespace odeon::detail
