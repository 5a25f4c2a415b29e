#include <odeon/sidecar/transcoding.hpp>

#include <doctest/doctest.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/timestamp.pb.h>

#include <random>
#include <string>

namespace odeon::sidecar {
namespace {

namespace pb = google::protobuf;

// A deposit with a field of each sort, as protoc describes it.
constexpr const char* bank = R"(
  package: "bank" syntax: "proto3"
  dependency: "google/protobuf/timestamp.proto" dependency: "google/protobuf/any.proto"
  enum_type { name: "Kind" value { name: "NONE" number: 0 } value { name: "CASH" number: 1 } }
  message_type { name: "Deposit"
    field { name: "account" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "amount_cents" number: 2 label: LABEL_OPTIONAL type: TYPE_INT64 }
    field { name: "proof" number: 3 label: LABEL_OPTIONAL type: TYPE_BYTES }
    field { name: "kind" number: 4 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".bank.Kind" }
    field { name: "at" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE
            type_name: ".google.protobuf.Timestamp" }
    field { name: "parts" number: 6 label: LABEL_REPEATED type: TYPE_MESSAGE
            type_name: ".bank.Deposit" }
    field { name: "rates" number: 7 label: LABEL_REPEATED type: TYPE_MESSAGE
            type_name: ".bank.Deposit.RatesEntry" }
    field { name: "more" number: 8 label: LABEL_OPTIONAL type: TYPE_MESSAGE
            type_name: ".google.protobuf.Any" }
    field { name: "inner" number: 9 label: LABEL_OPTIONAL type: TYPE_MESSAGE
            type_name: ".bank.Deposit.Inner" }
    nested_type { name: "Inner"
      field { name: "yes" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL } }
    nested_type { name: "RatesEntry" options { map_entry: true }
      field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
      field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_DOUBLE } } })";

/// What protoc --include_imports -o writes.
std::string set_of(const char* text, const char* name = "bank.proto") {
  pb::FileDescriptorSet set;
  pb::Timestamp::descriptor()->file()->CopyTo(set.add_file());
  pb::Any::descriptor()->file()->CopyTo(set.add_file());
  REQUIRE(pb::TextFormat::ParseFromString(text, set.add_file()));
  set.mutable_file(set.file_size() - 1)->set_name(name);
  return set.SerializeAsString();
}

descriptors bank_types(transcoding_limits limits = {}) {
  descriptors d(limits);
  const auto added = d.add(set_of(bank), "bank.pb");
  REQUIRE_MESSAGE(added.has_value(), (added ? "" : added.error().to_string()));
  return d;
}

bool has(std::string_view text, const char* part) {
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("JSON becomes the bytes of its message, and comes back as it was") {
  const descriptors d = bank_types();
  const auto a = d.to_any("bank.Deposit", R"({"account": "a-1", "amountCents": "150"})");
  REQUIRE(a.has_value());
  CHECK(a->type_url == "type.googleapis.com/bank.Deposit");
  CHECK(a->value ==
        "\x0a\x03"
        "a-1"
        "\x10\x96\x01");
  CHECK(d.to_json(*a).value() == R"({"account":"a-1","amountCents":"150"})");
  // Names as in the file, numbers as numbers, enumerators, times, maps, and a message in a message.
  const auto all = d.to_any("any.host/x/bank.Deposit", R"({
    "account": "\u00e4", "amount_cents": -1, "proof": "AAH/", "kind": "CASH",
    "at": "2024-02-29T12:00:00.5Z", "rates": {"eur": 1.25}, "parts": [{"account": "p"}, {}],
    "inner": {"yes": true},
    "more": {"@type": "type.googleapis.com/bank.Deposit.Inner", "yes": true}})");
  REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().to_string()));
  const auto json = d.to_json(*all);
  REQUIRE(json.has_value());
  for (const char* part :
       {"\"amountCents\":\"-1\"", "\"proof\":\"AAH/\"", "\"kind\":\"CASH\"",
        "\"2024-02-29T12:00:00.500Z\"", "{\"eur\":1.25}", "[{\"account\":\"p\"},{}]",
        "\"inner\":{\"yes\":true}", "type.googleapis.com/bank.Deposit.Inner"})
    CHECK_MESSAGE(has(*json, part), *json);
  CHECK(d.to_any("bank.Deposit", *json).value() == *all);
  CHECK(d.to_any("bank.Deposit", "{}").value().value.empty());
  CHECK(d.to_json({"bank.Deposit", ""}).value() == "{}");
}

TEST_CASE("what is no JSON of the type is refused with the reason") {
  const descriptors d = bank_types();
  const auto why = [&](std::string_view json) {
    const auto a = d.to_any("bank.Deposit", json);
    REQUIRE_FALSE_MESSAGE(a.has_value(), json);
    CHECK(a.error() == errc::bad_encoding);
    CHECK(has(a.error().text(), "JSON for bank.Deposit"));
    return std::string(a.error().text());
  };
  CHECK(has(why(R"({"acount": "a"})"), "acount"));
  CHECK(has(why(R"({"amountCents": "many"})"), "many"));
  CHECK(has(why("{\"account\": \"\xff\"}"), "UTF-8"));
  for (const char* bad : {"", "{", "[1, 2", "{\"account\": 1e", "\"text", "{\"kind\": \"GOLD\"}",
                          "{\"at\": \"yesterday\"}", "{\"proof\": \"***\"}", "{\"parts\": 7}",
                          "{\"more\": {\"@type\": \"type.googleapis.com/no.Such\"}}"})
    CHECK(why(bad) != "");
}

