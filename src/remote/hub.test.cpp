#include "remote/hub_net.test.hpp"

using namespace hub_test;

TEST_CASE(
    "messages and control records arrive in order, both ways, and each side knows the other") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1", {.tags = {{"zone", "north"}}}), b(rt, net, "b:1");
  const auto ups = a.watch<peer_up>();
  const auto to_b = a.find("b:1");
  for (int i = 0; i < 100; ++i) {
    CHECK(to_b->send(tell("m" + std::to_string(i))).has_value());
    to_b->send_control(record("c" + std::to_string(i)));
  }
  rt.settle();
  REQUIRE(b.told.messages.size() == 100);
  REQUIRE(b.told.controls.size() == 100);
  for (int i = 0; i < 100; ++i) {
    CHECK(b.told.messages[std::size_t(i)] == "m" + std::to_string(i));
    CHECK(b.told.controls[std::size_t(i)] == "c" + std::to_string(i));
  }
  CHECK(b.told.life == std::vector<std::string>{"up a:1"});
  REQUIRE(ups->size() == 1);
  CHECK(ups->front().peer.node == "b:1");
  CHECK(ups->front().peer.incarnation == b.my_hub->incarnation());
  const auto to_a = b.find("a:1");
  REQUIRE(to_a->info() != nullptr);
  CHECK(to_a->info()->tags.at("zone") == "north");
  CHECK(to_a->send(tell("back")).has_value());
  rt.settle();
  CHECK(a.told.messages == std::vector<std::string>{"back"});
  CHECK(net.state->made == 1);
  CHECK(b.find("a:1") == to_a);
}

TEST_CASE("everything of a message arrives as it was sent") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1"), b(rt, net, "b:1");
  const std::string large(200'000, 'L');
  int seen = 0;
  b.told.then = [&](peer& from, const user_message& m) {
    CHECK(from.node() == "a:1");
    CHECK(m.kind == user_kind::ask);
    CHECK(m.to == actor_name{"/user/bank", 42});
    CHECK(m.from == actor_name{"/user/teller", 43});
    CHECK(m.ask == 99);
    CHECK(m.limit == 3s);
    CHECK(m.trace == 77);
    CHECK(m.key == 5);
    CHECK(m.priority == -2);
    CHECK(m.message.manifest == "bank.transfer");
    CHECK(m.message.version == 3);
    CHECK(m.message.form == wire::format::cbor);
    ++seen;
  };
  user_message m;
  m.kind = user_kind::ask;
  m.to = {"/user/bank", 42};
  m.from = {"/user/teller", 43};
  m.ask = 99;
  m.limit = 3s;
  m.trace = 77;
  m.key = 5;
  m.priority = -2;
  m.message = {"bank.transfer", 3, wire::format::cbor, wire::as_bytes("small")};
  const auto to_b = a.find("b:1");
  CHECK(to_b->send(m).has_value());
  m.message.payload = wire::as_bytes(large);
  CHECK(to_b->send(m).has_value());
  rt.settle();
  CHECK(seen == 2);
  REQUIRE(b.told.messages.size() == 2);
  CHECK(b.told.messages[1] == large);
}

TEST_CASE("both sides dial at once: one connection stays and nothing is lost, for any seed") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    simulated_runtime rt({.seed = seed});
    test_net net(rt, {.read_max = seed % 3 == 0 ? std::size_t{7} : std::size_t(-1)});
    node a(rt, net, "a:1"), b(rt, net, "b:1");
    const auto to_b = a.find("b:1");
    const auto to_a = b.find("a:1");
    for (int i = 0; i < 20; ++i) {
      CHECK(to_b->send(tell("x" + std::to_string(i))).has_value());
      CHECK(to_a->send(tell("y" + std::to_string(i))).has_value());
      to_a->send_control(record("c" + std::to_string(i)));
      for (std::uint64_t s = 0; s < seed % 5; ++s) rt.step();
    }
    rt.advance(2s);
    CHECK(b.told.messages.size() == 20);
    CHECK(a.told.messages.size() == 20);
    CHECK(a.told.controls.size() == 20);
    CHECK(std::ranges::is_sorted(a.told.controls, {},
                                 [](const std::string& s) { return std::stoi(s.substr(1)); }));
    CHECK(a.told.life == std::vector<std::string>{"up b:1"});
    CHECK(b.told.life == std::vector<std::string>{"up a:1"});
    CHECK(a.my_hub->metrics().connections == 1);
    CHECK(b.my_hub->metrics().connections == 1);
  }
}

