// The channel between islands, the waker, queues and hubs under many threads: to be run with
// ThreadSanitizer. Nothing is lost or doubled, and no wake-up either: each case would hang.

#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/nested.hpp>
#include <odeon/stream/hub.hpp>
#include <odeon/stream/kill_switch.hpp>
#include <odeon/stream/queue.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <ranges>
#include <thread>
#include <vector>

using namespace odeon;
using namespace odeon::stream;

namespace {

auto upto(int n) { return source::from(std::views::iota(0, n)); }
long sum_to(long n) { return n * (n - 1) / 2; }
auto sum() { return sink::fold(0L, std::plus{}); }

}  // namespace

TEST_CASE("chains of boundaries of every small capacity keep all elements in order") {
  actor_system system{"stress", {.workers = 4}};
  for (std::size_t capacity : {1U, 2U, 3U, 8U, 64U}) {
    const int n = capacity < 3 ? 20'000 : 100'000;
    std::vector<future<bool>> all;
    for (int i = 0; i < 4; ++i)
      all.push_back(
          (upto(n) | async({.capacity = capacity}) | async({.capacity = capacity}) |
           async({.capacity = capacity}) |
           to(sink::fold(true, [next = 0](bool ok, int x) mutable { return ok && x == next++; })))
              .run(system));
    for (auto& a : all) CHECK(a.get());
  }
}

TEST_CASE("streams that are cancelled at any moment end, and so do their sources") {
  actor_system system{"stress", {.workers = 4}};
  auto sources_gone = std::make_shared<std::atomic<int>>(0);
  struct tally {
    std::shared_ptr<std::atomic<int>> n;
    explicit tally(std::shared_ptr<std::atomic<int>> p) : n(std::move(p)) {}
    tally(tally&&) = default;
    tally(const tally&) = default;
    ~tally() {
      if (n) ++*n;
    }
  };
  for (int i = 0; i < 500; ++i) {
    auto got = (source::repeat(1) | map([t = tally(sources_gone)](int x) { return x; }) |
                async({.capacity = 4}) | async({.capacity = 4}) | take(std::size_t(i) * 3) |
                to(sink::count()))
                   .run(system)
                   .get();
    CHECK(got == std::size_t(i) * 3);
  }
  system.terminate_and_wait(std::chrono::seconds(30));
  CHECK(*sources_gone >= 500);
}

TEST_CASE("many threads offer to one queue") {
  actor_system system{"stress", {.workers = 2}};
  constexpr int threads = 4, each = 5'000;
  auto [q, total] = (source::queue<long>(16) | async() | to(sum())).run(system);
  std::vector<std::jthread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([into = q] {
      for (long i = 0; i < each; ++i)
        if (into.offer(i).get() != offer_result::enqueued) std::abort();
    });
  all.clear();
  q.complete();
  CHECK(total.get() == threads * sum_to(each));
}

TEST_CASE("streams join and leave hubs while they run") {
  actor_system system{"stress", {.workers = 4}};
  auto [in, total] = (source::merge_hub<long>(8) | to(sum())).run(system);
  auto out =
      (upto(100'000) | map([](int x) { return long(x); }) | to(sink::broadcast_hub(8))).run(system);
  std::vector<future<std::size_t>> parts;
  for (int i = 0; i < 50; ++i) {
    (upto(1'000) | map([](int x) { return long(x); }) | to(in.sink())).run(system);
    parts.push_back((out.source() | take(std::size_t(i) * 10) | to(sink::count())).run(system));
  }
  for (std::size_t i = 0; i < parts.size(); ++i) CHECK(parts[i].get() <= i * 10);
  (out.source() | to(sink::ignore())).run(system).get();
  in.complete();
  CHECK(total.get() == 50 * sum_to(1'000));
}

TEST_CASE("a kill switch is pulled while streams run and end") {
  actor_system system{"stress", {.workers = 4}};
  for (int round = 0; round < 100; ++round) {
    shared_kill_switch all;
    std::vector<future<void>> done;
    for (int i = 0; i < 8; ++i)
      done.push_back((upto(i % 2 == 0 ? 100 : 100'000'000) | async({.capacity = 2}) | all.flow() |
                      async() | to(sink::ignore()))
                         .run(system));
    std::jthread other([all]() mutable { all.shutdown(); });
    all.shutdown();
    for (auto& d : done) d.get();
  }
}

TEST_CASE("groups are read by streams on other threads") {
  actor_system system{"stress", {.workers = 4}};
  auto parts = (upto(100'000) |
                group_by(
                    8, [](int x) { return x % 8; }, 4) |
                flat_map_merge(8,
                               [](auto g) {
                                 return std::move(g) | async({.capacity = 3}) |
                                        map([](int x) { return long(x); });
                               }) |
                to(sum()))
                   .run(system);
  CHECK(parts.get() == sum_to(100'000));
}
