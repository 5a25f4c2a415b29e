// Who a node says it is: itself under another address, the one it speaks to, or a part of somebody
// else's association. None is let in, none costs the node its peers, and each is told.

#include "remote/intruder.test.hpp"

using namespace hub_test;

namespace {

struct meeting {
  explicit meeting(endpoint_options o = {}) : a(rt, net, "a:1", std::move(o)) {
    rejected = a.watch<peer_rejected>();
    to_a = polite.find(a.my_hub->node());
    rt.settle();
    is_well();
  }
  void is_well() {
    const std::size_t before = a.told.messages.size();
    CHECK(to_a->send(tell("polite")).has_value());
    rt.settle();
    CHECK(a.told.messages.size() == before + 1);
    CHECK(a.told.count("down polite:1") == 0);
  }
  [[nodiscard]] std::uint64_t count(rejection why) const {
    return a.my_hub->metrics().rejected[std::size_t(why)];
  }

  simulated_runtime rt{{.seed = 17}};
  test_net net{rt};
  node a;
  node polite{rt, net, "polite:1"};
  std::shared_ptr<std::vector<peer_rejected>> rejected;
  std::shared_ptr<peer> to_a;
};

}  // namespace

TEST_CASE("a node that gives this node's name as its own is turned away, and is no peer") {
  meeting m;
  for (int i = 0; i < 3; ++i) {
    intruder x(m.rt, m.net, "a:1", "a:1");
    CHECK_FALSE(x.is_in());
    REQUIRE(x.refusal().has_value());
    CHECK(*x.refusal() == errc::incompatible_peer);
    CHECK(x.refusal()->text().contains("remote.advertise"));
    CHECK(x.is_closed());
  }
  CHECK(m.count(rejection::not_this_node) == 3);
  REQUIRE(m.rejected->size() == 3);
  CHECK(m.rejected->front().node == "a:1");
  CHECK(m.a.told.count("up a:1") == 0);
  for (const auto& p : m.a.my_hub->peers()) CHECK(p->node() != "a:1");
  m.is_well();
}

TEST_CASE("a node that reaches itself by another address is told so, at the pace of its backoff") {
  endpoint_options o;
  o.advertise = "public:7";
  simulated_runtime rt{{.seed = 17}};
  test_net net{rt};
  node a(rt, net, "a:1", o);
  const auto rejected = a.watch<peer_rejected>();
  const auto self = a.find("a:1");  // what it listens on
  auto ready = self->ready(20s);
  CHECK(self->send(tell("to myself")).has_value());
  rt.advance(21s);
  REQUIRE(ready.is_ready());
  const auto said = ready.result();
  REQUIRE_FALSE(said.has_value());
  CHECK_MESSAGE(said.error().text().contains("itself"), said.error().to_string());
  CHECK(a.told.messages.empty());
  CHECK(a.told.life.empty());
  CHECK(a.my_hub->metrics().connections == 0);
  CHECK(a.my_hub->metrics().handshakes == 0);
  CHECK(a.my_hub->metrics().attempts < 30);
  CHECK_FALSE(rejected->empty());
  CHECK_FALSE(a.told.unsent.empty());
}

TEST_CASE("a further stream of an association that is not its own, or not there, is refused") {
  endpoint_options o;
  o.limits.streams = 4;
  meeting m(o);
  const std::uint64_t theirs = m.polite.my_hub->incarnation();
  for (const auto& [name, who] : {std::pair<std::string, std::uint64_t>{"x:1", 0xbad},
                                  {"polite:1", 0xbad},
                                  {"polite:1", theirs}}) {
    intruder x(m.rt, m.net, "a:1", name, who, 1);
    CHECK_FALSE(x.is_in());
    REQUIRE(x.refusal().has_value());
    CHECK(*x.refusal() == errc::stale);
    m.is_well();
  }
}

TEST_CASE("a hello on an open connection costs that connection, and is counted") {
  meeting m;
  intruder x(m.rt, m.net, "a:1", "x:1");
  REQUIRE(x.is_in());
  handshake again(session_test::options_of(role::dialer));
  x.raw(again.out().to_bytes());
  m.rt.settle();
  CHECK(x.is_closed());
  CHECK(m.count(rejection::violation) == 1);
  m.is_well();
}

TEST_CASE("names of every length and letter that a hello may have are kept apart, and told whole") {
  meeting m;
  std::string wide;
  while (wide.size() + 4 <= 1024) wide += "\xf0\x9f\xa6\x86";
  const std::vector<std::string> names = {
      wide, "odeon://sys@y:1/user", "/", "x:1/../polite:1", "polite:1 ", "POLITE:1"};
  std::vector<std::unique_ptr<intruder>> all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    all.push_back(std::make_unique<intruder>(m.rt, m.net, "a:1", names[i], 100 + i));
    CHECK_MESSAGE(all.back()->is_in(), names[i]);
    CHECK(m.a.told.count("up " + names[i]) == 1);
  }
  m.is_well();
  const std::uint64_t attempts = m.a.my_hub->metrics().attempts;
  all.clear();
  m.rt.advance(5min);  // longer than anything here is kept
  CHECK(m.a.my_hub->metrics().connections == 1);
  // A name that is no address is dialled at the pace of the backoff, or not at all.
  CHECK(m.a.my_hub->metrics().attempts - attempts < 6 * 100);
  m.is_well();
}
