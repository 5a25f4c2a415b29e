#include "sidecar/internal/pool.hpp"

#include <algorithm>

namespace odeon::sidecar::detail {

worker_pool::picked worker_pool::pick(std::size_t max, std::size_t bound) {
  std::lock_guard guard(mutex_);
  while (workers_.size() < max) workers_.push_back(std::make_shared<actor_load>());
  std::size_t fresh = max, least = 0;
  std::size_t chosen = max;
  for (std::size_t i = 0; i < max && chosen == max; ++i) {
    const actor_load& load = *workers_[i];
    const std::size_t waiting = load.waiting.load();
    if (waiting == 0 && load.active.load()) chosen = i;
    if (waiting == 0 && !load.active.load()) fresh = std::min(fresh, i);
    if (waiting < workers_[least]->waiting.load()) least = i;
  }
  if (chosen == max) chosen = fresh;
  if (chosen == max) chosen = least;
  actor_load& load = *workers_[chosen];
  if (load.waiting.load() >= bound) return {};
  load.waiting.fetch_add(1);
  return {chosen + 1, workers_[chosen]};
}

}  // namespace odeon::sidecar::detail
