#include "persistence/internal/landing.hpp"

#include "persistence/internal/event_format.hpp"
#include <odeon/base/crc32c.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace odeon;
using namespace odeon::detail;

namespace {

constexpr std::size_t overhead = 128;  // what the landing counts for each tail

std::vector<std::byte> record(std::uint32_t actor, std::uint64_t sequence, std::size_t payload) {
  std::vector<std::byte> out;
  encode_record(out, {.payload = std::vector<std::byte>(payload)}, {.key = {actor, sequence}},
                crc32c("id"));
  return out;
}

void add(landing& l, std::uint32_t actor, std::uint64_t sequence, std::size_t payload) {
  const auto bytes = record(actor, sequence, payload);
  const landing::addition one{actor, sequence, bytes};
  l.add(std::span(&one, 1), sequence + 1);
}

}  // namespace

TEST_CASE("a landing gives back an actor's newest events, one or all") {
  landing l(1'000'000, 1'000'000);
  add(l, 1, 5, 10);
  add(l, 2, 1, 20);
  add(l, 1, 6, 30);
  landing::tail t;
  REQUIRE(l.copy_tail(1, t));
  CHECK(t.first == 5);
  CHECK(t.last == 6);
  CHECK(t.records.size() == 2 * record_head + 40);
  CHECK(l.last_of(1) == 6);
  CHECK(l.last_of(3) == 0);
  CHECK(!l.copy_tail(3, t));
  std::vector<std::byte> one;
  REQUIRE(l.copy_event(1, 6, one));
  CHECK(one == record(1, 6, 30));
  CHECK(!l.copy_event(1, 4, one));
  CHECK(!l.copy_event(1, 7, one));
  CHECK(l.next_position() == 7);
  CHECK(l.bytes() == 3 * record_head + 60 + 2 * overhead);
}

TEST_CASE("a landing below its limit stores nothing") {
  landing l(10'000, 5'000);
  l.start_sweep(1, 0);
  add(l, 1, 1, 1000);
  CHECK(l.make_plan(1000).actors.empty());
}

TEST_CASE("a landing above its limit stores actors in order and goes on where it stopped") {
  landing l(2'000, 5'000);
  l.start_sweep(10, 0);
  for (std::uint32_t actor = 1; actor <= 5; ++actor) add(l, actor, 1, 320);  // 500 bytes each
  REQUIRE(l.bytes() == 2500);
  const auto first = l.make_plan(0);
  CHECK(first.actors == std::vector<std::uint32_t>{1});
  CHECK(l.stored(first, 0, 20) == 0);
  CHECK(l.bytes() == 2000);
  CHECK(l.find(1) == nullptr);
  add(l, 1, 2, 320);
  const auto second = l.make_plan(600);
  CHECK(second.actors == std::vector<std::uint32_t>{2, 3, 4});
  CHECK(!second.sweep_ends);
}

TEST_CASE("a heavy tail is stored with the next transaction") {
  landing l(1'000'000, 1'000);
  l.start_sweep(1, 0);
  add(l, 3, 1, 400);
  CHECK(l.make_plan(0).actors.empty());
  add(l, 3, 2, 600);
  const auto plan = l.make_plan(0);
  CHECK(plan.actors == std::vector<std::uint32_t>{3});
  l.stored(plan, 0, 2);
  CHECK(l.bytes() == 0);
  CHECK(l.make_plan(0).actors.empty());
}

TEST_CASE("the log is free up to where a whole sweep began") {
  landing l(1'000, 5'000);
  l.start_sweep(7, 0);
  add(l, 1, 1, 600);
  add(l, 2, 1, 600);
  auto plan = l.make_plan(0);
  CHECK(plan.actors == std::vector<std::uint32_t>{1});
  CHECK(l.stored(plan, 0, 9) == 0);
  plan = l.make_plan(2'000);
  CHECK(plan.actors == std::vector<std::uint32_t>{2});
  CHECK(plan.sweep_ends);
  CHECK(l.stored(plan, 2'000, 12) == 7);  // all that was there when the sweep began
  add(l, 1, 2, 600);
  plan = l.make_plan(2'000);
  CHECK(plan.sweep_ends);
  CHECK(l.stored(plan, 2'000, 15) == 12);
}

TEST_CASE("a log that grows while tails stay small is freed all the same") {
  landing l(10'000, 1'000);
  std::uint64_t log_next = 1;
  l.start_sweep(log_next, 0);
  add(l, 50, 1, 100);  // a cold actor: nothing but the log's length makes it move
  std::uint64_t safe = 0;
  for (std::uint64_t k = 1; k <= 40; ++k) {  // a hot one, whose tail is stored each time
    const auto plan = l.make_plan(1'200);
    safe = l.stored(plan, 1'200, ++log_next);
    add(l, 1, k, 1'100);
  }
  CHECK(l.find(50) == nullptr);
  CHECK(safe > 1);
  CHECK(log_next - safe < 25);
}
