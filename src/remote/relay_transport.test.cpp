// Nodes that talk through a relay: the laws of all transports, and what a relay adds to them.

#include "support/transport_laws.hpp"
#include <odeon/remote/relay.hpp>
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <map>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::transport_test;
using namespace std::chrono_literals;

namespace {

constexpr const char* anywhere = "*:0";
const std::string secret = "a secret of the tests";

/// A relay in memory, and nodes that know where it is.
struct net {
  explicit net(runtime& r, relay_limits l = {}) : rt(r), way(make_memory_transport(r)), bounds(l) {
    restart();
  }
  void restart() {
    server.reset();
    server = relay_server::start(rt, *way, options()).value();
    bounds = options().limits;
    at = server->address();
  }
  [[nodiscard]] relay_server_options options() {
    return {.listen = at, .secret = secret, .limits = bounds, .on_event = [this](const auto& e) {
              events.push_back(e);
            }};
  }
  [[nodiscard]] relay_transport_options as(std::string name, std::string with = secret) const {
    return {.relay = at, .name = std::move(name), .secret = std::move(with), .through = way.get()};
  }
  std::unique_ptr<relay_transport> node(std::string name, std::string with = secret) {
    return make_relay_transport(rt, as(std::move(name), std::move(with)));
  }
  [[nodiscard]] std::size_t seen(relay_event::kind what) const {
    return static_cast<std::size_t>(
        std::ranges::count(events, what, [](const auto& e) { return e.what; }));
  }

  runtime& rt;
  std::unique_ptr<transport> way;
  relay_limits bounds;
  std::string at = "relay:0";
  std::vector<relay_event> events;
  std::unique_ptr<relay_server> server;
};

result<void> ready(runtime& rt, relay_transport& t, duration limit = 20s) {
  outcome<void> o(rt);
  t.ready(limit, o.done());
  return o.get();
}
result<connection_ptr> dial(runtime& rt, transport& t, std::string_view to, duration limit = 10s) {
  outcome<connection_ptr> o(rt);
  t.connect(to, {.timeout = limit}, o.done());
  return o.get();
}

/// Under virtual time, and on threads.
template <class F>
void on_both(F f) {
  for (std::uint64_t seed : {1, 2, 3}) {
    simulated_runtime rt({.seed = seed});
    f(rt);
  }
  f(*make_threaded_runtime());
}

/// Both ends of a connection from `a` to `b`.
struct pair_of_nodes {
  net& n;
  std::unique_ptr<relay_transport> a = n.node("alice"), b = n.node("bob");
  std::unique_ptr<listener> l = b->listen("bob:7400").value();

  ends connect() {
    outcome<connection_ptr> there(n.rt);
    l->accept(there.done());
    auto near = dial(n.rt, *a, "bob:7400");
    REQUIRE(near.has_value());
    auto far = there.get();
    REQUIRE(far.has_value());
    return {std::move(*near), std::move(*far)};
  }
};

}  // namespace

TEST_CASE("connections through a relay keep the laws of transports") {
  on_both([](runtime& rt) {
    net n(rt);
    auto t = n.node("alice");
    bytes_travel_in_order(rt, *t, anywhere);
    closing_in_order_loses_nothing(rt, *t, anywhere);
    letting_go_is_no_good_end(rt, *t, anywhere);
    an_operation_outlives_its_connection(rt, *t, anywhere);
    refusals_have_reasons(rt, *t, anywhere);
    misuse_is_told(rt, *t, anywhere);
    its_end_tells_all_who_wait(rt, [&] { return n.node("other"); }, anywhere);
  });
}

TEST_CASE("a reader that stops reading stalls its writer through the relay, and nobody else") {
  on_both([](runtime& rt) {
    net n(rt);
    auto t = n.node("alice");
    a_side_that_does_not_read_stops_the_other(rt, *t, anywhere, 1L * 1024 * 1024);
    pair_of_nodes p{n};
    auto stuck = p.connect(), free = p.connect();
    endless_writer writer{rt, *stuck.near};
    writer.go();
    for (int i = 0; i < 50; ++i) {
      CHECK(write_all(rt, *free.near, "through").has_value());
      CHECK(read_some(rt, *free.far) == "through");
    }
    CHECK(n.server->metrics().queued_bytes < 1024 * 1024);
    stuck.near->abort();
    while (writer.over == 0) (void)rt.wait(writer.over, 0, time_point::max());
  });
}

