// JSON objects in bytes.

#include "common.test.hpp"
#include <odeon/stream/framing_json.hpp>

using namespace odeon;
using namespace odeon::stream_test;

using strings = std::vector<std::string>;

namespace {

/// A text cut into pieces of `n` bytes, the last one shorter.
strings pieces(const std::string& text, std::size_t n) {
  strings out;
  for (std::size_t at = 0; at < text.size(); at += n) out.push_back(text.substr(at, n));
  return out;
}
auto objects(const std::string& text, std::size_t n, std::size_t max = 1000) {
  return source::from(pieces(text, n)) | framing::json_objects(max);
}

}  // namespace

TEST_CASE("JSON objects are found wherever the bytes are cut, in a list and in an array") {
  testkit::kit k;
  const strings wanted = {R"({"a": {"b": [1, {}]}})", R"({"}": "]\"{\\"})", "{}"};
  const std::string list = wanted[0] + "\n" + wanted[1] + wanted[2];
  const std::string commas = " " + wanted[0] + ",\r\n" + wanted[1] + " , " + wanted[2] + "\t";
  for (const auto& text : {list, commas, "[" + commas + "]", " [\n" + commas + "\n] "})
    for (std::size_t n : {1U, 2U, 3U, 7U, 1000U}) {
      CAPTURE(text);
      CHECK(run_all(k, objects(text, n)) == wanted);
    }
  for (const char* none : {"", " \n", "[]", "[ ]\n"}) CHECK(run_all(k, objects(none, 2)).empty());
}

TEST_CASE("what is no list of JSON objects is refused where it is not") {
  testkit::kit k;
  struct bad {
    const char* text;
    errc why;
    const char* where;
    std::size_t got;
  };
  for (const auto& [text, why, where, got] : {
           bad{"{} x", errc::bad_encoding, "offset 3", 1},
           bad{"{},,{}", errc::bad_encoding, "offset 3", 1},
           bad{",{}", errc::bad_encoding, "offset 0", 0},
           bad{"[{}{}]", errc::bad_encoding, "offset 3", 1},
           bad{"[{},]", errc::bad_encoding, "offset 4", 1},
           bad{"[{}]]", errc::bad_encoding, "offset 4", 1},
           bad{"[{}]{}", errc::bad_encoding, "offset 4", 1},
           bad{"{}[", errc::bad_encoding, "offset 2", 1},
           bad{"[1]", errc::bad_encoding, "offset 1", 0},
           bad{"{[}]", errc::bad_encoding, "offset 2", 0},
           bad{"{}{\"a", errc::truncated, "offset 2", 1},
           bad{"[{}", errc::truncated, "offset 3", 1},
           bad{"{},", errc::truncated, "offset 3", 1},
       })
    for (std::size_t n : {1U, 1000U}) {
      CAPTURE(text);
      const auto r = run_partial(k, objects(text, n));
      CHECK(r.got.size() == got);
      REQUIRE(r.why);
      CHECK(*r.why == why);
      CHECK(r.why->text().find(where) != std::string::npos);
    }
}

TEST_CASE("a JSON object has a bound for its length and for its depth") {
  testkit::kit k;
  CHECK(run_all(k, objects(R"({"a":1}{"b":2})", 3, 7)) == strings{R"({"a":1})", R"({"b":2})"});
  const auto longer = run_partial(k, objects(R"({"a":1}{"b":22})", 3, 7));
  CHECK(longer.got.size() == 1);
  CHECK(*longer.why == errc::limit_exceeded);
  CHECK(longer.why->text().find("offset 7") != std::string::npos);
  // What lies between objects may be longer, and is not kept.
  CHECK(run_all(k, objects("{}" + std::string(5000, ' ') + "{}", 100, 7)).size() == 2);
  const auto flood = std::make_shared<seen>();
  const auto r =
      run_partial(k, probe_source(strings(1000, "{{{{"), flood) | framing::json_objects(1'000'000));
  CHECK(*r.why == errc::limit_exceeded);
  CHECK(flood->given <= 130);
}
