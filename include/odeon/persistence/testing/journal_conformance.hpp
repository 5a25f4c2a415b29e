#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/journal.hpp>

#include <memory>
#include <span>
#include <string_view>

/// @file What every journal must do, as checks that any back end can be run through.
///
///     for (const auto& check : odeon::testing::journal_checks()) {
///       my_fixture empty_store;
///       auto held = check.run(empty_store);
///       INFO(check.name);
///       CHECK_MESSAGE(held.has_value(), (held ? "" : held.error().to_string()));
///     }
///
/// No test framework is needed. A check blocks its thread, takes at most a few seconds, and expects
/// a store that nobody else uses.

namespace odeon::testing {

/// One store, empty at first.
class journal_fixture {
 public:
  virtual ~journal_fixture() = default;

  [[nodiscard]] virtual runtime& rt() = 0;

  /// Opens a journal on the store with these bounds. A check opens it again, after the one before
  /// was closed, to see what has survived.
  [[nodiscard]] virtual result<std::unique_ptr<journal>> open(journal_options bounds) = 0;
};

struct journal_check {
  std::string_view name;                     ///< the behaviour, as a sentence
  result<void> (*run)(journal_fixture& on);  ///< the error says what did not hold, and where
};

/// All checks, in an order of rising ambition.
[[nodiscard]] std::span<const journal_check> journal_checks();

}  // namespace odeon::testing
