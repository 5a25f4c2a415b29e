/// How many events a second does one actor persist, when each is acknowledged, after it is on disk,
/// before the next is asked for?

#include "odeon_durable.hpp"

namespace bench {
namespace {

constexpr std::uint64_t events = 10'000;

void run(const options& opt, report& out) {
  const scratch folder;
  odeon::actor_system system("bench", system_options(opt));
  durable::install(system, folder);
  const auto all = durable::accounts(system, 1);
  durable::fill(system, all, opt.size);
  const std::uint64_t n = opt.scaled(events, 10);
  for (std::uint64_t i = 0; i < n / 10; ++i) (void)all[0].ask<durable::add>(std::uint64_t{1}).get();
  const auto begin = clock::now();
  for (std::uint64_t i = 0; i < n; ++i) (void)all[0].ask<durable::add>(std::uint64_t{1}).get();
  const auto elapsed = clock::now() - begin;
  if (durable::sum_of(all) != opt.size + n / 10 + n) throw wrong_result("events are missing");
  out.rate_k("events", elapsed, n);
}

const registration entry{"persist_one", 1'000, run};

}  // namespace
}  // namespace bench
