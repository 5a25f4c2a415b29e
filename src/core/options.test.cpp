// A system's options from a configuration.

#include "common.test.hpp"
#include <odeon/base/config.hpp>

using namespace odeon;
using namespace odeon::core_test;

namespace {

system_options from(std::string_view toml) {
  auto config = configuration::parse(system_options::schema(), toml, "odeon.toml");
  REQUIRE(config);
  return system_options::from(*config);
}

std::string refusal(std::string_view toml) {
  auto config = configuration::parse(system_options::schema(), toml, "odeon.toml");
  return config ? "accepted" : config.error().to_string();
}

}  // namespace

TEST_CASE("an empty configuration gives the options' own defaults") {
  const auto o = from("");
  const system_options d;
  CHECK(o.workers == d.workers);
  CHECK(o.ask_timeout == d.ask_timeout);
  CHECK(o.slow_handler == d.slow_handler);
  CHECK(o.shutdown_limit == d.shutdown_limit);
  CHECK(o.dispatchers.empty());
}

TEST_CASE("a configuration sets each option, and names dispatchers") {
  const auto o = from(R"(
[core]
workers = 3
ask_timeout = "250ms"
slow_handler = "2s"
shutdown_limit = "1min"
[dispatcher.io]
kind = "blocking"
threads = 12
[dispatcher.gui]
kind = "pinned"
)");
  CHECK(o.workers == 3);
  CHECK(o.ask_timeout == 250ms);
  CHECK(o.slow_handler == 2s);
  CHECK(o.shutdown_limit == 1min);
  REQUIRE(o.dispatchers.size() == 2);
  const auto& io = o.dispatchers[0].name == "io" ? o.dispatchers[0] : o.dispatchers[1];
  const auto& gui = o.dispatchers[0].name == "io" ? o.dispatchers[1] : o.dispatchers[0];
  CHECK(io.kind == executor_kind::blocking);
  CHECK(io.threads == 12);
  CHECK(gui.name == "gui");
  CHECK(gui.kind == executor_kind::pinned);
}

TEST_CASE("a dispatcher from the configuration runs actors, and the ask timeout holds") {
  struct get {
    using reply = int;
  };
  auto o = from("[core]\nask_timeout = \"70ms\"\n[dispatcher.io]\nkind = \"blocking\"");
  testkit::kit k({.system = o});
  auto a = k.system().spawn(behavior(0,
                                     [](int&, get, reply_to<int> r) -> task<void> {
                                       co_await sleep(1h);
                                       r(1);
                                     }),
                            {.dispatcher = "io"});
  const auto before = k.now();
  CHECK(a.ask<get>().result().error() == errc::ask_timeout);
  CHECK(k.now() - before == 70ms);
}

TEST_CASE("a wrong key or value is refused with its place") {
  CHECK(contains(refusal("[core]\nworkers = -1"), "core.workers"));
  CHECK(contains(refusal("[core]\nwrokers = 2"), "wrokers"));
  CHECK(contains(refusal("[dispatcher.x]\nkind = \"fast\""), "work_stealing"));
}
