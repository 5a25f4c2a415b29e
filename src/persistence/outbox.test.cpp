#include <odeon/persistence/durable_state.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace odeon {
namespace {

using namespace std::chrono_literals;

struct credited {
  static constexpr auto manifest = "test.credited";
  long amount;
};
struct debited {
  static constexpr auto manifest = "test.debited";
  long amount;
};
struct purse_state {
  long balance = 0;
};

struct credit {
  static constexpr auto manifest = "test.credit";
  long amount;
};
struct pay {
  using reply = long;
  std::string to;
  long amount;
  int times = 1;
};
struct balance {
  using reply = long;
};
struct refuse_next {
  int count;
};

/// Pays others by messages that leave with its commits.
class purse : public event_sourced<purse_state, events<credited, debited>, credit, pay, balance,
                                   refuse_next> {
 public:
  explicit purse(std::string id) : event_sourced(std::move(id)) {}

  effect on(credit m) {
    if (refuse_ > 0) {
      --refuse_;
      throw std::runtime_error("not now");
    }
    return persist(credited{m.amount});
  }
  effect on(const pay& m) {
    effect e = persist(debited{m.amount * m.times});
    for (int i = 0; i < m.times; ++i)
      e = std::move(e).then_send(durable_ref<purse>{m.to}, credit{m.amount});
    return std::move(e).then_reply([](const purse_state& s) { return s.balance; });
  }
  long on(balance) { return state().balance; }
  void on(refuse_next m) { refuse_ = m.count; }

  static void apply(purse_state& s, const credited& e) { s.balance += e.amount; }
  static void apply(purse_state& s, const debited& e) { s.balance -= e.amount; }

 private:
  int refuse_ = 0;
};

struct tally_state {
  static constexpr auto manifest = "test.tally";
  std::vector<long> seen;
};
struct seen {
  using reply = std::string;
};
/// Keeps what it got in a state that is stored as a whole.
class tally : public durable_state<tally_state, credit, seen> {
 public:
  explicit tally(std::string id) : durable_state(std::move(id), {.write_behind = 0s}) {}
  void on(credit m) { state().seen.push_back(m.amount); }
  std::string on(seen) {
    std::string all;
    for (const long n : state().seen) all += std::to_string(n) + " ";
    return all;
  }
};

/// Keeps nothing.
class plain : public actor<credit, seen> {
 public:
  void on(credit m) { all_ += std::to_string(m.amount) + " "; }
  std::string on(seen) { return all_; }

 private:
  std::string all_;
};

class abandoned_log : public actor<persistence::message_abandoned> {
 public:
  explicit abandoned_log(std::vector<persistence::message_abandoned>* to) : to_(to) {}
  void on(persistence::message_abandoned m) { to_->push_back(std::move(m)); }

 private:
  std::vector<persistence::message_abandoned>* to_;
};

struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  simulated_runtime rt;
  std::unique_ptr<actor_system> system;
  persistence::install_options options;

  explicit world(persistence::install_options o = {}) : options(o) { restart(); }
  ~world() { system.reset(); }
  void restart() {
    system.reset();
    system = std::make_unique<actor_system>("purses", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store), options);
  }
  purse::ref open(std::string id, directive otherwise = directive::restart) {
    return system->spawn<purse>({.supervision = {.otherwise = otherwise}}, std::move(id));
  }
  result<persistence::delivered> deliver(const std::string& to, persistence::delivery what) {
    return run(rt, persistence::receivers_of(*system)->deliver(to, std::move(what)));
  }
  std::size_t waiting() {
    auto journal = persistence::installed(*system);
    return wait_for<std::vector<outbox_entry>>(
               rt, [&](auto done) { journal->take_outbox(0, 1000, std::move(done)); })
        ->size();
  }
};

TEST_CASE("a message that leaves with a commit arrives, and leaves the outbox") {
  world w;
  auto a = w.open("a");
  auto b = w.open("b");
  CHECK(a.ask<pay>("b", 5L).get() == -5);
  w.rt.settle();
  CHECK(b.ask<balance>().get() == 5);
  CHECK(w.waiting() == 0);
}

TEST_CASE("nothing is sent when the commit fails") {
  world w;
  auto a = w.open("a");
  auto b = w.open("b");
  CHECK(a.ask<balance>().get() == 0);
  w.store->fail_next_commits(1, error(errc::store_full, "no room"));
  CHECK_FALSE(a.try_ask<pay>("b", 5L).get().has_value());
  w.rt.settle();
  CHECK(a.ask<balance>().get() == 0);
  CHECK(b.ask<balance>().get() == 0);
  CHECK(w.waiting() == 0);
}

TEST_CASE("what is for a receiver that is not there waits for it, also across a restart") {
  world w;
  auto a = w.open("a");
  CHECK(a.ask<pay>("b", 5L).get() == -5);
  CHECK(a.ask<pay>("b", 2L).get() == -7);
  w.rt.settle();
  CHECK(w.waiting() == 2);
  w.restart();
  auto b = w.open("b");
  w.rt.settle();
  CHECK(b.ask<balance>().get() == 7);
  CHECK(w.waiting() == 0);
}

TEST_CASE("an activator is asked to bring the receiver") {
  world w;
  auto a = w.open("a");
  int asked = 0;
  persistence::receivers_of(*w.system)->activate_with("purse-", [&](const std::string& id) {
    ++asked;
    w.system->spawn<purse>(id);
  });
  CHECK(a.ask<pay>("purse-7", 5L).get() == -5);
  w.rt.advance(1s);
  CHECK(asked == 1);
  CHECK(w.waiting() == 0);
  CHECK(w.open("purse-7").ask<balance>().get() == 5);
}

