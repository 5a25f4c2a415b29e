// What comes in from threads of others while its owner ends: the gate alone, and a link to NATS
// with requests whose answers, deadlines and end come at the same time.

#include "sidecar/internal/gate.hpp"

#include "sidecar/nats_server.test.hpp"
#include <odeon/sidecar/nats.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace odeon::sidecar {
namespace {

using namespace std::chrono_literals;

TEST_CASE("nobody is inside when a gate has been closed") {
  const auto rt = make_threaded_runtime();
  for (int round = 0; round < 300; ++round) {
    internal::gate door;
    auto owned = std::make_unique<std::atomic<int>>(0);
    std::atomic<int> refused{0};
    std::vector<std::thread> visitors;
    for (int k = 0; k < 4; ++k)
      visitors.emplace_back([&, what = owned.get()] {
        while (door.enter()) {
          what->fetch_add(1, std::memory_order_relaxed);  // gone when the gate is closed
          door.leave(*rt);
        }
        ++refused;
      });
    while (round % 2 == 0 && owned->load() < 100) {
    }
    door.close(*rt);
    owned.reset();
    CHECK_FALSE(door.enter());
    for (auto& v : visitors) v.join();
    CHECK(refused.load() == 4);
  }
}

#if __has_include(<nats/nats.h>)

TEST_CASE("each request over NATS ends once, by its answer, its deadline or the link's end") {
  const auto server = nats_test::server::make();
  if (!server) return;
  const auto rt = make_threaded_runtime();
  for (int round = 0; round < 6; ++round) {
    const auto connect = [&] {
      nats_target target;
      target.actors.invoke = [](const invocation&, std::optional<time_point>,
                                activation_target::done_fn done) { done(invocation_answer{}); };
      target.publish_here = [](const broadcast&) {};
      auto made = connect_nats(*rt, std::move(target), std::make_shared<descriptors>(),
                               {.servers = server->url()});
      REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().to_string()));
      return std::move(*made);
    };
    const auto here = connect(), there = connect();
    REQUIRE(there->serve("bank").has_value());
    constexpr int threads = 3, each = 400;
    std::vector<std::atomic<int>> ends(threads * each);
    std::atomic<int> all{0};
    std::vector<std::thread> askers;
    for (int t = 0; t < threads; ++t)
      askers.emplace_back([&, t] {
        for (int k = 0; k < each; ++k)
          here->invoke({.actor = {"bank", "joe"}, .action = "x"}, rt->now() + (k % 7) * 500us,
                       [&, n = t * each + k](const invocation_answer&) {
                         ++ends[static_cast<std::size_t>(n)];
                         ++all;
                       });
      });
    while (round % 2 == 0 && all.load() < threads * each / 2) {
    }
    here->close();
    for (auto& a : askers) a.join();
    CHECK(all.load() == threads * each);  // what was asked later was refused at once
    int wrong = 0;
    for (const auto& e : ends) wrong += e.load() == 1 ? 0 : 1;
    CHECK(wrong == 0);
  }
}

#endif

}  // namespace
}  // namespace odeon::sidecar
