#include "odeon/dev/tally.hpp"

#include "odeon/dev/view.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace odeon::dev;
using namespace std::chrono_literals;
using odeon::bank::ending;
using odeon::bank::refusal;

namespace {

const odeon::time_point zero;

acknowledgements one(std::uint64_t line, ending how = ending::completed, bool fresh = true,
                     std::uint64_t us = 1'000) {
  return {{{line, "r" + std::to_string(line), how,
            how == ending::completed ? refusal::none : refusal::over_limit, fresh, us}}};
}

}  // namespace

TEST_CASE("an acknowledgement counts once, however often it is told") {
  tally t(4);
  t.worker_started(zero);
  CHECK(t.add(one(1), zero).size() == 1);
  t.worker_started(zero + 1s);
  CHECK(t.add(one(1, ending::completed, false, 0), zero + 1s).empty());
  CHECK(t.add(one(2, ending::refunded), zero + 1s).size() == 1);
  CHECK(t.acknowledged() == 2);
  CHECK(t.fresh() == 2);
  CHECK(t.ended(ending::completed) == 1);
  CHECK(t.ended(ending::refunded) == 1);
  CHECK(t.refused_for(refusal::over_limit) == 1);
  CHECK(t.latency_us().count() == 2);
  CHECK(t.share() == doctest::Approx(0.5));
}

TEST_CASE("a rejected line counts once and is handed out once") {
  tally t(4);
  t.worker_started(zero);
  (void)t.add(rejections{{{3, "bad"}, {4, "worse"}}}, zero);
  CHECK(t.take_new_rejections().size() == 2);
  (void)t.add(rejections{{{3, "bad"}}}, zero);
  CHECK(t.take_new_rejections().empty());
  CHECK(t.rejected() == 2);
  CHECK(t.done() == 2);
}

TEST_CASE("rates are those of the last seconds, the mean that of transferring") {
  tally t(1'000'000);
  t.worker_started(zero);
  (void)t.add(phase_report{.what = phase::transferring}, zero + 2s);
  std::uint64_t line = 0;
  for (int second = 0; second <= 10; ++second) {
    const auto now = zero + 2s + std::chrono::seconds(second);
    const int transfers = second == 0 ? 0 : second <= 5 ? 10 : 30;
    for (int i = 0; i < transfers; ++i) (void)t.add(one(++line), now);
    (void)t.add(counters{.commits = 2 * line, .events = 8 * line}, now);
  }
  CHECK(t.transfers_per_second() == doctest::Approx(30));
  CHECK(t.events_per_second() == doctest::Approx(240));
  CHECK(t.events_per_commit() == doctest::Approx(4));
  CHECK(t.transferring() == 10s);
  CHECK(t.mean_transfers_per_second() == doctest::Approx(20));
}

TEST_CASE("the counters of killed workers are not forgotten") {
  tally t(10);
  for (int life = 0; life < 3; ++life) {
    t.worker_started(zero);
    (void)t.add(counters{.commits = 5, .events = 50, .accounts = 7}, zero);
  }
  CHECK(t.total().commits == 15);
  CHECK(t.total().events == 150);
  CHECK(t.total().accounts == 7);
}

TEST_CASE("a recovery lasts from the start of the worker to its first new transfer") {
  tally t(10);
  t.worker_started(zero);
  t.worker_started(zero + 1s);
  (void)t.add(phase_report{.what = phase::recovering, .events = 400}, zero + 2s);
  (void)t.add(phase_report{.what = phase::resuming, .done = 1, .all = 3}, zero + 3s);
  (void)t.add(phase_report{.what = phase::transferring, .events = 400}, zero + 5s);
  const incarnation& life = t.incarnations().back();
  CHECK(life.recovery == 4s);
  CHECK(life.replayed == 400);
  CHECK(life.under_way == 3);
  CHECK(recovery_line(life) ==
        "recovered in 4.00 s: 400 events read from the journal (100/s), 3 transfers under way "
        "brought to an end");
}

TEST_CASE("an empty file is done from the beginning") {
  tally t(0);
  t.worker_started(zero);
  CHECK(t.share() == 1);
  CHECK(t.transfers_per_second() == 0);
  CHECK(t.events_per_commit() == 0);
  CHECK_FALSE(plain_line(t, 0).empty());
  CHECK(live_block(t, 0).size() == 5);
}
