/// How many events a second are replayed when a thousand actors come back?

#include "odeon_durable.hpp"

namespace bench {
namespace {

constexpr std::size_t actors = 1'000;

void run(const options& opt, report& out) {
  const scratch folder;
  const std::uint64_t n = opt.scaled(opt.size, actors);
  {
    odeon::actor_system system("bench", system_options(opt));
    durable::install(system, folder);
    durable::fill(system, durable::accounts(system, actors), n);
  }
  odeon::actor_system system("bench", system_options(opt));
  durable::install(system, folder);
  const auto begin = clock::now();
  const auto sum = durable::sum_of(durable::accounts(system, actors));
  const auto elapsed = clock::now() - begin;
  if (sum != n) throw wrong_result("events are missing");
  out.rate("events", elapsed, n);
}

const registration entry{"recovery", 1'000'000, run};

}  // namespace
}  // namespace bench
