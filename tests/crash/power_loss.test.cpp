#include "crash/power_loss.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace crash;

namespace {

loss_outcome one_chain(std::uint64_t number, broken_promises broken = {}, bool lies = false) {
  install_fault_vfs();
  const scratch_folder in;
  return run_losses({.seed = mix(base_seed(), number), .broken = broken, .writer_lies = lies}, in);
}

bool tells_of_loss(const loss_outcome& out) {
  return std::ranges::any_of(out.faults, [](const std::string& f) {
    return f.find("was acknowledged, and it stands at") != std::string::npos;
  });
}

// Whether some of a few chains tell of an acknowledged step that is gone.
bool finds_loss(broken_promises broken, bool lies) {
  for (std::uint64_t number = 0; number < 20; ++number)
    if (tells_of_loss(one_chain(number, broken, lies))) return true;
  return false;
}

}  // namespace

TEST_CASE("what a journal acknowledged survives a loss of power at any moment") {
  const std::uint64_t seed = base_seed();
  CAPTURE(seed);
  const std::uint64_t wanted = setting("ODEON_CRASH_IMAGES", 300);
  const std::uint64_t first = setting("ODEON_CRASH_FIRST", 0);
  loss_outcome all;
  std::uint64_t number = first;
  for (; all.images < wanted && all.faults.empty(); ++number) {
    const auto out = one_chain(number);
    all.images += out.images;
    all.lives += out.lives;
    all.acknowledgements += out.acknowledgements;
    all.operations += out.operations;
    all.faults = out.faults;
  }
  MESSAGE(all.images << " images of " << all.lives << " lives, " << all.operations
                     << " operations, " << all.acknowledgements
                     << " acknowledgements; ODEON_TEST_SEED=" << seed);
  for (const auto& f : all.faults)
    FAIL_CHECK(f << "; again: ODEON_TEST_SEED=" << seed << " ODEON_CRASH_FIRST=" << number - 1
                 << " ODEON_CRASH_IMAGES=1");
  CHECK(all.acknowledgements > wanted);
}

TEST_CASE("the same seed gives the same losses of power") {
  install_fault_vfs();
  const scratch_folder in;
  const loss_options options{.seed = mix(base_seed(), 7), .lives = 2, .images = 10};
  const auto once = run_losses(options, in);
  const auto again = run_losses(options, in);
  CHECK(once.images == again.images);
  CHECK(once.operations == again.operations);
  CHECK(once.acknowledgements == again.acknowledgements);
}

TEST_CASE("a disk whose syncs do nothing is caught losing what was acknowledged") {
  CHECK(finds_loss({.syncs = true}, false));
}

TEST_CASE("a disk that does not sync its folder is caught losing what was acknowledged") {
  CHECK(finds_loss({.folder_syncs = true}, false));
}

TEST_CASE("a journal that acknowledged too early would be caught by a loss of power") {
  CHECK(finds_loss({}, true));
}
