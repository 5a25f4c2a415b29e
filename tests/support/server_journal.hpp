#pragma once

#include "support/database_server.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// @file For tests: what every journal on a database server must do beyond the conformance kit,
/// which knows one journal at a time and a server that stays.

namespace server_journal {

using namespace odeon;

struct how {
  bool create = true;
  duration patience = std::chrono::seconds(30);
  duration statement_timeout = std::chrono::seconds(20);
};

/// A kind of server. `name` is of a store: a schema, a prefix.
struct kit {
  runtime& rt;
  database_server& server;
  std::function<result<std::unique_ptr<journal>>(const std::string& name, const how&)> open;
  std::function<std::string(const std::string& sql)> sql;  ///< as administrator; first column
  std::function<std::string(const std::string& name, const char* table)> table;  ///< quoted
  std::function<std::string(std::string_view)> literal;                          ///< of bytes

  [[nodiscard]] std::unique_ptr<journal> good(const std::string& name, const how& h = {}) const {
    auto j = open(name, h);
    REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
    return std::move(*j);
  }
};

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A journal with calls that wait.
struct calls {
  runtime& rt;
  journal& j;

  result<std::uint64_t> open(std::string id) {
    return wait_for<std::uint64_t>(
        rt, [&](auto done) { j.open_writer(std::move(id), std::move(done)); });
  }
  result<append_ack> append(append_request r) {
    return wait_for<append_ack>(rt, [&](auto done) { j.append(std::move(r), std::move(done)); });
  }
  result<append_ack> append(std::string id, std::uint64_t epoch, std::uint64_t expected,
                            std::string_view text, std::vector<std::string> tags = {}) {
    append_request r{
        .persistence_id = std::move(id), .epoch = epoch, .expected_sequence = expected};
    r.events.push_back({.manifest = "e", .payload = bytes_of(text), .tags = std::move(tags)});
    return append(std::move(r));
  }
  result<std::vector<stored_event>> events(std::string id) {
    return wait_for<std::vector<stored_event>>(
        rt, [&](auto done) { read_events(j, {.persistence_id = std::move(id)}, std::move(done)); });
  }
  result<std::vector<stored_event>> by_tag(std::string tag, std::uint64_t after = 0,
                                           std::size_t max = 1000) {
    return wait_for<std::vector<stored_event>>(
        rt, [&](auto done) { j.by_tag(std::move(tag), after, max, std::move(done)); });
  }
  result<void> save(std::string id, std::uint64_t epoch, std::uint64_t sequence) {
    return wait_for<void>(rt, [&](auto done) {
      j.save_snapshot({.persistence_id = std::move(id),
                       .epoch = epoch,
                       .sequence = sequence,
                       .payload = bytes_of("s" + std::to_string(sequence))},
                      std::move(done));
    });
  }
  result<loaded_snapshot> snapshot(std::string id) {
    return wait_for<loaded_snapshot>(rt, [&](auto done) {
      j.load_snapshot({.persistence_id = std::move(id)}, std::move(done));
    });
  }
};

/// Many ids, each with its next append sent when the last one was answered, over and over. What a
/// lost server makes uncertain is found out as an actor would: by recovering.
class load {
 public:
  load(runtime& rt, journal& j, std::string prefix, std::size_t ids, std::vector<std::string> tags)
      : rt_(rt),
        j_(j),
        tags_(std::move(tags)),
        thread_(rt.make_serial("load")) {
    for (std::size_t k = 0; k < ids; ++k)
      all_.push_back(std::make_unique<one>(prefix + std::to_string(k)));
    running_ = static_cast<std::uint32_t>(ids);
    for (auto& w : all_) thread_->post([this, &w = *w] { begin(w); });
  }
  ~load() { stop(); }

  void stop() {
    stopping_ = true;
    for (auto left = running_.load(); left != 0; left = running_.load())
      rt_.wait(running_, left, time_point::max());
  }

  /// Blocks until so many appends were acknowledged since the load began.
  void wait_for_acks(std::uint32_t count) {
    for (auto now = acked_.load(); now < count; now = acked_.load())
      rt_.wait(acked_, now, time_point::max());
  }

