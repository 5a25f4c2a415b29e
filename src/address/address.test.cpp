#include <odeon/address/address.hpp>
#include <odeon/wire/wire.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <map>

namespace {

using odeon::address;
using odeon::errc;
namespace wire = odeon::wire;

std::string refusal(std::string_view text) {
  auto read = address::parse(text);
  return read ? "read" : read.error().to_string();
}

TEST_CASE("an address has the text of a URI, and is read from it") {
  const std::pair<address, std::string_view> known[] = {
      {{"orders", "", "/user/bank", 0}, "odeon://orders/user/bank"},
      {{"orders", "", "/user/bank/account-17", 42}, "odeon://orders/user/bank/account-17#42"},
      {{"orders", "10.0.0.7:7001", "/user/bank", ~std::uint64_t{0}},
       "odeon://orders@10.0.0.7:7001/user/bank#18446744073709551615"},
      {{"orders", "[::1]:7001", "/user/$a1", 1}, "odeon://orders@[::1]:7001/user/$a1#1"},
      {{"my shop", "", "/user/a:b@c", 0}, "odeon://my%20shop/user/a:b@c"},
      {{"grün@x/y#z", "a b", "/p?q%", 7}, "odeon://gr%C3%BCn%40x%2Fy%23z@a%20b/p%3Fq%25#7"},
  };
  for (const auto& [a, text] : known) {
    CHECK(a.to_string() == text);
    CHECK(address::parse(text).value() == a);
  }
}

TEST_CASE("any address is read back from its text, which is its only one") {
  CHECK(rc::check("round trip", [] {
    address a;
    a.system = *rc::gen::nonEmpty<std::string>();
    a.node = *rc::gen::arbitrary<std::string>();
    a.path = "/" + *rc::gen::nonEmpty<std::string>();
    a.uid = *rc::gen::arbitrary<std::uint64_t>();
    const std::string text = a.to_string();
    RC_PRE(text.size() <= address::max_length);
    const auto back = address::parse(text);
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == a);
    RC_ASSERT(back->to_string() == text);
  }));
}

TEST_CASE("any text is an address or is refused, and one that is read is the text of its address") {
  CHECK(rc::check("noise", [] {
    const std::string tail = *rc::gen::container<std::string>(rc::gen::oneOf(
        rc::gen::element('/', '#', '@', '%', ':', '0', 'A', 'f', 'x'), rc::gen::arbitrary<char>()));
    const std::string text = "odeon://" + tail;
    const auto read = address::parse(text);
    if (read) RC_ASSERT(read->to_string() == text);
    if (!read) RC_ASSERT(read.error() == errc::bad_encoding);
  }));
}

TEST_CASE("a text that is no address is refused with the place and the reason") {
  CHECK(refusal("") == "bad_encoding: at character 0 of the address: it begins with \"odeon://\"");
  CHECK(refusal("http://x/y").contains("it begins with"));
  CHECK(refusal("odeon:///user").contains("at character 8 of the address: the name of the system"));
  CHECK(refusal("odeon://a").contains("at character 9 of the address: a path"));
  CHECK(refusal("odeon://a@/user").contains("the node is missing"));
  CHECK(refusal("odeon://a@b@c/user").contains("at character 11 of the address: a path"));
  CHECK(refusal("odeon://a/").contains("the path is empty"));
  CHECK(refusal("odeon://a/user?x").contains("at character 14 of the address: a character that"));
  CHECK(refusal("odeon://a/us er").contains("a character that an address does not have there"));
  CHECK(refusal("odeon://a/user%2").contains("followed by two digits"));
  CHECK(refusal("odeon://a/user%zz").contains("followed by two digits"));
  CHECK(refusal("odeon://a/user%c3%bc").contains("followed by two digits, 0-9 and A-F"));
  CHECK(refusal("odeon://a/user%41").contains("percent-encoded that need not be"));
  for (std::string_view uid : {"", "0", "07", "-1", "1x", "18446744073709551616", "1#2"}) {
    CHECK(refusal("odeon://a/user#" + std::string(uid)).contains("a uid is a number of 64 bits"));
  }
  CHECK(
      refusal("odeon://a/" + std::string(address::max_length, 'x')).starts_with("limit_exceeded"));
}

TEST_CASE("an address travels as its text, and may be a key") {
  const std::map<address, int> counts = {{{"a", "", "/user/x", 1}, 2},
                                         {{"a", "", "/user/y", 0}, 3}};
  const wire::bytes json = wire::encode(counts, wire::format::json);
  CHECK(wire::as_text(json) == R"({"odeon://a/user/x#1":2,"odeon://a/user/y":3})");
  CHECK(*wire::decode<std::map<address, int>>(json, wire::format::json) == counts);
  CHECK(*wire::decode<std::map<address, int>>(wire::encode(counts)) == counts);
}

TEST_CASE("an address that has no text another could read is refused when written") {
  CHECK(wire::try_encode(address{}).error() == errc::invalid_argument);
  CHECK(wire::try_encode(address{"a", "", "user", 0}).error() == errc::invalid_argument);
  CHECK(wire::try_encode(address{"a", "", "/" + std::string(5000, 'x'), 0}).error() ==
        errc::limit_exceeded);
}

TEST_CASE("an address that is wrong is told with its place in the message") {
  struct holder {
    address where;
  };
  auto read = wire::decode<holder>(wire::as_bytes(R"({"where":"odeon://a"})"), wire::format::json);
  CHECK(read.error().to_string() ==
        "bad_encoding: at byte 9, field where: at character 9 of the address: a path, which begins "
        "with '/', is missing");
}

}  // namespace
