// Streams over real sockets: what goes through, what holds it up, and how it breaks.

#include <odeon/core/actor_system.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/framing.hpp>
#include <odeon/stream/queue.hpp>
#include <odeon/stream/tcp.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <ranges>

using namespace odeon;
using namespace odeon::stream;

namespace {

using lines = std::vector<std::string>;

struct machine {
  actor_system system{"tcp"};
  std::unique_ptr<transport> net = make_tcp_transport(system.get_runtime());

  /// What each connection is given to.
  template <class F>
  tcp::binding listen(F serve, tcp::options o = {}) {
    auto [b, done] =
        (tcp::incoming(*net, "127.0.0.1:0", o) | to(sink::foreach (std::move(serve)))).run(system);
    return b;
  }
  template <class F>
  tcp::binding serve(F flow) {
    return listen([this, flow](tcp::connection c) { (void)c.join(flow).run(system); });
  }
  template <class S>
  result<lines> ask(S source, const tcp::binding& b) {
    return (std::move(source) | tcp::outgoing(*net, b.address()) | framing::lines() |
            to(sink::collect()))
        .run(system)
        .result();
  }
};

/// A gate that a test opens when it has seen what it waits for.
struct latch {
  explicit latch(runtime& r) : rt(r) {}
  runtime& rt;
  std::atomic<std::uint32_t> word{0};
  void open() {
    word.store(1);
    rt.wake(word);
  }
  [[nodiscard]] bool wait() {
    const auto limit = rt.now(clock_domain::housekeeping) + std::chrono::seconds(30);
    while (word.load() == 0)
      if (!rt.wait(word, 0, limit)) return false;
    return true;
  }
};

auto upper() {
  return framing::lines() | map([](std::string s) {
           for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
           return s + "\n";
         });
}

}  // namespace

TEST_CASE("a hundred thousand lines go to a server of lines and come back in order") {
  machine m;
  const auto b = m.serve(upper());
  const auto out = m.ask(source::from(std::views::iota(0, 100'000)) |
                             map([](int i) { return "line " + std::to_string(i) + "\n"; }),
                         b);
  REQUIRE(out.has_value());
  REQUIRE(out->size() == 100'000);
  for (std::size_t i = 0; i < out->size(); ++i) REQUIRE((*out)[i] == "LINE " + std::to_string(i));
}

TEST_CASE("many connections at once are served each by itself") {
  machine m;
  const auto b = m.serve(upper());
  std::vector<future<lines>> all;
  for (int i = 0; i < 50; ++i)
    all.push_back((source::from(lines(100, "c" + std::to_string(i) + "\n")) |
                   tcp::outgoing(*m.net, b.address()) | framing::lines() | to(sink::collect()))
                      .run(m.system));
  for (int i = 0; i < 50; ++i)
    CHECK(all[std::size_t(i)].get() == lines(100, "C" + std::to_string(i)));
}

TEST_CASE("a peer that does not read stalls the sending stream, whose memory stays bounded") {
  machine m;
  constexpr std::size_t piece = 64 * 1024;
  std::atomic<std::size_t> given{0};
  latch broken_off(m.system.get_runtime());
  const auto b = m.listen([&](tcp::connection c) {
    (source::repeat(0) | take(100'000) | map([&](int) {
       given += piece;
       return std::string(piece, 'x');
     }) |
     to(c.sink()))
        .run(m.system)
        .then([&](const result<std::uint64_t>& r) {
          CHECK_FALSE(r.has_value());  // it is broken off below
          broken_off.open();
        });
  });
  auto in = (source::never<std::string>() | tcp::outgoing(*m.net, b.address()) | to(sink::queue(1)))
                .run(m.system);
  // As long as 64 MiB are read, what was made is ahead of them by the buffers of two streams and
  // two sockets, which Linux lets grow to 4 and 6 MiB.
  std::size_t got = 0, ahead = 0;
  while (got < 64 * 1024 * 1024) {
    const auto p = in.pull().get();
    REQUIRE(p.has_value());
    got += p->size();
    ahead = std::max(ahead, given.load() - std::min(given.load(), got));
  }
  CHECK(ahead <= 24 * 1024 * 1024);
  CHECK(given.load() < 100'000 * piece);
  in.cancel();
  CHECK(broken_off.wait());
}

TEST_CASE("a reset, a refused connection and a port in use fail their streams with reasons") {
  machine m;
  const auto reset = m.listen([&](const tcp::connection&) {});  // lets each go at once
  const auto broken = m.ask(source::repeat(std::string("x\n")), reset);
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error() == errc::io_failed);

  const std::string address = reset.address();
  auto [second, in_use] = (tcp::incoming(*m.net, address) | to(sink::ignore())).run(m.system);
  const auto no = in_use.result();
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::address_in_use);
  CHECK(no.error().text().contains("in use"));

  const auto refused = (source::single(std::string("x")) | tcp::outgoing(*m.net, "127.0.0.1:1") |
                        to(sink::collect()))
                           .run(m.system)
                           .result();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::connection_refused);
}

TEST_CASE("a handler that fails breaks its own connection alone") {
  machine m;
  const auto b = m.serve(framing::lines() | map([](std::string s) {
                           if (s == "bad") throw std::runtime_error("cannot serve this");
                           return s + "\n";
                         }));
  auto [in, good] = (source::queue<std::string>(4) | tcp::outgoing(*m.net, b.address()) |
                     framing::lines() | to(sink::collect()))
                        .run(m.system);
  (void)in.offer("one\n").get();
  const auto bad = m.ask(source::single(std::string("bad\n")), b);
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error() == errc::io_failed);
  (void)in.offer("two\n").get();
  in.complete();
  CHECK(good.result() == lines{"one", "two"});
}

TEST_CASE("half a connection ends, and the answer comes through the other half") {
  machine m;
  const auto b =
      m.serve(fold(std::size_t(0), [](std::size_t n, std::string s) { return n + s.size(); }) |
              map([](std::size_t n) { return std::to_string(n) + "\n"; }));
  CHECK(m.ask(source::repeat(std::string(100'000, 'x')) | take(300), b) == lines{"30000000"});
}

TEST_CASE("the end of an actor system with connections at work is quick and clean") {
  auto m = std::make_unique<machine>();
  const auto b = m->serve(upper());
  std::vector<std::unique_ptr<latch>> at_work;
  for (int i = 0; i < 4; ++i) {
    latch& l = *at_work.emplace_back(std::make_unique<latch>(m->system.get_runtime()));
    (void)(source::repeat(std::string("endless\n")) | tcp::outgoing(*m->net, b.address()) |
           to(sink::foreach ([&l](const std::string&) { l.open(); })))
        .run(m->system);
  }
  for (auto& l : at_work) CHECK(l->wait());
  m.reset();
}