  [[nodiscard]] std::uint32_t acked() const { return acked_; }
  [[nodiscard]] std::uint32_t failures() const { return failures_; }
  [[nodiscard]] std::string strange() const { return strange_; }

  /// After `stop`: what was acknowledged, by id.
  [[nodiscard]] std::map<std::string, std::uint64_t> acknowledged() const {
    std::map<std::string, std::uint64_t> out;
    for (const auto& w : all_) out[w->id] = w->acknowledged;
    return out;
  }

  /// What event `sequence` of an id says.
  static std::string text(const std::string& id, std::uint64_t sequence) {
    return id + "/" + std::to_string(sequence) + std::string(sequence * 37 % 200, '.');
  }

 private:
  struct one {
    explicit one(std::string name) : id(std::move(name)) {}
    std::string id;
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;
    std::uint64_t acknowledged = 0;
  };

  void end() {
    if (running_.fetch_sub(1) == 1) rt_.wake(running_);
  }

  void failed(one& w, const error& e) {
    failures_ += 1;
    if (e != errc::io_failed) strange_ = e.to_string();
    thread_->post([this, &w] { begin(w); });
  }

  void begin(one& w) {
    if (stopping_) return end();
    j_.open_writer(w.id, [this, &w](result<std::uint64_t> epoch) {
      if (!epoch) return failed(w, epoch.error());
      w.epoch = *epoch;
      j_.highest_sequence(w.id, [this, &w](result<std::uint64_t> highest) {
        if (!highest) return failed(w, highest.error());
        if (*highest < w.acknowledged) strange_ = w.id + " has lost an acknowledged event";
        w.sequence = *highest;
        thread_->post([this, &w] { next(w); });
      });
    });
  }

  void next(one& w) {
    if (stopping_) return end();
    append_request r{.persistence_id = w.id, .epoch = w.epoch, .expected_sequence = w.sequence};
    for (std::uint64_t k = 1; k <= 1 + w.sequence % 3; ++k)
      r.events.push_back(
          {.manifest = "e", .payload = bytes_of(text(w.id, w.sequence + k)), .tags = tags_});
    j_.append(std::move(r), [this, &w](result<append_ack> ack) {
      if (!ack) return failed(w, ack.error());
      w.sequence = w.acknowledged = ack->sequence;
      acked_ += 1;
      rt_.wake(acked_);
      thread_->post([this, &w] { next(w); });
    });
  }

