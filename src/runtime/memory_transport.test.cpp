// Transports: addresses, and the one in memory, held to the laws of all.

#include "support/transport_kit.hpp"
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/runtime/transport.hpp>

using namespace odeon;
using namespace odeon::transport_test;

namespace {

constexpr const char* anywhere = "127.0.0.1:0";

/// Under virtual time, and on threads.
template <class F>
void on_both(F f) {
  for (std::uint64_t seed : {1, 2, 3}) {
    simulated_runtime rt({.seed = seed});
    f(rt);
  }
  f(*make_threaded_runtime());
}

}  // namespace

TEST_CASE("an address is taken apart and put together again") {
  CHECK(parse_address("127.0.0.1:80") == host_and_port{"127.0.0.1", 80});
  CHECK(parse_address("[::1]:0") == host_and_port{"::1", 0});
  CHECK(parse_address("*:65535") == host_and_port{"*", 65535});
  for (const char* same : {"host:1", "[fe80::1%lo]:7400"})
    CHECK(to_string(*parse_address(same)) == same);
}

TEST_CASE("what is no address is refused with the reason") {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"host", "no port"},
           {"host:", "no number"},
           {"host:-1", "no number"},
           {"host:65536", "no number"},
           {"host:80 ", "no number"},
           {":80", "no host"},
           {"::1:80", "brackets"},
           {"[::1:80", "not closed"},
           {std::string("a\0b:1", 5), "no name"},
           {std::string(300, 'a') + ":1", "no name"}}) {
    const auto r = parse_address(text);
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::invalid_argument);
    CHECK(r.error().text().contains(why));
  }
}

TEST_CASE("bytes travel in order through pipes of a few bytes") {
  on_both([](runtime& rt) {
    bytes_travel_in_order(rt, *make_memory_transport(rt, {.capacity = 7, .read_max = 3}), anywhere);
  });
}

TEST_CASE("the transport in memory keeps the laws of transports") {
  on_both([](runtime& rt) {
    keeps_the_laws({.rt = rt,
                    .make = [&] { return make_memory_transport(rt); },
                    .place = [] { return anywhere; },
                    .ahead_max = 64L * 1024 + 64 * 1024 + 16 * 1024,
                    .writes_at_once = false,
                    .much = 600'000,
                    .crowd = 20});
  });
}

TEST_CASE("a listener keeps no more connections waiting than its backlog") {
  simulated_runtime rt;
  auto t = make_memory_transport(rt);
  auto l = t->listen(anywhere, {.backlog = 2});
  std::vector<connection_ptr> kept;
  for (int i = 0; i < 2; ++i) {
    outcome<connection_ptr> o(rt);
    t->connect((*l)->local_address(), {}, o.done());
    kept.push_back(*o.get());
  }
  outcome<connection_ptr> third(rt), accepted(rt);
  t->connect((*l)->local_address(), {}, third.done());
  CHECK(third.get().error() == errc::connection_refused);
  (*l)->accept(accepted.done());
  CHECK((*accepted.get())->peer_address() == kept[0]->local_address());
  (*l)->close();  // the one that was not accepted is refused
  CHECK(read_some(rt, *kept[1]).error() == errc::io_failed);
}
