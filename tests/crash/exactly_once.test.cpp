/// @file Ten thousand effects, and two thousand timers, between durable actors in a process that is
/// killed with SIGKILL at random moments. Each effect is applied once; each timer comes, at least
/// once.
///
/// A sender's step sends five effects to receivers and sets a timer of its own, with one commit.
/// A receiver that applies an effect tells a third actor with the same commit. Receivers end
/// themselves now and then, and are brought back by what is sent to them.

#include "crash/checker.hpp"
#include "crash/fault_vfs.hpp"
#include "crash/rounds.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/durable_timers.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/receivers.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <tuple>

using namespace crash;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t senders = 20;
constexpr std::uint32_t receivers = 8;
constexpr std::uint64_t effects_of_step = 5;

struct effect_of {
  static constexpr auto manifest = "crash.effect";
  std::uint64_t sender = 0;
  std::uint64_t step = 0;
  std::uint64_t number = 0;
};
struct ring {
  static constexpr auto manifest = "crash.ring";
  std::uint64_t step = 0;
};
struct stepped {
  static constexpr auto manifest = "crash.stepped";
  std::uint64_t step = 0;
};
struct rung {
  static constexpr auto manifest = "crash.rung";
  std::uint64_t step = 0;
};
struct applied {
  static constexpr auto manifest = "crash.applied";
  effect_of what;
};
struct counted {
  std::uint64_t steps = 0;
  std::uint64_t others = 0;
};
struct push {
  using reply = std::uint64_t;
  std::uint64_t step;
};
struct how_far {
  using reply = std::uint64_t;
};

std::string receiver_id(std::uint64_t n) { return "receiver-" + std::to_string(n); }

class third : public odeon::event_sourced<counted, odeon::events<applied>, effect_of> {
 public:
  explicit third(std::string id) : event_sourced(std::move(id), {.snapshot_every = 100}) {}
  effect on(const effect_of& m) { return persist(applied{m}); }
  static void apply(counted& s, const applied&) { s.others += 1; }
};

class receiver : public odeon::event_sourced<counted, odeon::events<applied>, effect_of> {
 public:
  explicit receiver(std::string id) : event_sourced(std::move(id), {.snapshot_every = 40}) {}
  effect on(const effect_of& m) {
    auto e = persist(applied{m}).then_send(odeon::durable_ref<third>{"third"}, m);
    if (mix(m.sender, m.step, m.number) % 150 == 0) return std::move(e).then_stop();
    return e;
  }
  static void apply(counted& s, const applied&) { s.others += 1; }
};

class sender
    : public odeon::event_sourced<counted, odeon::events<stepped, rung>, push, how_far, ring> {
 public:
  sender(std::string id, std::uint64_t number)
      : event_sourced(std::move(id), {.snapshot_every = 25}),
        number_(number) {}
  effect on(push m) {
    if (m.step != state().steps) return reply(odeon::error(odeon::errc::refused, "not the next"));
    auto e = persist(stepped{m.step});
    for (std::uint64_t n = 0; n < effects_of_step; ++n)
      e = std::move(e).then_send(
          odeon::durable_ref<receiver>{receiver_id(mix(number_, m.step, n) % receivers)},
          effect_of{number_, m.step, n});
    return std::move(e)
        .then_schedule(odeon::durable_timer::after(
            "ring-" + std::to_string(m.step), std::chrono::milliseconds(mix(number_, m.step) % 40),
            ring{m.step}))
        .then_reply([](const counted& s) { return s.steps; });
  }
  std::uint64_t on(how_far) { return state().steps; }
  effect on(ring m) { return persist(rung{m.step}); }
  static void apply(counted& s, const stepped& e) { s.steps = e.step + 1; }
  static void apply(counted& s, const rung&) { s.others += 1; }

 private:
  std::uint64_t number_;
};

struct go {};