  runtime& rt_;
  journal& j_;
  std::vector<std::string> tags_;
  std::vector<std::unique_ptr<one>> all_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint32_t> running_{0};
  std::atomic<std::uint32_t> acked_{0};
  std::atomic<std::uint32_t> failures_{0};
  std::string strange_;
  std::unique_ptr<serial_executor> thread_;  // last: ends first
};

/// All events of the ids are there, in order, once, with their texts, and no acknowledged one is
/// missing.
inline void check_all_there(const kit& on, journal& j,
                            const std::map<std::string, std::uint64_t>& acknowledged) {
  calls c{on.rt, j};
  for (const auto& [id, last] : acknowledged) {
    const auto events = c.events(id);
    REQUIRE_MESSAGE(events.has_value(), (events ? "" : events.error().to_string()));
    CHECK(events->size() >= last);
    std::uint64_t position = 0;
    for (std::size_t k = 0; k < events->size(); ++k) {
      const auto& e = (*events)[k];
      const bool good = e.sequence == k + 1 && e.position > position &&
                        text_of(e.event.payload) == load::text(id, k + 1);
      if (!good) FAIL(id << ": event " << k + 1 << " is not as it was written");
      position = e.position;
    }
  }
}

// Several journals at once.

inline void newer_writers_fence_across(const kit& on) {
  const auto first = on.good("fence");
  const auto second = on.good("fence");
  calls a{on.rt, *first};
  calls b{on.rt, *second};
  CHECK(a.open("x") == 1u);
  CHECK(a.append("x", 1, 0, "by a")->sequence == 1);
  CHECK(b.open("x") == 2u);
  const auto fenced = a.append("x", 1, 1, "too late");
  REQUIRE_FALSE(fenced.has_value());
  CHECK(fenced.error() == errc::fenced);
  const auto conflict = b.append("x", 2, 0, "has not read");
  REQUIRE_FALSE(conflict.has_value());
  CHECK(conflict.error() == errc::version_conflict);
  CHECK(b.append("x", 2, 1, "by b")->sequence == 2);
  CHECK(a.open("x") == 3u);
  CHECK(b.append("x", 2, 2, "too late").error() == errc::fenced);
  const auto events = a.events("x");
  REQUIRE(events.has_value());
  CHECK(events->size() == 2);
}

/// Somebody who follows a tag while two journals write never skips an event: one that commits later
/// has a higher position.
inline void a_follower_misses_nothing(const kit& on) {
  const auto first = on.good("follow");
  const auto second = on.good("follow");
  const auto third = on.good("follow");
  std::map<std::string, std::uint64_t> followed;
  std::uint64_t position = 0;
  std::size_t bad = 0;
  const auto follow = [&] {
    const auto page = calls{on.rt, *third}.by_tag("t", position, 50);
    REQUIRE(page.has_value());
    for (const auto& e : *page) {
      if (e.position <= position || e.sequence != ++followed[e.persistence_id]) ++bad;
      position = e.position;
    }
    return page->size();
  };
  load one(on.rt, *first, "one-", 6, {"t"});
  load two(on.rt, *second, "two-", 6, {"t"});
  while (one.acked() < 150 || two.acked() < 150) follow();
  one.stop();
  two.stop();
  while (follow() > 0) {
  }
  CHECK(bad == 0);
  CHECK(one.failures() == 0);
  CHECK(two.failures() == 0);
  for (const auto* l : {&one, &two})
    for (const auto& [id, last] : l->acknowledged()) CHECK(followed[id] == last);
  check_all_there(on, *third, one.acknowledged());
}

inline void openers_at_once_make_one_store(const kit& on) {
  constexpr std::uint32_t count = 4;
  std::vector<std::unique_ptr<serial_executor>> threads;
  std::vector<result<std::unique_ptr<journal>>> opened;
  for (std::uint32_t k = 0; k < count; ++k) opened.emplace_back(std::unexpected(errc::internal));
  std::atomic<std::uint32_t> left{count};
  for (std::uint32_t k = 0; k < count; ++k) {
    threads.push_back(on.rt.make_serial("opener"));
    threads.back()->post([&, k] {
      opened[k] = on.open("together", {});
      if (left.fetch_sub(1) == 1) on.rt.wake(left);
    });
  }
  for (auto now = left.load(); now != 0; now = left.load())
    on.rt.wait(left, now, time_point::max());
  std::uint64_t epoch = 0;
  for (auto& j : opened) {
    REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
    CHECK(calls{on.rt, **j}.open("x") == ++epoch);
  }
}

// A server that goes away.

/// Killed in mid load, again and again: whatever was acknowledged is there, and the journal comes
/// back by itself.
inline void kills_lose_nothing(const kit& on, int kills) {
  const auto j = on.good("killed");
  std::map<std::string, std::uint64_t> acknowledged;
  {
    load l(on.rt, *j, "w", 20, {"t"});
    // At least one of them should hit a commit on its way.
    for (int k = 0; k < kills || (l.failures() == 0 && k < 5 * kills); ++k) {
      l.wait_for_acks(l.acked() + 60 + 25 * static_cast<std::uint32_t>(k % kills));
      on.server.kill();
      on.server.start();
    }
    l.wait_for_acks(l.acked() + 100);
    l.stop();
    CHECK(l.strange() == "");
    WARN(l.failures() > 0);  // a matter of chance: each kill may have come between two commits
    acknowledged = l.acknowledged();
  }
  check_all_there(on, *j, acknowledged);
  const auto fresh = on.good("killed");
  check_all_there(on, *fresh, acknowledged);
}

inline void a_restart_is_waited_for(const kit& on) {
  const auto j = on.good("restarted");
  calls c{on.rt, *j};
  CHECK(c.open("x") == 1u);
  on.server.stop();
  on.server.start();
  CHECK(c.append("x", 1, 0, "the connection was dead")->sequence == 1);
  CHECK(c.events("x")->size() == 1);
}

inline void without_patience_calls_fail_at_once(const kit& on) {
  const auto j = on.good("impatient", {.patience = duration::zero()});
  calls c{on.rt, *j};
  CHECK(c.open("x") == 1u);
  on.server.stop();
  const auto refused = c.append("x", 1, 0, "nobody is there");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::io_failed);
  CHECK(c.events("x").error() == errc::io_failed);
  const auto another = on.open("impatient", {});
  REQUIRE_FALSE(another.has_value());
  CHECK(another.error() == errc::io_failed);
  on.server.start();
  patience waiting(std::chrono::seconds(20));
  auto ack = c.append("x", 1, 0, "back again");
  while (!ack && waiting.pause()) ack = c.append("x", 1, 0, "back again");
  REQUIRE_MESSAGE(ack.has_value(), (ack ? "" : ack.error().to_string()));
  CHECK(ack->sequence == 1);
}

