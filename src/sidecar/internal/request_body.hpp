#pragma once

#include <odeon/sidecar/activator.hpp>

#include <string>

/// @file What activators share: requests from JSON, and answers to JSON.

namespace odeon::sidecar::internal {

/// The invocation of `what` with `json` as its request; an empty text is none. Errors: as
/// `descriptors::to_any`.
[[nodiscard]] result<invocation> invocation_of(const activation& what, const std::string& json,
                                               const descriptors& types);

/// The value of an answer as JSON: of a type that is not registered its URL and base64. Errors: as
/// `descriptors::to_json`, for bytes that are not of their type.
[[nodiscard]] result<std::string> json_of_answer(const any& value, const descriptors& types);

/// {"status": "ERROR", "message": "…"}
[[nodiscard]] std::string error_json(outcome status, const std::string& message);

}  // namespace odeon::sidecar::internal
