#include "remote/hub_net.test.hpp"
#include "remote/internal/send_queue.hpp"
#include "remote/session_pair.test.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <numeric>

// What was taken and never handed to a connection is told, each message once, and nothing else.

using namespace hub_test;

namespace {

namespace st = session_test;
using st::owned;
using st::pattern;

/// Receivers beyond what the least table of names holds, so that slots are used again.
owned numbered(int i, std::size_t size) {
  owned m = st::tell("/user/" + std::to_string(i * 7 % 40), pattern(size, unsigned(i)));
  m.to_uid = 1;
  m.key = std::uint64_t(i) + 1;
  return m;
}

/// All that one `take` gives.
wire::bytes all_of(const output& out) {
  wire::bytes all;
  std::array<const_bytes, 3> pieces;
  const std::size_t used = out.pieces(pieces);
  for (std::size_t i = 0; i < used; ++i) all.insert(all.end(), pieces[i].begin(), pieces[i].end());
  return all;
}

std::vector<std::uint64_t> keys(const std::vector<owned>& all) {
  std::vector<std::uint64_t> out;
  for (const owned& m : all) out.push_back(m.key);
  return out;
}

/// A session that writes `batches`, of which the last is cut after `cut` of a thousandth of its
/// bytes, and then `behind` messages into frames that are never given out.
void cut_a_connection(protection how, bool compress) {
  session_options a = st::options_of(role::dialer, how), b = st::options_of(role::acceptor, how);
  a.compress = b.compress = compress;
  a.compress_above = 200;
  a.limits.names = b.limits.names = names_least;
  st::pair p(a, b);
  p.run();
  std::vector<owned> sent;
  output out;
  const auto add = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::size_t size = *rc::gen::weightedElement<std::size_t>({{20, 16}, {6, 900}, {1, 0}});
      sent.push_back(numbered(int(sent.size()), size));
      RC_ASSERT(p.a.s.add(sent.back().view()).value());
    }
  };
  const int batches = *rc::gen::inRange(1, 5);
  for (int i = 0; i < batches; ++i) {
    if (i != 0) {
      (void)p.b.feed(all_of(out));
      out.clear();
      p.a.s.written();
    }
    add(*rc::gen::inRange(1, 120));
    if (i + 1 == batches && *rc::gen::arbitrary<bool>()) {
      sent.push_back(numbered(int(sent.size()), 70'000));  // in chunks
      RC_ASSERT(p.a.s.add(sent.back().view()).value());
    }
    p.a.s.take(out);
  }
  add(*rc::gen::inRange(0, 60));
  const wire::bytes last = all_of(out);
  const auto cut = *rc::gen::inRange<std::size_t>(0, last.size() + 1);
  (void)p.b.feed(std::span(last).first(cut));
  std::vector<owned> unsent;
  p.a.s.drain(out, cut, [&](const user_message& m) { unsent.emplace_back(m); });
  RC_ASSERT(p.b.messages.size() + unsent.size() == sent.size());
  std::vector<owned> both = p.b.messages;
  both.insert(both.end(), unsent.begin(), unsent.end());
  std::ranges::sort(both, {}, &owned::key);
  RC_ASSERT(both == sent);
  // Small ones are in the order in which they were sent.
  std::erase_if(unsent, [](const owned& m) { return m.payload.size() > small_bytes_max; });
  RC_ASSERT(std::ranges::is_sorted(keys(unsent)));
}

/// An outward node, whose peer cannot call it back.
struct visit {
  explicit visit(simulated_runtime& rt, test_net& net)
      : a(rt, net, "", quick()),
        b(rt, net, "b:1") {}
  static endpoint_options quick() {
    endpoint_options o;
    o.limits.idle_after = 30s;
    return o;
  }
  node a, b;
};

}  // namespace

TEST_CASE(
    "a connection that is cut at any byte: each message has arrived or is unsent, never both") {
  CHECK(rc::check([] {
    const bool secret = *rc::gen::arbitrary<bool>();
    cut_a_connection(secret ? protection::secret : protection::none, *rc::gen::arbitrary<bool>());
  }));
}