/// A machine that hangs: nothing is refused, and nothing answered.
inline void a_silent_server_is_given_up(const kit& on) {
  const auto j = on.good("silent", {.patience = duration::zero(),
                                    .statement_timeout = std::chrono::milliseconds(500)});
  calls c{on.rt, *j};
  CHECK(c.open("x") == 1u);
  on.server.freeze();
  const auto unanswered = c.append("x", 1, 0, "is anybody there");
  const auto unread = c.events("x");
  on.server.thaw();
  REQUIRE_FALSE(unanswered.has_value());
  CHECK(unanswered.error() == errc::io_failed);
  CHECK(unread.error() == errc::io_failed);
  // Each of the journal's connections may still find out that it was given up.
  const auto highest = [&] {
    return wait_for<std::uint64_t>(on.rt,
                                   [&](auto done) { j->highest_sequence("x", std::move(done)); });
  };
  patience waiting(std::chrono::seconds(20));
  auto epoch = c.open("x");
  while (!epoch && waiting.pause()) epoch = c.open("x");
  REQUIRE(epoch.has_value());
  auto before = highest();
  while (!before && waiting.pause()) before = highest();
  REQUIRE_MESSAGE(before.has_value(), (before ? "" : before.error().to_string()));
  CHECK(*before <= 1);  // the statement may have got through
  auto ack = c.append("x", *epoch, *before, "yes");
  while (!ack && waiting.pause()) {
    if (const auto now = highest(); now && *now == *before + 1) break;  // it came, untold
    ack = c.append("x", *epoch, *before, "yes");
  }
  const auto after = highest();
  REQUIRE_MESSAGE(after.has_value(), (after ? "" : after.error().to_string()));
  CHECK(*after == *before + 1);
}

// Rows that are not as they were written.

