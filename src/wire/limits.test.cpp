#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

namespace {

using namespace sample;
using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

// n arrays in each other, the innermost empty.
struct nest {
  std::vector<nest> in;
};

std::string nested_json(std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += "{\"in\":[";
  for (std::size_t i = 0; i < depth; ++i) text += "]}";
  return text;
}

std::string nested_hex(std::size_t depth) {
  std::string hex;
  for (std::size_t i = 0; i + 1 < depth; ++i) hex += "81a2696e91";
  return hex + "80";
}

std::string empty_maps(std::size_t count) {
  std::string hex;
  for (std::size_t i = 0; i < count; ++i) hex += "80";
  return hex;
}

TEST_CASE("nesting up to the bound is read, one level more is refused") {
  CHECK(hex_refusal<nest>(nested_hex(32), {.max_depth = 63}).empty());
  CHECK(hex_refusal<nest>(nested_hex(32), {.max_depth = 62}).starts_with("limit_exceeded"));
  CHECK(json_refusal<nest>(nested_json(16), {.max_depth = 32}).empty());
  CHECK(json_refusal<nest>(nested_json(16), {.max_depth = 31}).starts_with("limit_exceeded"));
}

TEST_CASE("nesting in unknown fields counts as well") {
  std::string hex = "81a178";
  for (int i = 0; i < 100; ++i) hex += "91";
  CHECK(hex_refusal<line>(hex + "c0").contains("nested more deeply than allowed"));
  CHECK(json_refusal<line>("{\"x\":" + std::string(100, '[') + std::string(100, ']') + "}")
            .contains("nested more deeply than allowed"));
}

TEST_CASE("a hundred thousand levels are refused and do not exhaust the stack") {
  std::string hex;
  for (int i = 0; i < 100'000; ++i) hex += "91";
  CHECK(
      hex_refusal<nest>("81a2696e" + hex, {.max_depth = 1'000'000}).starts_with("limit_exceeded"));
  CHECK(json_refusal<nest>(nested_json(100'000), {.max_depth = 1'000'000})
            .starts_with("limit_exceeded"));
}

TEST_CASE("a value nested too deeply is refused when written") {
  node root;
  node* last = &root;
  for (int i = 0; i < 200; ++i) last = (last->next = std::make_unique<node>()).get();
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    wire::buffer out;
    out.append("before");
    auto written = wire::try_encode_to(out, root, f);
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error() == errc::limit_exceeded);
    CHECK(out.view().size() == 6);
    CHECK_THROWS_AS((void)wire::encode(root, f), odeon::actor_error);
  }
}

TEST_CASE("huge announced lengths with little input are refused without allocating for them") {
  for (std::string_view hex : {"ddffffffff", "dcffff", "ddffffffff01"}) {
    CHECK(hex_refusal<std::vector<std::int64_t>>(hex).starts_with("truncated: at byte 0"));
    CHECK(hex_refusal<std::vector<everything>>(hex).starts_with("truncated: at byte 0"));
    CHECK(hex_refusal<std::set<int>>(hex).starts_with("truncated: at byte 0"));
  }
  for (std::string_view hex : {"dfffffffff", "deffff", "dfffffffff0101"}) {
    CHECK(hex_refusal<std::map<int, int>>(hex).starts_with("truncated: at byte 0"));
    CHECK(hex_refusal<line>(hex).starts_with("truncated: at byte 0"));
  }
  CHECK(hex_refusal<std::string>("dbffffffff61").starts_with("truncated: at byte 0"));
  CHECK(hex_refusal<wire::bytes>("c6ffffffff00").starts_with("truncated: at byte 0"));
  CHECK(hex_refusal<line>("81a178c9ffffffff0100").starts_with("truncated"));
}

TEST_CASE("input larger than the bound is refused unread") {
  const wire::limits small{.max_bytes = 4};
  CHECK(hex_refusal<std::string>("a3616263", small).empty());
  CHECK(hex_refusal<std::string>("a461626364", small) ==
        "limit_exceeded: 5 bytes are more than the allowed 4");
  CHECK(json_refusal<std::string>("\"abc\"", small).starts_with("limit_exceeded"));
}

TEST_CASE("strings and bytes longer than the bound are refused") {
  const wire::limits small{.max_string = 3};
  CHECK(hex_refusal<std::string>("a3616263", small).empty());
  CHECK(hex_refusal<std::string>("a461626364", small).starts_with("limit_exceeded: at byte 0"));
  CHECK(hex_refusal<std::string>("d90461626364", small).starts_with("limit_exceeded: at byte 0"));
  CHECK(hex_refusal<wire::bytes>("c40400000000", small).starts_with("limit_exceeded: at byte 0"));
  CHECK(json_refusal<std::string>("\"abc\"", small).empty());
  CHECK(json_refusal<std::string>("\"abcd\"", small).starts_with("limit_exceeded"));
  CHECK(json_refusal<std::string>("\"ab\\ncd\"", small).starts_with("limit_exceeded"));
  CHECK(json_refusal<line>("{\"abcd\":1}", small).starts_with("limit_exceeded"));
}

TEST_CASE("items of all containers together are bounded, skipped ones as well") {
  const wire::limits six{.max_items = 6};
  using rows = std::vector<std::vector<int>>;
  CHECK(hex_refusal<rows>("92920101920101", six).empty());
  CHECK(hex_refusal<rows>("92920101 93010101", six).contains("more items than allowed"));
  CHECK(json_refusal<rows>("[[1,1],[1,1]]", six).empty());
  CHECK(json_refusal<rows>("[[1,1],[1,1,1]]", six).contains("more items than allowed"));
  CHECK(hex_refusal<line>("81a17896010101010101", six).contains("more items than allowed"));
}

TEST_CASE("elements that are large in memory and small on the wire are bounded by their size") {
  const std::string hex = "dc0fff" + empty_maps(0x0fff);
  CHECK(hex_refusal<std::vector<everything>>(hex, {.max_memory = std::size_t{4} << 20U}).empty());
  CHECK(hex_refusal<std::vector<everything>>(hex, {.max_memory = 64 * 1024})
            .contains("more than the allowed memory"));
  CHECK(
      json_refusal<std::vector<everything>>("[{},{},{},{},{},{},{},{},{},{}]", {.max_memory = 2048})
          .contains("more than the allowed memory"));
  CHECK(json_refusal<std::vector<int>>("[1,1,1,1,1,1,1,1,1,1]", {.max_memory = 64})
            .contains("more than the allowed memory"));
}

TEST_CASE("a type of no elements' size does not escape the bound on items") {
  struct unit {};
  const std::string hex = "dc0100" + empty_maps(256);
  CHECK(wire::decode<std::vector<unit>>(from_hex(hex))->size() == 256);
  CHECK(hex_refusal<std::vector<unit>>(hex, {.max_items = 255}).contains("more items"));
}

}  // namespace