/// Keeps a step of each sender under way, until each has made `steps`.
class driver : public odeon::actor<go> {
 public:
  driver(std::vector<sender::ref> to, std::uint64_t steps, claims* told)
      : to_(std::move(to)),
        steps_(steps),
        told_(told) {}
  void on(go) {
    for (std::uint32_t id = 0; id < to_.size(); ++id)
      to_[id].ask<how_far>().within(1min).then([this, id](auto r) {
        if (!r) return fail(r.error().to_string());
        const claim& c = told_->of[id];
        if (*r < c.acked || *r > c.issued) return fail(id_of(id) + ": came back as another");
        step(id, *r);
      });
  }

 private:
  void step(std::uint32_t id, std::uint64_t k) {
    std::atomic_ref(told_->of[id].acked).store(k);
    if (k == steps_) return;
    std::atomic_ref(told_->of[id].issued).store(k + 1);
    to_[id].ask<push>(k).within(1min).then([this, id](auto r) {
      if (!r) return fail(r.error().to_string());
      std::atomic_ref(told_->acknowledgements).fetch_add(1);
      step(id, *r);
    });
  }
  void fail(const std::string& what) {
    what.copy(told_->fault.data(), told_->fault.size() - 1);
    std::_Exit(2);
  }

  std::vector<sender::ref> to_;
  std::uint64_t steps_;
  claims* told_;
};

bool nothing_waits(odeon::runtime& rt, odeon::journal& j) {
  const auto outbox = odeon::wait_for<std::vector<odeon::outbox_entry>>(
      rt, [&](auto done) { j.take_outbox(0, 1, std::move(done)); });
  const auto timers = odeon::wait_for<std::vector<odeon::stored_timer>>(
      rt, [&](auto done) { j.timers_due(odeon::wall_time::max(), {}, 1, std::move(done)); });
  return outbox && timers && outbox->empty() && timers->empty();
}

/// Ends the process when all is done.
void work(const std::string& path, std::uint64_t steps, claims& told) {
  odeon::set_log_level(odeon::log_level::off);
  odeon::actor_system system("crash");
  auto j = odeon::open_sqlite_journal(system.get_runtime(), journal_at(path));
  if (!j) {
    j.error().to_string().copy(told.fault.data(), told.fault.size() - 1);
    std::_Exit(3);
  }
  const std::shared_ptr<odeon::journal> store = std::move(*j);
  odeon::persistence::install(system, store);
  const auto bring = [&system](const std::string& id) {
    try {
      if (id == "third")
        system.spawn<third>({.name = id}, id);
      else
        system.spawn<receiver>({.name = id}, id);
    } catch (const odeon::actor_error& e) {
      if (e.which() != odeon::errc::name_taken) throw;  // it is coming up, or on its way down
    }
  };
  odeon::persistence::receivers_of(system)->activate_with("receiver-", bring);
  odeon::persistence::receivers_of(system)->activate_with("third", bring);
  const auto timers = odeon::persistence::start_timers(system);
  std::vector<sender::ref> all;
  for (std::uint32_t id = 0; id < senders; ++id)
    all.push_back(system.spawn<sender>(id_of(id), std::uint64_t{id}));
  system.spawn<driver>(std::move(all), steps, &told).tell<go>();
  const auto finished = [&] {
    for (std::uint32_t id = 0; id < senders; ++id)
      if (std::atomic_ref(told.of[id].acked).load() != steps) return false;
    return nothing_waits(system.get_runtime(), *store);
  };
  while (!finished()) ::poll(nullptr, 0, 5);
  std::_Exit(0);
}

using effect_key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

/// What the journal says of everybody, read without any actor.
struct tally {
  std::map<effect_key, int> at_receivers;
  std::map<effect_key, int> at_third;
  std::map<std::pair<std::uint64_t, std::uint64_t>, int> rung;
  std::uint64_t steps = 0;
  std::uint64_t out_of_order = 0;  // of one sender to one receiver
};

template <class F>
void each_event(odeon::runtime& rt, odeon::journal& j, const std::string& id, F f) {
  const auto end = odeon::wait_for<odeon::replay_report>(rt, [&](auto done) {
    j.replay(
        {.persistence_id = id},
        [&](const odeon::event_view& e) -> odeon::result<void> {
          f(e);
          return {};
        },
        std::move(done));
  });
  REQUIRE_MESSAGE(end.has_value(), (end ? "" : end.error().to_string()));
}

