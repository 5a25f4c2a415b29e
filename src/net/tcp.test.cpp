// What a TCP transport refuses before it opens a socket; real ones are in tests/integration.

#include <odeon/net/tcp.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

using namespace odeon;

TEST_CASE("a TCP transport needs threads, and real ones") {
  auto rt = make_threaded_runtime();
  CHECK_THROWS_AS((void)make_tcp_transport(*rt, {.threads = 0}), actor_error);
  CHECK_THROWS_AS((void)make_tcp_transport(*rt, {.threads = 65}), actor_error);
  simulated_runtime simulated;
  CHECK_THROWS_AS((void)make_tcp_transport(simulated), actor_error);
}

TEST_CASE("a TCP transport listens on numeric addresses only, and says so") {
  auto rt = make_threaded_runtime();
  auto t = make_tcp_transport(*rt);
  for (const char* text : {"example.org:80", "127.0.0.1", "127.0.0.1:x", "300.0.0.1:80"}) {
    const auto r = t->listen(text);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::invalid_argument);
    CHECK(r.error().text().contains(text));
  }
}
