#include "odeon/dev/kill_plan.hpp"

#include "odeon/bank/random.hpp"

namespace odeon::dev {

std::vector<kill_point> make_kill_plan(unsigned kills, std::uint64_t seed) {
  // Another stream of numbers than the one that the file is made of.
  bank::random_numbers random(seed ^ 0x6b696c6cU);
  std::vector<kill_point> plan;
  const double from = kills == 1 ? 0.3 : 0.1;
  const double slot = (1 - 2 * from) / kills;
  for (unsigned i = 0; i < kills; ++i) {
    const bool in_recovery = i > 0 && random.below(3) == 0;
    plan.push_back(
        {in_recovery, in_recovery ? random.share() : from + slot * (i + random.share())});
  }
  return plan;
}

}  // namespace odeon::dev
