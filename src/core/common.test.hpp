#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/events.hpp>
#include <odeon/core/request_stream.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// @file What the tests of core share.

namespace odeon::core_test {

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

/// A line of what happened, told to a probe or kept.
struct note {
  std::string text;
  friend bool operator==(const note&, const note&) = default;
};

/// What an actor under test writes down; the test reads it.
using journal = std::shared_ptr<std::vector<std::string>>;
inline journal new_journal() { return std::make_shared<std::vector<std::string>>(); }
inline std::string all_of(const journal& j) {
  std::string out;
  for (const auto& line : *j) out += (out.empty() ? "" : " ") + line;
  return out;
}

/// The dead letters for `to` so far, as "reason message" lines without namespaces.
inline std::vector<std::string> letters(const actor_system& system, std::string_view to = {}) {
  std::vector<std::string> out;
  for (const auto& l : system.dead_letters()) {
    if (!to.empty() && l.to != to) continue;
    const auto colon = l.message.rfind(':');
    out.push_back(
        std::string(to_string(l.reason)) + " " +
        std::string(colon == std::string_view::npos ? l.message : l.message.substr(colon + 1)));
  }
  return out;
}

/// Failures on purpose fill no log.
inline const bool quiet = (set_log_level(log_level::off), true);

inline std::vector<std::string> lines(std::initializer_list<std::string> l) { return l; }

}  // namespace odeon::core_test
