#include "sidecar/engine.test.hpp"
#include <odeon/sidecar/actor.hpp>

#include <stdexcept>

namespace odeon::sidecar {
namespace {

using namespace testing;

struct sum {
  static constexpr auto manifest = "test.sum";
  long cents = 0;
};
struct get_rate {
  static constexpr auto manifest = "test.get_rate";
  using reply = sum;
  long factor = 1;
};
struct note_rate {
  static constexpr auto manifest = "test.note_rate";
  long cents = 0;
};

value deposit(const action_call& c) {
  sum now = unpack_or<sum>(c.state);
  now.cents += unpack<sum>(c.value).cents;
  if (now.cents < 0) throw std::runtime_error("an account is never below zero");
  return value().state(now).reply(now);
}

/// The typed side: an actor of this program, and an asker that invokes from its handler.
struct rates : actor<get_rate, note_rate> {
  sum on(get_rate m) { return {rate_ * m.factor}; }
  void on(note_rate m) { rate_ = m.cents; }
  long rate_ = 7;
};
struct pay {
  using reply = long;
  engine* with;
  long cents;
};
struct teller : actor<pay> {
  task<long> on(pay m) {
    auto a = co_await m.with->invoke(
        {.actor = {"bank", "ann"}, .action = "deposit", .value = pack(sum{m.cents})});
    if (a.status != outcome::ok) throw actor_error(errc::refused, a.message);
    co_return unpack<sum>(a.value).cents;
  }
};

struct local_world : world {
  void take(std::vector<local_actor> all) {
    const auto ok = sidecar->register_app(local_app(*system, "bank", std::move(all)));
    REQUIRE_MESSAGE(ok.has_value(), (ok ? "" : ok.error().to_string()));
    rt.settle();
  }
  long cents(const invocation_answer& a) { return unpack<sum>(a.value).cents; }
};

TEST_CASE("functions of this program are actions, with C++ values as state and payload") {
  local_world w;
  w.take({local_actor{"ann"}.action("deposit", deposit)});
  CHECK(w.cents(w.invoke("ann", "deposit", pack(sum{5}))) == 5);
  CHECK(w.cents(w.invoke("ann", "deposit", pack(sum{6}))) == 11);
  const auto a = w.invoke("ann", "deposit", pack(sum{-20}));
  CHECK(a.status == outcome::error);
  CHECK(a.message == "the app at this program failed 'deposit': an account is never below zero");
  CHECK(w.invoke("ann", "deposit", text("x"))
            .message.ends_with(
                "a value of type 'type.googleapis.com/test.Text' came where test.sum is wanted"));
  CHECK(w.invoke("ann", "deposit").message.ends_with("there is no value"));
  CHECK(w.cents(w.invoke("ann", "get")) == 11);
}

TEST_CASE("a coroutine action invokes other actors while it waits, and sees their refusals") {
  local_world w;
  engine& e = *w.sidecar;
  w.take({local_actor{"ann"}.action("deposit", deposit),
          local_actor{"joe"}
              .action("give",
                      [&e](const action_call& c) -> task<value> {
                        auto a = co_await e.invoke(calling(c, "ann", "deposit", c.value));
                        if (a.status != outcome::ok) throw actor_error(errc::refused, a.message);
                        co_return value().reply(*a.value);
                      })
              .action("self", [&e](const action_call& c) -> task<value> {
                auto a = co_await e.invoke(calling(c, "joe", "give", c.value));
                co_return value().reply(sum{static_cast<long>(a.message.size())});
              })});
  CHECK(w.cents(w.invoke("joe", "give", pack(sum{3}))) == 3);
  CHECK(w.invoke("joe", "give", pack(sum{-9})).status == outcome::error);
  w.invoke("joe", "self", pack(sum{1}));
  CHECK(w.sidecar->figures().cycles == 1);
}

TEST_CASE("the builder says effects, broadcasts, routes and checkpoints") {
  local_world w;
  w.take({local_actor{"ann", {.channel = "news"}}.action("deposit", deposit),
          local_actor{"joe"}
              .action("spread",
                      [](const action_call& c) {
                        return value()
                            .state(sum{1})
                            .effect({.actor = {"", "ann"}, .action = "deposit", .value = c.value})
                            .broadcast("news", "deposit", sum{100})
                            .checkpoint();
                      })
              .action("piped",
                      [](const action_call&) {
                        return value().reply(sum{1000}).pipe("ann", "deposit");
                      })
              .action("forwarded",
                      [](const action_call&) { return value().forward("ann", "deposit"); })});
  w.invoke("joe", "spread", pack(sum{10}));
  w.rt.settle();
  CHECK(w.store->revisions("joe").size() == 1);
  CHECK(w.cents(w.invoke("ann", "get")) == 110);
  CHECK(w.cents(w.invoke("joe", "piped")) == 1110);
  CHECK(w.cents(w.invoke("joe", "forwarded", pack(sum{5}))) == 1115);
}

TEST_CASE("timer functions run while their actor is active") {
  local_world w;
  int ticks = 0;
  w.take({local_actor{"joe"}.timer_action("tick", 1s, [&ticks](const action_call&) {
    ++ticks;
    return value();
  })});
  w.rt.advance(3500ms);
  CHECK(ticks == 3);
}

TEST_CASE("typed actors and sidecar actors call each other") {
  local_world w;
  auto typed = w.system->spawn<rates>();
  w.take(
      {local_actor{"ann"}.action("deposit", deposit), local_actor{"rates", {.stateful = false}}
                                                          .typed_action<get_rate>("rate", typed)
                                                          .typed_action<note_rate>("note", typed)});
  CHECK(w.cents(w.invoke("rates", "rate", pack(get_rate{2}))) == 14);
  CHECK(w.invoke("rates", "note", pack(note_rate{4})).status == outcome::ok);
  CHECK(w.cents(w.invoke("rates", "rate", pack(get_rate{2}))) == 8);
  auto t = w.system->spawn<teller>();
  CHECK(t.ask<pay>(w.sidecar.get(), 21L).get() == 21);
  const auto refused = t.ask<pay>(w.sidecar.get(), -99L).result();
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == errc::handler_failed);
  CHECK(refused.error().text().find("an account is never below zero") != std::string_view::npos);
  w.system->stop(typed);
  w.rt.settle();
  CHECK(w.invoke("rates", "rate", pack(get_rate{2})).status == outcome::error);
}

TEST_CASE("two functions or actors of one name are refused where they are said") {
  local_world w;
  auto twice = [] {
    return local_actor{"joe"}.action("a", deposit).timer_action("a", 1s, deposit);
  };
  CHECK_THROWS_WITH_AS(twice(), "invalid_argument: 'joe' has two actions of the name 'a'",
                       actor_error);
  CHECK_THROWS_AS(
      static_cast<void>(local_app(*w.system, "bank", {local_actor{"joe"}, local_actor{"joe"}})),
      actor_error);
}

}  // namespace
}  // namespace odeon::sidecar
