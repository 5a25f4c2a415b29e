#include "remote/internal/send_queue.hpp"
#include "remote/session_pair.test.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <map>

using namespace session_test;

namespace {

const protection every_protection[] = {protection::none, protection::secret, protection::tls};

owned full_message() {
  owned m = tell("/user/bank", bytes_of("payload"));
  m.kind = user_kind::ask;
  m.ask = 0x1234567;
  m.limit = 5'000'000'000;
  m.trace = ~std::uint64_t{0};
  m.key = 42;
  m.priority = -3;
  m.version = 7;
  m.form = 4;
  return m;
}

rc::Gen<owned> any_message() {
  return rc::gen::exec([] {
    owned m;
    m.kind = static_cast<user_kind>(*rc::gen::inRange(0, 5));
    const auto path = [] { return "/user/" + std::to_string(*rc::gen::inRange(0, 40)); };
    m.to = path();
    m.to_uid = *rc::gen::inRange<std::uint64_t>(0, 4);
    if (*rc::gen::arbitrary<bool>()) m.from = path();
    if (m.kind != user_kind::tell) m.ask = *rc::gen::arbitrary<std::uint64_t>();
    if (*rc::gen::arbitrary<bool>()) m.limit = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000);
    if (*rc::gen::arbitrary<bool>()) m.trace = *rc::gen::arbitrary<std::uint64_t>();
    if (*rc::gen::arbitrary<bool>()) m.key = *rc::gen::arbitrary<std::uint64_t>();
    if (*rc::gen::arbitrary<bool>()) m.priority = *rc::gen::arbitrary<std::int32_t>();
    if (*rc::gen::arbitrary<bool>()) {
      m.manifest = "type." + std::to_string(*rc::gen::inRange(0, 20));
      m.version = *rc::gen::inRange(0, 1000);
      m.form = *rc::gen::inRange(1, 6);
    }
    const std::size_t size =
        *rc::gen::weightedElement<std::size_t>({{20, 10}, {6, 3000}, {1, 70'000}});
    m.payload = pattern(*rc::gen::inRange<std::size_t>(0, size), *rc::gen::inRange(0U, 9U));
    return m;
  });
}

/// What is in order for each pair of actors. (What answers asks is in no order with others.)
auto by_pair(const std::vector<owned>& all) {
  std::map<std::string, std::vector<owned>> out;
  for (const owned& m : all) {
    std::string key = m.to + "#" + std::to_string(m.to_uid) + " " + m.from;
    if (m.kind == user_kind::tell || m.kind == user_kind::ask) out[key].push_back(m);
  }
  return out;
}
std::multimap<std::uint64_t, bytes> by_ask(const std::vector<owned>& all) {
  std::multimap<std::uint64_t, bytes> out;
  for (const owned& m : all)
    if (m.kind != user_kind::tell) out.emplace(m.ask, m.payload);
  return out;
}

}  // namespace

TEST_CASE("both sides know each other after the handshake, under every protection") {
  for (const protection how : every_protection) {
    pair p(how);
    p.a.options.tags = {};
    p.run();
    REQUIRE(p.a.s.state() == session_state::open);
    REQUIRE(p.b.s.state() == session_state::open);
    CHECK(p.a.s.peer()->who.system == "bank");
    CHECK(p.a.s.peer()->who.node == "b.example:7400");
    CHECK(p.b.s.peer()->who.system == "shop");
    CHECK(p.b.s.peer()->who.incarnation == 0xa1a1a1a1U);
    CHECK(p.b.s.peer()->to == "b.example:7400");
    CHECK(p.b.s.peer()->who.identity == (how == protection::tls ? "a.example" : ""));
  }
}

TEST_CASE("tags, limits and the smaller number of streams are told") {
  session_options a = options_of(role::dialer);
  a.tags = {{"zone", "north"}, {"gpu", "2"}};
  a.streams = 8;
  a.stream = 3;
  a.limits.message_bytes = 123'456;
  session_options b = options_of(role::acceptor);
  b.streams = 4;
  pair p(a, b);
  p.run();
  CHECK(p.b.s.peer()->who.tags == a.tags);
  CHECK(p.b.s.peer()->message_bytes == 123'456);
  CHECK(p.b.s.peer()->stream == 3);
  CHECK(p.a.s.peer()->streams == 4);
  CHECK(p.b.s.peer()->streams == 4);
  CHECK(p.a.s.peer()->codecs == 0x3e);
}

TEST_CASE("every field of a message arrives, in both directions") {
  for (const protection how : every_protection) {
    pair p(how);
    p.run();
    std::vector<owned> all;
    for (int kind = 0; kind < 5; ++kind) {
      all.push_back(full_message());
      all.back().kind = static_cast<user_kind>(kind);
      if (kind == 0) all.back().ask = 0;
      all.push_back(tell("/user/x", {}, ""));
    }
    p.send(p.a, all);
    p.send(p.b, all);
    CHECK(p.b.messages == all);
    CHECK(p.a.messages == all);
    CHECK(p.a.s.sent().messages == all.size());
    CHECK(p.b.s.received().messages == all.size());
  }
}

TEST_CASE("a name is written out once, and has one serial for ever") {
  pair p;
  p.run();
  const owned m = tell("/user/a/rather/long/path/of/an/actor", bytes(8));
  p.send(p.a, {m});
  const std::size_t first = p.recorded.size();
  p.send(p.a, {m});
  CHECK(p.recorded.size() - first < 50);
  p.send(p.a, {tell("/user/other", {}), m});
  REQUIRE(p.b.serials.size() == 4);
  CHECK(p.b.serials[0] != 0);
  CHECK(p.b.serials[0] == p.b.serials[1]);
  CHECK(p.b.serials[0] != p.b.serials[2]);
  CHECK(p.b.serials[0] == p.b.serials[3]);
  pair other;
  other.run();
  other.send(other.a, {m});
  CHECK(other.b.serials[0] != p.b.serials[0]);
}

TEST_CASE("a heartbeat is answered, and its round trip measured") {
  pair p;
  p.run();
  p.a.s.heartbeat(p.a.now);
  p.a.now += std::chrono::milliseconds(3);
  p.run();
  REQUIRE(p.a.round_trip);
  CHECK(*p.a.round_trip == std::chrono::milliseconds(3));
  CHECK_FALSE(p.b.round_trip);
}

TEST_CASE("a goodbye is the last thing, and ends what is told") {
  pair p;
  p.run();
  REQUIRE(p.a.s.add(tell("/user/x", bytes(5)).view()).value());
  p.a.s.goodbye(goodbye_reason::stopping, "the node is\nstopped");
  CHECK_FALSE(p.a.s.add(tell("/user/x", bytes(5)).view()).value());
  p.run();
  CHECK(p.b.messages.size() == 1);
  REQUIRE(p.b.goodbye);
  CHECK(p.b.goodbye->first == goodbye_reason::stopping);
  CHECK(p.b.goodbye->second == "the node is?stopped");
  CHECK(p.b.s.state() == session_state::closed);
  CHECK(p.a.s.state() == session_state::open);  // it still reads
  CHECK_FALSE(p.a.s.has_output());
}

TEST_CASE("large messages go in chunks between others, and pairs of actors keep their order") {
  for (const protection how : every_protection) {
    pair p(how);
    p.run();
    const bytes big = pattern(1'500'000);
    REQUIRE(p.a.s.add(tell("/user/slow", big).view()).value());
    REQUIRE(p.a.s.add(tell("/user/slow", bytes_of("after")).view()).value());
    CHECK(p.a.s.held_bytes() > big.size());
    (void)p.b.feed(p.a.take());
    REQUIRE(p.a.s.add(tell("/user/quick", bytes_of("between")).view()).value());
    (void)p.b.feed(p.a.take());
    REQUIRE(p.b.messages.size() == 1);
    CHECK(p.b.messages[0].to == "/user/quick");
    p.run();
    REQUIRE(p.b.messages.size() == 3);
    CHECK(p.b.messages[1].payload == big);
    CHECK(p.b.messages[2].payload == bytes_of("after"));
    CHECK(p.a.s.held_bytes() == 0);
  }
}

TEST_CASE("a cancel follows its large ask, and what comes behind both is not overtaken") {
  pair p;
  p.run();
  owned ask = tell("/user/slow", pattern(100'000));
  ask.kind = user_kind::ask;
  ask.ask = 5;
  owned cancel;
  cancel.kind = user_kind::cancel;
  cancel.ask = 5;
  owned reply = cancel;
  reply.kind = user_kind::reply;
  const auto note = [](std::string_view text) { return tell("/user/slow", bytes_of(text)); };
  for (const owned& m : {ask, cancel, note("first"), reply}) REQUIRE(p.a.s.add(m.view()).value());
  (void)p.b.feed(p.a.take());  // the whole ask
  REQUIRE(p.a.s.add(note("second").view()).value());
  p.run();
  REQUIRE(p.b.messages.size() == 5);
  CHECK(p.b.messages[0].kind == user_kind::reply);  // belongs to nothing that is in order
  CHECK(p.b.messages[1] == ask);
  CHECK(p.b.messages[2] == cancel);
  CHECK(p.b.messages[3] == note("first"));
  CHECK(p.b.messages[4] == note("second"));
}

TEST_CASE("what was not wholly given out is drained, oldest first within a pair") {
  pair p;
  p.run();
  for (int i = 0; i < 3; ++i)
    REQUIRE(p.a.s.add(tell("/user/x", pattern(200'000 + static_cast<std::size_t>(i))).view()));
  (void)p.a.take();
  std::vector<owned> unsent;
  p.a.s.drain({}, 0, [&](const user_message& m) { unsent.emplace_back(m); });
  REQUIRE(unsent.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(unsent[i].payload.size() == 200'000 + i);
  CHECK(p.a.s.held_bytes() == 0);
}

TEST_CASE("a message beyond the peer's limits is refused alone") {
  session_options b = options_of(role::acceptor);
  b.limits.message_bytes = 100'000;
  pair p(options_of(role::dialer), b);
  p.run();
  CHECK(p.a.s.add(tell("/user/x", bytes(100'001)).view()).error() == errc::limit_exceeded);
  CHECK(p.a.s.add(tell(std::string(3000, 'x'), bytes(1)).view()).error() == errc::limit_exceeded);
  owned strange = tell("/user/x", bytes(1));
  strange.form = 77;
  CHECK(p.a.s.add(strange.view()).error() == errc::no_codec);
  p.send(p.a, {tell("/user/x", pattern(100'000)), tell("/user/x", bytes(3))});
  CHECK(p.b.messages.size() == 2);
  CHECK_FALSE(p.b.failed);
}

TEST_CASE("a peer that reads nothing is sent its credit and no more") {
  pair p;
  p.run();
  const owned m = tell("/user/x", pattern(1000));
  std::size_t taken = 0;
  while (p.a.s.add(m.view()).value()) {
    ++taken;
    REQUIRE(taken < 100'000);
  }
  CHECK(taken * 1000 <= p.a.s.peer()->credit_bytes);
  CHECK(taken * 1200 > p.a.s.peer()->credit_bytes);
  // Control goes on.
  REQUIRE(p.a.outbox.add(bytes_of("watch")));
  p.a.s.heartbeat(p.a.now);
  p.run();
  CHECK(p.b.records == std::vector<std::string>{"watch"});
  CHECK(p.b.messages.size() == taken);
  CHECK(p.a.s.add(m.view()).value());
}

TEST_CASE("compressible payloads are sent smaller, and the same arrives") {
  session_options a = options_of(role::dialer, protection::secret);
  a.compress = true;
  pair p(a, options_of(role::acceptor, protection::secret));
  p.run();
  std::vector<owned> all{tell("/user/x", bytes(20'000, std::byte{'a'})),
                         tell("/user/x", bytes(1'000'000, std::byte{'b'})),
                         tell("/user/x", pattern(20'000)), tell("/user/x", bytes(1023))};
  p.send(p.a, all);
  CHECK(p.b.messages == all);
  CHECK(p.recorded.size() < 30'000);
  CHECK(p.a.s.sent().compressed_from >= 20'000);
  p.b.messages.clear();
  p.send(p.b, all);
  CHECK(p.a.messages == all);  // that side was not told to compress
  CHECK(p.answered.size() > 1'000'000);
}

TEST_CASE("property: however the bytes are split, the same is delivered") {
  rc::check([] {
    const auto how = *rc::gen::element(protection::none, protection::secret);
    session_options a = options_of(role::dialer, how);
    a.compress = *rc::gen::arbitrary<bool>();
    a.compress_above = 64;
    session_options b = options_of(role::acceptor, how);
    b.limits.names = *rc::gen::inRange<std::size_t>(16, 64);
    pair p(a, b);
    std::uint32_t x = *rc::gen::arbitrary<std::uint32_t>();
    const auto most = *rc::gen::element<std::size_t>(1, 7, 100, 5000, 1'000'000);
    p.b.portion = p.a.portion = [&](std::size_t) {
      x = x * 1664525U + 1013904223U;
      return most == 1 ? 1 : 1 + (x >> 8U) % most;
    };
    p.run();
    const auto messages = *rc::gen::container<std::vector<owned>>(any_message());
    const auto back = *rc::gen::container<std::vector<owned>>(any_message());
    for (std::size_t i = 0; i < messages.size(); ++i)
      RC_ASSERT(p.a.outbox.add(bytes_of("record " + std::to_string(i))).has_value());
    p.send(p.a, messages);
    p.send(p.b, back);
    RC_ASSERT(!p.a.failed && !p.b.failed);
    RC_ASSERT(p.b.messages.size() == messages.size());
    RC_ASSERT(by_pair(p.b.messages) == by_pair(messages));
    RC_ASSERT(by_ask(p.b.messages) == by_ask(messages));
    RC_ASSERT(by_pair(p.a.messages) == by_pair(back));
    RC_ASSERT(p.b.records.size() == messages.size());
    RC_ASSERT(p.a.outbox.records() == 0U);
  });
}

TEST_CASE(
    "property: control records arrive once and in order over connections that break anywhere") {
  rc::check([] {
    control_outbox outbox(10'000);
    control_inbox inbox;
    std::vector<std::string> sent, got;
    const auto breaks = *rc::gen::inRange(1, 8);
    for (int c = 0; c <= breaks; ++c) {
      pair p(protection::secret);
      p.a.outbox = std::move(outbox);
      p.b.inbox = std::move(inbox);
      p.run();
      const auto count = *rc::gen::inRange(0, 20);
      for (int i = 0; i < count; ++i) {
        const auto size = *rc::gen::weightedElement<std::size_t>({{10, 5}, {1, 80'000}});
        sent.push_back(text_of(pattern(size, static_cast<unsigned>(sent.size()))));
        RC_ASSERT(p.a.outbox.add(bytes_of(sent.back())).has_value());
      }
      if (c < breaks) {  // some of it arrives, and perhaps the acknowledgement
        const bytes written = p.a.take();
        const auto some = *rc::gen::inRange<std::size_t>(0, written.size() + 1);
        RC_ASSERT(p.b.feed(std::span(written).first(some)).has_value());
        if (*rc::gen::arbitrary<bool>()) RC_ASSERT(p.a.feed(p.b.take()).has_value());
      } else {
        p.run();
      }
      got.insert(got.end(), p.b.records.begin(), p.b.records.end());
      outbox = std::move(p.a.outbox);
      inbox = std::move(p.b.inbox);
    }
    RC_ASSERT(got == sent);
    RC_ASSERT(outbox.records() == 0U && outbox.bytes() == 0U);
  });
}

TEST_CASE("the room follows what comes, both ways") {
  pair p;
  p.run();
  const std::size_t before = p.b.s.room().size();
  CHECK(before <= 8192);
  p.send(p.a, std::vector<owned>(300, tell("/user/x", pattern(30'000))));
  CHECK(p.b.s.room().size() > before);
  for (int i = 0; i < 1000; ++i) p.send(p.a, {tell("/user/x", bytes(1))});
  CHECK(p.b.s.room().size() <= 8192);
}

TEST_CASE("what is put into frames while others are sealed comes behind them, checks in order") {
  for (const protection how : {protection::none, protection::secret}) {
    pair p(how);
    p.run();
    frame_filler& frames = p.a.s.frames();
    CHECK(frames.fill(tell("/user/x", bytes_of("one")).view()));
    REQUIRE(p.a.s.add(tell("/user/x", bytes_of("two")).view()) == true);
    REQUIRE(p.a.outbox.add(bytes_of("record")).has_value());
    output first, second;
    p.a.s.gather(first);
    CHECK(frames.fill(tell("/user/x", bytes_of("three")).view()));
    p.a.s.seal(first);
    p.a.s.take(second);
    for (const output* out : {&first, &second})
      for (const auto* b : {&out->first, &out->ordinary, &out->large})
        REQUIRE(p.b.feed(b->view()).has_value());
    REQUIRE(p.b.messages.size() == 3);
    CHECK(text_of(p.b.messages[2].payload) == "three");
    CHECK(p.b.records == std::vector<std::string>{"record"});
    CHECK(p.a.s.sent().messages == 3);
  }
}

TEST_CASE("frames refuse what is large, what is to be compressed, and what has no credit") {
  session_options a = options_of(role::dialer), b = options_of(role::acceptor);
  a.compress = b.compress = true;
  pair p(a, b);
  frame_filler& frames = p.a.s.frames();
  CHECK_FALSE(frames.fill(tell("/user/x", bytes(1)).view()));  // nobody is there yet
  p.run();
  CHECK_FALSE(frames.fill(tell("/user/x", bytes(5000)).view()));
  CHECK_FALSE(frames.fill(tell("/user/x", bytes(a.compress_above)).view()));
  CHECK_FALSE(frames.fill(tell(std::string(name_bytes_max + 1, 'n'), bytes(1)).view()));
  CHECK(frames.fill(tell("/user/x", bytes(a.compress_above - 1)).view()));
  std::size_t taken = 0;
  while (frames.fill(tell("/user/x", bytes(1000)).view()))
    if (++taken % 100 == 0) (void)p.a.take();  // written, and read by nobody
  CHECK((taken * 1000 > b.limits.credit_bytes / 2 && taken * 1000 < b.limits.credit_bytes));
  CHECK(p.a.s.add(tell("/user/x", bytes(1000)).view()) == false);
}
