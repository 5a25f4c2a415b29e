#pragma once

#include <odeon/core/fwd.hpp>

#include <memory>
#include <utility>

/// @file `router`: what makes one reference stand for many actors.
///
///     auto pool = system.spawn<worker>({.name = "pool", .router = round_robin(4)}, args…);
///
/// The strategies (`round_robin`, `broadcast`, `consistent_hash`, …) are in `pattern`; this is the
/// place that `core` keeps for them.

namespace odeon {

namespace detail {

struct spawn_request;

/// How a pool is made of what `spawn` was given. Immutable.
class router_spec {
 public:
  virtual ~router_spec() = default;
  /// Makes the actor that stands for the pool, and the pool. `request.options` is not null; its
  /// `router` is this one. Throws as `spawn` does. Returns with a reference for the caller.
  virtual cell* spawn(system_anchor& system, const spawn_request& request) const = 0;
};

}  // namespace detail

/// A routing strategy with its settings, for `spawn_options::router`. A value: copies share what
/// they are made of, and never what was spawned with them. Empty by default: no router.
class router {
 public:
  router() noexcept = default;
  explicit router(std::shared_ptr<const detail::router_spec> spec) noexcept
      : spec_(std::move(spec)) {}

  [[nodiscard]] explicit operator bool() const noexcept { return spec_ != nullptr; }

  /// For the runtime's own modules.
  [[nodiscard]] const std::shared_ptr<const detail::router_spec>& spec() const noexcept {
    return spec_;
  }

 private:
  std::shared_ptr<const detail::router_spec> spec_;
};

}  // namespace odeon
