#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/events.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

/// @file What the tests of patterns share.

namespace odeon::pattern_test {

using namespace std::chrono_literals;

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The code that `f` throws as an `actor_error`; nothing when it throws none.
inline std::optional<errc> thrown_by(auto&& f) {
  try {
    f();
  } catch (const actor_error& e) {
    return e.which();
  }
  return std::nullopt;
}
/// Its text.
inline std::string text_by(auto&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "nothing was thrown";
}

/// Failures on purpose fill no log.
inline const bool quiet = (set_log_level(log_level::off), true);

}  // namespace odeon::pattern_test
