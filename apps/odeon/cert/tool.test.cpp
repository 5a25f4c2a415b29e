#include "odeon/cert/tool.hpp"

#include "odeon/bank/scratch.test.hpp"
#include "odeon/printed.test.hpp"
#include <odeon/net/certificates.hpp>
#include <odeon/runtime/runtime.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <string>

using namespace odeon;
using namespace odeon::cert_tool;

namespace {

printed ca(const made_options& o) {
  return run([&](auto t) { return make_authority(o, t); });
}
printed node(const node_options& o) {
  return run([&](auto t) { return make_node(o, t); });
}
printed shown(const std::string& file, bool json = false) {
  return run([&](auto t) { return show({.file = file, .json = json}, t); });
}

}  // namespace

TEST_CASE("an authority and a node are made, and shown") {
  const bank::scratch folder;
  const std::string authority = folder.path("ca"), file = folder.path("app");
  for (const char* kind : {"p256", "ed25519"}) {
    const printed made =
        ca({.name = "home", .days = 100, .key_type = kind, .out = authority, .force = true});
    CHECK(made.code == journal_tool::good);
    CHECK(made.out.starts_with(authority + ".crt and " + authority + ".key: home, until "));
    const printed of_node =
        node({.made = {.name = "app-1", .days = 30, .key_type = kind, .out = file, .force = true},
              .hosts = {"app.example.org", "10.0.0.7"},
              .ca = authority});
    CHECK(of_node.code == journal_tool::good);
    const printed text = shown(file + ".crt");
    CHECK(text.code == journal_tool::good);
    CHECK(text.out.starts_with("certificate of app-1, signed by home\n"));
    CHECK(text.out.contains("app.example.org, 10.0.0.7"));
    const printed json = shown(file + ".crt", true);
    CHECK(json.out.contains(R"("node":"app-1","hosts":["app.example.org","10.0.0.7"],"ca":false)"));
    CHECK(json.out.contains(R"("state":"valid")"));
    CHECK(shown(authority + ".crt").out.starts_with("authority of home, signed by home\n"));
    CHECK_FALSE((text.out + json.out + made.out).contains("PRIVATE"));
  }
}

TEST_CASE("files that are there are not overwritten unasked") {
  const bank::scratch folder;
  const std::string authority = folder.path("ca");
  REQUIRE(ca({.name = "first", .out = authority}).code == journal_tool::good);
  const printed again = ca({.name = "second", .out = authority});
  CHECK(again.code == journal_tool::failed);
  CHECK(again.err.contains("--force"));
  CHECK(shown(authority + ".crt").out.contains("first"));
}

TEST_CASE("what goes wrong is told in one sentence") {
  const bank::scratch folder;
  const std::string authority = folder.path("ca"), file = folder.path("n");
  const printed no_ca = node({.made = {.name = "n", .out = file}, .ca = authority});
  CHECK(no_ca.code == journal_tool::failed);
  CHECK(no_ca.err.contains(authority + ".crt"));
  REQUIRE(ca({.name = "ca", .days = 10, .out = authority}).code == journal_tool::good);
  const printed longer = node({.made = {.name = "n", .days = 20, .out = file}, .ca = authority});
  CHECK(longer.code == journal_tool::usage);
  CHECK(longer.err.contains("outlive"));
  CHECK(node({.made = {.name = "a b", .days = 5, .out = file}, .ca = authority}).code ==
        journal_tool::usage);
  const printed no_file = shown(folder.path("nothing.crt"));
  CHECK(no_file.code == journal_tool::failed);
  const printed a_key = shown(authority + ".key");
  CHECK(a_key.code == journal_tool::failed);
  CHECK(a_key.err.contains(authority + ".key"));
}

TEST_CASE("a certificate whose time is over is told by the exit code") {
  const bank::scratch folder;
  const auto rt = make_threaded_runtime();
  const auto old =
      make_ca({.valid_for = std::chrono::days(1)}, rt->wall_now() - std::chrono::days(2));
  REQUIRE(old.has_value());
  REQUIRE(write_credentials(*old, folder.path("old.crt"), folder.path("old.key")).has_value());
  const printed p = shown(folder.path("old.crt"));
  CHECK(p.code == journal_tool::failed);
  CHECK(p.out.contains("expired"));
}
