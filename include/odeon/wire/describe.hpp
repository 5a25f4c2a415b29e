#pragma once

#include <odeon/wire/detail/describe.hpp>
#include <odeon/wire/detail/describe_container.hpp>
#include <odeon/wire/detail/describe_record.hpp>
#include <odeon/wire/detail/describe_time.hpp>
#include <odeon/wire/detail/describe_variant.hpp>
#include <odeon/wire/standard.hpp>

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

/// @file From a C++ type to its `schema`, and the question whether it can travel.
///
/// A type of another kind than those in `wire/schema.hpp` travels by a specialisation that names a
/// type which can, and converts:
///
///     template <>
///     struct odeon::wire::codec<uuid> {
///       using wire_type = std::string;
///       static std::string to_wire(const uuid& id) { return id.text(); }
///       static odeon::result<uuid> from_wire(std::string text);        // may refuse; may return a
///       plain uuid static uuid blank();                                           // only if uuid
///       has no default constructor
///     };
///
/// Both functions may take a `const odeon::wire::context&` as well, for what the value alone does
/// not tell, and `to_wire` may return a `result` or a reference. Every codec (MessagePack, JSON, …)
/// then knows the type.

namespace odeon::wire {

/// The constant schema of T; const and reference are taken off. Its address is T's identity in the
/// program.
template <class T>
inline constexpr const schema& schema_of = detail::described<std::remove_cvref_t<T>>::value;

namespace detail {

/// The parts that a value of T holds, as schemas, in the order in which `part_of` counts their
/// types.
constexpr const schema* part(const schema& s, std::size_t i) {
  switch (s.kind) {
    case kind::record:
    case kind::tuple: {
      const auto& fields = static_cast<const record_schema&>(s).fields;
      return i < fields.size() ? fields[i].type : nullptr;
    }
    case kind::variant: {
      const auto& all = static_cast<const variant_schema&>(s).alternatives;
      return i < all.size() ? all[i].type : nullptr;
    }
    case kind::optional: return i == 0 ? static_cast<const optional_schema&>(s).element : nullptr;
    case kind::list: return i == 0 ? static_cast<const list_schema&>(s).element : nullptr;
    case kind::array: return i == 0 ? static_cast<const array_schema&>(s).element : nullptr;
    case kind::converted: return i == 0 ? static_cast<const converted_schema&>(s).through : nullptr;
    case kind::map:
      return i == 0   ? static_cast<const map_schema&>(s).key
             : i == 1 ? static_cast<const map_schema&>(s).value
                      : nullptr;
    default: return nullptr;
  }
}

// A walk over a schema and all it reaches, which may be a graph with cycles, up to the first part
// that cannot travel.
struct search {
  static constexpr std::size_t max_types = 512;
  static constexpr std::size_t max_depth = 32;

  bool reading = false;
  bool writing = false;
  std::array<const schema*, max_types> seen{};
  std::size_t count = 0;
  std::array<std::uint8_t, max_depth> path{};  ///< which part, from the outermost in
  std::size_t depth = 0;
  refusal why = refusal::none;

  constexpr bool fails(const schema& s) {
    for (std::size_t i = 0; i < count; ++i) {
      if (seen[i] == &s) return false;
    }
    if (count == max_types) return false;
    seen[count++] = &s;
    why = writing ? s.unwritable : refusal::none;
    if (reading && why == refusal::none) why = s.unreadable;
    if (why != refusal::none) return true;
    for (std::size_t i = 0; const schema* inner = part(s, i); ++i) {
      if (depth < max_depth) path[depth] = static_cast<std::uint8_t>(i);
      ++depth;
      if (fails(*inner)) return true;
      --depth;
    }
    return false;
  }
};

consteval search search_in(const schema& s, bool reading) {
  search q{.reading = reading, .writing = !reading};
  (void)q.fails(s);
  return q;
}

struct verdict {
  bool write;
  bool read;
};

consteval verdict judge(const schema& s) {
  search both{.reading = true, .writing = true};
  if (!both.fails(s)) return {true, true};
  search q{.writing = true};
  return {!q.fails(s), false};
}

template <class T>
inline constexpr verdict can_travel = judge(schema_of<T>);

}  // namespace detail

/// T can be written: it and everything in it is of a kind that travels.
template <class T>
concept encodable = detail::can_travel<std::remove_cvref_t<T>>.write;

/// T can be written and read back. What a stored or remote message must be.
template <class T>
concept decodable = detail::can_travel<std::remove_cvref_t<T>>.read;

namespace detail {

// The type of part I of T: only instantiated to word a refusal.
template <class T, std::size_t I>
auto part_of() {
  constexpr kind k = classify<T>();
  if constexpr (k == kind::record) {
    return std::type_identity<typename described<T>::fields::template at<I>>{};
  } else if constexpr (k == kind::tuple) {
    return std::type_identity<std::tuple_element_t<I, T>>{};
  } else if constexpr (k == kind::variant) {
    return std::type_identity<typename described<T>::template held<I>>{};
  } else if constexpr (k == kind::optional) {
    return std::type_identity<typename optional_element<T>::type>{};
  } else if constexpr (k == kind::converted) {
    return std::type_identity<typename codec<T>::wire_type>{};
  } else if constexpr (k == kind::map && I == 0) {
    return std::type_identity<typename T::key_type>{};
  } else if constexpr (k == kind::map) {
    return std::type_identity<typename T::mapped_type>{};
  } else {
    return std::type_identity<typename T::value_type>{};
  }
}

// Owner is the nearest enclosing record, void while there is none.
template <search Found, std::size_t Depth, class T, class Owner>
consteval void refuse() {
  if constexpr (Depth < Found.depth) {
    using inner = typename decltype(part_of<T, Found.path[Depth]>())::type;
    using owner = std::conditional_t<classify<T>() == kind::record, T, Owner>;
    refuse<Found, Depth + 1, inner, owner>();
  } else if constexpr (std::is_void_v<Owner>) {
    refuse_message<Found.why, T>();
  } else {
    refuse_field<Found.why, Owner, T>();
  }
}

}  // namespace detail

/// Refuses to compile unless T can be written: with one sentence that names the field's type and
/// what to do.
template <class T>
consteval void require_encodable() {
  if constexpr (!encodable<T>) {
    detail::refuse<detail::search_in(schema_of<T>, false), 0, std::remove_cvref_t<T>, void>();
  }
}

/// Refuses to compile unless T can be written and read back.
template <class T>
consteval void require_decodable() {
  require_encodable<T>();
  if constexpr (encodable<T> && !decodable<T>) {
    detail::refuse<detail::search_in(schema_of<T>, true), 0, std::remove_cvref_t<T>, void>();
  }
}

}  // namespace odeon::wire
