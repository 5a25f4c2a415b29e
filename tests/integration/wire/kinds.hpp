#pragma once

#include <odeon/base/time.hpp>
#include <odeon/wire/wire.hpp>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <expected>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

/// @file One type of every kind that travels, and random values of it.

namespace interop {

enum class color { red, green = 5, blue = -3, far_away = 1000 };

struct line {
  static constexpr auto manifest = "interop.line";
  std::string sku;
  int count = 1;
};

struct order {
  std::string id;
  bool paid = false;
  std::optional<std::string> note;
  double price = 0;
  std::vector<line> lines;
  std::map<std::string, int> tags;
  odeon::wire::bytes raw;
  std::shared_ptr<const line> shared;
};

struct tree {
  int value = 0;
  std::vector<tree> children;
};

/// SplitMix64 (Steele, Lea and Flood, 2014).
class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ z >> 30U) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27U) * 0x94d049bb133111ebU;
    return z ^ z >> 31U;
  }
  std::size_t below(std::size_t n) { return (*this)() % n; }

 private:
  std::uint64_t state_;
};

template <class T>
void fill(dice& roll, T& v, int depth = 0);

template <class T>
T random_value(dice& roll, int depth = 0) {
  T v{};
  fill(roll, v, depth);
  return v;
}

inline std::size_t some(dice& roll, int depth) { return roll.below(depth > 2 ? 1 : 5); }

inline void append_utf8(std::string& out, std::uint32_t c) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6U);
    put(0x80 | (c & 63U));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12U);
    put(0x80 | (c >> 6U & 63U));
    put(0x80 | (c & 63U));
  } else {
    put(0xf0 | c >> 18U);
    put(0x80 | (c >> 12U & 63U));
    put(0x80 | (c >> 6U & 63U));
    put(0x80 | (c & 63U));
  }
}

inline std::string random_text(dice& roll) {
  constexpr std::uint32_t ends[] = {0x20, 0x80, 0x800, 0xd800, 0x110000};
  std::string out;
  for (std::size_t n = roll.below(roll.below(20) == 0 ? 400 : 12); n != 0; --n) {
    auto c = static_cast<std::uint32_t>(roll.below(ends[roll.below(std::size(ends))]));
    if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
    append_utf8(out, c);
  }
  return out;
}

// As many of each length as of each other, and the extremes.
template <class T>
T random_integer(dice& roll) {
  if (roll.below(8) == 0) {
    return roll.below(2) == 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
  }
  const auto bits = static_cast<std::make_unsigned_t<T>>(roll() >> roll.below(64));
  const auto v = static_cast<T>(bits);
  return std::is_signed_v<T> && roll.below(2) == 0 ? static_cast<T>(~v) : v;
}

// Every pattern of bits but the NaNs, whose bits other formats do not keep; often a short number.
template <class F>
F random_float(dice& roll) {
  if (roll.below(3) == 0) return static_cast<F>(static_cast<int>(roll.below(2001)) - 1000) / F{8};
  using bits = std::conditional_t<sizeof(F) == 4, std::uint32_t, std::uint64_t>;
  const auto v = std::bit_cast<F>(static_cast<bits>(roll()));
  return std::isnan(v) ? std::numeric_limits<F>::infinity() : v;
}

template <class T>
inline constexpr bool is_map = requires { typename T::mapped_type; };
template <class T>
inline constexpr bool is_set = requires { typename T::key_type; } && !is_map<T>;

template <class... T>
void fill_variant(dice& roll, std::variant<T...>& v, int depth) {
  const std::size_t wanted = roll.below(sizeof...(T));
  std::size_t i = 0;
  ((i++ == wanted ? void(v.template emplace<T>(random_value<T>(roll, depth + 1))) : void()), ...);
}
template <class T, class E>
void fill_variant(dice& roll, std::expected<T, E>& v, int depth) {
  if (roll.below(2) == 0) {
    v = random_value<T>(roll, depth + 1);
  } else {
    v = std::unexpected(random_value<E>(roll, depth + 1));
  }
}