inline void damage_is_found(const kit& on) {
  const auto j = on.good("damage");
  calls c{on.rt, *j};
  REQUIRE(c.open("a") == 1u);
  append_request r{.persistence_id = "a", .epoch = 1};
  for (const char* text : {"one", "two", "three"})
    r.events.push_back({.manifest = "e", .payload = bytes_of(text), .tags = {"t"}});
  r.outbox.push_back({.id = "m", .target = "b", .payload = bytes_of("hi")});
  r.set_timers.push_back({.id = "x", .due = wall_time(std::chrono::seconds(5))});
  r.marks.push_back({.name = "seen", .value = 17});
  REQUIRE(c.append(std::move(r)).has_value());
  REQUIRE(c.save("a", 1, 1).has_value());
  REQUIRE(c.save("a", 1, 2).has_value());
  const auto update = [&](const char* table, const std::string& set, const std::string& where) {
    on.sql("UPDATE " + on.table("damage", table) + " SET " + set + " WHERE " + where);
  };
  const auto reads = [&](const auto& outcome, const std::string& place) {
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error() == errc::corrupt_record);
    INFO(outcome.error().to_string());
    CHECK(outcome.error().text().find(place) != std::string_view::npos);
  };
  const std::string other = on.literal("other");
  const auto tagged = c.by_tag("t");  // before anything is damaged
  REQUIRE(tagged->size() == 3);
  const auto messages = wait_for<std::vector<outbox_entry>>(
      on.rt, [&](auto done) { j->take_outbox(0, 10, std::move(done)); });
  REQUIRE(messages->size() == 1);
  const std::string third = std::to_string((*tagged)[2].position);
  const std::string message = std::to_string((*messages)[0].position);

  update("snapshots", "payload = " + other, "sequence = 2");
  const auto older = c.snapshot("a");
  REQUIRE(older.has_value());
  CHECK(older->snapshot->sequence == 1);
  REQUIRE(older->damaged.size() == 1);
  CHECK(older->damaged[0].text().find("snapshots(\"a\", 2)") != std::string_view::npos);

  update("events", "payload = " + other, "sequence = 2");
  reads(c.events("a"), "events(\"a\", 2)");
  reads(c.by_tag("t"), "events(\"a\", 2)");
  CHECK(c.by_tag("t", 0, 1)->size() == 1);
  CHECK(c.append("a", 1, 3, "the next one is good")->sequence == 4);
  on.sql("DELETE FROM " + on.table("damage", "events") + " WHERE sequence = 2");
  reads(c.events("a"), "events(\"a\", 2): the row is not there");

  update("tagged", "sequence = 1", "sequence = 3");
  reads(c.by_tag("t", (*tagged)[1].position), "tagged(\"t\", " + third + "): leads to another");

  update("timers", "due = due + 1", "due > 0");
  reads(wait_for<std::vector<stored_timer>>(on.rt,
                                            [&](auto done) {
                                              j->timers_due(wall_time(std::chrono::seconds(9)), {},
                                                            10, std::move(done));
                                            }),
        "timers(\"a\", \"x\")");
  update("outbox", "target = " + other, "position = " + message);
  reads(wait_for<std::vector<outbox_entry>>(
            on.rt, [&](auto done) { j->take_outbox(0, 10, std::move(done)); }),
        "outbox(\"a\", " + message + ")");
  update("marks", "value = 18", "value = 17");
  reads(wait_for<std::uint64_t>(on.rt,
                                [&](auto done) { j->read_mark("a", "seen", std::move(done)); }),
        "marks(\"a\", \"seen\")");

  REQUIRE(c.open("b") == 1u);
  update("actors", "sequence = 9", "sequence = 4");
  reads(c.append("a", 1, 9, "refused"), "actors(\"a\")");
  reads(c.events("a"), "actors(\"a\")");
  CHECK(c.append("b", 1, 0, "another id is not concerned")->sequence == 1);
  update("state", "position_next = 1", "1 = 1");
  reads(c.append("b", 1, 1, "refused"), "state");
  CHECK(c.events("b")->size() == 1);
}

inline void a_full_disk_refuses_what_does_not_fit(const kit& on,
                                                  const std::function<void(bool)>& full) {
  const auto j = on.good("full");
  calls c{on.rt, *j};
  REQUIRE(c.open("a") == 1u);
  REQUIRE(c.open("b") == 1u);
  full(true);
  // On their way together: they share a transaction.
  std::atomic<std::uint32_t> left{3};
  std::vector<result<append_ack>> acks(3);
  for (std::size_t k = 0; k < 3; ++k) {
    append_request r{
        .persistence_id = k == 1 ? "b" : "a", .epoch = 1, .expected_sequence = k == 2 ? 1u : 0u};
    r.events.push_back({.manifest = "e", .payload = bytes_of(std::string(k == 1 ? 999 : 9, 'x'))});
    j->append(std::move(r), [&, k](result<append_ack> ack) {
      acks[k] = std::move(ack);
      if (left.fetch_sub(1) == 1) on.rt.wake(left);
    });
  }
  for (auto now = left.load(); now != 0; now = left.load())
    on.rt.wait(left, now, time_point::max());
  CHECK(acks[0].has_value());
  REQUIRE_FALSE(acks[1].has_value());
  CHECK(acks[1].error() == errc::store_full);
  CHECK(acks[2].has_value());
  full(false);
  CHECK(c.append("b", 1, 0, std::string(999, 'x'))->sequence == 1);
  CHECK(c.events("a")->size() == 2);
}

}  // namespace server_journal
