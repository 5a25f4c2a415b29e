#pragma once

#include "sidecar/internal/request.hpp"

#include <memory>
#include <mutex>
#include <vector>

/// @file The workers of one pooled actor.

namespace odeon::sidecar::detail {

/// Picks a worker for each invocation: an active one without work; when all have some a new one, up
/// to the most there may be; then the one with the least. Those that nobody needs are put away by
/// their own idle time, the last ones first, because the first are picked first. @threadsafe
class worker_pool {
 public:
  struct picked {
    std::size_t number = 0;  // from 1; 0: all are full
    std::shared_ptr<actor_load> load = {};
  };
  /// Counts the invocation in the worker's load. `bound`: of what waits for one.
  picked pick(std::size_t max, std::size_t bound);

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<actor_load>> workers_;
};

}  // namespace odeon::sidecar::detail
