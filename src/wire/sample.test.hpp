#pragma once

#include <odeon/base/time.hpp>
#include <odeon/wire/wire.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

/// @file Types that the tests and fuzzers of `wire` share.

namespace sample {

enum class color { red, green = 5, blue = -3, far_away = 1000 };

struct line {
  std::string sku;
  int count = 1;
  friend bool operator==(const line&, const line&) = default;
};

struct order {
  std::string id;
  bool paid = false;
  std::optional<std::string> note;
  double price = 0;
  std::vector<line> lines;
  std::map<std::string, int> tags;
  odeon::wire::bytes raw;
  std::string text;
  friend bool operator==(const order&, const order&) = default;
};

/// A tree: it holds itself through two containers and a pointer.
struct node {
  int value = 0;
  std::vector<node> children;
  std::map<std::string, node> named;
  std::unique_ptr<node> next;

  friend bool operator==(const node& a, const node& b) {
    const bool same_next = a.next && b.next ? *a.next == *b.next : a.next == b.next;
    return a.value == b.value && a.children == b.children && a.named == b.named && same_next;
  }
};

/// One field of each kind.
struct everything {
  bool yes = false;
  std::int8_t i8 = 0;
  std::uint16_t u16 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  color shade = color::red;
  std::string text;
  odeon::wire::bytes raw;
  std::array<std::uint8_t, 4> four{};
  std::optional<line> maybe;
  std::variant<std::monostate, int, line, std::string> either;
  std::expected<int, std::string> outcome;
  odeon::result<void> done;
  std::deque<std::int32_t> deque;
  std::vector<bool> flags;
  std::array<int, 3> three{};
  std::map<color, line> by_color;
  std::map<std::int64_t, std::string> by_number;
  std::map<std::pair<int, int>, float> by_pair;
  std::set<std::string> set;
  std::tuple<int, std::string, std::vector<int>> tuple;
  std::chrono::seconds seconds{};
  odeon::wall_time when;
  std::shared_ptr<const order> shared;
  node tree;
};

[[nodiscard]] inline odeon::wire::bytes from_hex(std::string_view digits) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  odeon::wire::bytes out;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    if (digits[i] == ' ') ++i;
    out.push_back(static_cast<std::byte>(value(digits[i]) * 16 + value(digits[i + 1])));
  }
  return out;
}

[[nodiscard]] inline std::string to_hex(std::span<const std::byte> data) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (std::byte b : data) {
    out += hex[std::to_integer<unsigned>(b) >> 4U];
    out += hex[std::to_integer<unsigned>(b) & 15U];
  }
  return out;
}

/// The text of the error that reading T from `in` gives; empty when it gives a value.
template <class T>
[[nodiscard]] std::string refusal_of(std::span<const std::byte> in, odeon::wire::format f,
                                     const odeon::wire::limits& bounds = {}) {
  auto read = odeon::wire::decode<T>(in, f, bounds);
  return read ? std::string() : read.error().to_string();
}

template <class T>
[[nodiscard]] std::string hex_refusal(std::string_view digits,
                                      const odeon::wire::limits& bounds = {}) {
  return refusal_of<T>(from_hex(digits), odeon::wire::format::msgpack, bounds);
}

template <class T>
[[nodiscard]] std::string json_refusal(std::string_view text,
                                       const odeon::wire::limits& bounds = {}) {
  return refusal_of<T>(odeon::wire::as_bytes(text), odeon::wire::format::json, bounds);
}

template <class T>
[[nodiscard]] std::string to_json(const T& value) {
  return std::string(odeon::wire::as_text(odeon::wire::encode(value, odeon::wire::format::json)));
}

/// A value of everything with something in each field.
[[nodiscard]] inline everything full() {
  everything e;
  e.yes = true;
  e.i8 = -7;
  e.u16 = 40000;
  e.i64 = -9'000'000'000'000'000'001;
  e.u64 = 18'000'000'000'000'000'001U;
  e.f32 = 0.1F;
  e.f64 = -0.1;
  e.shade = color::blue;
  e.text = "grün \"x\"\n";
  e.raw = from_hex("00ff10");
  e.four = {1, 2, 3, 255};
  e.maybe = line{"bolt", 3};
  e.either = line{"nut", -70000};
  e.outcome = std::unexpected(std::string("no"));
  e.done = odeon::fail(odeon::errc::refused, "closed");
  e.deque = {1, -2, 300};
  e.flags = {true, false, true};
  e.three = {7, 8, 9};
  e.by_color = {{color::green, {"a", 1}}, {color::far_away, {"b", 2}}};
  e.by_number = {{-5, "minus five"}};
  e.by_pair = {{{1, 2}, 0.5F}};
  e.set = {"x", "y"};
  e.tuple = {4, "four", {4, 4}};
  e.seconds = std::chrono::seconds(90);
  e.when = odeon::wall_time(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  e.shared = std::make_shared<order>(order{"o", true, "n", 1.5, {{"s", 2}}, {{"k", 1}}, {}, "t"});
  e.tree.value = 1;
  e.tree.children.resize(2);
  e.tree.children[1].value = 2;
  e.tree.named["left"].value = 3;
  e.tree.next = std::make_unique<node>();
  return e;
}

}  // namespace sample
