// Transports: addresses, and the one in memory, held to the laws of all.

#include "support/transport_laws.hpp"
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

TEST_CASE("bytes travel in order, both ways, and each way ends by itself") {
  on_both([](runtime& rt) {
    bytes_travel_in_order(rt, *make_memory_transport(rt), anywhere);
    bytes_travel_in_order(rt, *make_memory_transport(rt, {.capacity = 7, .read_max = 3}), anywhere);
  });
}

TEST_CASE("a connection that is let go in order loses nothing, and else breaks the peer's") {
  on_both([](runtime& rt) {
    auto t = make_memory_transport(rt);
    closing_in_order_loses_nothing(rt, *t, anywhere);
    letting_go_is_no_good_end(rt, *t, anywhere);
    an_operation_outlives_its_connection(rt, *t, anywhere);
  });
}

TEST_CASE("a side that does not read stops the other's writes") {
  on_both([](runtime& rt) {
    a_side_that_does_not_read_stops_the_other(rt, *make_memory_transport(rt, {.capacity = 1000}),
                                              anywhere, 1000 + 64 * 1024 + 16 * 1024);
  });
}

TEST_CASE("what a transport refuses has a code and a reason") {
  on_both([](runtime& rt) {
    auto t = make_memory_transport(rt);
    refusals_have_reasons(rt, *t, anywhere);
    misuse_is_told(rt, *t, anywhere);
  });
}

TEST_CASE("the end of a transport tells all who wait, and the dead ones afterwards") {
  on_both([](runtime& rt) {
    its_end_tells_all_who_wait(rt, [&] { return make_memory_transport(rt); }, anywhere);
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
