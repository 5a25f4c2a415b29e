#include <odeon/wire/bytes.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace {

namespace wire = odeon::wire;

std::string content(const wire::buffer& b) { return std::string(wire::as_text(b.view())); }

TEST_CASE("a buffer grows as it is appended to") {
  wire::buffer b;
  CHECK(b.empty());
  CHECK(b.view().data() == nullptr);
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    b.append("piece " + std::to_string(i) + ";");
    expected += "piece " + std::to_string(i) + ";";
  }
  CHECK(content(b) == expected);
  CHECK(b.size() == expected.size());
  CHECK(b.capacity() >= b.size());
}

TEST_CASE("a buffer fills its scratch memory before it takes any other") {
  std::array<std::byte, 8> scratch{};
  wire::buffer b{std::span(scratch)};
  b.append("12345678");
  CHECK(b.view().data() == scratch.data());
  b.push_back(std::byte{'9'});
  CHECK(b.view().data() != scratch.data());
  CHECK(content(b) == "123456789");
}

TEST_CASE("truncation and clearing keep the memory") {
  wire::buffer b;
  b.append("hello");
  const std::byte* const at = b.view().data();
  b.truncate(2);
  CHECK(content(b) == "he");
  b.clear();
  CHECK(b.empty());
  b.append("x");
  CHECK(b.view().data() == at);
}

TEST_CASE("room that was reserved is used without moving") {
  wire::buffer b;
  b.append("a");
  b.reserve(1000);
  const std::byte* const at = b.view().data();
  for (int i = 0; i < 1000; ++i) b.push_back(std::byte{'b'});
  CHECK(b.view().data() == at);
}

TEST_CASE("a moved buffer takes its content along") {
  wire::buffer a;
  a.append("first");
  wire::buffer b(std::move(a));
  CHECK(content(b) == "first");
  wire::buffer c;
  c.append("second");
  c = std::move(b);
  CHECK(content(c) == "first");
}

TEST_CASE("the copied bytes are the content and nothing more") {
  wire::buffer b;
  CHECK(b.to_bytes().empty());
  b.append("ab");
  b.append(std::span<const std::byte>{});
  CHECK(b.to_bytes() == wire::bytes{std::byte{'a'}, std::byte{'b'}});
  CHECK(b.to_bytes().capacity() == 2);
}

}  // namespace
