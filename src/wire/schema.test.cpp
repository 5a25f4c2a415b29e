#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <thread>

namespace {

using namespace sample;
using odeon::wire::kind;
using odeon::wire::refusal;
namespace wire = odeon::wire;

struct mixed {
  std::thread worker;
};
struct deep {
  int fine;
  std::vector<std::map<std::string, std::optional<mixed>>> table;
};
struct viewing {
  std::string_view text;
};
struct nothing {};

struct endless {
  std::vector<endless> again;
  std::unique_ptr<endless> one;
  std::map<int, endless> many;
};

class no_default {
  ODEON_REFLECT(no_default, v_)
  int v_;

 public:
  explicit no_default(int v) : v_(v) {}
};

template <class T, bool Reading = false>
refusal first_refusal() {
  return wire::detail::search_in(wire::schema_of<T>, Reading).why;
}

TEST_CASE("a schema says what a record consists of") {
  const auto& s = static_cast<const wire::record_schema&>(wire::schema_of<order>);
  CHECK(s.kind == kind::record);
  CHECK(s.manifest == "sample::order");
  CHECK(s.version == 1);
  CHECK(s.size == sizeof(order));
  CHECK(s.align == alignof(order));
  REQUIRE(s.fields.size() == 8);
  CHECK(s.fields[4].name == "lines");
  CHECK(s.fields[4].type->kind == kind::list);
  CHECK(static_cast<const wire::list_schema&>(*s.fields[4].type).element == &wire::schema_of<line>);
}

TEST_CASE("a type has one schema, whatever is around its name") {
  CHECK(&wire::schema_of<const order&> == &wire::schema_of<order>);
  CHECK(&wire::schema_of<order> != &wire::schema_of<line>);
}

TEST_CASE("each kind is recognised") {
  CHECK(wire::schema_of<bool>.kind == kind::boolean);
  CHECK(wire::schema_of<char>.kind == kind::integer);
  CHECK(wire::schema_of<float>.kind == kind::floating);
  CHECK(wire::schema_of<color>.kind == kind::enumeration);
  CHECK(wire::schema_of<std::string>.kind == kind::string);
  CHECK(wire::schema_of<std::vector<unsigned char>>.kind == kind::bytes);
  CHECK(wire::schema_of<std::vector<char>>.kind == kind::list);
  CHECK(wire::schema_of<std::array<std::byte, 3>>.kind == kind::bytes);
  CHECK(wire::schema_of<std::unique_ptr<int>>.kind == kind::optional);
  CHECK(wire::schema_of<std::shared_ptr<const order>>.kind == kind::optional);
  CHECK(wire::schema_of<std::expected<int, std::string>>.kind == kind::variant);
  CHECK(wire::schema_of<std::set<int>>.kind == kind::list);
  CHECK(wire::schema_of<std::unordered_map<int, int>>.kind == kind::map);
  CHECK(wire::schema_of<std::pair<int, int>>.kind == kind::tuple);
  CHECK(wire::schema_of<nothing>.kind == kind::record);
  CHECK(wire::schema_of<std::chrono::minutes>.kind == kind::duration);
  CHECK(wire::schema_of<odeon::time_point>.kind == kind::time_point);
  CHECK(wire::schema_of<odeon::error>.kind == kind::converted);
  CHECK(wire::schema_of<std::monostate>.kind == kind::none);
}

TEST_CASE("every kind has a name") {
  for (int k = 0; k <= static_cast<int>(kind::unsupported); ++k) {
    CHECK(wire::to_string(static_cast<kind>(k)) != "unknown");
  }
  CHECK(wire::to_string(kind::time_point) == "time_point");
  CHECK(wire::to_string(static_cast<kind>(200)) == "unknown");
}

TEST_CASE("types that hold themselves are encodable") {
  CHECK(wire::decodable<endless>);
  CHECK(wire::decodable<node>);
}

TEST_CASE("a type that cannot travel makes what holds it not encodable, at any depth") {
  CHECK_FALSE(wire::encodable<std::thread>);
  CHECK_FALSE(wire::encodable<deep>);
  CHECK(first_refusal<deep>() == refusal::unknown);
}

TEST_CASE("each obstacle has its own reason") {
  struct with_base : line {
    int more;
  };
  struct with_array {
    int numbers[3];
    int after;
  };
  union either {
    int i;
    float f;
  };
  struct constant {
    const int fixed = 3;
  };
  CHECK(first_refusal<int*>() == refusal::pointer);
  CHECK(first_refusal<long double>() == refusal::number);
  CHECK(first_refusal<with_base>() == refusal::base_class);
  CHECK(first_refusal<with_array>() == refusal::builtin_array);
  CHECK(first_refusal<either>() == refusal::is_union);
  CHECK(first_refusal<constant>() == refusal::constant);
  CHECK(first_refusal<std::optional<std::unique_ptr<int>>>() == refusal::null_twice);
  CHECK(first_refusal<std::shared_ptr<std::monostate>>() == refusal::null_twice);
  CHECK(first_refusal<viewing>() == refusal::none);
  CHECK(first_refusal<viewing, true>() == refusal::view);
  CHECK(first_refusal<std::vector<no_default>>() == refusal::none);
  CHECK(first_refusal<std::vector<no_default>, true>() == refusal::no_default);
}

TEST_CASE("every reason has a sentence") {
  CHECK(wire::explain(refusal::none).empty());
  for (int r = 1; r <= static_cast<int>(refusal::write_only); ++r) {
    CHECK_FALSE(wire::explain(static_cast<refusal>(r)).empty());
  }
}

TEST_CASE("a view is written and never read") {
  CHECK(wire::encodable<viewing>);
  CHECK_FALSE(wire::decodable<viewing>);
  CHECK(to_json(viewing{"seen"}) == R"({"text":"seen"})");
}

}  // namespace
