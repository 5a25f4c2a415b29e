// What a transport of Unix sockets refuses before it opens one; real ones are in tests/integration.

#include <odeon/net/unix.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace odeon;

TEST_CASE("Unix sockets need threads, and real ones") {
  auto rt = make_threaded_runtime();
  CHECK_THROWS_AS((void)make_unix_transport(*rt, {.threads = 0}), actor_error);
  simulated_runtime simulated;
  CHECK_THROWS_AS((void)make_unix_transport(simulated), actor_error);
}

TEST_CASE("what is no path of a socket is refused with the reason") {
  auto rt = make_threaded_runtime();
  auto t = make_unix_transport(*rt);
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"app.sock", "begins with"},
           {"unix:", "begins with"},
           {"127.0.0.1:80", "begins with"},
           {"/tmp/", "names a folder"},
           {std::string("/tmp/a\0b", 8), "zero byte"},
           {"/" + std::string(107, 'x'), "allows 107 bytes"}}) {
    const auto r = t->listen(text);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::invalid_argument);
    CHECK(r.error().text().contains(why));
  }
}