TEST_CASE("a receiver that fails gets it again, in order and each once") {
  world w;
  auto a = w.open("a");
  auto t = w.system->spawn<tally>(std::string("t"));
  auto b = w.open("b", directive::resume);
  b.tell(refuse_next{3});
  CHECK(b.ask<balance>().get() == 0);
  CHECK(a.ask<pay>("b", 1L, 100).get() == -100);
  for (long n = 1; n <= 200; ++n) static_cast<void>(a.ask<pay>("t", n).get());
  w.rt.advance(60s);
  CHECK(b.ask<balance>().get() == 100);
  std::string all;
  for (long n = 1; n <= 200; ++n) all += std::to_string(n) + " ";
  CHECK(t.ask<seen>().get() == all);
  CHECK(w.waiting() == 0);
}

TEST_CASE("a delivery that was settled and not noted is a duplicate after a restart") {
  world w;
  auto a = w.open("a");
  auto b = w.open("b");
  CHECK(a.ask<pay>("b", 5L).get() == -5);
  w.rt.settle();
  CHECK(b.ask<balance>().get() == 5);
  // The same message once more, as if the outbox had never been told.
  persistence::delivery again;
  again.sender = "a";
  again.number = 1;
  again.manifest = "test.credit";
  again.payload = wire::encode(credit{5});
  const auto how = w.deliver("b", again);
  REQUIRE(how.has_value());
  CHECK(*how == persistence::delivered::duplicate);
  CHECK(b.ask<balance>().get() == 5);

  again.number = 3;
  const auto gap = w.deliver("b", again);
  REQUIRE_FALSE(gap.has_value());
  CHECK(gap.error() == errc::version_conflict);
  CHECK(b.ask<balance>().get() == 5);

  again.number = 2;
  again.payload.resize(1);
  const auto torn = w.deliver("b", again);
  REQUIRE_FALSE(torn.has_value());
  CHECK(torn.error() == errc::truncated);
  again.manifest = "test.unheard";
  CHECK(w.deliver("b", again).error() == errc::unknown_manifest);
  CHECK(w.deliver("nobody", again).error() == errc::no_such_actor);
  CHECK(b.ask<balance>().get() == 5);
}

TEST_CASE("a durable-state receiver stores its state together with the message's number") {
  world w;
  auto a = w.open("a");
  auto t = w.system->spawn<tally>(std::string("t"));
  CHECK(a.ask<pay>("t", 5L, 3).get() == -15);
  w.rt.settle();
  w.system->kill(t);
  w.rt.settle();
  w.restart();
  CHECK(w.system->spawn<tally>(std::string("t")).ask<seen>().get() == "5 5 5 ");
}

TEST_CASE("a plain actor is a durable receiver under its name") {
  world w;
  auto a = w.open("a");
  auto p = w.system->spawn<plain>();
  persistence::receive(*w.system, "the-plain-one", p);
  CHECK(a.ask<pay>("the-plain-one", 5L, 3).get() == -15);
  w.rt.settle();
  CHECK(p.ask<seen>().get() == "5 5 5 ");
  CHECK(w.waiting() == 0);
}

TEST_CASE("a message that fails too often is given up, told of, and passed over") {
  world w({.max_delivery_attempts = 3});
  auto a = w.open("a");
  auto b = w.open("b", directive::resume);
  std::vector<persistence::message_abandoned> told;
  auto listener = w.system->spawn<abandoned_log>(&told);
  w.system->events().subscribe<persistence::message_abandoned>(listener);
  b.tell(refuse_next{3});
  CHECK(b.ask<balance>().get() == 0);
  CHECK(a.ask<pay>("b", 5L).get() == -5);
  CHECK(a.ask<pay>("b", 7L).get() == -12);
  w.rt.advance(60s);
  CHECK(b.ask<balance>().get() == 7);
  REQUIRE(told.size() == 1);
  CHECK(told[0].number == 1);
  CHECK(told[0].receiver == "b");
  CHECK(w.waiting() == 0);
}

TEST_CASE("ten thousand messages keep their order through a buffer that is smaller") {
  world w;
  auto a = w.open("a");
  for (int i = 0; i < 100; ++i) CHECK(a.ask<pay>("b", 1L, 100).get() == -100 * (i + 1));
  auto b = w.open("b");
  w.rt.advance(1s);
  CHECK(b.ask<balance>().get() == 10'000);
  CHECK(w.waiting() == 0);
}

TEST_CASE("a message sent to an actor that is no durable receiver fails the commit") {
  struct poke {
    using reply = long;
  };
  class sender : public event_sourced<purse_state, events<credited>, poke> {
   public:
    explicit sender(plain::ref to) : event_sourced("s"), to_(std::move(to)) {}
    effect on(poke) { return persist(credited{1}).then_send(to_, credit{1}).then_reply(1L); }
    static void apply(purse_state& s, const credited& e) { s.balance += e.amount; }

   private:
    plain::ref to_;
  };
  world w;
  auto p = w.system->spawn<plain>();
  auto s = w.system->spawn<sender>({.supervision = {.otherwise = directive::restart}}, p);
  const auto r = s.try_ask<poke>().get();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::invalid_argument);
  persistence::receive(*w.system, "p", p);
  CHECK(s.ask<poke>().get() == 1);
  w.rt.settle();
  CHECK(p.ask<seen>().get() == "1 ");
}

}  // namespace
}  // namespace odeon
