#include "internal/asks.hpp"

#include <odeon/core/detail/ask.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

using namespace odeon;
using namespace odeon::remote::detail;

namespace {

const remote::detail::peer* const here = reinterpret_cast<const remote::detail::peer*>(8);
const remote::detail::peer* const there = reinterpret_cast<const remote::detail::peer*>(16);

odeon::detail::ask_state_base* new_ask() {
  auto* s = new odeon::detail::ask_state<int>();
  s->drop_ref();  // it has two: of the message and of the future
  return s;
}

}  // namespace

TEST_CASE("an ask is found by its number and by itself, and only by whom it was asked of") {
  ask_table t;
  auto* a = new_ask();
  const std::uint64_t id = t.add({a, nullptr, here}).value();
  CHECK(id != 0);
  CHECK(t.find(*a) == id);
  pending_ask out;
  CHECK_FALSE(t.take(id, there, out));
  CHECK(t.take(id, here, out));
  CHECK(out.ask == a);
  CHECK_FALSE(t.take(id, here, out));
  CHECK(t.find(*a) == 0);
  a->drop_ref();
  a->drop_ref();
}

TEST_CASE("numbers are not given twice, over many asks in any order") {
  ask_table t;
  std::map<std::uint64_t, odeon::detail::ask_state_base*> model;
  std::set<std::uint64_t> seen;
  std::mt19937_64 chance(7);
  for (int i = 0; i < 20'000; ++i) {
    if (model.empty() || chance() % 3 != 0) {
      auto* a = new_ask();
      const std::uint64_t id = t.add({a, nullptr, chance() % 2 ? here : there}).value();
      a->drop_ref();
      REQUIRE(seen.insert(id).second);
      model.emplace(id, a);
    } else {
      auto at = model.lower_bound(chance() % (model.rbegin()->first + 1));
      REQUIRE(t.find(*at->second) == at->first);
      pending_ask out;
      REQUIRE((t.take(at->first, here, out) || t.take(at->first, there, out)));
      REQUIRE(out.ask == at->second);
      out.ask->drop_ref();
      model.erase(at);
    }
    if (i % 4096 == 4095) {
      for (const pending_ask& p : t.take_all(here)) {
        REQUIRE(std::erase_if(model, [&](const auto& m) { return m.second == p.ask; }) == 1);
        p.ask->drop_ref();
      }
    }
    REQUIRE(t.size() == model.size());
  }
}