template <class T>
void fill(dice& roll, T& v, int depth) {
  using namespace odeon::wire;
  if constexpr (std::is_same_v<T, std::monostate>) {
  } else if constexpr (std::is_same_v<T, bool>) {
    v = roll.below(2) == 0;
  } else if constexpr (std::is_integral_v<T>) {
    v = random_integer<T>(roll);
  } else if constexpr (std::is_floating_point_v<T>) {
    v = random_float<T>(roll);
  } else if constexpr (std::is_enum_v<T>) {
    constexpr T known[] = {T::red, T::green, T::blue, T::far_away};
    v = roll.below(5) == 0 ? static_cast<T>(random_integer<int>(roll)) : known[roll.below(4)];
  } else if constexpr (std::is_same_v<T, std::string>) {
    v = random_text(roll);
  } else if constexpr (std::is_same_v<T, bytes>) {
    v.resize(roll.below(roll.below(20) == 0 ? 400 : 12));
    for (std::byte& b : v) b = static_cast<std::byte>(roll());
  } else if constexpr (detail::is_std_array<T>) {
    for (auto& e : v) fill(roll, e, depth + 1);
  } else if constexpr (detail::is_variant<T>) {
    fill_variant(roll, v, depth);
  } else if constexpr (requires { std::declval<T>().use_count(); }) {
    using element = std::remove_const_t<typename T::element_type>;
    if (roll.below(3) != 0) v = std::make_shared<element>(random_value<element>(roll, depth + 1));
  } else if constexpr (requires { v.has_value(); }) {
    if (roll.below(3) != 0) v = random_value<typename T::value_type>(roll, depth + 1);
  } else if constexpr (detail::is_duration<T>) {
    constexpr auto most = std::chrono::nanoseconds::max() / T(1);
    v = T(random_integer<std::int64_t>(roll) % most);
  } else if constexpr (requires { typename T::clock; }) {
    v = T(typename T::duration(random_integer<std::int64_t>(roll)));
  } else if constexpr (requires { typename T::period; }) {
    v = T(random_float<typename T::rep>(roll));
  } else if constexpr (is_map<T>) {
    for (std::size_t n = some(roll, depth); n != 0; --n) {
      auto key = random_value<typename T::key_type>(roll, depth + 1);
      v.emplace(std::move(key), random_value<typename T::mapped_type>(roll, depth + 1));
    }
  } else if constexpr (is_set<T>) {
    for (std::size_t n = some(roll, depth); n != 0; --n) {
      v.insert(random_value<typename T::value_type>(roll, depth + 1));
    }
  } else if constexpr (detail::is_tuple<T>) {
    std::apply([&](auto&... part) { (fill(roll, part, depth + 1), ...); }, v);
  } else if constexpr (reflectable<T>) {
    visit_fields(v, [&](auto&... field) { (fill(roll, field, depth + 1), ...); });
  } else {
    for (std::size_t n = some(roll, depth); n != 0; --n) {
      v.push_back(random_value<typename T::value_type>(roll, depth + 1));
    }
  }
}

/// A type, with the type erased.
struct kind {
  std::string_view name;
  /// A random value in each of the formats.
  std::vector<odeon::wire::bytes> (*generate)(dice& roll,
                                              std::span<const odeon::wire::format> formats);
  /// A value in one format, in another.
  odeon::result<odeon::wire::bytes> (*convert)(std::span<const std::byte> in,
                                               odeon::wire::format from, odeon::wire::format to);
};

template <class T>
constexpr kind kind_of(std::string_view name) {
  namespace wire = odeon::wire;
  return {name,
          [](dice& roll, std::span<const wire::format> formats) {
            const T v = random_value<T>(roll);
            std::vector<wire::bytes> all;
            for (const wire::format f : formats) all.push_back(wire::encode(v, f));
            return all;
          },
          [](std::span<const std::byte> in, wire::format from,
             wire::format to) -> odeon::result<wire::bytes> {
            auto v = wire::decode<T>(in, from);
            if (!v) return std::unexpected(std::move(v).error());
            return wire::try_encode(*v, to);
          }};
}

inline constexpr kind kinds[] = {
    kind_of<bool>("bool"),
    kind_of<std::int8_t>("i8"),
    kind_of<std::int16_t>("i16"),
    kind_of<std::int32_t>("i32"),
    kind_of<std::int64_t>("i64"),
    kind_of<std::uint8_t>("u8"),
    kind_of<std::uint16_t>("u16"),
    kind_of<std::uint32_t>("u32"),
    kind_of<std::uint64_t>("u64"),
    kind_of<float>("f32"),
    kind_of<double>("f64"),
    kind_of<color>("enum"),
    kind_of<std::string>("string"),
    kind_of<odeon::wire::bytes>("bytes"),
    kind_of<std::array<std::uint8_t, 4>>("four_bytes"),
    kind_of<std::optional<std::string>>("optional"),
    kind_of<std::variant<std::monostate, int, line, std::string>>("variant"),
    kind_of<std::expected<int, std::string>>("expected"),
    kind_of<std::vector<int>>("sequence"),
    kind_of<std::deque<std::string>>("deque"),
    kind_of<std::vector<std::vector<double>>>("nested_sequence"),
    kind_of<std::array<std::int16_t, 3>>("array"),
    kind_of<std::set<std::string>>("set"),
    kind_of<std::map<std::string, int>>("map_by_text"),
    kind_of<std::map<std::int64_t, std::string>>("map_by_number"),
    kind_of<std::map<color, double>>("map_by_enum"),
    kind_of<std::map<std::pair<int, int>, std::string>>("map_by_pair"),
    kind_of<std::pair<std::string, int>>("pair"),
    kind_of<std::tuple<int, std::string, std::vector<int>>>("tuple"),
    kind_of<std::chrono::nanoseconds>("nanoseconds"),
    kind_of<std::chrono::seconds>("seconds"),
    kind_of<std::chrono::duration<double>>("floating_seconds"),
    kind_of<odeon::wall_time>("time"),
    kind_of<line>("record"),
    kind_of<order>("order"),
    kind_of<tree>("tree"),
    kind_of<std::shared_ptr<const line>>("shared"),
};

}  // namespace interop
