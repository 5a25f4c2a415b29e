#pragma once

#include <cstdint>
#include <string_view>

/// @file Why a type cannot travel: as data for tools, and as one sentence of the compiler's.

namespace odeon::wire {

// The sentences have a field's type as their subject.
#define ODEON_WIRE_REFUSALS(X)                                                                     \
  X(constant, "is const, so it could not be read back; drop the const")                            \
  X(pointer,                                                                                       \
    "is a pointer, which means nothing elsewhere; hold the value or a std::shared_ptr<const T>")   \
  X(number, "is a number that codecs do not have; use double or an integer of at most 64 bits")    \
  X(builtin_array, "is a built-in array; use std::array")                                          \
  X(is_union, "is a union, which does not know what it holds; use std::variant")                   \
  X(base_class,                                                                                    \
    "has a base class; make that a member, or add ODEON_REFLECT(type, fields...) inside the type") \
  X(too_many, "has more than 64 fields, or one that cannot be initialised; group them in structs") \
  X(unknown,                                                                                       \
    "is neither an aggregate nor a type Odeon knows; add ODEON_REFLECT(type, fields...) inside "   \
    "it, or specialise odeon::wire::codec for it")                                                 \
  X(null_twice,                                                                                    \
    "holds a type that may itself be null, so two different nulls would look the same; wrap one "  \
    "of them in a struct")                                                                         \
  X(view,                                                                                          \
    "can be written and not read, as it would point into bytes that are gone; use "                \
    "std::string")                                                                                 \
  X(no_default,                                                                                    \
    "cannot be read, as it or what it holds has no default constructor; give it one, or give its " \
    "odeon::wire::codec a blank() function")                                                       \
  X(write_only, "has an odeon::wire::codec that writes and does not read; give it a from_wire")

/// Why a type cannot travel, or `none`.
enum class refusal : std::uint8_t {
  none,
#define ODEON_WIRE_REFUSAL(name, text) name,
  ODEON_WIRE_REFUSALS(ODEON_WIRE_REFUSAL)
#undef ODEON_WIRE_REFUSAL
};

/// The rest of a sentence that begins with the type's name; empty for `none`.
[[nodiscard]] constexpr std::string_view explain(refusal why) noexcept {
  switch (why) {
    case refusal::none: return {};
#define ODEON_WIRE_REFUSAL(name, text) \
  case refusal::name: return text;
      ODEON_WIRE_REFUSALS(ODEON_WIRE_REFUSAL)
#undef ODEON_WIRE_REFUSAL
  }
  return {};
}

namespace detail {

// The compiler shows these with their arguments, in front of the sentence.
template <class Message, class Field>
inline constexpr bool field_can_travel = false;
template <class Message>
inline constexpr bool message_can_travel = false;

template <refusal Why, class Owner, class Culprit>
consteval void refuse_field() {
#define ODEON_WIRE_REFUSAL(name, text)              \
  if constexpr (Why == refusal::name)               \
    static_assert(field_can_travel<Owner, Culprit>, \
                  "odeon: the second type, of a field of the first, " text);
  ODEON_WIRE_REFUSALS(ODEON_WIRE_REFUSAL)
#undef ODEON_WIRE_REFUSAL
}

template <refusal Why, class Culprit>
consteval void refuse_message() {
#define ODEON_WIRE_REFUSAL(name, text) \
  if constexpr (Why == refusal::name)  \
    static_assert(message_can_travel<Culprit>, "odeon: this type " text);
  ODEON_WIRE_REFUSALS(ODEON_WIRE_REFUSAL)
#undef ODEON_WIRE_REFUSAL
}

}  // namespace detail

#undef ODEON_WIRE_REFUSALS

}  // namespace odeon::wire
