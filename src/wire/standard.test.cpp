#include "wire/sample.test.hpp"

#include <doctest/doctest.h>

#include <limits>

namespace {

using odeon::errc;
using sample::json_refusal;
using sample::to_json;
namespace wire = odeon::wire;
using wire::format;

template <class T>
T again(const T& value, format f = format::msgpack) {
  auto back = wire::decode<T>(wire::encode(value, f), f);
  REQUIRE(back.has_value());
  return *std::move(back);
}

TEST_CASE("an error keeps its code and its text, and a code alone stays a code alone") {
  for (format f : {format::msgpack, format::compact, format::json, format::cbor}) {
    CHECK(again(odeon::error(errc::fenced, "epoch 7"), f) == odeon::error(errc::fenced, "epoch 7"));
    CHECK(again(odeon::error(errc::ask_timeout), f) == odeon::error(errc::ask_timeout));
    CHECK(again(std::vector{odeon::error(errc::refused)}, f).size() == 1);
  }
  CHECK(to_json(odeon::error(errc::fenced, "epoch 7")) == R"({"code":"fenced","text":"epoch 7"})");
}

TEST_CASE("an error whose text is not UTF-8 gets through, with marks in its place") {
  const odeon::error e(errc::io_failed, "caf\xe9");
  CHECK(again(e).text() == "caf?");
}

TEST_CASE("an error code that this program does not know is kept as its number") {
  auto read =
      wire::decode<odeon::error>(wire::as_bytes(R"({"code":5000,"text":"new"})"), format::json);
  REQUIRE(read.has_value());
  CHECK(static_cast<int>(read->code()) == 5000);
  CHECK(json_refusal<odeon::error>(R"({"code":"no_such_code"})").starts_with("wrong_type"));
}

TEST_CASE("a result travels as its value or its error") {
  CHECK(to_json(odeon::result<int>(4)) == R"({"value":4})");
  CHECK(to_json(odeon::result<void>()) == R"({"value":null})");
  CHECK(to_json(odeon::result<int>(odeon::fail(errc::refused, "no"))) ==
        R"({"error":{"code":"refused","text":"no"}})");
  CHECK(again(odeon::result<int>(4)) == 4);
  CHECK(again(odeon::result<int>(odeon::fail(errc::refused, "no"))).error() == errc::refused);
  CHECK(again(odeon::result<void>()).has_value());
  CHECK(again(odeon::result<void>(odeon::fail(errc::refused, "no"))).error() == errc::refused);
}

TEST_CASE("a null pointer stays null, a shared value is read as a value of its own") {
  CHECK(again(std::shared_ptr<const int>()) == nullptr);
  CHECK(*again(std::make_shared<const int>(4)) == 4);
  CHECK(again(std::unique_ptr<int>()) == nullptr);
  struct two {
    std::shared_ptr<const std::string> a;
    std::shared_ptr<const std::string> b;
  };
  const auto both = std::make_shared<const std::string>("x");
  const two back = again(two{both, both});
  CHECK(*back.a == *back.b);
  CHECK(back.a != back.b);
}

TEST_CASE("durations are nanoseconds, and their extremes stay extremes") {
  using namespace std::chrono;
  CHECK(to_json(seconds(3)) == "3000000000");
  CHECK(again(seconds::max()) == seconds::max());
  CHECK(again(hours::min()) == hours::min());
  CHECK(again(sys_days::max()) == sys_days::max());
  // Beyond 292 years a duration saturates.
  CHECK(again(hours(3'000'000)) == hours::max());
}

TEST_CASE("a duration finer than the field's unit is refused rather than rounded") {
  CHECK(json_refusal<std::chrono::seconds>("1500000000").contains("1500000000 ns is no value of"));
  CHECK(*wire::decode<std::chrono::milliseconds>(wire::as_bytes("1500000000"), format::json) ==
        std::chrono::milliseconds(1500));
  CHECK(json_refusal<std::chrono::nanoseconds>("18446744073709551615").starts_with("wrong_type"));
  using short_hours = std::chrono::duration<std::int8_t, std::ratio<3600>>;
  CHECK(json_refusal<short_hours>("457200000000000").empty());                     // 127 h
  CHECK(json_refusal<short_hours>("460800000000000").contains("is no value of"));  // 128 h
}

TEST_CASE("a duration of floating seconds is a number of seconds") {
  using namespace std::chrono;
  CHECK(to_json(duration<double>(1.5)) == "1.5");
  CHECK(to_json(duration<double, std::milli>(1500)) == "1.5");
  CHECK(again(duration<float, std::milli>(250)) == duration<float, std::milli>(250));
  using moment = time_point<odeon::wall_time::clock, duration<double, std::milli>>;
  CHECK(to_json(moment(duration<double>(1.5))) == "1.5");
  CHECK(again(moment(duration<double>(-2.25))) == moment(duration<double>(-2.25)));
}

}  // namespace
