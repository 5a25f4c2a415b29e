#include "wire/sample.test.hpp"
#include <odeon/wire/contract.hpp>

#include <doctest/doctest.h>

namespace ledger {

enum class currency : std::uint8_t { eur, usd = 3 };

struct entry_v1 {
  long cents = 0;
};
struct entry_v2 {
  static constexpr int version = 2;
  static entry_v2 upcast(const entry_v1& old) { return {old.cents, currency::eur}; }
  long cents = 0;
  currency unit = currency::eur;
};
struct entry {
  static constexpr auto manifest = "ledger.entry";
  static constexpr int version = 3;
  static entry upcast(const entry_v2& old) { return {double(old.cents) / 100, old.unit}; }
  double amount = 0.5;
  currency unit = currency::usd;
  std::string note = "none";
};
struct page {
  std::vector<entry> entries;
  std::unique_ptr<page> next;
};
struct stubborn {
  explicit stubborn(int v) : v_(v) {}
  ODEON_REFLECT(stubborn, v_)

 private:
  int v_;
};

}  // namespace ledger

namespace {

using odeon::errc;
namespace wire = odeon::wire;

wire::contract ledger_contract() {
  wire::registry types;
  types.add<ledger::page, ledger::entry>();
  types.add_alias<ledger::entry>("ledger.line");
  wire::contract made;
  made.add(types);
  return made;
}

template <int N, class T>
struct named {
  static constexpr auto manifest = N == 1 ? "holder 1" : "holder 2";
  T held;
};

std::string refusal(std::string_view text) {
  auto read = wire::contract::from_json(text);
  return read ? "read" : read.error().to_string();
}

TEST_CASE("a contract is the same text for the same types, whatever the order of registration") {
  wire::registry types;
  types.add_alias<ledger::entry>("ledger.line");
  types.add<ledger::entry>();
  types.add<ledger::page>();
  wire::contract other;
  other.add(types);
  CHECK(other.to_json() == ledger_contract().to_json());
}

TEST_CASE("the document of a contract is this") {
  CHECK(ledger_contract().to_json() == R"({
  "odeon_contract": 1,
  "formats": [
    "msgpack",
    "json",
    "cbor"
  ],
  "messages": {
    "ledger.entry": {
      "use": "both",
      "version": 3,
      "type": {"record":"ledger::entry"},
      "reads": {"1":{"record":"ledger::entry_v1"},"2":{"record":"ledger::entry_v2"}}
    },
    "ledger.line": {
      "use": "both",
      "version": 3,
      "type": {"record":"ledger::entry"},
      "reads": {"1":{"record":"ledger::entry_v1"},"2":{"record":"ledger::entry_v2"}},
      "alias_of": "ledger.entry"
    },
    "ledger::page": {
      "use": "both",
      "version": 1,
      "type": {"record":"ledger::page"}
    }
  },
  "types": {
    "ledger::currency": {
      "enum": "u8",
      "values": {"eur":0,"usd":3}
    },
    "ledger::entry": {
      "fields": [
        {"name":"amount","type":"f64","default":"0.5"},
        {"name":"unit","type":{"enum":"ledger::currency"},"default":"\"usd\""},
        {"name":"note","type":"string","default":"\"none\""}
      ]
    },
    "ledger::entry_v1": {
      "fields": [
        {"name":"cents","type":"i64","default":"0"}
      ]
    },
    "ledger::entry_v2": {
      "fields": [
        {"name":"cents","type":"i64","default":"0"},
        {"name":"unit","type":{"enum":"ledger::currency"},"default":"\"eur\""}
      ]
    },
    "ledger::page": {
      "fields": [
        {"name":"entries","type":{"list":{"record":"ledger::entry"}},"default":"[]"},
        {"name":"next","type":{"optional":{"record":"ledger::page"}},"default":"null"}
      ]
    }
  }
}
)");
}

TEST_CASE("a contract of every kind is read back from its document") {
  wire::registry types;
  types.add<sample::everything, sample::order, odeon::error, ledger::page>();
  wire::contract all;
  all.formats = {wire::format::compact, wire::format::raw};
  all.add(types, wire::contract_use::stored);
  const auto back = wire::contract::from_json(all.to_json());
  REQUIRE_MESSAGE(back.has_value(), back.error().to_string());
  CHECK(*back == all);
  CHECK(back->to_json() == all.to_json());
}

TEST_CASE("a type that is a message and an event has both uses") {
  wire::registry types;
  types.add<ledger::entry>();
  wire::contract both;
  both.add(types, wire::contract_use::messages);
  CHECK(both.entries.at("ledger.entry").use == wire::contract_use::messages);
  both.add(types, wire::contract_use::stored);
  CHECK(both.entries.at("ledger.entry").use == wire::contract_use::both);
}

TEST_CASE("two types that are spelled alike are two in the document") {
  struct local {
    int a = 1;
  };
  const auto other = [] {
    struct local {
      std::string b;
    };
    return std::type_identity<local>{};
  }();
  wire::registry types;
  types.add<named<1, local>, named<2, typename decltype(other)::type>>();
  wire::contract made;
  made.add(types);
  const auto& a = made.types.at(made.entries.at("holder 1").type.name).fields.at(0).type;
  const auto& b = made.types.at(made.entries.at("holder 2").type.name).fields.at(0).type;
  CHECK(a.name != b.name);
  CHECK(made.types.at(a.name).fields.at(0).name == "a");
  CHECK(made.types.at(b.name).fields.at(0).name == "b");
}