TEST_CASE("a refused connection is told to who waits, to who sends, and for what waited") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1");
  const auto nobody = a.find("b:1");
  CHECK(nobody->send(tell("early")).has_value());
  auto ready = nobody->ready(3s);
  auto r = ready.result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::connection_refused);
  CHECK(r.error().text().contains("b:1"));
  rt.settle();
  CHECK(a.told.unsent ==
        std::vector<std::pair<std::string, errc>>{{"early", errc::connection_refused}});
  CHECK(nobody->send(tell("late")).error() == errc::connection_refused);
  CHECK(a.told.life.empty());
  // It comes: the next attempt finds it.
  node b(rt, net, "b:1");
  rt.advance(6s);
  CHECK(a.told.life == std::vector<std::string>{"up b:1"});
  CHECK(nobody->send(tell("at last")).has_value());
  rt.settle();
  CHECK(b.told.messages == std::vector<std::string>{"at last"});
  const auto m = a.my_hub->metrics();
  CHECK(m.failed_attempts >= 1);
  CHECK(m.peers.at(0).unsent == 1);
}

TEST_CASE("an address that is none, or this node's own, is refused at once") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1");
  CHECK(a.my_hub->find("nonsense").error() == errc::invalid_argument);
  CHECK(a.my_hub->find("a:1").error() == errc::invalid_argument);
  CHECK(a.my_hub->node() == "a:1");
}

TEST_CASE("a node that others cannot reach connects, and is answered over its own connection") {
  simulated_runtime rt;
  test_net net(rt);
  node outward(rt, net, ""), b(rt, net, "b:1");
  CHECK(outward.find("b:1")->send(tell("hello")).has_value());
  rt.settle();
  REQUIRE(b.told.by_sender.size() == 1);
  const auto back = b.find(outward.my_hub->node());
  CHECK(back->send(tell("answer")).has_value());
  rt.settle();
  CHECK(outward.told.messages == std::vector<std::string>{"answer"});
  // It is not dialled when the connection breaks; it comes by itself.
  net.break_all();
  rt.advance(3s);
  CHECK(b.told.life == std::vector<std::string>{"up " + outward.my_hub->node(),
                                                "down " + outward.my_hub->node(),
                                                "up " + outward.my_hub->node()});
}

TEST_CASE("the wrong secret, none, or one too many: each side is told what to do") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1", {.security = shared_secret{"sixteen bytes, or more"}});
  node wrong(rt, net, "w:1", {.security = shared_secret{"sixteen other bytes 1"}});
  node open(rt, net, "o:1");
  const auto events = a.watch<peer_rejected>();
  auto r1 = wrong.find("a:1")->ready(2s).result();
  REQUIRE_FALSE(r1.has_value());
  CHECK(r1.error() == errc::authentication_failed);
  CHECK(r1.error().text().contains("secret"));
  auto r2 = open.find("a:1")->ready(2s).result();
  REQUIRE_FALSE(r2.has_value());
  CHECK(r2.error() == errc::incompatible_peer);
  rt.settle();
  REQUIRE(events->size() == 2);
  CHECK(events->at(0).why == rejection::authentication);
  CHECK(events->at(1).why == rejection::authentication);
  CHECK(a.my_hub->metrics().rejected[std::size_t(rejection::authentication)] == 2);
  CHECK(a.told.messages.empty());
  CHECK(a.told.life.empty());
  node right(rt, net, "r:1", {.security = shared_secret{"sixteen bytes, or more"}});
  CHECK(right.find("a:1")->ready(2s).result().has_value());
}

