#pragma once

#include "crash/disk_model.hpp"
#include "crash/rounds.hpp"
#include "crash/workload.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// @file Lives of a journal on a modelled disk, each ended by losses of power at many moments.

namespace crash {

struct loss_options {
  std::uint64_t seed = 1;
  unsigned lives = 6;    ///< each begins with what a loss of power has left of the one before
  unsigned images = 30;  ///< at most so many are taken in each life
  unsigned ids = 12;
  broken_promises broken = {};
  bool writer_lies = false;
};

struct loss_outcome {
  std::uint64_t images = 0;
  std::uint64_t lives = 0;
  std::uint64_t acknowledgements = 0;
  std::uint64_t operations = 0;     ///< that changed the disk
  std::vector<std::string> faults;  ///< with the seed, the life and the image of each
};

/// One chain of lives; the same options give the same run. `in` is emptied.
[[nodiscard]] loss_outcome run_losses(const loss_options& options, const scratch_folder& in);

}  // namespace crash
