#include "sidecar/internal/protocol.hpp"

#include "sidecar/internal/wire_bytes.test.hpp"

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::sidecar;
using namespace odeon::sidecar::wire_bytes;

namespace {

const actor_id joe{"bank", "joe"};

}  // namespace

TEST_CASE("a registration is read with each field where the protocol has it") {
  const std::string settings = number(1, 2) + number(2, 1) + bytes(3, bytes(1, number(1, 2500))) +
                               bytes(4, bytes(1, number(1, 30'000))) + number(5, 3) + number(6, 9);
  const std::string actor = bytes(1, id_bytes("joe", "bank")) +
                            bytes(2, entry(1, "a", "b") + bytes(2, any_bytes("t/S", "x"))) +
                            bytes(3, settings) + bytes(4, bytes(1, "get")) +
                            bytes(4, bytes(1, "put")) +
                            bytes(5, number(1, 1000) + bytes(2, bytes(1, "hi"))) +
                            bytes(6, bytes(1, "news") + entry(2, "k", "v")) + number(99, 7);
  const auto read = protocol::read_registration(registration_bytes("bank", "joe", actor));
  REQUIRE(read);
  CHECK(read->system == "bank");
  REQUIRE(read->actors.size() == 1);
  const actor_def& def = read->actors.at("joe");
  CHECK(def.name == "joe");
  CHECK(def.kind == actor_kind::unnamed);
  CHECK(def.stateful);
  CHECK(def.snapshot_every == std::chrono::milliseconds(2500));
  CHECK(def.deactivate_after == std::chrono::seconds(30));
  CHECK(def.min_pool == 3);
  CHECK(def.max_pool == 9);
  CHECK(def.actions == std::vector<std::string>{"get", "put"});
  REQUIRE(def.timers.size() == 1);
  CHECK(def.timers[0].action == "hi");
  CHECK(def.timers[0].every == std::chrono::seconds(1));  // "seconds" are milliseconds
  CHECK(def.channel == "news");
  CHECK(def.actor_tags == tags{{"a", "b"}, {"k", "v"}});
  CHECK(def.initial_state == any{"t/S", "x"});
}

TEST_CASE("what a registration leaves out has the defaults, and no state is no state") {
  const auto read = protocol::read_registration(
      registration_bytes("bank", "joe", bytes(1, id_bytes("", "")) + bytes(2, bytes(2, {}))));
  REQUIRE(read);
  const actor_def& def = read->actors.at("joe");
  CHECK(def.kind == actor_kind::named);
  CHECK_FALSE(def.stateful);
  CHECK(def.snapshot_every == std::chrono::seconds(2));
  CHECK(def.deactivate_after == std::chrono::seconds(30));
  CHECK_FALSE(def.initial_state);
}

TEST_CASE("a registration that makes no sense is refused with the actor and the reason") {
  const auto refused = [](const std::string& actor, errc code, const char* why) {
    const auto read = protocol::read_registration(registration_bytes("bank", "joe", actor));
    REQUIRE_FALSE(read);
    CHECK(read.error().code() == code);
    CHECK_MESSAGE(read.error().text().contains(why), read.error().text());
  };
  const std::string id = bytes(1, id_bytes("joe", "bank"));
  refused(bytes(1, id_bytes("mia", "bank")), errc::invalid_argument, "registered as 'joe'");
  refused(bytes(1, id_bytes("joe", "shop")), errc::invalid_argument, "'shop'");
  refused(id + bytes(3, number(1, 4)), errc::invalid_argument, "kind 4");
  refused(id + bytes(3, number(5, ~std::uint64_t{0})), errc::invalid_argument, "negative");
  refused(id + bytes(3, bytes(3, bytes(1, number(1, ~std::uint64_t{0})))), errc::invalid_argument,
          "snapshot timeout of -1 ms");
  refused(id + bytes(4, {}), errc::missing_field, "'joe': an action has no name");
  refused(id + bytes(5, bytes(2, bytes(1, "hi"))), errc::invalid_argument, "every 0 ms");
  refused(id + bytes(6, bytes(1, std::string(1025, 'c'))), errc::limit_exceeded, "channel");
  const auto control =
      protocol::read_registration(registration_bytes("\x01odeon", "joe", bytes(4, bytes(1, "x"))));
  REQUIRE_FALSE(control);
  CHECK(control.error() == errc::invalid_argument);
  const auto none = protocol::read_registration({});
  REQUIRE_FALSE(none);
  CHECK(none.error() == errc::missing_field);
  const auto many =
      protocol::read_registration(registration_bytes("bank", "joe", id), {.actors = 0});
  REQUIRE_FALSE(many);
  CHECK(many.error() == errc::limit_exceeded);
}

TEST_CASE("an invocation is read with each field where the protocol has it") {
  const std::string more = bytes(4, any_bytes("t/R", "v")) + number(5, 1) +
                           bytes(6, id_bytes("mia", "bank")) + entry(8, "k", "v") +
                           number(9, 1'700'000'000'123) + number(10, 1);
  const auto read =
      protocol::read_invocation(invocation_bytes("bank", "joe", "put", more), "bank", "joe");
  REQUIRE(read);
  CHECK(read->actor == joe);
  CHECK(read->action == "put");
  CHECK(read->value == any{"t/R", "v"});
  CHECK(read->async);
  CHECK(read->pooled);
  CHECK(read->caller == actor_id{"bank", "mia"});
  CHECK(read->metadata == tags{{"k", "v"}});
  CHECK(read->scheduled_to == wall_time(std::chrono::milliseconds(1'700'000'000'123)));
  const auto plain = protocol::read_invocation(bytes(3, "get") + bytes(7, {}), "bank", "joe");
  REQUIRE(plain);  // the path says of whom
  CHECK(plain->actor == joe);
  CHECK_FALSE(plain->value);
  CHECK_FALSE(plain->scheduled_to);
}

TEST_CASE("an invocation that names another actor than its path, or none, is refused") {
  const auto why = [](const std::string& m) {
    const auto read = protocol::read_invocation(m, "bank", "joe");
    REQUIRE_FALSE(read);
    return read.error();
  };
  CHECK(why(invocation_bytes("bank", "mia", "get")) == errc::invalid_argument);
  CHECK(why(invocation_bytes("shop", "joe", "get")) == errc::invalid_argument);
  CHECK(why(bytes(1, bytes(1, "shop")) + bytes(2, bytes(1, id_bytes("joe", "bank"))) +
            bytes(3, "get")) == errc::invalid_argument);
  CHECK(why(invocation_bytes("bank", "joe", "")) == errc::missing_field);
  CHECK(why(invocation_bytes("bank", "joe", "get", number(9, ~std::uint64_t{0}))) ==
        errc::invalid_argument);
  CHECK(why(invocation_bytes("bank", "joe", "get", entry(8, "k", std::string(65'537, 'v')))) ==
        errc::limit_exceeded);
  CHECK(why("{\"action\": \"get\"}") == errc::bad_encoding);
  CHECK(why(bytes(3, "\xff\xfe")) == errc::bad_encoding);  // a string that is not UTF-8
}

TEST_CASE("spawned names are of the path's system") {
  const auto read = protocol::read_spawn(
      bytes(1, id_bytes("mike", "bank", "abs")) + bytes(1, bytes(1, "eva") + bytes(3, "abs")),
      "bank");
  REQUIRE(read);
  CHECK(*read == std::vector<actor_id>{{"bank", "mike", "abs"}, {"bank", "eva", "abs"}});
  const auto other = protocol::read_spawn(bytes(1, id_bytes("mike", "shop", "abs")), "bank");
  REQUIRE_FALSE(other);
  CHECK(other.error() == errc::invalid_argument);
  CHECK_FALSE(protocol::read_spawn(bytes(1, id_bytes("", "bank", "abs")), "bank"));
}

TEST_CASE("an app's answer is read with its state, its value and its workflow") {
  const std::string effect = bytes(
      1, invocation_bytes("bank", "mia", "note", bytes(4, any_bytes("t/N", "n")) + number(5, 1)));
  const std::string then =
      bytes(1, effect) +
      bytes(2, bytes(1, "news") + bytes(2, "told") + bytes(3, any_bytes("t/B", "b"))) +
      bytes(3, bytes(1, "pat") + bytes(2, "next"));
  const std::string m = bytes(1, "joe") + bytes(2, "bank") +
                        bytes(3, bytes(1, any_bytes("t/S", "s"))) +
                        bytes(4, any_bytes("t/V", "v")) + bytes(5, then) + number(7, 1);
  const auto read = protocol::read_answer(m, joe);
  REQUIRE(read);
  CHECK(read->state == any{"t/S", "s"});
  CHECK(read->value == any{"t/V", "v"});
  CHECK(read->checkpoint);
  REQUIRE(read->then.effects.size() == 1);
  CHECK(read->then.effects[0].actor == actor_id{"bank", "mia"});
  CHECK(read->then.effects[0].action == "note");
  CHECK(read->then.effects[0].async);
  REQUIRE(read->then.to_channel);
  CHECK(read->then.to_channel->channel == "news");
  CHECK(read->then.to_channel->action == "told");
  CHECK(read->then.to_channel->value == any{"t/B", "b"});
  REQUIRE(std::holds_alternative<pipe_to>(read->then.route));
  CHECK(std::get<pipe_to>(read->then.route).actor == "pat");
  const auto forward = protocol::read_answer(
      bytes(1, "joe") + bytes(5, bytes(4, bytes(1, "pat") + bytes(2, "x"))) + bytes(6, {}), joe);
  REQUIRE(forward);
  CHECK(std::holds_alternative<forward_to>(forward->then.route));
  CHECK_FALSE(forward->value);
  CHECK_FALSE(forward->state);
}

TEST_CASE("what is no answer of the actor that was called is refused") {
  const auto why = [](const std::string& m) {
    const auto read = protocol::read_answer(m, joe);
    REQUIRE_FALSE(read);
    return read.error();
  };
  CHECK(why("") == errc::bad_encoding);
  CHECK(why("<!doctype html>") == errc::bad_encoding);
  CHECK(why(bytes(1, "mia")) == errc::bad_encoding);
  CHECK(why(bytes(1, "joe") + bytes(5, bytes(3, bytes(2, "next")))) == errc::missing_field);
  CHECK(why(bytes(1, "joe") + bytes(5, bytes(2, bytes(2, "x")))) == errc::missing_field);
  CHECK(why(bytes(1, "joe") + bytes(5, bytes(1, bytes(1, bytes(3, "note"))))) ==
        errc::missing_field);
  const auto big = protocol::read_answer(bytes(1, "joe"), joe, {.bytes = 3});
  REQUIRE_FALSE(big);
  CHECK(big.error() == errc::limit_exceeded);
}

TEST_CASE("what is sent has the fields where the protocol has them") {
  const std::string self = id_bytes("mike", "bank", "abs");
  CHECK(protocol::actor_invocation({.actor = {"bank", "mike", "abs"},
                                    .action = "put",
                                    .value = any{"t/V", "v"},
                                    .state = any{"t/S", "s"},
                                    .caller = joe,
                                    .metadata = {{"m", "1"}},
                                    .actor_tags = {{"t", "2"}}}) ==
        bytes(1, self) + bytes(2, "put") +
            bytes(3, bytes(1, any_bytes("t/S", "s")) + bytes(2, id_bytes("joe", "bank")) +
                         bytes(3, self) + entry(4, "m", "1") + entry(5, "t", "2")) +
            bytes(4, any_bytes("t/V", "v")) + bytes(6, id_bytes("joe", "bank")));
  // Nothing to say is said: a noop.
  CHECK(protocol::actor_invocation({.actor = joe, .action = "get"}) ==
        bytes(1, id_bytes("joe", "bank")) + bytes(2, "get") +
            bytes(3, bytes(3, id_bytes("joe", "bank"))) + bytes(5, {}));
  const std::string of = bytes(2, bytes(1, "bank")) + bytes(3, bytes(1, id_bytes("joe", "bank")));
  CHECK(protocol::invocation_response({.value = any{"t/V", "v"}}, "bank", "joe") ==
        bytes(1, number(1, 1)) + of + bytes(4, any_bytes("t/V", "v")));
  CHECK(protocol::invocation_response({}, "bank", "joe") ==
        bytes(1, number(1, 1)) + of + bytes(5, {}));
  CHECK(protocol::invocation_response({.status = outcome::actor_not_found, .message = "no"}, "bank",
                                      "joe") == bytes(1, number(1, 2) + bytes(2, "no")) + of);
  CHECK(protocol::spawn_response(outcome::error, "why") ==
        bytes(1, number(1, 3) + bytes(2, "why")));
  CHECK(protocol::registration_response(outcome::ok, "Accepted")
            .starts_with(bytes(1, number(1, 1) + bytes(2, "Accepted"))));
  CHECK(protocol::checkpoint({.state = {"t/S", "s"}, .revision = 7}) ==
        bytes(1, number(1, 7)) + bytes(2, bytes(2, any_bytes("t/S", "s"))));
}

TEST_CASE("a text that is not UTF-8 does not make a message that nobody can read") {
  CHECK(protocol::spawn_response(outcome::error, "caf\xe9") ==
        bytes(1, number(1, 3) + bytes(2, "caf?")));
}
