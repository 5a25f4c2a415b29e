/// How many events a second do many actors persist together, each with one in flight?

#include "odeon_durable.hpp"

namespace bench {
namespace {

constexpr std::uint64_t events = 500'000;

void run(const options& opt, report& out) {
  const scratch folder;
  odeon::actor_system system("bench", system_options(opt));
  durable::install(system, folder);
  const auto all = durable::accounts(system, opt.size);
  if (durable::sum_of(all) != 0) throw wrong_result("a new journal is not empty");
  const std::uint64_t n = opt.scaled(events, opt.size);
  const auto elapsed = durable::fill(system, all, n);
  if (durable::sum_of(all) != n) throw wrong_result("events are missing");
  out.rate_k("events", elapsed, n);
}

const registration entry{"persist_many", 10'000, run};

}  // namespace
}  // namespace bench
