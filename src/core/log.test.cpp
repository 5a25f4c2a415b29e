// The log's front: levels, formats, and where lines go.

#include "common.test.hpp"
#include <odeon/core/log.hpp>
#include <odeon/core/log_sink.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct celsius {
  double degrees = 0;
};
std::string to_string(const celsius& c) {
  return std::to_string(static_cast<int>(c.degrees)) + "C";
}

/// What is written to stderr while `f` runs.
std::string written_by(auto&& f) {
  char name[] = "/tmp/odeon-log-XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  std::fflush(stderr);
  const int before = dup(STDERR_FILENO);
  dup2(file, STDERR_FILENO);
  f();
  std::fflush(stderr);
  dup2(before, STDERR_FILENO);
  ::close(before);
  std::string out(static_cast<std::size_t>(std::filesystem::file_size(name)), '\0');
  CHECK(pread(file, out.data(), out.size(), 0) == static_cast<ssize_t>(out.size()));
  ::close(file);
  std::filesystem::remove(name);
  return out;
}

struct at_level {
  explicit at_level(log_level l) { set_log_level(l); }
  ~at_level() { set_log_level(log_level::off); }
};

struct speak {};

}  // namespace

TEST_CASE("a line has its level, its actor's path and the arguments in place") {
  at_level l(log_level::info);
  const auto text = written_by(
      [] { logger("/user/a").info("{} of {} are {:>5}, {} and {}", 3, 4U, "done", true, 1.5); });
  CHECK(contains(text, "info"));
  CHECK(contains(text, "/user/a 3 of 4 are  done, true and 1.5\n"));
}

TEST_CASE("lines below the level are not written") {
  at_level l(log_level::warn);
  const auto text = written_by([] {
    logger("x").trace("one");
    logger("x").debug("two");
    logger("x").info("three");
    logger("x").warn("four");
    logger("x").error("five");
  });
  CHECK(!contains(text, "three"));
  CHECK(contains(text, "x four"));
  CHECK(contains(text, "x five"));
  set_log_level(log_level::off);
  CHECK(written_by([] { logger("x").error("six"); }).empty());
}

TEST_CASE("a type of one's own is written by its to_string") {
  at_level l(log_level::trace);
  CHECK(contains(written_by([] { logger("x").trace("it has {}", celsius{21.5}); }), "it has 21C"));
}

TEST_CASE("a wrong format is written as such and throws nothing") {
  at_level l(log_level::info);
  const auto text = written_by([] {
    logger("x").info("{} and {}", 1);
    logger("x").info("{:q}", 1);
  });
  CHECK(contains(text, "{} and {} [wrong format: "));
  CHECK(contains(text, "{:q} [wrong format: "));
}

TEST_CASE("a line without arguments keeps its braces' meaning") {
  at_level l(log_level::info);
  CHECK(contains(written_by([] { logger("x").info("plain text"); }), "x plain text\n"));
}

TEST_CASE("an actor's log names its path, and failures are warned of") {
  at_level l(log_level::info);
  const auto text = written_by([] {
    testkit::kit k;
    auto a = k.system().spawn(behavior(0,
                                       [](int&, speak, context& c) {
                                         c.log().info("spoken");
                                         throw std::runtime_error("too loud");
                                       }),
                              {.name = "speaker"});
    a.tell<speak>();
    k.settle();
  });
  CHECK(contains(text, "/user/speaker spoken"));
  CHECK(contains(text, "/user/speaker failed in handler of"));
  CHECK(contains(text, "too loud"));
}

TEST_CASE("a program's own log gets the lines in place of stderr, until it gives them back") {
  at_level l(log_level::info);
  std::vector<std::string> lines;
  set_log_sink([&](log_level level, std::string_view name, std::string_view text) {
    lines.push_back(std::to_string(static_cast<int>(level)) + " " + std::string(name) + ": " +
                    std::string(text));
  });
  const auto elsewhere = written_by([] {
    logger("/user/a").warn("{} left", 3);
    logger("/user/a").debug("not at this level");
  });
  set_log_sink({});
  CHECK(elsewhere.empty());
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "3 /user/a: 3 left");
  CHECK(contains(written_by([] { logger("/user/a").warn("back"); }), "/user/a back"));
  CHECK(lines.size() == 1);
}
