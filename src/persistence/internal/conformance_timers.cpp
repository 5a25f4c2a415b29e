#include "persistence/internal/conformance.hpp"

#include <array>

namespace odeon::testing {

namespace {

wall_time at(std::int64_t seconds) { return wall_time(std::chrono::seconds(seconds)); }

std::string names(const std::vector<stored_timer>& list) {
  std::string out;
  for (const auto& t : list)
    out += t.persistence_id + t.timer.id + "@" +
           std::to_string(t.timer.due.time_since_epoch() / std::chrono::seconds(1)) + " ";
  return out;
}

timer_change removal(std::string id, std::string timer, std::optional<wall_time> only_if_due = {}) {
  return {.persistence_id = std::move(id),
          .timer_id = std::move(timer),
          .only_if_due = only_if_due,
          .set = {}};
}

timer_change setting(std::string id, std::string timer, std::int64_t due,
                     std::optional<wall_time> only_if_due = {}) {
  timer_change c = removal(std::move(id), timer, only_if_due);
  c.set = timer_of(timer, due);
  return c;
}

result<void> conditions(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  append_request r{.persistence_id = "a", .epoch = epoch};
  r.set_timers = {timer_of("x", 1), timer_of("y", 2), timer_of("z", 3)};
  ODEON_VALUE(ack, j.append(std::move(r)));
  ODEON_EXPECT(ack.sequence == 0);
  ODEON_VALUE(refused, j.change({setting("a", "x", 9, at(2)), removal("a", "y", at(3)),
                                 setting("a", "not there", 9, at(2)), removal("a", "not there"),
                                 removal("nobody", "x"), setting("nobody", "x", 9, at(1))}));
  ODEON_VALUE(same, j.due(at(100)));
  ODEON_VALUE(ids, j.ids());
  ODEON_EXPECT(refused == 0 && names(same) == "ax@1 ay@2 az@3 ");
  ODEON_EXPECT(ids == std::vector<std::string>{"a"});  // a condition makes nobody known
  ODEON_VALUE(applied, j.change({setting("a", "x", 9, at(1)), removal("a", "y", at(2)),
                                 removal("a", "z"), setting("a", "x", 10, at(1))}));
  ODEON_VALUE(some, j.due(at(100)));
  ODEON_EXPECT(applied == 3 && names(some) == "ax@9 ");
  ODEON_EXPECT(text_of(some[0].timer.payload) == "ring x" && some[0].timer.version == 3);
  // In order: what one change does, the next one sees.
  ODEON_VALUE(chain, j.change({setting("a", "x", 11, at(9)), setting("a", "x", 12, at(11)),
                               setting("a", "w", 4), removal("a", "w"), setting("a", "v", 5)}));
  ODEON_VALUE(after, j.due(at(100)));
  ODEON_EXPECT(chain == 5 && names(after) == "av@5 ax@12 ");
  ODEON_VALUE(nothing, j.change({}));
  ODEON_EXPECT(nothing == 0);
  return {};
}

result<void> conditions_of_an_append(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  append_request first{.persistence_id = "a", .epoch = epoch};
  first.set_timers = {timer_of("x", 1), timer_of("y", 2), timer_of("z", 3)};
  ODEON_VALUE(ack, j.append(std::move(first)));
  ODEON_EXPECT(ack.sequence == 0);
  // What was set anew meanwhile stays, and what the same append sets has the last word.
  append_request second{.persistence_id = "a", .epoch = epoch};
  second.change_timers = {removal("a", "x", at(9)), setting("a", "y", 20, at(2)),
                          removal("a", "z", at(3)), removal("a", "gone", at(1))};
  second.cancel_timers = {"y"};
  second.set_timers = {timer_of("z", 30)};
  ODEON_VALUE(done, j.append(std::move(second)));
  ODEON_EXPECT(done.sequence == 0);
  ODEON_VALUE(left, j.due(at(100)));
  ODEON_EXPECT(names(left) == "ax@1 az@30 ");
  append_request strange{.persistence_id = "a", .epoch = epoch};
  strange.change_timers = {removal("b", "x", at(1))};
  ODEON_EXPECT_ERROR(j.append(std::move(strange)), errc::invalid_argument);
  append_request stale{.persistence_id = "a", .epoch = epoch + 1};
  stale.change_timers = {removal("a", "x", at(1))};
  ODEON_EXPECT_ERROR(j.append(std::move(stale)), errc::fenced);
  ODEON_VALUE(same, j.due(at(100)));
  ODEON_EXPECT(names(same) == "ax@1 az@30 ");
  return {};
}

result<void> strangers(journal_fixture& on) {
  {
    ODEON_VALUE(j, open(on));
    ODEON_VALUE(applied, j.change({setting("new", "t", 5), setting("newer", "u", 3)}));
    ODEON_VALUE(timers, j.due(at(100)));
    ODEON_VALUE(ids, j.ids());
    ODEON_EXPECT(applied == 2 && names(timers) == "neweru@3 newt@5 ");
    ODEON_EXPECT((ids == std::vector<std::string>{"new", "newer"}));
    // It makes nobody a writer, and disturbs none.
    ODEON_EXPECT_ERROR(j.append("new", 0, 0, {event_of("no")}), errc::fenced);
    ODEON_EXPECT_ERROR(j.append("new", 1, 0, {event_of("no")}), errc::fenced);
    ODEON_VALUE(epoch, j.open_writer("new"));
    ODEON_VALUE(one, j.append("new", epoch, 0, {event_of("one")}));
    ODEON_VALUE(more, j.change({setting("new", "t", 50), setting("new", "s", 40)}));
    ODEON_VALUE(two, j.append("new", epoch, 1, {event_of("two")}));
    ODEON_EXPECT(epoch == 1 && one.sequence == 1 && more == 2 && two.sequence == 2);
  }
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(timers, j.due(at(100)));
  ODEON_VALUE(of_new, j.timers_of("new"));
  ODEON_EXPECT(names(timers) == "neweru@3 news@40 newt@50 " && of_new.size() == 2);
  ODEON_VALUE(all, j.events("new"));
  ODEON_EXPECT(payloads(all) == "one two");
  return {};
}

constexpr std::array checks{
    journal_check{"a timer is changed by others only under its condition", conditions},
    journal_check{"an append changes its timers only under their conditions",
                  conditions_of_an_append},
    journal_check{"a timer may be set for an id that nobody has written", strangers},
};

}  // namespace

std::span<const journal_check> timer_checks() { return checks; }

}  // namespace odeon::testing
