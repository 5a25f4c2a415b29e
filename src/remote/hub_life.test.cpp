#include "remote/hub_net.test.hpp"

using namespace hub_test;

namespace {

/// "c12" as 12.
int number(const std::string& s) { return std::stoi(s.substr(1)); }

}  // namespace

TEST_CASE(
    "control records arrive exactly once and in order over connections that break, any seed") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    simulated_runtime rt({.seed = seed});
    test_net net(rt, {.read_max = seed % 2 == 0 ? std::size_t{11} : std::size_t(-1)});
    node a(rt, net, "a:1"), b(rt, net, "b:1");
    const auto to_b = a.find("b:1");
    const auto to_a = b.find("a:1");
    int sent = 0;
    for (int round = 0; round < 12; ++round) {
      for (int i = 0; i < 10; ++i, ++sent) {
        to_b->send_control(record("c" + std::to_string(sent)));
        to_a->send_control(record("c" + std::to_string(sent)));
        (void)to_b->send(tell("m" + std::to_string(sent)));
      }
      const std::uint64_t steps = rt.random_u64() % 60;
      for (std::uint64_t s = 0; s < steps; ++s) rt.step();
      net.break_all();
      if (rt.random_u64() % 2 == 0) rt.advance(std::chrono::milliseconds(rt.random_u64() % 300));
    }
    rt.advance(20s);
    for (const recorder* r : {&a.told, &b.told}) {
      REQUIRE(r->controls.size() == std::size_t(sent));
      for (int i = 0; i < sent; ++i) CHECK(number(r->controls[std::size_t(i)]) == i);
    }
    // User messages: at most once, and in order.
    for (std::size_t i = 1; i < b.told.messages.size(); ++i)
      CHECK(number(b.told.messages[i - 1]) < number(b.told.messages[i]));
    CHECK(a.told.count("gone b:1") == 0);
    CHECK(a.my_hub->metrics().peers.at(0).unacknowledged == 0);
  }
}

TEST_CASE("a peer that is started anew: the old incarnation is gone, the new one is up") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1");
  const auto gone = a.watch<peer_gone>();
  auto b = std::make_unique<node>(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  to_b->send_control(record("watch"));
  rt.settle();
  const std::uint64_t first = b->my_hub->incarnation();
  // It dies without a word: what is on its way is lost.
  net.hold();
  to_b->send_control(record("for the dead"));
  rt.settle();
  net.break_all();
  net.state->held = false;
  b.reset();
  b = std::make_unique<node>(rt, net, "b:1");
  rt.advance(3s);
  CHECK(a.told.life.front() == "up b:1");
  CHECK(a.told.count("gone b:1") == 1);
  CHECK(a.told.life.back() == "up b:1");
  REQUIRE(gone->size() == 1);
  CHECK(gone->front().incarnation == first);
  CHECK(b->told.controls.empty());  // records of another incarnation are not for this one
  to_b->send_control(record("for the new"));
  CHECK(to_b->send(tell("hello")).has_value());
  rt.settle();
  CHECK(b->told.controls == std::vector<std::string>{"for the new"});
  CHECK(b->told.messages == std::vector<std::string>{"hello"});
  CHECK(a.my_hub->metrics().quarantined == 1);
}

TEST_CASE("a silent peer is down, then up again when it speaks in time") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1"), b(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  rt.advance(3s);
  CHECK(a.told.life == std::vector<std::string>{"up b:1"});
  CHECK(a.my_hub->metrics().peers.at(0).phi < 1.0);
  net.hold();
  rt.advance(6s);
  CHECK(a.told.life == std::vector<std::string>{"up b:1", "down b:1"});
  CHECK(a.my_hub->metrics().peers.at(0).last_error.contains("nothing was heard"));
  net.let_go();
  rt.advance(20s);
  CHECK(a.told.life == std::vector<std::string>{"up b:1", "down b:1", "up b:1"});
  CHECK(to_b->send(tell("again")).has_value());
  rt.settle();
  CHECK(b.told.messages == std::vector<std::string>{"again"});
}

TEST_CASE("a peer that stays away is given up, and that incarnation is not let in again") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.give_up_after = 10s;
  endpoint_options patient;
  patient.limits.give_up_after = 1h;
  node a(rt, net, "a:1", o), b(rt, net, "b:1", patient);
  const auto rejected = a.watch<peer_rejected>();
  const auto to_b = a.find("b:1");
  const auto to_a = b.find("a:1");
  rt.settle();
  net.state->refused = {"a:1", "b:1"};
  net.break_all();
  rt.advance(5s);
  CHECK(to_b->send(tell("down")).error() == errc::connection_refused);
  CHECK(a.told.count("gone b:1") == 0);
  rt.advance(10s);
  CHECK(a.told.life == std::vector<std::string>{"up b:1", "down b:1", "gone b:1"});
  CHECK(to_b->send(tell("never")).error() == errc::quarantined);
  net.state->refused.clear();
  rt.advance(30s);
  CHECK(a.told.life.back() == "gone b:1");
  CHECK(b.told.life.back() == "gone a:1");  // it is told, and its watchers as well
  REQUIRE_FALSE(rejected->empty());
  CHECK(rejected->front().why == rejection::quarantined);
  auto r = to_b->ready(1s).result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::quarantined);
}

