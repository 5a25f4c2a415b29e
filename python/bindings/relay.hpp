#pragma once

#include "host.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

/// @file Calls that any thread of C++ wants made by a host, attached.

namespace odeon::python {

/// A bounded queue of jobs for a host. Jobs run in the host's drains, in the order posted; a burst
/// wakes the host once. Held by `std::shared_ptr`: it holds itself while a drain is to come.
class relay final : public hosted_driver, public std::enable_shared_from_this<relay> {
 public:
  static constexpr std::size_t pending_max = 10'000;
  /// Attached. Must leave no exception set, and not throw.
  using job = std::move_only_function<void(interp&)>;

  explicit relay(std::shared_ptr<host> at) noexcept : hosted_driver(*at), at_(std::move(at)) {}
  ~relay() = default;

  /// False: it is closed, or full; `lost` counts that. @threadsafe
  bool post_job(job j);
  /// What waits is thrown away, and what comes is refused. @threadsafe
  void close() noexcept;
  /// Jobs refused since the last call. @threadsafe
  [[nodiscard]] std::uint64_t take_lost() noexcept;
  [[nodiscard]] const std::shared_ptr<host>& at() const noexcept { return at_; }

  void arrived(driver_node& node) noexcept override;

 private:
  std::shared_ptr<host> at_;
  std::mutex mutex_;
  std::vector<job> jobs_;
  std::shared_ptr<relay> keep_;  // while the node is on its way
  driver_node node_;
  std::uint64_t lost_ = 0;
  bool posted_ = false;
  bool closed_ = false;
};

/// The relay to a system's main host, made on first need. Attached.
[[nodiscard]] std::shared_ptr<relay> relay_of(interp& in, PyObject* system);

}  // namespace odeon::python