TEST_CASE("bytes that are no message of the type are refused") {
  const descriptors d = bank_types();
  const auto code = [&](std::string bytes) {
    const auto json = d.to_json({"type.googleapis.com/bank.Deposit", std::move(bytes)});
    return json ? *json : std::string(to_string(json.error().code()));
  };
  CHECK(code("\x0a\x05"
             "ab") == "bad_encoding");            // cut
  CHECK(code("\x0a\x01\xff") == "bad_encoding");  // a text that is none
  CHECK(code("\x07") == "bad_encoding");          // no such wire type
  CHECK(code(std::string(1, '\0')) == "bad_encoding");
  CHECK(code("\xfa\x01\x01x") == "{}");                                // a field of a newer version
  CHECK(code("\x42\x07\x0a\x01x\x12\x02\x08\x01") == "bad_encoding");  // an Any of no known type
  std::string deep;
  for (int k = 0; k < 90; ++k) {
    std::string outer = "\x32";
    for (std::size_t n = deep.size();; n >>= 7U) {
      outer += static_cast<char>(n < 128 ? n : (n & 127U) | 128U);
      if (n < 128) break;
    }
    deep = outer + deep;
  }
  CHECK(code(deep) == "bad_encoding");
}

TEST_CASE("bounds of size and depth hold") {
  const descriptors d = bank_types({.json_bytes = 2000, .value_bytes = 1000, .set_bytes = 10'000});
  const auto code = [](const auto& r) { return r ? errc{} : r.error().code(); };
  const auto account = [](std::size_t n) {
    return "{\"account\": \"" + std::string(n, 'a') + "\"}";
  };
  CHECK(d.to_any("bank.Deposit", account(900)).has_value());
  CHECK(code(d.to_any("bank.Deposit", account(1500))) == errc::limit_exceeded);
  CHECK(code(d.to_any("bank.Deposit", account(2000))) == errc::limit_exceeded);
  CHECK(code(d.to_json({"bank.Deposit", std::string(1001, 'a')})) == errc::limit_exceeded);
  CHECK(code(d.to_json({"bank.Deposit", std::string("\x0a\xc8\x03") + std::string(456, 1)})) ==
        errc::limit_exceeded);  // six characters for each of its bytes
  std::string nested;
  for (int k = 0; k < 61; ++k) nested += "{\"parts\":[";
  CHECK(code(d.to_any("bank.Deposit", nested)) == errc::limit_exceeded);
  CHECK(code(d.to_any("bank.Deposit", std::string(100, '['))) == errc::limit_exceeded);
  descriptors small({.set_bytes = 10});
  CHECK(code(small.add(set_of(bank), "bank.pb")) == errc::limit_exceeded);
}

TEST_CASE("only registered types are known") {
  const descriptors d = bank_types();
  CHECK(d.has("bank.Deposit"));
  CHECK(d.has("type.googleapis.com/bank.Deposit.Inner"));
  CHECK_FALSE(d.has("bank.Withdrawal"));
  CHECK(d.to_any("bank.Withdrawal", "{}").error() == errc::unknown_manifest);
  CHECK(d.to_json({"", ""}).error() == errc::unknown_manifest);
  CHECK(d.types() == std::vector<std::string>{"bank.Deposit", "bank.Deposit.Inner",
                                              "google.protobuf.Any", "google.protobuf.Timestamp"});
}

TEST_CASE("sets of descriptors that are broken or contradict each other are refused") {
  descriptors d = bank_types();
  CHECK(d.add(set_of(bank), "again.pb").has_value());  // the same
  const auto refused = [&](const std::string& set) {
    const auto added = d.add(set, "other.pb");
    REQUIRE_FALSE(added.has_value());
    CHECK(has(added.error().text(), "other.pb"));
    return std::string(added.error().text());
  };
  CHECK(has(refused("not descriptors"), "protoc --include_imports -o"));
  CHECK(has(refused(""), "protoc --include_imports -o"));
  CHECK(has(refused(set_of("message_type { name: 'A' }")), "another bank.proto"));
  CHECK(has(refused(set_of("package: 'bank' message_type { name: 'Deposit' }", "b.proto")),
            "bank.Deposit"));
  CHECK(has(refused(set_of("dependency: 'x.proto' message_type { name: 'A' }", "c.proto")),
            "x.proto"));
  CHECK(d.add_file("/no/such/types.pb").error() == errc::not_found);
  CHECK(d.to_any("bank.Deposit", "{}").has_value());  // all of that changed nothing
}

TEST_CASE("random bytes are refused or transcoded, and never more than that") {
  const descriptors d = bank_types();
  std::mt19937 dice(7);
  const auto good = d.to_any("bank.Deposit", R"({"account": "a", "parts": [{"amountCents": 7}],
    "rates": {"x": 1}, "at": "2024-01-01T00:00:00Z", "inner": {"yes": true}})");
  REQUIRE(good.has_value());
  int well = 0;
  for (int k = 0; k < 3000; ++k) {
    any changed = *good;
    changed.value[dice() % changed.value.size()] = static_cast<char>(dice());
    if (k % 3 == 0) changed.value.resize(dice() % changed.value.size());
    if (const auto json = d.to_json(changed)) {
      ++well;
      CHECK(d.to_any("bank.Deposit", *json).has_value());
    }
  }
  CHECK(well > 0);
}

TEST_CASE("any JSON travels as a message of one text") {
  for (const std::string& text : {std::string("{}"), std::string(300, ' '), std::string()}) {
    const any a = json_any(text);
    CHECK(json_of(a).value() == text);
  }
  CHECK(json_any("[1]").value == "\x0a\x03[1]");
  CHECK_FALSE(json_of({"type.googleapis.com/bank.Deposit", "\x0a\x01x"}).value().has_value());
  any cut = json_any("long enough");
  cut.value.resize(5);
  CHECK(json_of(cut).error() == errc::bad_encoding);
}

}  // namespace
}  // namespace odeon::sidecar
