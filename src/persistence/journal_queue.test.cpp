#include <odeon/persistence/journal_queue.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

namespace odeon {
namespace {

struct job {
  static constexpr auto manifest = "test.job";
  std::string text;
};

TEST_CASE("a producer's queue in a journal keeps what was not confirmed, and fences its elder") {
  simulated_runtime rt;
  std::shared_ptr<journal> j = make_memory_journal(rt);
  auto q = reliable::make_journal_queue<job>(rt, j, "jobs");
  CHECK(run(rt, q->load())->last == 0);
  for (std::uint64_t n = 1; n <= 5; ++n)
    REQUIRE(run(rt, q->append(n, {"job " + std::to_string(n)})).has_value());
  CHECK(run(rt, q->append(9, {"too far"})).error() == errc::version_conflict);
  REQUIRE(run(rt, q->confirm(3)).has_value());

  auto next = reliable::make_journal_queue<job>(rt, j, "jobs");
  const auto state = run(rt, next->load());
  REQUIRE(state.has_value());
  CHECK(state->last == 5);
  CHECK(state->confirmed == 3);
  REQUIRE(state->unconfirmed.size() == 2);
  CHECK(state->unconfirmed.front().first == 4);
  CHECK(state->unconfirmed.front().second.text == "job 4");
  CHECK(run(rt, q->append(6, {"late"})).error() == errc::fenced);
  CHECK(run(rt, next->append(6, {"job 6"})).has_value());
}

}  // namespace
}  // namespace odeon
