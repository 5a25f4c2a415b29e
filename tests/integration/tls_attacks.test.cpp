// TLS and those who do not keep to it: no attempt ends a listener, delivers a byte, or stays
// untold.

#include "support/tls_fixture.hpp"
#include <odeon/net/tcp.hpp>

#include <array>
#include <functional>

using namespace odeon;
using namespace odeon::tls_test;
using namespace odeon::transport_test;
using namespace std::chrono_literals;

namespace {

/// A listener that takes peers of ours, and tells of others.
struct server {
  runtime& rt;
  const pki& p;
  refusals told{rt};
  std::unique_ptr<tls_transport> tls;
  std::unique_ptr<transport> tcp = make_tcp_transport(rt);
  std::unique_ptr<listener> l;
  outcome<connection_ptr> good{rt};

  explicit server(runtime& r, const pki& k, tls_options more = {}) : rt(r), p(k) {
    tls_options o = k.node("server");
    o.on_refused = told.listener();
    o.handshake_timeout = more.handshake_timeout;
    o.handshakes_max = more.handshakes_max;
    tls = make_tls_transport(rt, std::move(o));
    l = std::move(*tls->listen(anywhere));
    l->accept(good.done());
  }
  /// A bare connection to it.
  connection_ptr raw() {
    outcome<connection_ptr> here(rt);
    tcp->connect(l->local_address(), {}, here.done());
    auto c = here.get();
    REQUIRE(c.has_value());
    return std::move(*c);
  }
  /// Nobody was let in so far, and one of ours still is.
  void still_works() {
    CHECK_FALSE(good.is_there());
    auto friendly = make_tls_transport(rt, p.node("b"));
    outcome<connection_ptr> here(rt);
    friendly->connect(l->local_address(), {}, here.done());
    REQUIRE(here.get().has_value());
    auto there = good.get();
    REQUIRE(there.has_value());
    CHECK((*there)->peer_identity() == "b");
  }
};

std::string bytes(std::initializer_list<int> all) {
  std::string out;
  for (const int b : all) out += static_cast<char>(b);
  return out;
}
/// The beginning of a conversation as an old client makes it: P-256, ECDSA with SHA-256, and
/// ciphers with AES.
std::string old_hello(int minor) {
  const std::string extensions = bytes({0, 10, 0, 4, 0, 2, 0, 0x17}) +
                                 bytes({0, 13, 0, 4, 0, 2, 4, 3}) + bytes({0, 11, 0, 2, 1, 0});
  std::string body = bytes({3, minor}) + std::string(32, 'r') + bytes({0}) +
                     bytes({0, 4, 0xc0, 0x2b, 0, 0x2f}) + bytes({1, 0}) +
                     bytes({0, static_cast<int>(extensions.size())}) + extensions;
  const int size = static_cast<int>(body.size());
  body = bytes({1, 0, 0, size}) + body;
  return bytes({0x16, 3, 1, 0, size + 4}) + body;
}

/// Stands between two sides and passes on what they say, changed by `alter` (towards the client).
class in_between {
 public:
  using change = std::function<std::string(std::string)>;
  in_between(runtime& rt, std::string to, change alter)
      : tcp_(make_tcp_transport(rt, {.threads = 1})),
        to_(std::move(to)),
        alter_(std::move(alter)),
        listener_(std::move(*tcp_->listen(anywhere))) {
    listener_->accept([this](auto c) {
      client_ = std::move(*c);
      tcp_->connect(to_, {}, [this](auto s) {
        server_ = std::move(*s);
        pass(*client_, *server_, up_, as_it_is_);
        pass(*server_, *client_, down_, alter_);
      });
    });
  }
  ~in_between() { tcp_.reset(); }  // and with it all that is under way
  [[nodiscard]] const std::string& address() const { return listener_->local_address(); }