TEST_CASE("two nodes that only connect outward talk, with names and ports of their own") {
  simulated_runtime rt;
  net n(rt);
  pair_of_nodes p{n};
  auto [near, far] = p.connect();
  CHECK(near->peer_address() == "bob:7400");
  CHECK(far->peer_address() == near->local_address());
  CHECK(far->peer_address().starts_with("alice:"));
  CHECK(write_all(rt, *near, "hello").has_value());
  CHECK(read_some(rt, *far) == "hello");
  const relay_metrics m = n.server->metrics();
  CHECK(m.registered == 2);
  CHECK(m.envelopes_total >= 3);
  const auto peers = n.server->peers();
  REQUIRE(peers.size() == 2);
  CHECK(peers[0].name == "alice");
  CHECK(peers[1].envelopes_out > 0);
  CHECK(p.a->status().connections == 1);
  const auto routes = p.a->routes();
  REQUIRE(routes.size() == 1);
  CHECK(routes[0].name == "bob");
  CHECK(routes[0].healthy);
  CHECK(routes[0].taken > 0);
}

TEST_CASE("a name that nobody has is told after one retry, and one that comes meanwhile is found") {
  simulated_runtime rt;
  net n(rt);
  auto a = n.node("alice");
  REQUIRE(ready(rt, *a).has_value());
  const time_point begin = rt.now(clock_domain::housekeeping);
  const auto no = dial(rt, *a, "nobody:1");
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::unknown_host);
  CHECK(no.error().text().contains("nobody"));
  CHECK(no.error().text().contains(n.at));
  CHECK(rt.now(clock_domain::housekeeping) - begin >= 2s);
  CHECK(n.server->metrics().refused(relay_refusal::unknown_target) == 2);
  CHECK(a->routes().at(0).retried == 1);
  CHECK(a->routes().at(0).last_refusal == relay_refusal::unknown_target);

  outcome<connection_ptr> late(rt);
  a->connect("carol:9", {}, late.done());
  rt.advance(1s);
  auto c = n.node("carol");
  auto l = c->listen("carol:9").value();
  CHECK(late.get().has_value());
}

TEST_CASE("a port that is not listened on, and too long a queue for it, are refused") {
  simulated_runtime rt;
  net n(rt);
  auto a = n.node("alice"), b = n.node("bob");
  REQUIRE(ready(rt, *b).has_value());
  CHECK(dial(rt, *a, "bob:1").error() == errc::connection_refused);
  auto l = b->listen("*:1", {.backlog = 2}).value();
  CHECK(l->local_address() == "bob:1");
  auto one = dial(rt, *a, "bob:1"), two = dial(rt, *a, "bob:1");
  CHECK(two.has_value());
  CHECK(dial(rt, *a, "bob:1").error() == errc::connection_refused);
  CHECK(b->listen("alice:5").error() == errc::invalid_argument);
  CHECK(dial(rt, *a, "no name!:1").error() == errc::invalid_argument);
}

TEST_CASE("a relay that is started again is found again, and registrations are renewed") {
  on_both([](runtime& rt) {
    net n(rt);
    pair_of_nodes p{n};
    auto [near, far] = p.connect();
    CHECK(write_all(rt, *near, "before").has_value());
    n.restart();
    CHECK(read_all(rt, *near).error() == errc::io_failed);
    // What waits for the relay is served when it is there.
    auto again = p.connect();
    CHECK(write_all(rt, *again.far, "after").has_value());
    CHECK(read_some(rt, *again.near) == "after");
    CHECK(p.a->status().registrations == 2);
    CHECK(p.b->status().registrations == 2);
  });
}

TEST_CASE("without a relay connects fail in time, and say what is wrong with it") {
  simulated_runtime rt;
  net n(rt);
  auto a = n.node("alice");
  REQUIRE(ready(rt, *a).has_value());
  n.server.reset();
  rt.advance(30s);
  CHECK(a->status().state == relay_state::waiting);
  const auto no = dial(rt, *a, "bob:1", 3s);
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::connection_refused);
  CHECK(no.error().text().contains(n.at));
  CHECK(ready(rt, *a, 1s).error() == errc::connection_refused);
}

TEST_CASE("a second registration of a name closes the first, which then stays away") {
  simulated_runtime rt;
  net n(rt);
  pair_of_nodes p{n};
  auto [near, far] = p.connect();
  auto usurper = n.node("bob");
  auto l = usurper->listen("bob:7400").value();
  REQUIRE(ready(rt, *usurper).has_value());
  CHECK(read_all(rt, *far).error() == errc::io_failed);
  rt.advance(1min);
  CHECK(p.b->status().state == relay_state::replaced);
  CHECK(usurper->status().state == relay_state::ready);
  CHECK(dial(rt, *p.b, "alice:1").error() == errc::name_taken);
  CHECK(ready(rt, *p.b).error() == errc::name_taken);
  CHECK(n.server->metrics().refused(relay_refusal::replaced) == 1);
  // Alice hears of it by the first thing that the new one says.
  CHECK(read_all(rt, *near).error() == errc::io_failed);
  outcome<connection_ptr> there(rt);
  l->accept(there.done());
  CHECK(dial(rt, *p.a, "bob:7400").has_value());
  CHECK(there.get().has_value());
}

