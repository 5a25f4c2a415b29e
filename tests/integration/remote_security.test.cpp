// Endpoints over every transport that carries them between processes, on real
// sockets; and who is turned away there, by whom, with which words.

#include "support/tls_fixture.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/signals.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/remote/events.hpp>

#include <atomic>
#include <memory>
#include <string>

using namespace odeon;
using namespace odeon::remote;
using namespace std::chrono_literals;

namespace remote_security_test {

struct text {
  using reply = std::string;
  std::string body;
};
struct note {
  int n = 0;
};
struct noted {
  using reply = int;
};
class server : public actor<text, note, noted> {
 public:
  std::string on(text m) { return m.body + m.body; }
  void on(note m) { sum_ += m.n; }
  int on(noted) { return sum_; }

 private:
  int sum_ = 0;
};
struct look {
  any_ref at;
};
class onlooker : public actor<look> {
 public:
  explicit onlooker(std::shared_ptr<std::atomic<int>> ended) : ended_(std::move(ended)) {}
  void on(look m) { ctx().watch(m.at); }
  void on(terminated) { ended_->fetch_add(1); }

 private:
  std::shared_ptr<std::atomic<int>> ended_;
};

bool soon(runtime& rt, const std::function<bool()>& holds) {
  const auto end = rt.now(clock_domain::housekeeping) + 60s;
  const std::atomic<std::uint32_t> never{0};
  while (!holds()) {
    if (rt.now(clock_domain::housekeeping) > end) return false;
    rt.wait(never, 0, rt.now(clock_domain::housekeeping) + 2ms);
  }
  return true;
}

endpoint_options with(const std::string& listen, security how) {
  endpoint_options o;
  o.listen = listen;
  o.security = std::move(how);
  o.limits.connect = o.limits.handshake = 30s;  // for a machine that is busy
  o.limits.silent_after = 30s;
  return o;
}
security of(const tls_options& t) {
  return mtls{.certificate = t.certificate, .key = t.key, .authority = t.trusted};
}

struct host {
  explicit host(const endpoint_options& o, const std::string& name = "app", runtime* rt = nullptr)
      : system(name, {.workers = 1, .runtime = rt}),
        net(system, o) {
    net.expose<server>();
    system.spawn<server>({.name = "s"});
    watching = system.events().on<peer_rejected>([t = told](const peer_rejected& e) {
      t->count.fetch_add(1);
      if (!e.address.empty() && !e.reason.text().empty()) t->in_words.fetch_add(1);
    });
  }
  [[nodiscard]] std::uint64_t rejected(rejection why) const {
    return net.metrics().rejected[std::size_t(why)];
  }
  struct counts {
    std::atomic<int> count{0}, in_words{0};
  };
  std::shared_ptr<counts> told = std::make_shared<counts>();
  actor_system system;
  endpoint net;
  subscription watching;
};

/// Tell, ask, watch, a connection that is let go of and comes back, and the
/// other's end.
void works(const endpoint_options& at_a, const endpoint_options& at_b) {
  host a(at_a);
  auto b = std::make_unique<host>(at_b);
  runtime& rt = a.system.get_runtime();
  const auto far = a.net.lookup<server>(b->net.node(), "s").within(60s).result();
  REQUIRE_MESSAGE(far.has_value(), far.error().to_string());
  CHECK(far->ask<text>("ho").within(60s).get() == "hoho");
  const std::string large(300'000, 'x');
  CHECK(far->ask<text>(large).within(60s).get().size() == 2 * large.size());
  for (int i = 1; i <= 100; ++i) far->tell<note>(i);
  CHECK(far->ask<noted>().within(60s).get() == 5050);
  auto ended = std::make_shared<std::atomic<int>>(0);
  a.system.spawn<onlooker>(ended).tell<look>(*far);
  REQUIRE(a.net.drop(b->net.node()).has_value());
  int sum = 0;
  CHECK(soon(rt, [&] {
    if (const auto r = far->ask<noted>().within(30s).result()) sum = *r;
    return sum != 0;
  }));
  CHECK(sum == 5050);
  CHECK(ended->load() == 0);
  // It is reached by the other side, too.
  const auto back = b->net.lookup<server>(a.net.node(), "s").within(60s).result();
  REQUIRE_MESSAGE(back.has_value(), back.error().to_string());
  CHECK(back->ask<text>("hi").within(60s).get() == "hihi");
  b.reset();
  CHECK(soon(rt, [&] { return ended->load() == 1; }));
  CHECK_FALSE(far->ask<noted>().within(60s).result().has_value());
}

/// What `client` gets from `good`, which goes on for others and delivers
/// nothing of it.
error refused(host& good, const endpoint_options& client, runtime* rt = nullptr) {
  const std::uint64_t messages = good.net.metrics().received.messages;
  const std::string node = good.net.node();
  error why(errc::cancelled);
  {
    host bad(client, "app", rt);
    auto r = bad.net.lookup<server>(node, "s").within(60s).result();
    REQUIRE_FALSE(r.has_value());
    why = r.error();
  }
  CAPTURE(why.to_string());
  CHECK(why.text().contains(node));
  CHECK(good.net.metrics().received.messages == messages);
  return why;
}

const char* const anywhere = "tcp://127.0.0.1:0";

}  // namespace remote_security_test

using namespace remote_security_test;

TEST_CASE(
    "endpoints work over TCP, TLS, Unix sockets and WebSockets, with "
    "every protection") {
  const auto rt = make_threaded_runtime();
  const tls_test::pki p(*rt);
  const security secret = shared_secret{"a secret that both of them know"};
  SUBCASE("TCP with a secret") { works(with(anywhere, secret), with(anywhere, secret)); }
  SUBCASE("TLS") {
    works(with(anywhere, of(p.node("app"))), with(anywhere, of(p.node("127.0.0.1"))));
  }
  SUBCASE("ws with a secret") {
    works(with("ws://127.0.0.1:0/nodes", secret), with("ws://127.0.0.1:0/nodes", secret));
  }
  SUBCASE("wss") {
    works(with("wss://127.0.0.1:0/nodes", of(p.node("app"))),
          with("wss://127.0.0.1:0/nodes", of(p.node("app"))));
  }
  SUBCASE("Unix sockets") {
    const tls_test::folder f;
    works(with("unix://" + (f / "a.sock"), plain{}), with("unix://" + (f / "b.sock"), plain{}));
  }
  SUBCASE("Unix sockets with a secret") {
    const tls_test::folder f;
    works(with("unix://" + (f / "a.sock"), secret), with("unix://" + (f / "b.sock"), secret));
  }
}

TEST_CASE(
    "certificates that are none of ours are refused, each with its "
    "error, and others go on") {
  const auto rt = make_threaded_runtime();
  const tls_test::pki ours(*rt), theirs(*rt);
  for (const char* const listen : {"tcp://127.0.0.1:0", "wss://127.0.0.1:0/nodes"}) {
    CAPTURE(listen);
    host good(with(listen, of(ours.lasting("app"))));
    tls_options stranger = theirs.node("app");
    stranger.trusted = ours.ca.certificate;
    CHECK(refused(good, with(listen, of(stranger))) == errc::bad_certificate);
    CHECK(refused(good, with(listen, of(theirs.node("app")))) == errc::bad_certificate);
    CHECK(refused(good, with(listen, of(ours.early("app")))) == errc::bad_certificate);
    {  // Its clock stands where its certificate was good, and the server's is as
      // well.
      tls_test::clock_elsewhere past(*rt, -std::chrono::days(60));
      CHECK(refused(good, with(listen, of(ours.expired("app"))), &past) ==
            errc::expired_certificate);
    }
    CHECK(soon(good.system.get_runtime(),
               [&] { return good.rejected(rejection::certificate) >= 4; }));
    // Signed by the right authority, for another node.
    const error other = refused(good, with(listen, of(ours.node("elsewhere"))));
    CHECK(other == errc::authentication_failed);
    CHECK(other.text().contains("'elsewhere'"));
    CHECK(other.text().contains("odeon cert node"));
    host friendly(with(listen, of(ours.node("app"))));
    CHECK(friendly.net.lookup<server>(good.net.node(), "s").within(60s).result().has_value());
    CHECK(soon(good.system.get_runtime(), [&] {
      return good.told->count.load() >= 4 && good.told->in_words.load() == good.told->count.load();
    }));
  }
  CHECK_THROWS_AS(host(with(anywhere, of(ours.expired("app")))), actor_error);
}

TEST_CASE(
    "a side without TLS, and one with another secret or none, get their "
    "own errors") {
  const auto rt = make_threaded_runtime();
  const tls_test::pki p(*rt);
  const security secret = shared_secret{"a secret that both of them know"};
  {
    host good(with(anywhere, of(p.node("app"))));
    const error why = refused(good, with(anywhere, secret));
    // The server ends what is no TLS; which of the two is seen first is the
    // network's affair.
    CHECK((why == errc::protocol_violation || why == errc::unreachable || why == errc::io_failed));
    CHECK(soon(good.system.get_runtime(),
               [&] { return good.rejected(rejection::certificate) >= 1; }));
  }
  host good(with(anywhere, secret));
  const error less = refused(good, with(anywhere, plain{}));
  CHECK(less == errc::incompatible_peer);
  CHECK(less.text().contains("a shared secret"));
  CHECK(refused(good, with(anywhere, shared_secret{"another secret, as long as it"})) ==
        errc::authentication_failed);
  CHECK(refused(good, with(anywhere, of(p.node("app")))) == errc::protocol_violation);
  CHECK(soon(good.system.get_runtime(), [&] {
    return good.rejected(rejection::authentication) >= 2 &&
           good.rejected(rejection::violation) + good.rejected(rejection::incompatible) >= 1;
  }));
}
