/// @file Event-sourced actors in a process that is killed with SIGKILL again and again. What a
/// command was answered must be in the state that comes back, and the state must be what a replay
/// of the events gives.

#include "crash/checker.hpp"
#include "crash/fault_vfs.hpp"
#include "crash/rounds.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>

using namespace crash;

namespace {

constexpr std::uint32_t accounts = 30;
constexpr std::uint64_t rounds_on_one_journal = 40;

/// Step k of an account is 1 to 3 events, of one effect.
constexpr std::uint64_t events_of(std::uint64_t step) { return 1 + step % 3; }

struct part {
  std::uint64_t step = 0;
  std::uint64_t number = 0;
};
struct ledger {
  std::uint64_t parts = 0;
  std::uint64_t whole_steps = 0;
  std::uint64_t hash = 0;  // of all parts in their order
};
struct do_step {
  using reply = ledger;
  std::uint64_t step;
};
struct look {
  using reply = ledger;
};

void add(ledger& s, const part& p) {
  s.parts += 1;
  s.hash = mix(s.hash, p.step, p.number);
  if (p.number + 1 == events_of(p.step)) s.whole_steps = p.step + 1;
}

ledger after(std::uint64_t steps) {
  ledger out;
  for (std::uint64_t k = 0; k < steps; ++k)
    for (std::uint64_t n = 0; n < events_of(k); ++n) add(out, {k, n});
  return out;
}

bool same(const ledger& a, const ledger& b) {
  return a.parts == b.parts && a.whole_steps == b.whole_steps && a.hash == b.hash;
}

class account : public odeon::event_sourced<ledger, odeon::events<part>, do_step, look> {
 public:
  explicit account(std::string id)
      : event_sourced(std::move(id), {.snapshot_every = 11, .keep_snapshots = 2}) {}
  effect on(do_step m) {
    if (m.step != state().whole_steps)
      return reply(odeon::error(odeon::errc::refused, "this is not the next step"));
    std::vector<std::variant<part>> parts;
    for (std::uint64_t n = 0; n < events_of(m.step); ++n) parts.emplace_back(part{m.step, n});
    return persist_all(std::move(parts)).then_reply([](const ledger& s) { return s; });
  }
  ledger on(look) { return state(); }
  static void apply(ledger& s, const part& p) { add(s, p); }
};

struct go {};

/// First looks whether each account has come back as it was, then keeps one step of each under way.
class driver : public odeon::actor<go> {
 public:
  driver(std::vector<account::ref> to, claims* told) : to_(std::move(to)), told_(told) {}
  void on(go) {
    for (std::uint32_t id = 0; id < to_.size(); ++id)
      to_[id].ask<look>().within(std::chrono::minutes(1)).then([this, id](auto r) {
        const claim& c = told_->of[id];
        if (!r) return fail(id, r.error().to_string());
        if (r->whole_steps < c.acked || r->whole_steps > c.issued)
          return fail(id, "it came back at step " + std::to_string(r->whole_steps) +
                              ", acknowledged was " + std::to_string(c.acked));
        if (!same(*r, after(r->whole_steps))) return fail(id, "it came back as another");
        step(id, r->whole_steps);
      });
  }

 private:
  void step(std::uint32_t id, std::uint64_t k) {
    claim& c = told_->of[id];
    std::atomic_ref(c.issued).store(k + 1);
    to_[id].ask<do_step>(k).within(std::chrono::minutes(1)).then([this, id, k](auto r) {
      if (!r) return fail(id, r.error().to_string());
      std::atomic_ref(told_->of[id].acked).store(k + 1);
      std::atomic_ref(told_->acknowledgements).fetch_add(1);
      if (r->whole_steps != k + 1) return fail(id, "the answer is that of another step");
      step(id, k + 1);
    });
  }
  void fail(std::uint32_t id, const std::string& what) {
    (id_of(id) + ": " + what).copy(told_->fault.data(), told_->fault.size() - 1);
    std::_Exit(2);
  }

  std::vector<account::ref> to_;
  claims* told_;
};

void run_accounts(const std::string& path, claims& told) {
  odeon::actor_system system("crash");
  auto j = odeon::open_sqlite_journal(system.get_runtime(), journal_at(path));
  if (!j) {
    j.error().to_string().copy(told.fault.data(), told.fault.size() - 1);
    return;
  }
  odeon::persistence::install(system, std::move(*j));
  std::vector<account::ref> all;
  for (std::uint32_t id = 0; id < accounts; ++id) all.push_back(system.spawn<account>(id_of(id)));
  system.spawn<driver>(std::move(all), &told).tell<go>();
  for (;;) ::pause();
}

/// The events themselves, read without any actor. Brings `told` to what it finds.
void replay_all(const std::string& path, claims& told) {
  odeon::simulated_runtime rt;
  auto j = odeon::open_sqlite_journal(rt, journal_at(path));
  REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
  for (std::uint32_t id = 0; id < accounts; ++id) {
    ledger state;
    const auto end = odeon::wait_for<odeon::replay_report>(rt, [&](auto done) {
      (*j)->replay(
          {.persistence_id = id_of(id)},
          [&](const odeon::event_view& e) -> odeon::result<void> {
            auto p = odeon::wire::decode_version<part>(static_cast<int>(e.version), e.payload);
            if (!p) return std::unexpected(p.error());
            add(state, *p);
            return {};
          },
          std::move(done));
    });
    REQUIRE_MESSAGE(end.has_value(), (end ? "" : end.error().to_string()));
    CAPTURE(id);
    CHECK(state.whole_steps >= told.of[id].acked);
    CHECK(state.whole_steps <= told.of[id].issued);
    CHECK(same(state, after(state.whole_steps)));
    told.of[id].issued = told.of[id].acked = state.whole_steps;
  }
}

}  // namespace

TEST_CASE("what an event-sourced actor answered survives SIGKILL, and its state is its events'") {
  const std::uint64_t seed = base_seed();
  CAPTURE(seed);
  const std::uint64_t rounds = setting("ODEON_CRASH_ROUNDS", 160) / 4;
  install_fault_vfs();
  const scratch_folder in;
  shared<claims> told;
  std::uint64_t answers = 0;
  for (std::uint64_t r = 0; r < rounds; ++r) {
    CAPTURE(r);
    if (r % rounds_on_one_journal == 0) {
      in.empty();
      *told = claims{};
      told->ids = accounts;
    }
    dice d(mix(seed, r, 3));
    const std::uint64_t before = told->acknowledgements;
    const std::uint64_t wanted = d.one_in(4) ? 0 : d.below(400);
    bool stuck = false;
    const death end = run_and_kill(
        {.body =
             [&] {
               observe(&no_syncs());
               run_accounts(in.file("journal.db"), *told);
             },
         .enough =
             [&] { return std::atomic_ref(told->acknowledgements).load() >= before + wanted; },
         .microseconds_more = static_cast<std::int64_t>(d.below(30'000))},
        stuck);
    REQUIRE_FALSE(stuck);
    REQUIRE_MESSAGE(end.by_sigkill, told->fault.data());
    answers += told->acknowledgements - before;
    observe(&no_syncs());
    replay_all(in.file("journal.db"), *told);
    observe(nullptr);
  }
  MESSAGE(rounds << " kills, " << answers << " commands answered; ODEON_TEST_SEED=" << seed);
  CHECK(answers > 10 * rounds);
}