template <class E>
E decoded(const odeon::event_view& e) {
  auto out = odeon::wire::decode_version<E>(static_cast<int>(e.version), e.payload);
  CHECK_MESSAGE(out.has_value(), (out ? "" : out.error().to_string()));
  return out.value_or(E{});
}

tally count_all(const std::string& path) {
  tally t;
  odeon::simulated_runtime rt;
  auto j = odeon::open_sqlite_journal(rt, journal_at(path));
  REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
  for (std::uint32_t id = 0; id < senders; ++id)
    each_event(rt, **j, id_of(id), [&](const odeon::event_view& e) {
      if (e.manifest == stepped::manifest)
        t.steps += 1;
      else
        t.rung[{id, decoded<rung>(e).step}] += 1;
    });
  for (std::uint32_t n = 0; n < receivers; ++n) {
    std::map<std::uint64_t, std::uint64_t> last;
    each_event(rt, **j, receiver_id(n), [&](const odeon::event_view& e) {
      const auto a = decoded<applied>(e).what;
      t.at_receivers[{a.sender, a.step, a.number}] += 1;
      const std::uint64_t place = 1 + a.step * effects_of_step + a.number;
      if (place <= std::exchange(last[a.sender], place)) t.out_of_order += 1;
    });
  }
  each_event(rt, **j, "third", [&](const odeon::event_view& e) {
    const auto a = decoded<applied>(e).what;
    t.at_third[{a.sender, a.step, a.number}] += 1;
  });
  CHECK(nothing_waits(rt, **j));
  return t;
}

template <class Map>
std::size_t not_once(const Map& m) {
  std::size_t out = 0;
  for (const auto& [key, times] : m) out += times == 1 ? 0 : 1;
  return out;
}

}  // namespace

TEST_CASE("each of ten thousand effects is applied once, and no timer is lost, under SIGKILL") {
  const std::uint64_t seed = base_seed();
  CAPTURE(seed);
  const std::uint64_t effects = setting("ODEON_CRASH_EFFECTS", 10'000);
  const std::uint64_t steps = effects / (senders * effects_of_step);
  const std::uint64_t kills_wanted = setting("ODEON_CRASH_ROUNDS", 160) / 2;
  install_fault_vfs();
  const scratch_folder in;
  shared<claims> told;
  told->ids = senders;
  std::uint64_t kills = 0;
  for (bool done = false; !done;) {
    dice d(mix(seed, kills, 4));
    const std::uint64_t before = told->acknowledgements;
    const std::uint64_t wanted =
        d.one_in(3) ? 0
                    : d.below(2 + 3 * steps * senders / std::max<std::uint64_t>(1, kills_wanted));
    // Past the wanted kills nobody is killed any more: what is left must come to its end.
    const bool kill = kills < kills_wanted;
    bool stuck = false;
    const death end = run_and_kill(
        {.body =
             [&] {
               observe(&no_syncs());
               work(in.file("journal.db"), steps, *told);
             },
         .enough =
             [&] {
               return kill && std::atomic_ref(told->acknowledgements).load() >= before + wanted;
             },
         .microseconds_more = static_cast<std::int64_t>(d.below(80'000))},
        stuck);
    REQUIRE_FALSE(stuck);
    if (end.by_sigkill)
      ++kills;
    else
      REQUIRE_MESSAGE(end.status == 0, told->fault.data());
    done = !end.by_sigkill;
  }
  const tally t = count_all(in.file("journal.db"));
  CHECK(t.steps == steps * senders);
  CHECK(t.at_receivers.size() == steps * senders * effects_of_step);
  CHECK(t.at_third.size() == steps * senders * effects_of_step);
  CHECK(t.rung.size() == steps * senders);
  CHECK(not_once(t.at_receivers) == 0);
  CHECK(not_once(t.at_third) == 0);
  CHECK(not_once(t.rung) == 0);
  CHECK(t.out_of_order == 0);
  MESSAGE(kills << " kills, " << 2 * t.at_receivers.size() << " effects and " << t.rung.size()
                << " timers, each once; ODEON_TEST_SEED=" << seed);
  CHECK(kills >= kills_wanted / 4);
}
