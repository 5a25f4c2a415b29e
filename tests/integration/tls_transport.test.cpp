// TLS: the laws of all transports, who may connect to whom, and what each is told.

#include "support/tls_fixture.hpp"
#include "support/transport_kit.hpp"

using namespace odeon;
using namespace odeon::tls_test;
using namespace odeon::transport_test;
using namespace std::chrono_literals;

TEST_CASE("TLS keeps the laws of transports, on one thread and on several") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  for (unsigned threads : {1u, 2u})
    keeps_the_laws({.rt = *rt,
                    .make =
                        [&] {
                          tls_options o = p.node("a");
                          o.threads = threads;
                          return make_tls_transport(*rt, std::move(o));
                        },
                    .place = [] { return anywhere; },
                    .ahead_max = 24L * 1024 * 1024,
                    .writes_at_once = true,
                    .crowd = 40});
}

TEST_CASE("both sides know each other's name") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto a = make_tls_transport(*rt, p.node("a")), b = make_tls_transport(*rt, p.node("b"));
  auto l = a->listen(anywhere);
  REQUIRE(l.has_value());
  auto e = meet(*rt, *b, **l);
  REQUIRE(e.near.has_value());
  REQUIRE(e.far.has_value());
  CHECK((*e.near)->peer_identity() == "a");
  CHECK((*e.far)->peer_identity() == "b");
  CHECK(write_all(*rt, **e.near, "hello").has_value());
  CHECK(read_some(*rt, **e.far) == "hello");
}

TEST_CASE(
    "who is not trusted, expired, not valid yet or for another host is refused, and told why") {
  auto rt = make_threaded_runtime();
  const pki ours(*rt), theirs(*rt);
  refusals told(*rt);
  auto good = ours.node("server");
  good.on_refused = told.listener();
  auto server = make_tls_transport(*rt, good);
  auto l = server->listen(anywhere);
  REQUIRE(l.has_value());
  const std::string address = (*l)->local_address();
  outcome<connection_ptr> first_good(*rt);
  (*l)->accept(first_good.done());

  struct attempt {
    const char* what;
    tls_options client;
    errc here, there;
    const char* sentence;
  };
  tls_options stranger = theirs.node("stranger");
  stranger.trusted = ours.ca.certificate;
  tls_options nobody = ours.node("n");
  nobody.certificate = nobody.key = "";
  const std::vector<attempt> all{
      {"another authority", stranger, errc::bad_certificate, errc::bad_certificate, "signed"},
      {"no certificate", nobody, errc::bad_certificate, errc::bad_certificate,
       "refuses this side's certificate"},
      {"not valid yet", ours.early("early"), errc::bad_certificate, errc::expired_certificate,
       "refuses"},
      {"a server that this side does not trust", theirs.node("n"), errc::bad_certificate,
       errc::bad_certificate, "is not trusted"}};
  for (const attempt& a : all) {
    INFO(a.what);
    auto client = make_tls_transport(*rt, a.client);
    outcome<connection_ptr> here(*rt);
    client->connect(address, {}, here.done());
    const auto r = here.get();
    REQUIRE_FALSE(r.has_value());
    INFO(r.error().text());
    CHECK(r.error() == a.here);
    CHECK(r.error().text().contains(address));
    CHECK(r.error().text().contains(a.sentence));
    const auto there = told.next();
    INFO(there.text());
    CHECK(there == a.there);
  }
  // The listener goes on.
  auto friendly = make_tls_transport(*rt, ours.node("b"));
  outcome<connection_ptr> here(*rt);
  friendly->connect(address, {}, here.done());
  CHECK(here.get().has_value());
  CHECK((*first_good.get())->peer_identity() == "b");
}