TEST_CASE("a shape is told in words") {
  const auto words = []<class T>(std::type_identity<T>) {
    wire::registry types;
    types.add<named<1, T>>();
    wire::contract made;
    made.add(types);
    return wire::to_string(made.types.at(made.entries.at("holder 1").type.name).fields.at(0).type);
  };
  CHECK(words(std::type_identity<std::map<int, std::vector<double>>>()) ==
        "map from i32 to list of f64");
  CHECK(words(std::type_identity<std::optional<ledger::entry>>()) ==
        "optional record ledger::entry");
  CHECK(words(std::type_identity<std::variant<int, ledger::entry>>()) ==
        "variant of i32, ledger.entry");
  CHECK(words(std::type_identity<std::array<std::uint8_t, 4>>()) == "4 bytes");
  CHECK(words(std::type_identity<std::array<bool, 4>>()) == "array of 4 bool");
  CHECK(words(std::type_identity<std::pair<float, wire::bytes>>()) == "tuple of f32, bytes");
}

TEST_CASE("what is no contract is refused, with its place") {
  CHECK(refusal("").starts_with("bad_encoding: at byte 0: no JSON"));
  CHECK(refusal("{").starts_with("bad_encoding: at byte 1: no JSON"));
  CHECK(refusal("{} {}") == "bad_encoding: at byte 3: more than one document");
  CHECK(refusal("[]") == "wrong_type: the document: expected an object");
  CHECK(refusal("{}") == "wrong_type: the document: \"odeon_contract\" is missing");
  CHECK(refusal(R"({"odeon_contract":2})") ==
        "newer_version: the document has form 2; this program knows forms up to 1");
  CHECK(refusal(std::string(100, '[')).starts_with("limit_exceeded"));
  const std::string head = R"({"odeon_contract":1,"formats":["msgpack"],)";
  CHECK(refusal(head + R"("messages":{},"types":{}})") == "read");
  CHECK(refusal(head + R"("messages":{}})") == "wrong_type: the document: \"types\" is missing");
  CHECK(refusal(R"({"odeon_contract":1,"formats":["yaml"],"messages":{},"types":{}})")
            .contains("no format is called \"yaml\""));
  const auto message = [&](std::string_view body) {
    return refusal(head + R"("messages":{"m":)" + std::string(body) + R"(},"types":{}})");
  };
  CHECK(message(R"({"use":"both","version":1,"type":"i32"})") == "read");
  CHECK(message(R"({"use":"all","version":1,"type":"i32"})").contains("messages.m.use: expected"));
  CHECK(message(R"({"use":"both","version":0,"type":"i32"})").contains("a number from 1"));
  CHECK(message(R"({"use":"both","version":1.5,"type":"i32"})").contains("expected an integer"));
  CHECK(message(R"({"use":"both","version":1,"type":"i33"})").contains("called \"i33\""));
  CHECK(message(R"({"use":"both","version":1,"type":{"bag":"i32"}})").contains("called \"bag\""));
  CHECK(message(R"({"use":"both","version":1,"type":{"record":"x"}})")
            .contains("no record \"x\" among the types"));
  CHECK(message(R"({"use":"both","version":1,"type":{"map":["i32"]}})")
            .contains("a key and a value"));
  CHECK(message(R"({"use":"both","version":1,"type":"i32","reads":{"x":"i32"}})")
            .contains("messages.m.reads.x: a version is a number from 1"));
  CHECK(message(R"({"use":"both","version":1,"type":{"variant":[["a","i32"],["a","i8"]]}})")
            .contains("the label \"a\" is there twice"));
  const auto type = [&](std::string_view body) {
    return refusal(head + R"("messages":{},"types":{"t":)" + std::string(body) + "}}");
  };
  CHECK(type(R"({"enum":"u8","values":{"a":1}})") == "read");
  CHECK(type(R"({"enum":"f32","values":{}})").contains("types.t.enum: an enum is an integer"));
  CHECK(type(R"({"enum":"u8","values":{"a":"b"}})").contains("types.t.a: expected an integer"));
  CHECK(type(R"({"fields":[{"name":"a","type":"i8"},{"name":"a","type":"i8"}]})")
            .contains("the field \"a\" is there twice"));
  CHECK(message(R"({"use":"both","version":2,"type":"i32","reads":{"2":"string"}})")
            .contains("messages.m.reads: a version that is read is earlier than"));
}

TEST_CASE("a program that is not asked for its contract goes on") {
  const wire::registry types;
  const char* const plain[] = {"program"};
  const char* const other[] = {"program", "--odeon-contracts"};
  const char* const more[] = {"program", "--odeon-contract", "x"};
  CHECK_FALSE(wire::answer_contract_request(1, plain, types));
  CHECK_FALSE(wire::answer_contract_request(2, other, types));
  CHECK_FALSE(wire::answer_contract_request(3, more, types));
}

}  // namespace
