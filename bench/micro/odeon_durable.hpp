#pragma once

/// @file
/// What the durable workloads share: an account whose every event is acknowledged after it is on
/// disk, and a driver that keeps one request a account in flight. The journal stands in a
/// `scratch` folder.

#include "odeon_support.hpp"
#include "scratch.hpp"
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <string>

namespace bench::durable {

struct add {
  using reply = std::uint64_t;
  std::uint64_t amount;
};
struct total {
  using reply = std::uint64_t;
};
struct added {
  std::uint64_t amount = 0;
};
struct sum {
  std::uint64_t value = 0;
};

class account : public odeon::event_sourced<sum, odeon::events<added>, add, total> {
 public:
  explicit account(std::string id) : event_sourced(std::move(id), {.snapshot_every = 0}) {}
  effect on(add m) {
    return persist(added{m.amount}).then_reply([](const sum& s) { return s.value; });
  }
  std::uint64_t on(total) { return state().value; }
  static void apply(sum& s, const added& e) { s.value += e.amount; }
};

struct go {};

/// Adds 1 to every account in turn, one request an account in flight, `events` in all.
class driver : public odeon::actor<go> {
 public:
  driver(std::vector<account::ref> to, std::uint64_t events, std::latch* done, bool* wrong)
      : to_(std::move(to)),
        left_(events),
        open_(events),
        done_(done),
        wrong_(wrong) {}
  void on(go) {
    for (std::size_t i = 0; i < to_.size(); ++i) next(i);
  }

 private:
  void next(std::size_t i) {
    if (left_ == 0) return;
    --left_;
    to_[i]
        .ask<add>(std::uint64_t{1})
        .within(std::chrono::minutes(5))
        .then([this, i](odeon::result<std::uint64_t> r) {
          if (!r) *wrong_ = true;
          if (--open_ == 0) done_->count_down();
          next(i);
        });
  }

  std::vector<account::ref> to_;
  std::uint64_t left_;
  std::uint64_t open_;
  std::latch* done_;
  bool* wrong_;
};

inline void install(odeon::actor_system& system, const scratch& folder) {
  auto journal =
      odeon::open_sqlite_journal(system.get_runtime(), {.path = folder.file("journal.db")});
  if (!journal) throw wrong_result(journal.error().to_string());
  odeon::persistence::install(system, std::move(*journal));
}

inline std::vector<account::ref> accounts(odeon::actor_system& system, std::size_t n) {
  std::vector<account::ref> out;
  out.reserve(n);
  for (std::size_t i = 0; i < n; ++i)
    out.push_back(system.spawn<account>("account-" + std::to_string(i)));
  return out;
}

/// Adds `events` in all, and waits for the last acknowledgement.
inline nanoseconds fill(odeon::actor_system& system, const std::vector<account::ref>& to,
                        std::uint64_t events) {
  std::latch done(1);
  bool wrong = false;
  auto d = system.spawn<driver>(to, events, &done, &wrong);
  const auto begin = clock::now();
  d.tell<go>();
  done.wait();
  const auto elapsed = clock::now() - begin;
  if (wrong) throw wrong_result("an event was not acknowledged");
  system.stop(d);
  return elapsed;
}

/// The sum over all accounts; waits until each has recovered.
inline std::uint64_t sum_of(const std::vector<account::ref>& all) {
  std::vector<odeon::future<std::uint64_t>> asked;
  asked.reserve(all.size());
  for (const auto& a : all) asked.push_back(a.ask<total>().within(std::chrono::minutes(5)));
  std::uint64_t out = 0;
  for (auto& f : asked) out += f.get();
  return out;
}

}  // namespace bench::durable