 private:
  struct way {
    std::array<std::byte, 4096> room;
    std::string text;
  };
  void pass(connection& from, connection& to, way& w, const change& alter) {
    from.read(w.room, [&, this](result<std::size_t> n) {
      if (!n) return to.abort();
      if (*n == 0) return to.end_writing([](auto) {});
      w.text.assign(reinterpret_cast<const char*>(w.room.data()), *n);
      if (alter) w.text = alter(std::move(w.text));
      if (w.text.empty()) return to.end_writing([](auto) {});
      to.write(bytes_of(w.text), [&, this](result<void> r) {
        if (r) pass(from, to, w, alter);
      });
    });
  }
  std::unique_ptr<transport> tcp_;
  std::string to_;
  const change as_it_is_;
  const change alter_;
  way up_, down_;
  connection_ptr client_, server_;
  std::unique_ptr<listener> listener_;
};

}  // namespace

TEST_CASE("what is no TLS is refused as that, whatever it is") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  server s(*rt, p);
  for (const std::string& noise :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("SSH-2.0-OpenSSH_9.2\r\n"),
        std::string(500, '\0'), std::string(500, '\xff'),
        bytes({0x16, 3, 1, 0xff, 0xff}) + std::string(70'000, 'x'),
        bytes({0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff}), bytes({0x17, 3, 3, 0, 2, 'h', 'i'}),
        bytes({0x14, 3, 3, 0, 1, 1})}) {
    auto c = s.raw();
    (void)write_all(*rt, *c, noise);
    (void)end_writing(*rt, *c);
    const error why = s.told.next();
    INFO(why.to_string());
    const bool right = why == errc::protocol_violation || why == errc::unreachable;
    CHECK(right);
    CHECK(why.text().contains("127.0.0.1:"));
  }
  s.still_works();
}

TEST_CASE("older versions of TLS are refused by either side") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  server s(*rt, p);
  for (const int minor : {0, 1, 2, 3}) {  // SSL 3, TLS 1.0, 1.1, 1.2
    INFO(minor);
    auto c = s.raw();
    CHECK(write_all(*rt, *c, old_hello(minor)).has_value());
    const error why = s.told.next();
    INFO(why.to_string());
    CHECK(why == errc::incompatible_peer);
    const auto answer = read_some(*rt, *c);
    REQUIRE(answer.has_value());
    CHECK(answer->substr(0, 1) == "\x15");  // an alert
  }
  s.still_works();

  // A server that says: not this version.
  auto tcp = make_tcp_transport(*rt);
  auto l = tcp->listen(anywhere);
  auto client = make_tls_transport(*rt, p.node("a"));
  outcome<connection_ptr> there(*rt), here(*rt);
  (*l)->accept(there.done());
  client->connect((*l)->local_address(), {}, here.done());
  auto c = there.get();
  CHECK(read_some(*rt, **c).has_value());
  CHECK(write_all(*rt, **c, bytes({0x15, 3, 1, 0, 2, 2, 70})).has_value());
  const auto r = here.get();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::incompatible_peer);
  CHECK(r.error().text().contains((*l)->local_address()));
}

TEST_CASE("TLS 1.2 is spoken where it is asked for") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto o = p.node("server");
  o.allow_tls_1_2 = true;
  auto tls = make_tls_transport(*rt, o);
  auto tcp = make_tcp_transport(*rt);
  auto l = tls->listen(anywhere);
  (*l)->accept([](auto) {});
  outcome<connection_ptr> here(*rt);
  tcp->connect((*l)->local_address(), {}, here.done());
  auto c = here.get();
  CHECK(write_all(*rt, **c, old_hello(3)).has_value());
  const auto answer = read_some(*rt, **c);
  REQUIRE(answer.has_value());
  CHECK(answer->substr(0, 3) == bytes({0x16, 3, 3}));  // of a handshake, and no alert
}

TEST_CASE("a handshake that stalls holds up nobody") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  server s(*rt, p, {.handshake_timeout = 1h, .handshakes_max = 8});
  std::deque<connection_ptr> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(s.raw());
  CHECK(write_all(*rt, *silent[0], "\x16").has_value());  // one byte, and nothing more
  s.still_works();
}

