#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/fwd.hpp>
#include <odeon/wire/refusal.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// @file A type as data: what codecs, the registry and the contract tool read.
///
/// For each type that travels there is one constant `schema`, made at compile time
/// (`wire/describe.hpp`). It says what the type is and holds the few functions that reach into a
/// value whose type is erased. Codecs are ordinary compiled code that walks a schema; a message
/// type adds tables, not code. Two schemas are the same type exactly when they have the same
/// address.
///
/// The functions take `void*` to a value of the schema's own type; handing them anything else is
/// undefined.

namespace odeon::wire {

/// What a type is on the wire. In each comment: the schema's class where it is not plain `schema`.
enum class kind : std::uint8_t {
  none,         ///< std::monostate, void: nil
  boolean,      ///< bool
  integer,      ///< any integer type; `width`, `is_signed`
  floating,     ///< float, double; `width`
  enumeration,  ///< enum_schema; `width`, `is_signed` of the underlying type
  string,       ///< std::string
  string_view,  ///< std::string_view: written, never read
  bytes,        ///< bytes_schema: vector or array of std::byte or unsigned char
  optional,     ///< optional_schema: std::optional, std::unique_ptr, std::shared_ptr
  variant,      ///< variant_schema: std::variant, std::expected
  list,         ///< list_schema: vector, deque, list, set, unordered_set, and their likes
  array,        ///< array_schema: std::array
  map,          ///< map_schema: map, unordered_map, and their likes
  tuple,        ///< record_schema without names: std::pair, std::tuple
  record,       ///< record_schema: a message, or a struct in one
  duration,     ///< time_schema: std::chrono::duration
  time_point,   ///< time_schema: std::chrono::time_point
  converted,    ///< converted_schema: a type with a `codec<T>`
  unsupported,  ///< cannot travel; `unwritable` says why
};

/// "integer", "record", … as spelled above.
[[nodiscard]] std::string_view to_string(kind k) noexcept;

struct schema {
  wire::kind kind = wire::kind::unsupported;
  bool is_signed = false;
  std::uint8_t width = 0;              ///< bytes of an integer, floating or enumeration
  std::uint32_t size = 0;              ///< sizeof
  std::uint32_t align = 0;             ///< alignof
  std::string_view name;               ///< the type as the compiler spells it
  refusal unwritable = refusal::none;  ///< why it, leaving aside what it holds, cannot be written
  refusal unreadable = refusal::none;  ///< why it can be written and not read
};

struct named_value {
  std::int64_t value;
  std::string_view name;
};

struct enum_schema : schema {
  std::span<const named_value>
      values;  ///< those in [-128, 255], ascending as unsigned or signed values go
};

struct bytes_schema : schema {
  std::span<const std::byte> (*view)(const void* value) = nullptr;
  /// Makes room for exactly `count` bytes and returns it; null when the type has another, fixed,
  /// size.
  std::byte* (*resize)(void* value, std::size_t count) = nullptr;
  bool fixed = false;  ///< the size is that of the type
};

struct optional_schema : schema {
  const schema* element = nullptr;
  const void* (*get)(const void* value) = nullptr;  ///< null when empty
  void* (*emplace)(void* value) = nullptr;          ///< makes a default element and returns it
  void (*reset)(void* value) = nullptr;
  bool allocates = false;  ///< the element lives on the heap
};

struct alternative {
  std::string_view label;  ///< its name on the wire
  const schema* type = nullptr;
};

struct variant_schema : schema {
  std::span<const alternative> alternatives;
  bool labelled = true;  ///< labels differ from each other; otherwise the index is what is written
  std::size_t (*index)(const void* value) = nullptr;  ///< alternatives.size() when valueless
  const void* (*get)(const void* value) = nullptr;    ///< the present alternative's value
  void* (*emplace)(void* value, std::size_t index) = nullptr;
};

/// Called with each element; false stops.
using visit_element = bool (*)(void* state, const void* element);
/// Fills a new element; false gives up.
using fill_element = bool (*)(void* state, void* element);
/// Called with each entry; false stops.
using visit_entry = bool (*)(void* state, const void* key, const void* value);
/// Called twice for a new entry: with a key to fill and no value, then with that key (not to be
/// changed) and a value to fill. False gives up.
using fill_entry = bool (*)(void* state, void* key, void* value);

enum class added : std::uint8_t { yes, gave_up, duplicate };

struct list_schema : schema {
  const schema* element = nullptr;
  bool unique = false;  ///< a set
  std::size_t (*count)(const void* list) = nullptr;
  const void* (*data)(const void* list) =
      nullptr;  ///< the elements side by side; a null function if they are not
  bool (*each)(const void* list, void* state, visit_element visit) = nullptr;
  added (*add)(void* list, void* state, fill_element fill) = nullptr;
  void (*reset)(void* list, std::size_t expected) = nullptr;  ///< empties it, reserves
};

struct array_schema : schema {
  const schema* element = nullptr;
  std::size_t count = 0;  ///< elements, side by side from the value's own address
};

struct map_schema : schema {
  const schema* key = nullptr;
  const schema* value = nullptr;
  std::size_t (*count)(const void* map) = nullptr;
  bool (*each)(const void* map, void* state, visit_entry visit) = nullptr;
  added (*add)(void* map, void* state, fill_entry fill) = nullptr;
  void (*reset)(void* map, std::size_t expected) = nullptr;
};

struct field {
  std::string_view name;  ///< empty in a tuple
  const schema* type = nullptr;
};

struct record_schema : schema {
  std::string_view manifest;
  int version = 1;
  std::span<const field> fields;
  std::uint64_t required = 0;  ///< a bit for each field that must be there
  void (*addresses)(const void* value, const void** out) = nullptr;  ///< of all fields, in order
  /// Calls `visit` with a record as its default constructor makes it, and returns what that does; a
  /// null function for a type without one, and for a tuple.
  bool (*with_blank)(void* state, visit_element visit) = nullptr;
};

struct time_schema : schema {
  std::int64_t (*get)(const void* value) = nullptr;  ///< nanoseconds, saturating
  /// False when the type has no such value (a fraction of its unit). The extremes give the type's
  /// own extremes.
  bool (*set)(void* value, std::int64_t nanoseconds) = nullptr;
};

struct converted_schema : schema {
  const schema* through = nullptr;  ///< the type that travels in its place
  /// Makes the wire value, has it visited; false when that or the visit failed, and sets `why` in
  /// the first case.
  bool (*write)(const void* value, const context& c, void* state, visit_element visit,
                error* why) = nullptr;
  bool (*read)(void* value, const context& c, void* state, fill_element fill, error* why) = nullptr;
};

}  // namespace odeon::wire