TEST_CASE("who looks for another node is told which one this is") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1");
  endpoint_options o{.advertise = "b.example:1"};
  node b(rt, net, "b:1", o);
  auto r = a.find("b:1")->ready(2s).result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::incompatible_peer);
  CHECK(r.error().text().contains("b.example:1"));
  CHECK(b.my_hub->metrics().rejected[std::size_t(rejection::not_this_node)] == 1);
}

TEST_CASE("a pair of actors keeps its order over several streams") {
  simulated_runtime rt({.seed = 5});
  test_net net(rt, {.read_max = 100});
  endpoint_options o;
  o.limits.streams = 4;
  node a(rt, net, "a:1", o), b(rt, net, "b:1", o);
  const auto to_b = a.find("b:1");
  for (int i = 0; i < 50; ++i)
    for (int actor = 0; actor < 10; ++actor)
      CHECK(to_b->send(tell(std::to_string(i), "/user/" + std::to_string(actor))).has_value());
  rt.settle();
  CHECK(b.told.messages.size() == 500);
  REQUIRE(b.told.by_sender.size() == 10);
  for (const auto& [who, texts] : b.told.by_sender) {
    REQUIRE(texts.size() == 50);
    for (int i = 0; i < 50; ++i) CHECK(texts[std::size_t(i)] == std::to_string(i));
  }
  CHECK(a.my_hub->metrics().connections == 4);
  // One of them breaks: all are made anew.
  (*net.state->all.begin())->abort();
  rt.advance(1s);
  CHECK(a.my_hub->metrics().connections == 4);
  CHECK(a.told.count("up b:1") == 2);
}

TEST_CASE("of two numbers of streams the smaller counts, and a pair of actors keeps its order") {
  for (const unsigned theirs : {1U, 2U, 3U}) {
    CAPTURE(theirs);
    simulated_runtime rt({.seed = 7 + theirs});
    test_net net(rt, {.read_max = 100});
    endpoint_options more, fewer;
    more.limits.streams = 4;
    more.limits.queue_bytes = 4096;  // so that streams without a connection must wait for room
    fewer.limits.streams = theirs;
    node a(rt, net, "a:1", more), b(rt, net, "b:1", fewer);
    const auto to_b = a.find("b:1");
    const auto many = [&](const std::shared_ptr<peer>& to, int from) {
      for (int i = from; i < from + 50; ++i)
        for (int actor = 0; actor < 10; ++actor) {
          const auto text = std::to_string(i), whose = "/user/" + std::to_string(actor);
          while (!to->send(tell(text, whose)).has_value()) rt.advance(1ms);
        }
    };
    many(to_b, 0);  // before anybody has answered, and after it
    rt.settle();
    CHECK(a.my_hub->metrics().connections == theirs);
    CHECK(b.my_hub->metrics().connections == theirs);
    many(to_b, 50);
    many(b.find("a:1"), 0);
    rt.settle();
    // Anew, from the other side.
    net.break_all();
    rt.advance(2s);
    CHECK(b.find("a:1")->ready(2s).result().has_value());
    rt.advance(1s);
    many(to_b, 100);
    rt.settle();
    CHECK(a.my_hub->metrics().connections == theirs);
    CHECK(a.told.messages.size() == 500);
    CHECK(b.told.messages.size() == 1500);
    for (const auto& [who, texts] : b.told.by_sender)
      for (std::size_t i = 0; i < texts.size(); ++i) REQUIRE(texts[i] == std::to_string(i));
    CHECK(a.my_hub->metrics().peers.front().queued_messages == 0);
  }
}

TEST_CASE("a message above the limit is refused, and the others go on") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.message_bytes = 1000;
  node a(rt, net, "a:1", o), b(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  CHECK(to_b->send(tell(std::string(1001, 'x'))).error() == errc::limit_exceeded);
  CHECK(to_b->send(tell(std::string(1000, 'y'))).has_value());
  rt.settle();
  CHECK(b.told.messages.size() == 1);
}
