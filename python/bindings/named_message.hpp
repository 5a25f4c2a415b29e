#pragma once

#include <odeon/core/detail/envelope.hpp>

#include <memory>
#include <new>
#include <string_view>
#include <utility>

/// @file Messages of one C++ class that go by many names: each name has a `message_type` of its
/// own, so that dead letters, hops and diagnostics say it.

namespace odeon::python {

/// The type of messages `M` of that name, which the caller keeps for as long as the type is used.
template <class M>
[[nodiscard]] constexpr detail::message_type named_type(std::string_view name) {
  detail::message_type type = detail::message_type_of<M>;
  type.name = name;
  type.hash = fnv1a(name);
  return type;
}

/// Whether its messages are `M`s, whatever their name.
template <class M>
[[nodiscard]] bool is_named_type(const detail::message_type& type) noexcept {
  return type.destroy == detail::message_type_of<M>.destroy;
}

/// `message` in its envelope, under a name of `named_type<M>`. As `detail::make_envelope`: the
/// origin is left to the caller. Throws `std::bad_alloc`; then `message` is as it was.
template <class M>
[[nodiscard]] detail::envelope* make_named_envelope(const detail::message_type& type, M&& message,
                                                    bool extra) {
  detail::envelope* e = detail::make_envelope<M>(extra, std::move(message));
  e->type = &type;
  return e;
}

}  // namespace odeon::python
