// The relay as a program: killed and started again, told to stop, and refused what is wrong; nodes
// that reach it over sockets and WebSockets.

#include "integration/bank/program.hpp"
#include "support/transport_laws.hpp"
#include <odeon/net/certificates.hpp>
#include <odeon/remote/relay_transport.hpp>

#include <cstdlib>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::transport_test;
using namespace std::chrono_literals;
using bank_test::program;
using bank_test::scratch;

namespace {

const std::string secret = "a secret of the integration tests";

/// A relay that is started and killed at one address.
struct relay_program {
  explicit relay_program(std::string p) : protocol(std::move(p)) {
    ::setenv("ODEON_TEST_RELAY", secret.c_str(), 1);
    const wall_time now = make_threaded_runtime()->wall_now();
    const auto ca = make_ca({}, now).value();
    authority = ca.certificate;
    const auto own = make_node_certificate(ca, {.name = "relay", .hosts = {"127.0.0.1"}}, now);
    REQUIRE(write_credentials(*own, folder.path("relay.crt"), folder.path("relay.key")));
    start();
  }
  void start() {
    std::vector<std::string> arguments{"relay",
                                       "--protocol",
                                       protocol.starts_with("ws") ? "ws" : "tcp",
                                       "--port",
                                       port,
                                       "--auth-secret-env",
                                       "ODEON_TEST_RELAY",
                                       "--events",
                                       "--metrics",
                                       "3600"};
    if (protocol == "wss" || protocol == "tls")
      arguments.insert(arguments.end(), {"--certificate", folder.path("relay.crt"), "--key",
                                         folder.path("relay.key")});
    running = std::make_unique<program>(folder, std::move(arguments));
    const std::string line = running->read_until("odeon relay: ");
    REQUIRE_MESSAGE(line.contains(protocol + "://127.0.0.1:"), protocol, ": ", running->err());
    address = line.substr(line.find(protocol));
    const std::size_t colon = address.find(':', protocol.size() + 3);
    port = address.substr(colon + 1, address.find('/', colon) - colon - 1);
  }
  scratch folder;
  std::string protocol, port = "0", address, authority;
  std::unique_ptr<program> running;
};

std::unique_ptr<relay_transport> node(runtime& rt, const relay_program& r, std::string name,
                                      std::string with = secret) {
  return make_relay_transport(rt, {.relay = r.address,
                                   .name = std::move(name),
                                   .secret = std::move(with),
                                   .trusted = r.authority});
}
result<connection_ptr> dial(runtime& rt, transport& t, std::string_view to) {
  outcome<connection_ptr> o(rt);
  t.connect(to, {.timeout = 20s}, o.done());
  return o.get();
}

}  // namespace

TEST_CASE(
    "nodes meet at a relay that is killed and started again, over sockets, TLS and WebSockets") {
  const auto rt = make_threaded_runtime();
  for (const char* protocol : {"tcp", "tls", "ws", "wss"}) {
    relay_program relay(protocol);
    auto alice = node(*rt, relay, "alice"), bob = node(*rt, relay, "bob");
    auto l = bob->listen("bob:7400").value();
    for (int round = 0; round < 3; ++round) {
      outcome<connection_ptr> there(*rt);
      l->accept(there.done());
      auto near = dial(*rt, *alice, "bob:7400");
      REQUIRE_MESSAGE(near.has_value(), near.error().to_string());
      auto far = there.get();
      REQUIRE(far.has_value());
      const std::string text(300'000, static_cast<char>('a' + round));
      outcome<void> wrote(*rt), ended(*rt);
      (*near)->write(bytes_of(text), wrote.done());
      std::string got;
      while (got.size() < text.size()) got += read_some(*rt, **far, 65536).value();
      CHECK(got == text);
      CHECK(wrote.get().has_value());
      if (round == 2) break;
      relay.running->send_signal(SIGKILL);
      CHECK(read_all(*rt, **near).error() == errc::io_failed);
      CHECK(read_all(*rt, **far).error() == errc::io_failed);
      relay.start();
    }
    CHECK(alice->status().registrations >= 3);  // once each time that the relay was started
    relay.running->send_signal(SIGTERM);
    CHECK(relay.running->wait() == 0);
  }
}

TEST_CASE("a relay's program keeps the laws of transports for its nodes") {
  const auto rt = make_threaded_runtime();
  for (const char* protocol : {"tcp", "ws"}) {
    relay_program relay(protocol);
    auto t = node(*rt, relay, "alice");
    bytes_travel_in_order(*rt, *t, "*:0");
    closing_in_order_loses_nothing(*rt, *t, "*:0");
    letting_go_is_no_good_end(*rt, *t, "*:0");
    refusals_have_reasons(*rt, *t, "*:0");
    its_end_tells_all_who_wait(*rt, [&] { return node(*rt, relay, "other"); }, "*:0");
  }
}

TEST_CASE("a wrong secret is refused by the program, which says so and goes on") {
  const auto rt = make_threaded_runtime();
  relay_program relay("tcp");
  auto wrong = node(*rt, relay, "mallory", "not the secret of anybody");
  outcome<void> o(*rt);
  wrong->ready(5s, o.done());  // tells why when the time is over
  CHECK(o.get().error() == errc::authentication_failed);
  CHECK(relay.running->read_until("wrong secret").contains("127.0.0.1"));
  auto good = node(*rt, relay, "alice");
  outcome<void> there(*rt);
  good->ready(20s, there.done());
  CHECK(there.get().has_value());
  CHECK(relay.running->read_until("'alice'").contains("is there"));
}

TEST_CASE("an address that is taken, and a command line that is wrong, end the program at once") {
  relay_program relay("tcp");
  const scratch folder;
  program second(folder, {"relay", "--protocol", "tcp", "--port", relay.port, "--auth-secret-env",
                          "ODEON_TEST_RELAY"});
  CHECK(second.wait() == 3);
  program open(folder, {"relay", "--host", "0.0.0.0", "--allow-unauthenticated-local"});
  CHECK(open.wait() == 2);
  program half(folder,
               {"relay", "--certificate", "relay.crt", "--auth-secret-env", "ODEON_TEST_RELAY"});
  CHECK(half.wait() == 2);
  program odd(folder, {"relay", "--protocol", "smoke-signals"});
  CHECK(odd.wait() == 2);
}
