#pragma once

#include <cstdint>
#include <string_view>

/// @file The qualified name of a type at compile time, without RTTI.

namespace odeon {

namespace detail {

template <class T>
consteval std::string_view raw_type_name() noexcept {
#if defined(__clang__) || defined(__GNUC__)
  std::string_view s = __PRETTY_FUNCTION__;
  auto first = s.find("T = ") + 4;
  auto last = s.find_first_of(";]", first);
  // An array type or a lambda may hold a bracket of its own: then the closing one is the last.
  if (auto end = s.rfind(']'); s.find(';', first) == std::string_view::npos) last = end;
  return s.substr(first, last - first);
#else
#error "odeon::type_name needs clang or gcc"
#endif
}

}  // namespace detail

/// "bank::deposit" for `struct bank::deposit`. The same text on clang and gcc for plain named
/// types; for templates and lambdas it is the compiler's spelling.
template <class T>
inline constexpr std::string_view type_name = detail::raw_type_name<T>();

/// FNV-1a, 64 bits. For tables made at compile time; not for bytes from outside (no seed).
[[nodiscard]] constexpr std::uint64_t fnv1a(std::string_view s) noexcept {
  std::uint64_t h = 0xcbf29ce484222325;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

}  // namespace odeon