TEST_CASE("messages that are put back go first, in order, and count again") {
  send_queue q;
  std::vector<held_message> back;
  for (const auto text : {"one", "two"}) back.emplace_back(tell(text));
  for (const auto text : {"popped", "three", "four"})
    CHECK(q.push(tell(text), 100'000) != pushed::full);
  user_message m;
  REQUIRE(q.front(m));
  q.pop();
  q.put_back(back);
  CHECK(q.messages() == 4);
  std::vector<std::string> seen;
  for (; q.front(m); q.pop()) seen.emplace_back(wire::as_text(m.message.payload));
  CHECK(seen == std::vector<std::string>{"one", "two", "three", "four"});
  CHECK(q.bytes() == 0);
  q.put_back(back);  // also when nothing waits
  REQUIRE(q.front(m));
  CHECK(wire::as_text(m.message.payload) == "one");
}

TEST_CASE(
    "a link that breaks: what its connection was not given is unsent, and nothing arrives twice") {
  simulated_runtime rt;
  test_net net(rt, {.capacity = 8'192});
  node a(rt, net, "a:1"), b(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  rt.settle();
  net.hold();
  // Some are on their way, some in the write that waits, some in frames, some in the queue.
  constexpr int all = 3'000;
  for (int i = 0; i < all; ++i) {
    REQUIRE(to_b->send(tell("m" + std::to_string(i) + std::string(100, '.'))).has_value());
    if (i % 100 == 0) rt.settle();
  }
  net.break_all();
  net.state->held = false;
  rt.advance(10s);
  const auto number = [](const std::string& s) { return std::stoi(s.substr(1)); };
  std::vector<int> unsent;
  for (const auto& [text, why] : a.told.unsent) {
    unsent.push_back(number(text));
    CHECK(why != errc::internal);
  }
  REQUIRE_FALSE(unsent.empty());
  CHECK(std::ranges::is_sorted(unsent));
  CHECK(a.my_hub->metrics().peers.at(0).unsent == unsent.size());
  std::vector<int> seen;
  for (const auto& text : b.told.messages) seen.push_back(number(text));
  CHECK(std::ranges::is_sorted(seen));
  // What the connection had been given and nobody has read is lost, and is no more than it holds;
  // everything else is at one side, and nothing at both.
  std::vector<int> known = unsent;
  known.insert(known.end(), seen.begin(), seen.end());
  std::ranges::sort(known);
  CHECK(std::ranges::adjacent_find(known) == known.end());
  CHECK(known.back() == all - 1);
  CHECK(known.size() + 300 > std::size_t{all});
}

TEST_CASE("a connection from which an answer is awaited is not idle") {
  simulated_runtime rt;
  test_net net(rt);
  visit v(rt, net);
  v.a.told.awaited = [] { return true; };
  (void)v.a.find("b:1")->send(tell("question"));
  rt.advance(5min);
  CHECK(v.a.my_hub->metrics().connections == 1);
  v.a.told.awaited = nullptr;
  rt.advance(5min);
  CHECK(v.a.my_hub->metrics().connections == 0);
}

TEST_CASE("an answer that is awaited when an idle connection has ended comes by another one") {
  simulated_runtime rt;
  test_net net(rt);
  visit v(rt, net);
  // The first look finds nobody who waits; an ask has slipped in when it looks again.
  int looks = 0;
  v.a.told.awaited = [&] { return looks++ > 0; };
  CHECK(v.a.find("b:1")->send(tell("question")).has_value());
  rt.advance(45s);
  CHECK(v.b.told.messages == std::vector<std::string>{"question"});
  CHECK(net.state->made == 2);
  CHECK(v.a.my_hub->metrics().connections == 1);
  const auto asker = v.b.my_hub->peers();
  REQUIRE(asker.size() == 1);
  CHECK(asker[0]->send(tell("answer")).has_value());
  rt.settle();
  CHECK(v.a.told.messages == std::vector<std::string>{"answer"});
  CHECK(v.a.told.count("down b:1") == 0);
}

TEST_CASE("what is sent while an idle goodbye is on its way arrives once and in order, any seed") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    simulated_runtime rt({.seed = seed});
    // Where reads are small, much of it is on its way when the goodbye has been read.
    test_net net(rt, {.read_max = seed % 2 == 0 ? std::size_t{16} : std::size_t(-1)});
    endpoint_options o;
    o.limits.idle_after = 30s;
    node a(rt, net, "a:1", o), b(rt, net, "b:1");
    a.find("b:1")->send_control(record("hello"));
    rt.settle();
    const auto to_a = b.find("a:1");
    const auto later = rt.make_serial("later");
    std::uint64_t hops = rt.random_u64() % 24;
    int sent = 0;
    const std::function<void()> send_some = [&] {
      if (hops-- > 0) return later->post([&] { send_some(); });
      for (; sent < 5; ++sent) CHECK(to_a->send(tell("m" + std::to_string(sent))).has_value());
    };
    bool looked = false;
    a.told.awaited = [&] {
      if (!std::exchange(looked, true)) send_some();
      return false;
    };
    rt.advance(60s);
    CHECK(sent == 5);
    CHECK(a.told.messages == std::vector<std::string>{"m0", "m1", "m2", "m3", "m4"});
    CHECK(b.told.unsent.empty());
    CHECK(b.told.count("down a:1") == 0);
  }
}
