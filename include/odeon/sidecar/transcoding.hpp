#pragma once

#include <odeon/base/error.hpp>
#include <odeon/sidecar/message.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// @file JSON to protobuf and back, by descriptors that were registered: what HTTP activators and
/// schedules write as JSON, an actor gets as the message that it knows.
///
///     protoc --include_imports -o bank.pb bank.proto
///
///     odeon::sidecar::descriptors types;
///     types.add_file("bank.pb");
///     auto request = types.to_any("bank.Deposit", R"({"account": "a-1", "amount": 100})");

namespace odeon::sidecar {

struct transcoding_limits {
  std::size_t json_bytes = 16 * 1024 * 1024;   ///< of a text, either way
  std::size_t value_bytes = 16 * 1024 * 1024;  ///< of a message
  std::size_t depth = 60;                      ///< of objects and arrays in each other; at most 60
  std::size_t set_bytes = 16 * 1024 * 1024;    ///< of one file of descriptors
};

/// The message types that are known by their descriptors. Types are named as "bank.Deposit", or by
/// a URL whose last segment is that. The mapping is that of the protobuf manual (proto3 JSON):
/// fields in lowerCamelCase, or as they are in the file; 64-bit numbers as texts; bytes in base64;
/// fields with their default value are left out of what is written.
///
/// Adding is not for two threads at once; all else is @threadsafe once everything was added.
class descriptors {
 public:
  explicit descriptors(transcoding_limits limits = {});
  descriptors(descriptors&&) noexcept;
  descriptors& operator=(descriptors&&) noexcept;
  ~descriptors();

  /// Adds all files of a FileDescriptorSet, imports before those who import them, as protoc writes
  /// it. A file that is there already is passed over if it is the same. `source` is named in
  /// errors: `bad_encoding` (no such bytes), `invalid_argument` (an import that is not there, a
  /// name that is taken, and whatever else protobuf does not accept), `limit_exceeded`.
  [[nodiscard]] result<void> add(std::string_view set, std::string_view source);
  /// Reads a file of one. Errors: as `add`; `not_found`, `io_failed`.
  [[nodiscard]] result<void> add_file(const std::string& path);

  [[nodiscard]] bool has(std::string_view type) const;
  /// The full names of all message types, sorted; without those that stand for maps.
  [[nodiscard]] std::vector<std::string> types() const;

  /// Errors: `unknown_manifest` (no such type), `limit_exceeded`, `bad_encoding` (no JSON, a field
  /// that the type does not have, a value that the field cannot hold; which and why).
  [[nodiscard]] result<any> to_any(std::string_view type, std::string_view json) const;
  /// Errors: `unknown_manifest`, `limit_exceeded`, `bad_encoding` (the bytes are no such message).
  [[nodiscard]] result<std::string> to_json(const any& value) const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// The name behind the last '/' of a type's URL.
[[nodiscard]] std::string_view type_name_of(std::string_view type_url) noexcept;

/// JSON for an actor that takes any: a message of the protocol's own type JSONType, whose only
/// field is the text.
[[nodiscard]] any json_any(std::string_view json);
/// The text of such a message; none: it is of another type. `bad_encoding`: no such message.
[[nodiscard]] result<std::optional<std::string>> json_of(const any& value);

}  // namespace odeon::sidecar