TEST_CASE("a wrong secret, none, and a relay without one are refused on both sides") {
  simulated_runtime rt;
  net n(rt);
  auto wrong = n.node("alice", "some other secret!"), none = n.node("bob", "");
  rt.advance(1s);
  for (auto* t : {wrong.get(), none.get()}) {
    CHECK(t->status().registrations == 0);
    CHECK(t->status().last == errc::authentication_failed);
    CHECK(dial(rt, *t, "carol:1").error() == errc::authentication_failed);
  }
  CHECK(n.server->metrics().registered == 0);
  CHECK(n.server->metrics().refused(relay_refusal::authentication) >= 1);
  CHECK(n.seen(relay_event::kind::rejected) >= 1);
  auto open = relay_server::start(rt, *n.way,
                                  {.listen = "127.0.0.1:0", .allow_unauthenticated_local = true})
                  .value();
  auto options = n.as("dave");
  options.relay = open->address();
  auto careful = make_relay_transport(rt, options);
  rt.advance(1s);
  CHECK(careful->status().last == errc::authentication_failed);
  options.secret = "";
  auto trusting = make_relay_transport(rt, options);
  CHECK(ready(rt, *trusting).has_value());
}

TEST_CASE("a relay without a secret listens on this machine alone, and bad options are told") {
  simulated_runtime rt;
  auto way = make_memory_transport(rt);
  const auto refused = [&](relay_server_options o) {
    auto r = relay_server::start(rt, *way, std::move(o));
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error() == errc::invalid_argument);
    return std::string(r.error().text());
  };
  CHECK(refused({}).contains("needs a secret"));
  CHECK(refused({.secret = "short"}).contains("at least 16"));
  CHECK(refused({.listen = "10.0.0.1:0", .allow_unauthenticated_local = true})
            .contains("other machines"));
  CHECK(refused({.listen = "*:0", .allow_unauthenticated_local = true}).contains("other machines"));
  CHECK(refused({.secret = secret, .limits = {.names = 0}}).contains("no room"));
  CHECK(refused({.secret = secret, .limits = {.envelope_bytes = 10}}).contains("envelope_bytes"));
  CHECK_THROWS_AS(
      (void)make_relay_transport(rt, {.relay = "x", .name = "a b", .through = way.get()}),
      actor_error);
  CHECK_THROWS_AS((void)make_relay_transport(rt, {.relay = "gopher://x:1", .name = "a"}),
                  actor_error);
}

TEST_CASE("a node that goes silently is found out by those who only read from it") {
  simulated_runtime rt;
  net n(rt);
  pair_of_nodes p{n};
  auto [near, far] = p.connect();
  outcome<std::size_t> reading(rt);
  std::string room(10, '\0');
  near->read(std::as_writable_bytes(std::span(room)), reading.done());
  p.l.reset();
  p.b.reset();
  const auto got = reading.get();
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error() == errc::io_failed);
  CHECK(got.error().text().contains("bob"));
}

TEST_CASE("many connections share one, each in its order, and nothing of them stays") {
  simulated_runtime rt({.seed = 7});
  net n(rt);
  pair_of_nodes p{n};
  std::vector<ends> all;
  for (int i = 0; i < 100; ++i) all.push_back(p.connect());
  for (int round = 0; round < 5; ++round)
    for (std::size_t i = 0; i < all.size(); ++i)
      CHECK(write_all(rt, *all[i].near, std::to_string(i) + "," + std::to_string(round) + ";")
                .has_value());
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(end_writing(rt, *all[i].near).has_value());
    std::string wanted;
    for (int round = 0; round < 5; ++round)
      wanted += std::to_string(i) + "," + std::to_string(round) + ";";
    CHECK(read_all(rt, *all[i].far) == wanted);
  }
  CHECK(n.server->metrics().connections == 2);
  all.clear();
  rt.advance(40s);
  CHECK(p.a->status().connections == 0);
  CHECK(p.b->status().connections == 0);
}

TEST_CASE("a relay that drains tells its nodes, and a stopped one leaves no callback behind") {
  simulated_runtime rt;
  net n(rt);
  pair_of_nodes p{n};
  auto [near, far] = p.connect();
  CHECK(n.server->drain(5s));
  CHECK(n.server->metrics().connections == 0);
  CHECK(read_all(rt, *near).error() == errc::io_failed);
  CHECK(p.a->status().last == errc::unreachable);
  CHECK(p.a->status().last.text().contains("draining"));
  n.server.reset();
  n.restart();
  CHECK(ready(rt, *p.a).has_value());
}
