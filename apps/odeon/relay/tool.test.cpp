#include "odeon/relay/tool.hpp"

#include "odeon/printed.test.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

using namespace odeon;
using namespace odeon::relay_tool;

namespace {

printed run(const relay_options& o) {
  return odeon::run([&](auto t) { return serve(o, t); });
}

}  // namespace

TEST_CASE("a relay without a secret, or with one that is not there, is refused in one sentence") {
  const printed none = run({});
  CHECK(none.code == usage);
  CHECK(none.err.contains("--auth-secret-env"));
  CHECK(std::count(none.err.begin(), none.err.end(), '\n') == 1);
  ::unsetenv("ODEON_TEST_RELAY_SECRET");
  const printed unset = run({.secret_env = "ODEON_TEST_RELAY_SECRET"});
  CHECK(unset.code == usage);
  CHECK(unset.err.contains("ODEON_TEST_RELAY_SECRET"));
  ::setenv("ODEON_TEST_RELAY_SECRET", "short", 1);
  const printed brief = run({.secret_env = "ODEON_TEST_RELAY_SECRET"});
  CHECK(brief.code == usage);
  CHECK(brief.err.contains("at least 16"));
  CHECK_FALSE(brief.err.contains("short"));
  CHECK(run({.secret_env = "ODEON_TEST_RELAY_SECRET", .allow_unauthenticated_local = true}).code ==
        usage);
}

TEST_CASE("a relay without a secret is refused where other machines reach it") {
  for (const char* host : {"0.0.0.0", "*", "::", "192.0.2.1"}) {
    const printed p = run({.host = host, .allow_unauthenticated_local = true});
    CHECK(p.code == usage);
    CHECK(p.err.contains("other machines"));
    CHECK(p.out.empty());
  }
}

TEST_CASE("metrics are one object of JSON with the refusals by their reasons") {
  remote::relay_metrics m;
  m.registered = 2;
  m.refused_total[1] = 3;
  const std::string text = to_json(m);
  CHECK(text.starts_with("{\"connections\":0,\"registered\":2,"));
  CHECK(text.ends_with("\"refused_total\":{\"unknown target\":3}}"));
}
