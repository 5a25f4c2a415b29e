#pragma once

#include <odeon/core/detail/checks.hpp>
#include <odeon/core/detail/copying.hpp>
#include <odeon/core/router.hpp>
#include <odeon/pattern/resizer.hpp>

#include <cstdint>
#include <optional>

/// @file What a strategy is made of. Users include `pattern/routers.hpp`.

namespace odeon {

/// Of a pool, beside its size.
struct pool_options {
  /// A routee that stops for good gets a successor of the same name: at most ten a minute, further
  /// ones as that allows.
  bool replace = false;
  std::optional<resizer> resize = {};
};

/// How many workers a troupe has, and how much may wait for them.
struct troupe_options {
  std::size_t max = 10;              ///< workers; at least 1
  std::size_t idle = 2;              ///< that are kept although they have nothing to do
  std::size_t max_pending = 10'000;  ///< jobs; past it one is refused, `mailbox_full`. 0: unbounded
  duration idle_time = std::chrono::seconds(2);  ///< after which a surplus worker is dismissed
  unsigned attempts = 3;  ///< deaths of a worker over one job until that is given up; at least 1
};

namespace detail {

enum class route_kind : std::uint8_t {
  round_robin,
  random,
  smallest_mailbox,
  broadcast,
  consistent_hash,
  scatter_gather,
  tail_chopping,
  balancing,
  troupe,
};

struct router_plan {
  route_kind kind;
  std::size_t size = 0;
  duration within{};
  duration interval{};
  pool_options pool = {};
  troupe_options workers = {};
};

/// A pool of that plan.
router make_router(const router_plan& plan);

template <class Message>
inline constexpr bool can_be_copied_to_many = can_copy<Message>();

template <class... Ms>
consteval void check_copies(message_list<Ms...>*) {
  (
      [] {
        ODEON_CHECK(can_be_copied_to_many<Ms>,
                    (concat("odeon: the message '") + named<Ms> +
                     "' goes to several routees and cannot be copied: hold its unique part by "
                     "std::shared_ptr"),
                    "odeon: a message that goes to several routees must be copyable: hold its "
                    "unique part by std::shared_ptr");
      }(),
      ...);
}

}  // namespace detail

/// A strategy: a `router` for `spawn_options`, and an argument of `router_group`.
template <detail::route_kind Kind>
class routing_strategy : public router {
 public:
  static constexpr detail::route_kind kind = Kind;
  /// Whether a message goes, or may go, to several routees.
  static constexpr bool copies = Kind == detail::route_kind::broadcast ||
                                 Kind == detail::route_kind::scatter_gather ||
                                 Kind == detail::route_kind::tail_chopping;
  /// Whether its routees have to be its own.
  static constexpr bool needs_pool =
      Kind == detail::route_kind::balancing || Kind == detail::route_kind::troupe;

  explicit routing_strategy(const detail::router_plan& plan)
      : router(detail::make_router(plan)),
        plan_(plan) {}
  [[nodiscard]] const detail::router_plan& plan() const noexcept { return plan_; }

 private:
  detail::router_plan plan_;
};

}  // namespace odeon
