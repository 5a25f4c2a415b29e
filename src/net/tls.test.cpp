// What a TLS transport refuses before it opens a socket; real ones are in tests/integration.

#include "support/tls_fixture.hpp"
#include <odeon/net/tls.hpp>
#include <odeon/runtime/simulated.hpp>

using namespace odeon;
using namespace odeon::tls_test;

TEST_CASE("certificates that cannot be used are told when the transport is made") {
  auto rt = make_threaded_runtime();
  const pki p(*rt), other(*rt);
  const auto why = [&](tls_options o) {
    try {
      (void)make_tls_transport(*rt, std::move(o));
    } catch (const actor_error& e) {
      return e.which();
    }
    return errc::internal;
  };
  tls_options o = p.node("a");
  o.key = other.node("a").key;
  CHECK(why(o) == errc::bad_certificate);
  o = p.node("a");
  o.key = "";
  CHECK(why(o) == errc::bad_certificate);
  o = p.node("a");
  o.trusted = "";
  CHECK(why(o) == errc::bad_certificate);
  o = p.node("a");
  o.trusted = "/no/such/ca.crt";
  CHECK(why(o) == errc::not_found);
  o = p.node("a");
  o.certificate = "-----BEGIN NONSENSE";
  CHECK(why(o) == errc::bad_certificate);
  o = p.node("a");
  o.handshakes_max = 0;
  CHECK(why(o) == errc::invalid_argument);
  o = p.node("a");
  o.threads = 0;
  CHECK(why(o) == errc::invalid_argument);
  simulated_runtime simulated;
  CHECK_THROWS_AS((void)make_tls_transport(simulated, p.node("a")), actor_error);
}
