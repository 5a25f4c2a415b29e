#pragma once

#include <functional>

/// @file The seam for code that blocks, one job after the other: see `runtime::make_serial`.

namespace odeon {

/// Runs functions one after the other, in the order posted, on a thread that may block: a store's
/// writer, say. Its destructor runs what was posted before, then ends. @threadsafe
class serial_executor {
 public:
  virtual ~serial_executor() = default;
  virtual void post(std::move_only_function<void()> job) = 0;
};

}  // namespace odeon
