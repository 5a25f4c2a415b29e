#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

namespace picture {

struct frame {
  odeon::wire::bytes pixels;
  friend bool operator==(const frame&, const frame&) = default;
};
struct shared_frame {
  std::shared_ptr<const odeon::wire::bytes> pixels;
};
struct key {
  std::array<std::uint8_t, 4> digits{};
  friend bool operator==(const key&, const key&) = default;
};
struct labelled {
  std::string label;
  odeon::wire::bytes pixels;
};
struct chain {
  std::unique_ptr<chain> next;
};
struct packed {
  unsigned value = 0;
};

}  // namespace picture

template <>
struct odeon::wire::codec<picture::packed> {
  using wire_type = odeon::wire::bytes;
  static wire_type to_wire(const picture::packed& p) {
    return {static_cast<std::byte>(p.value), static_cast<std::byte>(p.value >> 8U)};
  }
  static odeon::result<picture::packed> from_wire(wire_type b) {
    if (b.size() != 2) return odeon::fail(odeon::errc::wrong_type, "a packed value has two bytes");
    return picture::packed{std::to_integer<unsigned>(b[0]) | std::to_integer<unsigned>(b[1]) << 8U};
  }
};

namespace {

using namespace picture;
using odeon::errc;
namespace wire = odeon::wire;
using wire::format;

TEST_CASE("a type whose only content is bytes travels raw as exactly these") {
  const wire::bytes b = sample::from_hex("00c1ff61");
  CHECK(wire::encode(b, format::raw) == b);
  CHECK(wire::encode(frame{b}, format::raw) == b);
  CHECK(wire::encode(shared_frame{std::make_shared<wire::bytes>(b)}, format::raw) == b);
  CHECK(wire::encode(key{{0, 0xc1, 0xff, 0x61}}, format::raw) == b);
  CHECK(wire::encode(packed{0x1234}, format::raw) == sample::from_hex("3412"));
  CHECK(wire::encode(frame{}, format::raw).empty());

  CHECK(*wire::decode<wire::bytes>(b, format::raw) == b);
  CHECK(*wire::decode<frame>(b, format::raw) == frame{b});
  CHECK(*wire::decode<shared_frame>(b, format::raw)->pixels == b);
  CHECK(*wire::decode<key>(b, format::raw) == key{{0, 0xc1, 0xff, 0x61}});
  CHECK(wire::decode<packed>(sample::from_hex("3412"), format::raw)->value == 0x1234);
  CHECK(wire::decode<frame>({}, format::raw)->pixels.empty());
}

TEST_CASE("a tagged value and a registry carry raw bytes like any other format") {
  wire::registry types;
  types.add<frame>();
  const wire::bytes b = sample::from_hex("0102");
  const wire::tagged t = wire::encode_tagged(frame{b}, format::raw);
  CHECK(t.payload == b);
  auto found = types.decode(t);
  REQUIRE(found.has_value());
  CHECK(*found->as<frame>() == frame{b});
}

TEST_CASE("a type with anything beside bytes is refused raw, both ways, and the text says why") {
  CHECK(wire::try_encode(labelled{}, format::raw).error().to_string() ==
        "no_codec: picture::labelled is a record; only a type whose whole content is bytes travels "
        "raw: wire::bytes, or a struct of one such field");
  CHECK(wire::try_encode(std::string("text"), format::raw).error() == errc::no_codec);
  CHECK(wire::try_encode(std::vector<wire::bytes>(), format::raw).error() == errc::no_codec);
  CHECK(sample::refusal_of<labelled>({}, format::raw).starts_with("no_codec"));
  CHECK(sample::refusal_of<std::optional<int>>({}, format::raw).contains("> holds an integer;"));
  CHECK(sample::refusal_of<int>({}, format::raw).starts_with("no_codec: int is an integer;"));
}

TEST_CASE("raw bytes of the wrong number, or too many, or refused by a codec, are an error") {
  const wire::bytes three = sample::from_hex("010203");
  CHECK(sample::refusal_of<key>(three, format::raw) == "wrong_type: expected 4 bytes, found 3");
  CHECK(sample::refusal_of<packed>(three, format::raw) ==
        "wrong_type: a packed value has two bytes");
  CHECK(sample::refusal_of<frame>(three, format::raw, {.max_string = 2})
            .starts_with("limit_exceeded: 3 bytes"));
  CHECK(sample::refusal_of<frame>(three, format::raw, {.max_memory = 2})
            .starts_with("limit_exceeded: 3 bytes"));
  CHECK(sample::refusal_of<frame>(three, format::raw, {.max_bytes = 2})
            .starts_with("limit_exceeded: 3 bytes"));
}

TEST_CASE("a null has no bytes, so it does not travel raw, and nothing is left of the attempt") {
  wire::buffer out;
  out.append("before");
  auto done = wire::try_encode_to(out, shared_frame{}, format::raw);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error() == errc::invalid_argument);
  CHECK(wire::as_text(out.view()) == "before");
}

TEST_CASE("a type that holds only itself is refused raw, and ends") {
  CHECK(sample::refusal_of<chain>({}, format::raw).starts_with("no_codec"));
  chain two;
  two.next = std::make_unique<chain>();
  CHECK_FALSE(wire::try_encode(two, format::raw).has_value());
}

}  // namespace