TEST_CASE("a handshake that stalls ends in time") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  server s(*rt, p, {.handshake_timeout = 300ms, .handshakes_max = 8});
  std::deque<connection_ptr> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(s.raw());
  (void)write_all(*rt, *silent[0], "\x16");  // one byte, and nothing more
  for (int i = 0; i < 4; ++i) {
    const error why = s.told.next();
    CHECK(why == errc::connect_timeout);
    CHECK(why.text().contains("300 ms"));
  }
  for (auto& c : silent) {
    const auto end = read_all(*rt, *c);
    CHECK((!end.has_value() || end->size() < 100));
  }
}

TEST_CASE("a server that stalls is given up in time") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto tcp = make_tcp_transport(*rt);
  auto l = tcp->listen(anywhere);
  auto client = make_tls_transport(*rt, p.node("a"));
  outcome<connection_ptr> there(*rt), here(*rt);
  (*l)->accept(there.done());
  client->connect((*l)->local_address(), {.timeout = 200ms}, here.done());
  auto held = there.get();
  CHECK(reason(here.get()) == errc::connect_timeout);
}

TEST_CASE("a connection that is cut is no end, at whatever byte") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto tls = make_tls_transport(*rt, p.node("server"));
  auto client = make_tls_transport(*rt, p.node("client"));
  for (const std::size_t after : {0u, 1u, 5u, 100u, 3000u}) {
    INFO(after);
    auto l = tls->listen(anywhere);
    auto cutting = std::make_shared<std::atomic<bool>>(false);
    auto left = std::make_shared<std::size_t>(after);
    in_between proxy(*rt, (*l)->local_address(), [cutting, left](std::string s) {
      if (!*cutting) return s;
      s.resize(std::min(s.size(), *left));
      *left -= s.size();
      return s;
    });
    outcome<connection_ptr> there(*rt), here(*rt);
    (*l)->accept(there.done());
    client->connect(proxy.address(), {}, here.done());
    auto near = here.get(), far = there.get();
    REQUIRE(near.has_value());
    *cutting = true;
    CHECK(write_all(*rt, **far, std::string(2000, 'x')).has_value());
    CHECK(write_all(*rt, **far, std::string(2000, 'y')).has_value());
    CHECK(end_writing(*rt, **far).has_value());
    const auto got = read_all(*rt, **near);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error() == errc::io_failed);
    CHECK(got.error().text().contains("cut off"));
    CHECK(reason(read_some(*rt, **near)) == errc::io_failed);
  }
}

TEST_CASE("a byte that was changed on its way ends the connection, and is not delivered") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto tls = make_tls_transport(*rt, p.node("server"));
  auto client = make_tls_transport(*rt, p.node("client"));
  const std::vector<std::function<std::string(std::string)>> changes{
      [](std::string s) {  // a bit of a body
        s[s.size() / 2] = static_cast<char>(s[s.size() / 2] ^ 1);
        return s;
      },
      [](std::string s) {  // of a tag
        s.back() = static_cast<char>(s.back() ^ 0x80);
        return s;
      },
      [](std::string s) { return s + s; },                                // said twice
      [](std::string s) { return bytes({0x17, 3, 3, 0xff, 0xff}) + s; },  // an oversized record
      [](std::string s) { return bytes({0x15, 3, 3, 0, 2, 1, 0}) + s; },  // an end made up
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO(i);
    auto l = tls->listen(anywhere);
    auto on = std::make_shared<std::atomic<bool>>(false);
    in_between proxy(*rt, (*l)->local_address(), [on, change = changes[i]](std::string s) {
      return *on ? change(std::move(s)) : s;
    });
    outcome<connection_ptr> there(*rt), here(*rt);
    (*l)->accept(there.done());
    client->connect(proxy.address(), {}, here.done());
    auto near = here.get(), far = there.get();
    REQUIRE(near.has_value());
    *on = true;
    CHECK(write_all(*rt, **far, "a secret that must not change").has_value());
    std::string got;
    result<std::string> r;
    while ((r = read_some(*rt, **near)) && !r->empty()) got += *r;
    REQUIRE_FALSE(r.has_value());
    INFO(r.error().to_string());
    CHECK(r.error() == errc::protocol_violation);
    CHECK(got.size() <= 29);  // once at most
    CHECK((got.empty() || got == "a secret that must not change"));
    CHECK(reason(write_all(*rt, **near, "more")) != errc::cancelled);
  }
}
