#pragma once

#include <odeon/wire/contract.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// @file What changed between two contracts, and what that breaks.
///
/// Three things can break:
///
/// - **the wire**: a message that a program of one contract writes in the ordinary course is
/// refused
///   by a program of the other, or read as something else;
/// - **stored data**: bytes that a program of the old contract stored are refused by one of the
/// new;
/// - **replay**: they are read, but rebuild another state: what they say is skipped or means
///   something else.
///
/// A change that only lets new programs write what old ones never heard of (a new enumerator, a new
/// alternative, null, a larger number, a version with an upcast) is compatible with a caution:
/// readers are upgraded before writers.

namespace odeon::wire {

/// What a change breaks; several may be set.
struct breakage {
  bool wire = false;
  bool stored = false;
  bool replay = false;

  [[nodiscard]] bool any() const noexcept { return wire || stored || replay; }
  friend bool operator==(const breakage&, const breakage&) = default;
};

/// "breaks the wire, stored data and replay"; "compatible" for none.
[[nodiscard]] std::string to_string(const breakage& what);

struct contract_change {
  std::string manifest;
  std::string where;  ///< the field, "lines[].count"; "" for the whole
  std::string text;   ///< one sentence
  breakage breaks;
  bool caution = false;  ///< compatible once all readers are upgraded

  /// "breaks replay: bank.deposit, field note: is gone; …".
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const contract_change&, const contract_change&) = default;
};

/// All changes from `before` to `after`, by manifest, those that break first. What breaks only
/// something that a type is not used for (`contract_use`, in either) is not counted as broken.
[[nodiscard]] std::vector<contract_change> compare(const contract& before, const contract& after);

/// Whether any of them breaks something.
[[nodiscard]] bool breaks(const std::vector<contract_change>& changes) noexcept;

/// The changes as JSON, for tools: an array of objects.
[[nodiscard]] std::string to_json(const std::vector<contract_change>& changes);

}  // namespace odeon::wire
