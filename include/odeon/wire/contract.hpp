#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// @file What a program has promised to others and to its own stores: the schemas of its messages
/// and events, as a document that is kept, compared and locked.
///
///     int main(int argc, char** argv) {
///       odeon::wire::registry types;
///       types.add<deposit, withdrawal>();
///       if (odeon::wire::answer_contract_request(argc, argv, types)) return 0;
///       …
///     }
///
/// and in the shell `odeon contract lock ./program`, which fails when a change breaks what was
/// locked. `wire/contract_diff.hpp` has the rules; `docs/guide/contracts.md` explains them.

namespace odeon::wire {

/// What the values of a type are used for; it decides which rules count.
enum class contract_use : std::uint8_t {
  messages = 1,  ///< sent between programs that may be of different releases
  stored = 2,    ///< events, states and snapshots, which later releases read
  both = 3,
};

/// A type as a tree, which ends at scalars and at the names of records and enums.
struct type_shape {
  /// "none", "bool", "i8" … "u64", "f32", "f64", "string", "bytes", "duration", "time", "optional",
  /// "list", "set", "array", "map", "tuple", "variant", "record", "enum".
  std::string kind = {};
  std::string name = {};                 ///< record, enum: the key in `contract::types`
  std::uint64_t count = 0;               ///< array: elements; bytes: their exact number, 0 for any
  std::vector<type_shape> of = {};       ///< what it holds; map: key and value
  std::vector<std::string> labels = {};  ///< variant: of the alternatives
  bool by_index = false;  ///< variant: labels are not unique, so the index is written

  friend bool operator==(const type_shape&, const type_shape&) = default;
};

/// "list of i32", "map from string to record bank::line".
[[nodiscard]] std::string to_string(const type_shape& shape);

struct contract_field {
  std::string name = {};
  type_shape type = {};
  std::string initial = {};  ///< the value of a field that is missing, as JSON; "" when not known
  bool required = false;     ///< bytes that lack it are refused

  friend bool operator==(const contract_field&, const contract_field&) = default;
};

/// A record or an enum.
struct contract_type {
  std::vector<contract_field> fields = {};          ///< of a record, in order of declaration
  std::string underlying = {};                      ///< of an enum: "i32"; "" for a record
  std::map<std::string, std::int64_t> values = {};  ///< of an enum

  friend bool operator==(const contract_type&, const contract_type&) = default;
};

/// What stands under one manifest.
struct contract_entry {
  contract_use use = contract_use::both;
  int version = 1;                       ///< which is written
  type_shape type = {};                  ///< of that version
  std::map<int, type_shape> reads = {};  ///< earlier versions, from which an upcast leads here
  std::string alias_of = {};  ///< the manifest it is written under, when this is an earlier one

  friend bool operator==(const contract_entry&, const contract_entry&) = default;
};

/// The document. A value.
struct contract {
  /// The most bytes and the deepest nesting that `from_json` accepts.
  static constexpr std::size_t max_bytes = std::size_t{64} << 20U;
  static constexpr std::size_t max_depth = 64;

  /// The formats in which values travel or are stored: the rules of `compact` count only where it
  /// is among them. Readers accept every format all the same.
  std::vector<format> formats = {format::msgpack, format::json, format::cbor};
  std::map<std::string, contract_entry> entries;  ///< by manifest
  std::map<std::string, contract_type> types;     ///< by a name that is only used in the document

  /// Adds all types of a registry, with what they hold. A manifest that is there already gets both
  /// uses.
  void add(const registry& types, contract_use use = contract_use::both);

  /// The same for the same types, whatever the order in which they were registered; indented, made
  /// to be kept in a repository. Ends with a newline.
  [[nodiscard]] std::string to_json() const;

  /// Reads such a text. Errors: `bad_encoding` (no JSON, with the offset), `wrong_type` (JSON of
  /// another form, with the way to the place), `newer_version`, `limit_exceeded`.
  [[nodiscard]] static result<contract> from_json(std::string_view text);

  friend bool operator==(const contract&, const contract&) = default;
};

/// The argument by which a program is asked for its contract.
inline constexpr std::string_view contract_request = "--odeon-contract";

/// When the program was started with `--odeon-contract` as its only argument, writes the document
/// to stdout and returns true: the program then ends, with 0. Call it before anything else is
/// printed.
[[nodiscard]] bool answer_contract_request(int argc, const char* const* argv,
                                           const contract& promised);
[[nodiscard]] bool answer_contract_request(int argc, const char* const* argv, const registry& types,
                                           contract_use use = contract_use::both);

}  // namespace odeon::wire
