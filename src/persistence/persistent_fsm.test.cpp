#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/persistent_fsm.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace odeon {
namespace {

using namespace std::chrono_literals;

enum class stage { dropped, shopping, paid };
struct basket {
  std::vector<std::string> items;
};
struct item_added {
  static constexpr auto manifest = "test.item_added";
  std::string item;
};
struct add {
  std::string item;
};
struct pay {
  using reply = std::size_t;
};
struct where {
  using reply = std::string;
};
struct go_wrong {};

using strings = std::vector<std::string>;

class order : public persistent_fsm<stage, basket, events<item_added>, add, pay, where, go_wrong> {
 public:
  explicit order(std::string id, std::shared_ptr<strings> seen, event_sourced_options o = {})
      : persistent_fsm(std::move(id), stage::shopping, std::move(o)) {
    when(stage::shopping)
        .on([this](const basket&, const add& m) {
          return stay().within(30min).with(persist(item_added{m.item}));
        })
        .on({stage::paid},
            [this](const basket& b, pay) { return go_to(stage::paid).with(reply(b.items.size())); })
        .on({stage::dropped}, [this](const basket&, go_wrong) { return go_to(stage::paid); })
        .after(30min, {stage::dropped}, [this](const basket&) { return go_to(stage::dropped); });
    whenever().on([this](const basket& b, where) {
      const char* names[] = {"dropped", "shopping", "paid"};
      return stay().with(
          reply(names[static_cast<int>(state())] + (" " + std::to_string(b.items.size()))));
    });
    on_transition([seen](stage from, stage to, const basket&) {
      seen->push_back(std::to_string(static_cast<int>(from)) +
                      std::to_string(static_cast<int>(to)));
    });
  }
  static void apply(basket& b, const item_added& e) { b.items.push_back(e.item); }
};

struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  std::shared_ptr<strings> seen = std::make_shared<strings>();
  simulated_runtime rt;
  std::unique_ptr<actor_system> system;

  world() { restart(); }
  ~world() { system.reset(); }
  void restart() {
    system.reset();
    system = std::make_unique<actor_system>("orders", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store));
  }
  order::ref open(event_sourced_options o = {}) {
    return system->spawn<order>({.supervision = {.otherwise = directive::restart}},
                                std::string("o-1"), seen, std::move(o));
  }
};

TEST_CASE("a persistent machine comes back in its state and with its data") {
  world w;
  auto o = w.open();
  o.tell(add{"milk"});
  o.tell(add{"tea"});
  CHECK(o.ask<where>().get() == "shopping 2");
  w.restart();
  o = w.open();
  CHECK(o.ask<pay>().get() == 2);
  CHECK(*w.seen == strings{"12"});
  w.restart();
  o = w.open({.snapshot_every = 1});
  CHECK(o.ask<where>().get() == "paid 2");
  CHECK(*w.seen == strings{"12"});  // what is recovered is not told again
  const auto late = o.try_ask<pay>().get();
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error() == errc::unhandled);
}

TEST_CASE("the time of a state runs on through a restart, and is over if it passed meanwhile") {
  world w;
  auto o = w.open();
  o.tell(add{"milk"});
  CHECK(o.ask<where>().get() == "shopping 1");
  w.rt.advance(20min);
  w.restart();
  o = w.open();
  w.rt.advance(9min);
  CHECK(o.ask<where>().get() == "shopping 1");
  w.rt.advance(2min);
  CHECK(o.ask<where>().get() == "dropped 1");
  CHECK(*w.seen == strings{"10"});
}

TEST_CASE("a state's time that passed while the system was down is over at once") {
  world w;
  auto o = w.open();
  o.tell(add{"milk"});
  CHECK(o.ask<where>().get() == "shopping 1");
  w.system.reset();
  w.rt.advance(2h);
  w.restart();
  o = w.open();
  w.rt.advance(1ms);
  CHECK(o.ask<where>().get() == "dropped 1");
}

TEST_CASE("the start state's time counts without any event") {
  world w;
  auto o = w.open();
  w.rt.advance(31min);
  CHECK(o.ask<where>().get() == "dropped 0");
}

TEST_CASE("a change that is not committed did not happen") {
  world w;
  auto o = w.open();
  o.tell(add{"milk"});
  CHECK(o.ask<where>().get() == "shopping 1");
  w.store->fail_next_commits(1, error(errc::store_full, "no room"));
  CHECK(o.try_ask<pay>().get().error() == errc::store_full);
  CHECK(o.ask<where>().get() == "shopping 1");
  CHECK(w.seen->empty());
  o.tell(go_wrong{});  // a way that was not declared fails the actor
  CHECK(o.ask<where>().get() == "shopping 1");
  CHECK(o.ask<pay>().get() == 1);
  CHECK(o.ask<fsm_dot>().get().find("shopping") != std::string::npos);
}

}  // namespace
}  // namespace odeon
