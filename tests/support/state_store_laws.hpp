#pragma once

#include <odeon/persistence/journal.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

/// @file For tests: what a store of sidecar states does, whatever journal it is in.

namespace state_store_laws {

using namespace odeon;
using namespace odeon::sidecar;

inline any value(std::string bytes, std::string type = "type.googleapis.com/test.State") {
  return {std::move(type), std::move(bytes)};
}

/// A store whose calls wait.
struct calls {
  runtime& rt;
  state_store& s;

  [[nodiscard]] result<opened_state> open(const actor_id& a, std::uint64_t revision = 0) const {
    return wait_for<opened_state>(rt, [&](auto done) { s.open(a, revision, std::move(done)); });
  }
  [[nodiscard]] result<std::optional<stored_state>> peek(const actor_id& a) const {
    return wait_for<std::optional<stored_state>>(rt,
                                                 [&](auto done) { s.peek(a, std::move(done)); });
  }
  [[nodiscard]] result<state_lease> save(const state_lease& l, any state) const {
    return wait_for<state_lease>(rt,
                                 [&](auto done) { s.save(l, std::move(state), std::move(done)); });
  }
  [[nodiscard]] result<void> schedule(scheduled_invocation what) const {
    return wait_for<void>(rt, [&](auto done) { s.schedule(std::move(what), std::move(done)); });
  }
  [[nodiscard]] result<void> unschedule(const std::string& id) const {
    return wait_for<void>(rt, [&](auto done) { s.unschedule(id, std::move(done)); });
  }
  /// The ids of what is due, with a blank behind each.
  [[nodiscard]] std::string due(int until, std::size_t max = 100) const {
    auto all = wait_for<std::vector<scheduled_invocation>>(rt, [&](auto done) {
      s.due(wall_time(std::chrono::seconds(until)), max, std::move(done));
    });
    REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().to_string()));
    std::string ids;
    for (const auto& one : *all) ids += one.id + " ";
    return ids;
  }
  /// What an actor that is opened here finds, as "revision:value".
  [[nodiscard]] std::string found(const actor_id& a, std::uint64_t revision = 0) const {
    const auto o = open(a, revision);
    if (!o) return std::string(to_string(o.error().code()));
    if (!o->stored) return "nothing";
    return std::to_string(o->stored->revision) + ":" + o->stored->state.value;
  }
};

/// Gives a store on the journal that it was made with, which stays open. `keep`: revisions.
using make_fn = std::function<std::unique_ptr<state_store>(std::uint32_t keep)>;

inline void states_survive(runtime& rt, const make_fn& make) {
  const actor_id joe{"bank", "joe"};
  {
    const auto store = make(10);
    const calls c{rt, *store};
    CHECK_FALSE(c.peek(joe).value().has_value());
    auto o = c.open(joe);
    REQUIRE(o.has_value());
    CHECK_FALSE(o->stored.has_value());
    CHECK(o->lease.revision == 0);
    auto lease = c.save(o->lease, value("one"));
    REQUIRE(lease.has_value());
    CHECK(lease->revision == 1);
    lease = c.save(*lease, value(std::string("two\0\xff", 5)));
    REQUIRE(lease.has_value());
    CHECK(lease->revision == 2);
  }
  const auto store = make(10);
  const calls c{rt, *store};
  const auto seen = c.peek(joe);
  REQUIRE((seen && *seen));
  CHECK((*seen)->revision == 2);
  CHECK((*seen)->state == value(std::string("two\0\xff", 5)));
  const auto o = c.open(joe);
  REQUIRE((o && o->stored));
  CHECK(o->stored->state == value(std::string("two\0\xff", 5)));
  CHECK(o->lease.revision == 2);
  CHECK(o->lease.actor == joe);
  // The parent is no part of the name: invocations do not say it.
  CHECK(c.found({"bank", "joe", "template"}) == "2:" + std::string("two\0\xff", 5));
  CHECK(c.found({"bank", "joey"}) == "nothing");
  CHECK(c.found({"shop", "joe"}) == "nothing");
}

inline void a_newer_activation_fences(runtime& rt, const make_fn& make) {
  const actor_id joe{"fence", "joe"};
  const auto one = make(10), two = make(10);
  const calls a{rt, *one}, b{rt, *two};
  const auto first = a.open(joe);
  REQUIRE(first.has_value());
  const auto by_first = a.save(first->lease, value("a"));
  REQUIRE(by_first.has_value());
  const auto second = b.open(joe);
  REQUIRE((second && second->stored));
  const auto late = a.save(*by_first, value("too late"));
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error() == errc::fenced);
  CHECK(b.save(second->lease, value("b")).has_value());
  CHECK(a.peek(joe).value()->state.value == "b");
}

inline void revisions_are_kept_and_dropped(runtime& rt, const make_fn& make) {
  const actor_id joe{"old", "joe"};
  const auto store = make(3);
  const calls c{rt, *store};
  auto lease = c.open(joe)->lease;
  for (int k = 1; k <= 5; ++k) {
    auto next = c.save(lease, value("v" + std::to_string(k)));
    REQUIRE(next.has_value());
    lease = *next;
  }
  CHECK(c.found(joe, 3) == "3:v3");
  CHECK(c.found(joe, 2) == "not_found");
  CHECK(c.found(joe, 6) == "not_found");
  CHECK(c.found({"old", "nobody"}, 1) == "not_found");
  // A revision that was gone back to becomes the newest with the next write.
  const auto back = c.open(joe, 4);
  REQUIRE(back.has_value());
  CHECK(back->lease.revision == 5);
  CHECK(c.peek(joe).value()->state.value == "v5");
  CHECK(c.save(back->lease, value("v4 again"))->revision == 6);
  CHECK(c.found(joe) == "6:v4 again");
}