TEST_CASE("a connection that nothing needs is closed, and comes back with what was counted") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.idle_after = 30s;
  node a(rt, net, "a:1", o), b(rt, net, "b:1", o);
  a.find("b:1")->send_control(record("c0"));
  rt.advance(20s);
  CHECK(a.my_hub->metrics().connections == 1);
  rt.advance(30s);
  CHECK(a.my_hub->metrics().connections == 0);
  CHECK(b.my_hub->metrics().connections == 0);
  CHECK(b.told.count("gone a:1") == 0);
  CHECK(b.told.count("down a:1") == 0);
  const auto to_a = b.find("a:1");
  to_a->send_control(record("c0"));
  a.find("b:1")->send_control(record("c1"));
  rt.advance(2s);
  CHECK(a.told.controls == std::vector<std::string>{"c0"});
  CHECK(b.told.controls == std::vector<std::string>{"c0", "c1"});
  // Held here, so it stays, whoever had made it.
  rt.advance(5min);
  CHECK(b.my_hub->metrics().connections == 1);
}

TEST_CASE("a peer that is dropped for good is told so, and both sides are rid of each other") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1"), b(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  rt.settle();
  a.my_hub->drop(*to_b, true, "it lies");
  rt.settle();
  CHECK(a.told.life == std::vector<std::string>{"up b:1", "gone b:1"});
  CHECK(b.told.life == std::vector<std::string>{"up a:1", "gone a:1"});
  CHECK(to_b->send(tell("no")).error() == errc::quarantined);
  // A new incarnation is welcome.
  const auto to_a = b.find("a:1");
  rt.advance(30s);
  CHECK(b.told.count("up a:1") == 1);
}

TEST_CASE("too many control records that nobody acknowledges: the peer is given up") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.control_records = 50;
  node a(rt, net, "a:1", o), b(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  rt.settle();
  net.hold();
  for (int i = 0; i < 100; ++i) to_b->send_control(record("c" + std::to_string(i)));
  rt.settle();
  CHECK(a.told.count("gone b:1") == 1);
  net.let_go();
}

TEST_CASE("thousands of nodes come and go, and nothing of them stays") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.peers = 500;
  o.limits.quarantined = 300;
  node a(rt, net, "a:1", o);
  for (int i = 0; i < 1500; ++i) {
    node b(rt, net, "b:" + std::to_string(1 + i));
    const auto to_a = b.find("a:1");
    to_a->send_control(record("c"));
    CHECK(to_a->send(tell("m")).has_value());
    rt.settle();
  }
  rt.settle();
  const auto m = a.my_hub->metrics();
  CHECK(a.told.messages.size() == 1500);
  CHECK(a.told.controls.size() == 1500);
  CHECK(m.received.messages == 1500);
  CHECK(m.received.controls == 1500);
  CHECK(m.gone == 1500);
  CHECK(m.peers.size() <= 128);
  CHECK(m.quarantined == 300);
  CHECK(m.connections == 0);
  CHECK(net.state->all.empty());
}

TEST_CASE("an endpoint that ends says goodbye: the others know at once") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1");
  {
    node b(rt, net, "b:1");
    CHECK(b.find("a:1")->send(tell("last")).has_value());
    rt.settle();
  }
  CHECK(a.told.messages == std::vector<std::string>{"last"});
  CHECK(a.told.life == std::vector<std::string>{"up b:1", "gone b:1"});
  CHECK(net.state->all.size() <= 1);
  // Nobody holds it: it is forgotten with the next one that is made room for.
  CHECK(a.my_hub->metrics().peers.at(0).state == peer_state::idle);
}

TEST_CASE("a peer that stops reading costs its bound, hurts nobody else, and is told once") {
  simulated_runtime rt;
  test_net slow_net(rt), net(rt);
  endpoint_options o;
  o.limits.queue_bytes = 100'000;
  node a(rt, net, "a:1", o), b(rt, net, "b:1"), c(rt, net, "c:1");
  const auto events = a.watch<peer_overloaded>();
  const auto to_b = a.find("b:1");
  const auto to_c = a.find("c:1");
  rt.settle();
  net.hold();
  const std::string text(1000, 't');
  std::size_t taken = 0;
  while (to_b->send(tell(text)).has_value() && taken < 100'000) {
    ++taken;
    if (taken % 16 == 0) rt.settle();
  }
  // Credit, what the way holds, and the queue.
  CHECK(taken * 1000 < 5'000'000 + 100'000);
  CHECK(taken > 90);
  CHECK(to_b->send(tell(text)).error() == errc::peer_overloaded);
  CHECK(events->size() == 1);
  CHECK(events->front().node == "b:1");
  CHECK(a.my_hub->metrics().peers.at(0).queued_bytes <= 100'000);
  CHECK(to_c->send(tell("free")).has_value());
  auto waits = to_b->send_wait(tell(text + " patient"));  // as large: a small one may still fit
  rt.settle();
  CHECK_FALSE(waits.is_ready());
  net.let_go();
  rt.settle();
  CHECK(waits.is_ready());
  CHECK(waits.result().has_value());
  CHECK(c.told.messages == std::vector<std::string>{"free"});
  CHECK(b.told.messages.size() == taken + 1);
  CHECK(b.told.messages.back() == text + " patient");
  CHECK(a.my_hub->metrics().peers.at(0).overloads == 1);
}
