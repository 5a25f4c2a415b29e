// Invocations that race with their actors being put away, activated, registered anew and stopped.

#include "sidecar/engine.test.hpp"
#include "stress/common.hpp"

#include <atomic>

using namespace odeon;
using namespace odeon::sidecar;
using namespace odeon::sidecar::testing;
using odeon::stress::dice;
using odeon::stress::on_threads;
using odeon::stress::rounds;

namespace {

/// The state is how often the action ran.
result<action_answer> count_up(const action_call& c) {
  const int now = (c.state ? std::stoi(c.state->value) : 0) + 1;
  return action_answer{.state = text(std::to_string(now)), .value = text(std::to_string(now))};
}

std::shared_ptr<test_app> counting_app() {
  auto app = std::make_shared<test_app>();
  app->on("counter.up", count_up);
  app->keeps_calls(false);
  return app;
}

std::map<std::string, actor_def> counters() {
  return {{"counter",
           {.name = "counter",
            .kind = actor_kind::unnamed,
            .snapshot_every = 5ms,
            .deactivate_after = 1ms,
            .actions = {"up"}}}};
}

invocation up(const std::string& name) {
  return {.actor = {"bank", name, "counter"}, .action = "up"};
}

}  // namespace

TEST_CASE("invocations that meet actors on their way out are run, each once") {
  constexpr int actors = 8;
  actor_system system("sidecar", {.workers = 4});
  const auto store = std::make_shared<test_store>();
  engine sidecar(system, store);
  REQUIRE(sidecar.register_app({"bank", counters(), counting_app()}));
  std::array<std::atomic<int>, actors> sent{};
  std::atomic<int> answered{0}, wrong{0}, all{0};
  on_threads(4, [&](int, dice& d) {
    for (int i = 0; i < rounds(3000); ++i) {
      const unsigned who = d.below(actors);
      sent[who].fetch_add(1);
      all.fetch_add(1);
      auto one = up("c" + std::to_string(who));
      one.async = d.below(4) == 0;
      if (d.below(50) == 0) {  // long enough for actors to be put away
        auto f = sidecar.invoke(up("c" + std::to_string(who)));
        sent[who].fetch_add(1);
        if (f.get().status != outcome::ok) wrong.fetch_add(1);
      }
      sidecar.invoke(std::move(one), std::nullopt, [&](const invocation_answer& a) {
        if (a.status != outcome::ok) wrong.fetch_add(1);
        answered.fetch_add(1);
      });
    }
  });
  odeon::stress::await(system, [&] { return answered.load() == all.load(); });
  CHECK(sidecar.stop(60s).get() == 0);
  CHECK(wrong.load() == 0);
  CHECK(answered.load() == all.load());
  for (int i = 0; i < actors; ++i) {
    const auto& n = sent[static_cast<std::size_t>(i)];
    if (n.load() > 0) CHECK(store->newest("c" + std::to_string(i)) == std::to_string(n.load()));
  }
  CHECK(sidecar.figures().deactivations >= sidecar.figures().activations);
}

TEST_CASE("every invocation is answered once, whatever ends meanwhile") {
  for (int round = 0; round < rounds(10); ++round) {
    actor_system system("sidecar", {.workers = 4});
    const auto store = std::make_shared<test_store>();
    auto sidecar = std::make_unique<engine>(system, store);
    const auto app = counting_app();
    REQUIRE(sidecar->register_app({"bank", counters(), app}));
    std::atomic<int> answered{0}, all{0};
    std::array<std::atomic<int>, 4> good{};
    on_threads(4, [&](int t, dice& d) {
      for (int i = 0; i < 300; ++i) {
        if (t == 0 && d.below(60) == 0) {
          const auto ok = sidecar->register_app({"bank", counters(), app});
          if (!ok) CHECK(ok.error() == errc::system_stopped);  // another thread was faster
        }
        if (t == 1 && d.below(60) == 0) store->take_over("c" + std::to_string(d.below(4)));
        if (t == 2 && i == 200) static_cast<void>(sidecar->stop(1s).is_ready());
        const unsigned who = d.below(4);
        all.fetch_add(1);
        sidecar->invoke(up("c" + std::to_string(who)), std::nullopt,
                        [&, who](const invocation_answer& a) {
                          if (a.status == outcome::ok) good[who].fetch_add(1);
                          answered.fetch_add(1);
                        });
      }
    });
    sidecar.reset();
    odeon::stress::await(system, [&] { return answered.load() == all.load(); });
    CHECK(answered.load() == all.load());
    // What another activation took over is lost in part; nothing is there twice.
    for (std::size_t i = 0; i < good.size(); ++i) {
      const std::string last = store->newest("c" + std::to_string(i));
      if (last != "(none)") CHECK(std::stoi(last) <= good[i].load());
    }
  }
}

TEST_CASE("every spawn is answered once, whatever ends meanwhile, and what is good is stored") {
  for (int round = 0; round < rounds(10); ++round) {
    actor_system system("sidecar", {.workers = 4});
    const auto store = std::make_shared<test_store>();
    auto sidecar = std::make_unique<engine>(system, store);
    REQUIRE(sidecar->register_app({"bank", counters(), counting_app()}));
    std::atomic<int> answered{0}, all{0};
    std::array<std::atomic<int>, 20> good{};
    on_threads(4, [&](int t, dice& d) {
      for (int i = 0; i < 300; ++i) {
        if (t == 1 && i == 200) static_cast<void>(sidecar->stop(1s).is_ready());
        if (t == 2) static_cast<void>(sidecar->figures());
        const unsigned who = d.below(good.size());
        const std::string name = "c" + std::to_string(who);
        if (t == 3) sidecar->invoke(up(name), std::nullopt, [](const invocation_answer&) {});
        all.fetch_add(1);
        sidecar->spawn(std::array{actor_id{"bank", name, "counter"}}, 0, [&, who](result<void> r) {
          if (r) good[who].fetch_add(1);
          answered.fetch_add(1);
        });
      }
    });
    sidecar.reset();
    odeon::stress::await(system, [&] { return answered.load() == all.load(); });
    CHECK(answered.load() == all.load());
    for (std::size_t i = 0; i < good.size(); ++i)
      if (good[i].load() > 0) CHECK(store->newest("/instance/c" + std::to_string(i)) == "counter");
  }
}

TEST_CASE("ten thousand actors with state are put away and come back with what they had") {
  constexpr int n = 10'000;
  actor_system system("sidecar", {.workers = 4});
  const auto store = std::make_shared<test_store>();
  engine sidecar(system, store);
  REQUIRE(sidecar.register_app({"bank", counters(), counting_app()}));
  std::atomic<int> answered{0}, wrong{0};
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < n; ++i)
      sidecar.invoke(up("a" + std::to_string(i)), std::nullopt,
                     [&, round](const invocation_answer& a) {
                       if (text_of(a.value) != std::to_string(round)) wrong.fetch_add(1);
                       answered.fetch_add(1);
                     });
    odeon::stress::await(
        system, [&] { return answered.load() == round * n && sidecar.figures().active_now == 0; });
  }
  CHECK(wrong.load() == 0);
  CHECK(sidecar.figures().activations >= 3 * n);
  CHECK(store->newest("a9999") == "3");
}