inline void names_and_types_may_hold_anything(runtime& rt, const make_fn& make) {
  const auto store = make(1);
  const calls c{rt, *store};
  const std::vector<actor_id> who{
      {"s", "a/b"},
      {"s/a", "b"},
      {"s", "a_b"},
      {"s", "\xc3\xa4\n\xff"},
      {"s", std::string("zero\0", 5)},
      {"s", "zero"},
      {std::string(1024, 's'), std::string(1024, 'n')},
      {std::string(1024, 's'), std::string(1023, 'n') + "m"},
  };
  std::vector<any> states;
  for (std::size_t k = 0; k < who.size(); ++k) {
    const std::string types[] = {"", "t", std::string(2000, 't'), "type with blank", "\xff"};
    states.push_back(value(std::string(k * 30'000, static_cast<char>(k)), types[k % 5]));
    const auto o = c.open(who[k]);
    REQUIRE(o.has_value());
    CHECK_FALSE(o->stored.has_value());
    CHECK(c.save(o->lease, states[k]).has_value());
  }
  for (std::size_t k = 0; k < who.size(); ++k) {
    CAPTURE(k);
    const auto seen = c.peek(who[k]);
    REQUIRE((seen && *seen));
    CHECK(((*seen)->state == states[k]));
  }
  for (const actor_id& bad :
       {actor_id{"", "a"}, actor_id{"s", ""}, actor_id{"s", std::string(1025, 'n')}}) {
    CHECK(c.open(bad).error() == errc::invalid_argument);
    CHECK(c.peek(bad).error() == errc::invalid_argument);
  }
}

inline invocation full_invocation() {
  return {.actor = {"bank", "joe", "person"},
          .action = "deposit",
          .value = value(std::string("\0\xff", 2)),
          .async = true,
          .pooled = true,
          .caller = actor_id{"bank", "ann", ""},
          .metadata = {{"trace", "1"}, {"", "\xff"}},
          .scheduled_to = wall_time(std::chrono::seconds(5)),
          .revision = 7};
}

inline void schedules_come_when_they_are_due(runtime& rt, const make_fn& make) {
  const auto at = [](int s) { return wall_time(std::chrono::seconds(s)); };
  {
    const auto store = make(1);
    const calls c{rt, *store};
    CHECK(c.schedule({"b", at(20), full_invocation()}).has_value());
    CHECK(c.schedule({"a", at(10), {.actor = {"bank", "ann"}, .action = "hi"}}).has_value());
    CHECK(c.schedule({"c", at(90), {.actor = {"bank", "ann"}, .action = "hi"}}).has_value());
    CHECK(c.schedule({"", at(1), {}}).error() == errc::invalid_argument);
  }
  const auto store = make(1);
  const calls c{rt, *store};
  CHECK(c.due(9) == "");
  CHECK(c.due(20) == "a b ");
  CHECK(c.due(20) == "a b ");  // until it is taken out
  CHECK(c.due(100, 2) == "a b ");
  CHECK(c.due(100, 0) == "");
  CHECK(c.schedule({"a", at(30), full_invocation()}).has_value());  // another time
  CHECK(c.due(100) == "b a c ");
  const auto all = wait_for<std::vector<scheduled_invocation>>(
      rt, [&](auto done) { store->due(at(20), 9, std::move(done)); });
  REQUIRE((all && all->size() == 1));
  const invocation &got = all->front().what, sent = full_invocation();
  CHECK(all->front().due == at(20));
  CHECK(got.actor == sent.actor);
  CHECK(got.action == sent.action);
  CHECK((got.value == sent.value));
  CHECK((got.async && got.pooled));
  CHECK((got.caller == sent.caller));
  CHECK((got.metadata == sent.metadata));
  CHECK((got.scheduled_to == sent.scheduled_to));
  CHECK(got.revision == 7);
  CHECK(c.unschedule("b").has_value());
  CHECK(c.unschedule("b").has_value());
  CHECK(c.unschedule("").has_value());
  CHECK(c.due(100) == "a c ");
  for (const char* id : {"a", "c"}) CHECK(c.unschedule(id).has_value());
}

/// Of one journal, one after the other.
inline void all(runtime& rt, const make_fn& make) {
  SUBCASE("states survive, and belong to one actor") { states_survive(rt, make); }
  SUBCASE("a newer activation fences the one before") { a_newer_activation_fences(rt, make); }
  SUBCASE("as many revisions are kept as was said, and can be gone back to") {
    revisions_are_kept_and_dropped(rt, make);
  }
  SUBCASE("names and types may hold anything") { names_and_types_may_hold_anything(rt, make); }
  SUBCASE("scheduled invocations come when they are due") {
    schedules_come_when_they_are_due(rt, make);
  }
}

}  // namespace state_store_laws
