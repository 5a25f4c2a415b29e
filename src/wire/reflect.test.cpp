#include <odeon/wire/detail/enum_names.hpp>
#include <odeon/wire/reflect.hpp>

#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

// NOLINTBEGIN(misc-use-internal-linkage): names in several namespaces are the subject
namespace bank::retail {

struct nothing {};
struct one {
  int only;
};
struct deposit {
  using reply = int;
  static constexpr int version = 3;
  std::string account;
  long amount = 7;
  std::optional<std::string> note;
};
struct not_constexpr {
  std::unique_ptr<int> pointer;
  std::function<void()> call;
  std::map<std::string, std::vector<int>> table;
  std::variant<int, std::string> either;
  std::array<int, 3> three;
};
template <class A, class B>
struct both {
  A left;
  B right;
};
struct strict {
  explicit strict(int v) : value(v) {}
  int value;
};
struct with_initialiser {
  std::string first;
  strict given = strict(3);
  int last = 1;
};
struct without_default {
  int& reference;
  int rest;
};
struct base {
  int inherited;
};
struct derived : base {
  int own;
};
struct member_array {
  int numbers[3];
  int after;
};
union choice {
  int i;
  float f;
};
class closed {
 public:
  closed() = default;
  closed(int id, std::string name) : id_(id), name_(std::move(name)) {}

 private:
  ODEON_REFLECT(closed, id_, name_)
  int id_ = 4;
  std::string name_ = "none";
  int not_sent_ = 9;
};
class closed_and_empty {
  ODEON_REFLECT(closed_and_empty)

 public:
  closed_and_empty() {}
  int value = 1;
};
template <class T>
class closed_template {
  ODEON_REFLECT(closed_template, first_)
  T first_{};

 public:
  closed_template() {}
};

// clang-format off
struct sixty_four {
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1,
      c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3,
      e4, e5, e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3;
};
struct sixty_five {
  std::string first;
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, c0, c1,
      c2, c3, c4, c5, c6, c7, c8, c9, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, e0, e1, e2, e3,
      e4, e5, e6, e7, e8, e9, f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, g0, g1, g2, g3;
};
// clang-format on

enum class color { red, green = 5, blue = -3, far_away = 1000 };
enum plain { first_plain, second_plain = 1 };
enum class small : unsigned char { low = 1, high = 255 };
template <class T, class U>
struct holder {
  enum class inner { alpha, beta = 77 };
};

}  // namespace bank::retail
// NOLINTEND(misc-use-internal-linkage)

namespace {
struct hidden {
  int x;
  std::string y;
};

using namespace bank::retail;
namespace wire = odeon::wire;

template <class T>
std::vector<std::string> names() {
  return {wire::field_names<T>.begin(), wire::field_names<T>.end()};
}

template <class E>
std::string enumerators() {
  std::string all;
  const auto& packed = wire::detail::enumerators_of<E>::names;
  for (std::size_t i = 0; i < packed.count; ++i) {
    all += std::string(packed[i]) + "=" + std::to_string(packed.value[i]) + " ";
  }
  return all;
}

using list = std::vector<std::string>;

TEST_CASE("the fields of an aggregate are counted and named in their order") {
  CHECK(wire::field_count<nothing> == 0);
  CHECK(wire::field_names<nothing>.empty());
  CHECK(names<one>() == list{"only"});
  CHECK(names<deposit>() == list{"account", "amount", "note"});
  CHECK(names<hidden>() == list{"x", "y"});
}

TEST_CASE("members without a constexpr constructor do not hinder reflection") {
  CHECK(names<not_constexpr>() == list{"pointer", "call", "table", "either", "three"});
}

TEST_CASE("instances of templates and types inside functions are reflected") {
  struct local {
    int inside;
    std::deque<std::string> other;
  };
  CHECK(names<local>() == list{"inside", "other"});
  CHECK(names<both<std::map<int, int>, std::string>>() == list{"left", "right"});
}

TEST_CASE("sixty-four fields are reflected and sixty-five are not") {
  CHECK(wire::field_count<sixty_four> == 64);
  CHECK(wire::field_names<sixty_four>[63] == "g3");
  CHECK_FALSE(wire::reflectable<sixty_five>);
}

TEST_CASE("what cannot be taken apart is not reflectable, and asking is no error") {
  CHECK_FALSE(wire::reflectable<derived>);
  CHECK_FALSE(wire::reflectable<choice>);
  CHECK_FALSE(wire::reflectable<int>);
  CHECK_FALSE(wire::reflectable<int*>);
  CHECK_FALSE(wire::reflectable<std::string>);
  CHECK_FALSE(wire::reflectable<without_default>);
  CHECK_FALSE(wire::reflectable<void>);
}

TEST_CASE("a field that has no default of its own, and a member array, are counted as one") {
  CHECK(names<with_initialiser>() == list{"first", "given", "last"});
  CHECK(names<member_array>() == list{"numbers", "after"});
}

TEST_CASE("a tuple of references reads and writes the fields") {
  deposit d{"a-1", 10, {}};
  std::get<1>(wire::as_tuple(d)) += 5;
  std::get<2>(wire::as_tuple(d)) = "thanks";
  CHECK(d.amount == 15);
  CHECK(d.note == "thanks");
  const deposit& fixed = d;
  CHECK(wire::as_tuple(fixed) ==
        std::tuple(std::string("a-1"), 15L, std::optional<std::string>("thanks")));
}

TEST_CASE("each field is visited with its name, once and in order") {
  const deposit d{"a-1", 10, {}};
  std::string seen;
  wire::for_each_field(d, [&seen](std::string_view name, const auto& field) {
    seen += name;
    if constexpr (requires { std::to_string(field); }) seen += "=" + std::to_string(field);
    seen += ";";
  });
  CHECK(seen == "account;amount=10;note;");
}

TEST_CASE("a class names its private members itself, without their last underscore") {
  CHECK(names<closed>() == list{"id", "name"});
  closed c(8, "eight");
  CHECK(wire::as_tuple(c) == std::tuple(8, std::string("eight")));
  std::get<0>(wire::as_tuple(c)) = 9;
  CHECK(std::get<0>(wire::as_tuple(c)) == 9);
  CHECK(wire::field_count<closed_and_empty> == 0);
  CHECK(names<closed_template<int>>() == list{"first"});
}

TEST_CASE("enumerators between -128 and 255 are named") {
  CHECK(enumerators<color>() == "blue=-3 red=0 green=5 ");
  CHECK(enumerators<plain>() == "first_plain=0 second_plain=1 ");
  CHECK(enumerators<small>() == "low=1 high=255 ");
  CHECK(enumerators<std::byte>().empty());
}

TEST_CASE("enumerators of an enum inside a class template are named") {
  CHECK(enumerators<holder<int, std::map<int, std::string>>::inner>() == "alpha=0 beta=77 ");
  enum class here { yes = 1, no = 0 };
  CHECK(enumerators<here>() == "no=0 yes=1 ");
}

}  // namespace
