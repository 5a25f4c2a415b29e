#include "odeon/node/stores.hpp"
#include "support/database_server.hpp"
#include "support/state_store_laws.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

// The statestore on real servers: the same laws as in memory, and keys.

namespace {

using namespace odeon;
using state_store_laws::calls;

const std::string key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string other_key = "//////////////////////////////////////////8=";

struct place {
  std::unique_ptr<database_server> server;
  sidecar::statestore_options options;
};

/// Nothing: the server, or its library, is not installed.
std::optional<place> make_place(database_server::kind which) {
  const bool postgres = which == database_server::kind::postgres;
  const char* name = postgres ? "postgres" : "mariadb";
  if (!node_tool::server_stores().contains(name)) return std::nullopt;
  place p{database_server::make(which), {}};
  if (!p.server) {
    MESSAGE("skipped: the server programs are not installed (Debian: postgresql, mariadb-server)");
    return std::nullopt;
  }
  p.options.kind = name;
  p.options.host = postgres ? p.server->folder() : p.server->socket();
  p.options.user = postgres ? "odeon" : "root";
  p.options.database = postgres ? "postgres" : "mysql";
  return p;
}

void keeps_its_laws(const place& p, const char* subject) {
  const auto rt = make_threaded_runtime();
  auto options = p.options;
  const auto open = [&](std::uint32_t keep) {
    options.states.keep_revisions = keep;
    auto s = sidecar::open_statestore(*rt, options, node_tool::server_stores());
    REQUIRE_MESSAGE(s.has_value(), (s ? "" : s.error().to_string()));
    return std::move(*s);
  };
  CAPTURE(subject);
  state_store_laws::states_survive(*rt, open);
  state_store_laws::a_newer_activation_fences(*rt, open);
  state_store_laws::revisions_are_kept_and_dropped(*rt, open);
  state_store_laws::names_and_types_may_hold_anything(*rt, open);
  state_store_laws::schedules_come_when_they_are_due(*rt, open);
}

/// The states of the laws are plain: a key is refused, taken where that is asked for, and then a
/// wrong one is refused.
void compares_keys(const place& p) {
  const auto rt = make_threaded_runtime();
  const auto open = [&](const std::string& keys, bool plain) {
    auto options = p.options;
    options.keys = keys;
    options.accept_plain = plain;
    return sidecar::open_statestore(*rt, options, node_tool::server_stores());
  };
  CHECK(open(key, false).error() == errc::invalid_argument);
  const sidecar::actor_id ann{"sealed", "ann"};
  {
    const auto s = open(key, true);
    REQUIRE(s.has_value());
    const calls c{*rt, **s};
    CHECK(c.peek({"old", "joe"}).value()->state.value == "v4 again");
    const auto o = c.open(ann);
    REQUIRE(o.has_value());
    CHECK(c.save(o->lease, state_store_laws::value("secret")).has_value());
  }
  CHECK(open("", false).error() == errc::invalid_argument);
  CHECK(open(other_key, false).error() == errc::invalid_argument);
  const auto s = open(key + " " + other_key, false);
  REQUIRE(s.has_value());
  CHECK(calls{*rt, **s}.peek(ann).value()->state.value == "secret");
}

void survives_a_kill(place& p) {
  const auto rt = make_threaded_runtime();
  const sidecar::actor_id joe{"killed", "joe"};
  std::uint64_t acknowledged = 0;
  auto options = p.options;
  options.keys = key + " " + other_key;
  auto s = sidecar::open_statestore(*rt, options, node_tool::server_stores());
  REQUIRE(s.has_value());
  const calls c{*rt, **s};
  for (int kill = 0; kill < 2; ++kill) {
    auto o = c.open(joe);
    REQUIRE(o.has_value());
    auto lease = o->lease;
    for (int k = 0; k < 10; ++k) {
      const auto next = c.save(lease, state_store_laws::value(std::to_string(lease.revision + 1)));
      REQUIRE(next.has_value());
      lease = *next;
    }
    acknowledged = lease.revision;
    p.server->kill();
    p.server->start();
    patience waiting(std::chrono::seconds(60));
    auto seen = c.peek(joe);
    while (!seen && waiting.pause()) seen = c.peek(joe);
    REQUIRE_MESSAGE(seen.has_value(), (seen ? "" : seen.error().to_string()));
    CHECK((*seen)->revision == acknowledged);
    CHECK((*seen)->state.value == std::to_string(acknowledged));
    o = c.open(joe);
    while (!o && waiting.pause()) o = c.open(joe);
    CHECK(o.has_value());
  }
}

}  // namespace

TEST_CASE("sidecar states on PostgreSQL keep their laws, their keys, and survive kills") {
  auto p = make_place(database_server::kind::postgres);
  if (!p) return;
  keeps_its_laws(*p, "PostgreSQL");
  compares_keys(*p);
  survives_a_kill(*p);
}

TEST_CASE("sidecar states on MariaDB keep their laws, their keys, and survive kills") {
  auto p = make_place(database_server::kind::mariadb);
  if (!p) return;
  keeps_its_laws(*p, "MariaDB");
  compares_keys(*p);
  survives_a_kill(*p);
}

TEST_CASE("a server that cannot be reached is told without the password") {
  const auto rt = make_threaded_runtime();
  for (const auto& [kind, opener] : node_tool::server_stores()) {
    sidecar::statestore_options o;
    o.kind = kind;
    o.host = "/no/such/place";
    o.user = "odeon";
    o.password = "it's a secret";
    o.database = "actors";
    const auto s = sidecar::open_statestore(*rt, o, node_tool::server_stores());
    REQUIRE_FALSE(s.has_value());
    CHECK(s.error() == errc::io_failed);
    CHECK(s.error().text().find("secret") == std::string::npos);
  }
}
