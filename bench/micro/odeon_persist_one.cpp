/// How many events a second does one actor persist, when each is acknowledged, after it is on disk,
/// before the next is asked for? And what share is that of what SQLite itself commits meanwhile?
///
/// A disk's fsync may take ten times as long from one second to the next, so the two take turns of
/// a hundred commits, and the share is that of the medians of their turns.

#include "odeon_durable.hpp"
#include "plain_sqlite.hpp"

namespace bench {
namespace {

constexpr std::uint64_t events = 10'000;
constexpr std::uint64_t turn = 100;

nanoseconds ask_each(const durable::account::ref& one, std::uint64_t n) {
  const auto begin = clock::now();
  for (std::uint64_t i = 0; i < n; ++i) (void)one.ask<durable::add>(std::uint64_t{1}).get();
  return clock::now() - begin;
}

void run(const options& opt, report& out) {
  const scratch folder;
  plain_sqlite plain(folder);
  odeon::actor_system system("bench", system_options(opt));
  durable::install(system, folder);
  const auto all = durable::accounts(system, 1);
  durable::fill(system, all, opt.size);
  const std::uint64_t n = opt.scaled(events, 10);
  const std::uint64_t size = std::min(turn, n);
  (void)plain.commit(n / 10);
  (void)ask_each(all[0], n / 10);
  nanoseconds elapsed{0};
  std::vector<double> ours;
  std::vector<double> theirs;
  std::uint64_t done = 0;
  for (; done < n; done += size) {
    const auto took = ask_each(all[0], size);
    elapsed += took;
    ours.push_back(static_cast<double>(took.count()));
    theirs.push_back(static_cast<double>(plain.commit(size).count()));
  }
  if (durable::sum_of(all) != opt.size + n / 10 + done) throw wrong_result("events are missing");
  out.rate_k("events", elapsed, done);
  out.add("of_sqlite", "%", better::higher, 100 * percentile(theirs, 50) / percentile(ours, 50));
}

const registration entry{"persist_one", 1'000, run};

}  // namespace
}  // namespace bench
