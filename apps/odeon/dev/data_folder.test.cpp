#include "odeon/dev/data_folder.hpp"

#include "odeon/bank/scratch.test.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace odeon::dev;
using odeon::errc;
using odeon::bank::scratch;

TEST_CASE("a folder is made, and one at a time has it") {
  const scratch parent;
  auto first = data_folder::open(parent.path("a/b"));
  REQUIRE(first.has_value());
  CHECK_FALSE(first->is_temporary());
  const auto second = data_folder::open(parent.path("a/b/"));
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().text() == parent.path("a/b") + " is in use by another odeon");
  first = odeon::fail(errc::internal, "");
  CHECK(data_folder::open(parent.path("a/b")).has_value());
}

TEST_CASE("a path that cannot be a folder is an error with its name") {
  const scratch parent;
  const auto opened = data_folder::open(parent.file("file", "x") + "/sub");
  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().text().starts_with(parent.path("file")));
}

TEST_CASE("settings are read as they were saved") {
  const scratch parent;
  const auto folder = data_folder::open(parent.path("run"));
  REQUIRE(folder.has_value());
  CHECK_FALSE(folder->settings().value().has_value());
  const run_settings settings{"/tmp/\xc3\xa4 b.csv", 5, 0xffffffffffffffffU, 7, 100'00, 200'00};
  REQUIRE(folder->save(settings).has_value());
  CHECK(folder->settings().value() == settings);
}

TEST_CASE("settings that somebody spoiled are refused with their path") {
  const scratch parent;
  const auto folder = data_folder::open(parent.path("run"));
  REQUIRE(folder.has_value());
  (void)parent.file("run/run.json", "{\"file\": 5");
  const auto read = folder->settings();
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().text().starts_with(parent.path("run/run.json") + ": "));
}

TEST_CASE("an acknowledgement that was not written to its end is cut off") {
  const scratch parent;
  const auto folder = data_folder::open(parent.path("run"));
  REQUIRE(folder.has_value());
  REQUIRE(folder->repair_acknowledgements().has_value());  // there is none
  for (const auto& [before, after] : {std::pair{"", ""},
                                      {"completed r", ""},
                                      {"completed r1\n", "completed r1\n"},
                                      {"completed r1\nrefused r", "completed r1\n"}}) {
    (void)parent.file("run/acknowledged.txt", before);
    REQUIRE(folder->repair_acknowledgements().has_value());
    CHECK(parent.content("run/acknowledged.txt") == after);
  }
}

TEST_CASE("a file's fingerprint changes with its content") {
  const scratch parent;
  const auto a = fingerprint_of(parent.file("a", "one"));
  const auto b = fingerprint_of(parent.file("b", "two"));
  const auto again = fingerprint_of(parent.file("c", "one"));
  CHECK(a.value().bytes == 3);
  CHECK(a.value().content != b.value().content);
  CHECK(a.value().content == again.value().content);
  CHECK(fingerprint_of(parent.path("none")).error().code() == errc::not_found);
}
