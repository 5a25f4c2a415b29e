/// How many durable timers a second are fired that are all due, and what memory does that take?
///
/// They stand in an SQLite journal, for a hundred owners, which take messages and keep nothing: a
/// timer is read, handed over, and removed from the journal. The clock runs from the start of the
/// service until the journal has none left.

#include "odeon_durable.hpp"
#include <odeon/persistence/durable_timers.hpp>
#include <odeon/persistence/receivers.hpp>

#include <algorithm>

namespace bench {
namespace {

constexpr std::size_t owners = 100;
constexpr std::size_t batch = 10'000;
constexpr std::size_t memory_max =
    64'000'000;  // bytes that firing may take, however many there are

struct ring {
  std::uint64_t number = 0;
};

class bell : public odeon::actor<ring> {
 public:
  explicit bell(std::atomic<std::uint64_t>* rings) : rings_(rings) {}
  // A sum that is read at the end alone.
  void on(ring r) { rings_->fetch_add(r.number, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t>* rings_;
};

std::string owner_of(std::uint64_t n) { return "owner-" + std::to_string(n % owners); }

void set(odeon::runtime& rt, odeon::journal& store, std::uint64_t from, std::uint64_t to) {
  const odeon::wall_time first = rt.wall_now() - std::chrono::seconds(1);
  std::vector<odeon::timer_change> changes;
  for (std::uint64_t n = from; n < to; ++n) {
    auto timer = odeon::durable_timer::at("t" + std::to_string(n),
                                          first + std::chrono::nanoseconds(n), ring{n});
    changes.push_back({.persistence_id = owner_of(n),
                       .timer_id = timer.id(),
                       .set = timer.to_record(first).value()});
  }
  auto done = odeon::wait_for<std::uint64_t>(
      rt, [&](auto then) { store.change_timers(std::move(changes), std::move(then)); });
  if (!done) throw wrong_result(done.error().to_string());
}

void run(const options& opt, report& out) {
  const scratch folder;
  odeon::actor_system system("bench", system_options(opt));
  durable::install(system, folder);
  auto& rt = system.get_runtime();
  const auto store = odeon::persistence::installed(system);
  const std::uint64_t n = opt.scaled(opt.size, owners);
  std::atomic<std::uint64_t> rings{0};
  for (std::size_t i = 0; i < owners; ++i)
    odeon::persistence::receive(system, owner_of(i), system.spawn<bell>(&rings));
  for (std::uint64_t from = 0; from < n; from += batch)
    set(rt, *store, from, std::min(from + batch, n));

  const std::size_t before = resident_bytes();
  std::size_t most = before;
  const auto begin = clock::now();
  auto timers = odeon::persistence::start_timers(system);
  while (timers.stats().fired < n || timers.stats().under_way > 0) {
    most = std::max(most, resident_bytes());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const auto elapsed = clock::now() - begin;
  if (!timers.list({}, 1).get().empty()) throw wrong_result("timers are left");
  if (timers.stats().fired != n) throw wrong_result("timers came more than once");
  if (rings != n * (n - 1) / 2) throw wrong_result("other timers came than were set");
  if (most - before > memory_max) throw wrong_result("memory grows with the timers");
  out.rate_k("timers", elapsed, n);
  out.add("memory", "MB", better::lower, static_cast<double>(most - before) / 1e6);
}

const registration entry{"durable_timers", 1'000'000, run};

}  // namespace
}  // namespace bench