TEST_CASE("an expired certificate is refused by the other side, and by its own") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  CHECK_THROWS_AS((void)make_tls_transport(*rt, p.expired("old")), actor_error);
  // The clock of this one stands where its certificate was good.
  clock_elsewhere past(*rt, -std::chrono::days(60));
  refusals told(*rt);
  auto o = p.lasting("server");
  o.on_refused = told.listener();
  auto server = make_tls_transport(*rt, o);
  auto l = server->listen(anywhere);
  (*l)->accept([](auto) {});
  auto client = make_tls_transport(past, p.expired("old"));
  outcome<connection_ptr> here(*rt);
  client->connect((*l)->local_address(), {}, here.done());
  CHECK(reason(here.get()) == errc::expired_certificate);
  const auto why = told.next();
  CHECK(why == errc::expired_certificate);
  CHECK(why.text().contains("renew it"));

  auto old = make_tls_transport(past, p.expired("old"));
  auto ll = old->listen(anywhere);
  outcome<connection_ptr> other(*rt);
  (*ll)->accept([](auto) {});
  auto young = make_tls_transport(*rt, p.node("b"));
  young->connect((*ll)->local_address(), {}, other.done());
  const auto r = other.get();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::expired_certificate);
  CHECK(r.error().text().contains("renew it there"));
}

TEST_CASE("a server for another host is refused, unless that is not looked at") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto server = make_tls_transport(*rt, p.node("server", {"elsewhere.example.org"}));
  auto l = server->listen(anywhere);
  auto strict = make_tls_transport(*rt, p.node("a"));
  outcome<connection_ptr> no(*rt);
  (*l)->accept([](auto) {});
  strict->connect((*l)->local_address(), {}, no.done());
  const auto r = no.get();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::bad_certificate);
  CHECK(r.error().text().contains("elsewhere.example.org"));
  CHECK(r.error().text().contains("is for other hosts"));
  (*l)->close();

  auto again = server->listen(anywhere);
  auto o = p.node("a");
  o.verify_host = false;
  auto lenient = make_tls_transport(*rt, o);
  CHECK(meet(*rt, *lenient, **again).near.has_value());
}

TEST_CASE("only those on the list may connect, on either side") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto o = p.node("server");
  o.peers = {"b", "c"};
  auto server = make_tls_transport(*rt, o);
  auto l = server->listen(anywhere);
  auto b = make_tls_transport(*rt, p.node("b")), mallory = make_tls_transport(*rt, p.node("m"));
  auto picky = p.node("c");
  picky.peers = {"another-server"};
  auto c = make_tls_transport(*rt, picky);
  for (tls_transport* t : {mallory.get(), c.get()}) {
    outcome<connection_ptr> no(*rt);
    auto ll = server->listen(anywhere);
    (*ll)->accept([](auto) {});
    t->connect((*ll)->local_address(), {}, no.done());
    CHECK(reason(no.get()) == errc::bad_certificate);
  }
  CHECK(meet(*rt, *b, **l).near.has_value());
}

TEST_CASE("without mutual authentication anybody may connect, and has no name") {
  auto rt = make_threaded_runtime();
  const pki p(*rt);
  auto o = p.node("server");
  o.mutual = false;
  auto server = make_tls_transport(*rt, o);
  auto l = server->listen(anywhere);
  tls_options bare;
  bare.trusted = p.ca.certificate;
  auto client = make_tls_transport(*rt, bare);
  auto e = meet(*rt, *client, **l);
  REQUIRE(e.far.has_value());
  CHECK((*e.far)->peer_identity() == "");
  CHECK((*e.near)->peer_identity() == "server");
}

TEST_CASE("certificates are loaded again while connections go on, and bad ones change nothing") {
  auto rt = make_threaded_runtime();
  const pki p(*rt), other(*rt);
  const folder f;
  const auto put = [&](const tls_options& o) {
    REQUIRE(write_credentials({o.certificate, o.key}, f / "a.crt", f / "a.key", true).has_value());
  };
  put(p.node("first"));
  tls_options files;
  files.certificate = f / "a.crt";
  files.key = f / "a.key";
  files.trusted = p.ca.certificate;
  auto server = make_tls_transport(*rt, files);
  auto client = make_tls_transport(*rt, p.node("client"));
  auto l = server->listen(anywhere);
  auto before = meet(*rt, *client, **l);
  REQUIRE(before.near.has_value());

  put(p.node("second"));
  REQUIRE(server->reload().has_value());
  auto after = meet(*rt, *client, **l);
  REQUIRE(after.near.has_value());
  CHECK((*before.near)->peer_identity() == "first");
  CHECK((*after.near)->peer_identity() == "second");
  CHECK(write_all(*rt, **before.near, "still here").has_value());
  CHECK(read_some(*rt, **before.far) == "still here");

  std::filesystem::remove(f / "a.key");
  CHECK(reason(server->reload()) == errc::not_found);
  CHECK(meet(*rt, *client, **l).near.has_value());
}
