#pragma once

#include <cstdint>
#include <vector>

namespace odeon::dev {

/// When the supervisor kills its worker.
struct kill_point {
  bool in_recovery = false;  ///< while it recovers from the kill before; else while it transfers
  double share = 0;          ///< of the recovery, or of the lines of the file
};

/// As many as `kills`, in the order in which they come. A single one is between 30 % and 70 % of
/// the file; several are spread over 10 % to 90 %, and a third of those after the first strike the
/// recovery. The same seed gives the same plan.
[[nodiscard]] std::vector<kill_point> make_kill_plan(unsigned kills, std::uint64_t seed);

}  // namespace odeon::dev
