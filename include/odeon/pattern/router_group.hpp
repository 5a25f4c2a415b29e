#pragma once

#include <odeon/pattern/router_control.hpp>
#include <odeon/pattern/routers.hpp>

#include <ranges>
#include <string>
#include <utility>
#include <vector>

/// @file Groups: routers over actors that are there already.
///
///     auto group = router_group(system, round_robin(), {a, b, c}, {.name = "readers"});
///     co_await router_control(group).add(d);
///
/// A group watches its members: one that stops falls out. It does not own them: stopping the group
/// leaves them alone. A group without members refuses messages: `errc::no_such_actor`.

namespace odeon {

struct group_options {
  std::string name = {};  ///< as `spawn_options::name`
};

namespace detail {

any_ref make_group(system_anchor& system, const router_plan& plan, std::vector<any_ref> members,
                   const group_options& options);

template <class Strategy>
inline constexpr bool can_be_a_group = !Strategy::needs_pool;

template <class Strategy, class... Ms>
consteval void check_group() {
  static_assert(can_be_a_group<Strategy>,
                "odeon: balancing and troupe share one mailbox among actors of their own: spawn a "
                "pool, spawn<worker>({.router = balancing(4)})");
  if constexpr (Strategy::copies) check_copies(static_cast<message_list<Ms...>*>(nullptr));
}

}  // namespace detail

/// A router over `members`. Its reference accepts what each of them does. The strategy's size is
/// not looked at. Throws `invalid_argument` for an empty reference, and as `spawn` does.
template <class Strategy, class... Ms>
[[nodiscard]] actor_ref<Ms...> router_group(actor_system& system, const Strategy& strategy,
                                            const std::vector<actor_ref<Ms...>>& members,
                                            const group_options& options = {}) {
  detail::check_group<Strategy, Ms...>();
  return actor_ref<Ms...>::assume(
      detail::make_group(system.anchor(), strategy.plan(),
                         std::vector<any_ref>(members.begin(), members.end()), options));
}
template <class Strategy, class... Ms>
[[nodiscard]] actor_ref<Ms...> router_group(actor_system& system, const Strategy& strategy,
                                            std::initializer_list<actor_ref<Ms...>> members,
                                            const group_options& options = {}) {
  return router_group(system, strategy, std::vector<actor_ref<Ms...>>(members), options);
}

}  // namespace odeon
