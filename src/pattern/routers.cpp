#include "internal/router_head.hpp"
#include <odeon/pattern/routers.hpp>

namespace odeon {

namespace detail {

namespace {

class pool_spec final : public router_spec {
 public:
  explicit pool_spec(const router_plan& plan) : plan_(plan) {}
  cell* spawn(system_anchor& system, const spawn_request& request) const override {
    router_members members{actor_recipe::of(request), *request.options, {}};
    members.options.router = {};
    return spawn_router(system, request.parent, request.options->name, plan_, std::move(members));
  }

 private:
  const router_plan plan_;
};

}  // namespace

router make_router(const router_plan& plan) { return router(std::make_shared<pool_spec>(plan)); }

}  // namespace detail

using detail::route_kind;

routing_strategy<route_kind::round_robin> round_robin(std::size_t n, pool_options options) {
  return routing_strategy<route_kind::round_robin>(
      {.kind = route_kind::round_robin, .size = n, .pool = options});
}
routing_strategy<route_kind::random> random(std::size_t n, pool_options options) {
  return routing_strategy<route_kind::random>(
      {.kind = route_kind::random, .size = n, .pool = options});
}
routing_strategy<route_kind::smallest_mailbox> smallest_mailbox(std::size_t n,
                                                                pool_options options) {
  return routing_strategy<route_kind::smallest_mailbox>(
      {.kind = route_kind::smallest_mailbox, .size = n, .pool = options});
}
routing_strategy<route_kind::broadcast> broadcast(std::size_t n, pool_options options) {
  return routing_strategy<route_kind::broadcast>(
      {.kind = route_kind::broadcast, .size = n, .pool = options});
}
routing_strategy<route_kind::consistent_hash> consistent_hash(std::size_t n, pool_options options) {
  return routing_strategy<route_kind::consistent_hash>(
      {.kind = route_kind::consistent_hash, .size = n, .pool = options});
}
routing_strategy<route_kind::scatter_gather> scatter_gather(std::size_t n, duration within,
                                                            pool_options options) {
  return routing_strategy<route_kind::scatter_gather>(
      {.kind = route_kind::scatter_gather, .size = n, .within = within, .pool = options});
}
routing_strategy<route_kind::tail_chopping> tail_chopping(std::size_t n, duration interval,
                                                          duration within, pool_options options) {
  return routing_strategy<route_kind::tail_chopping>({.kind = route_kind::tail_chopping,
                                                      .size = n,
                                                      .within = within,
                                                      .interval = interval,
                                                      .pool = options});
}
routing_strategy<route_kind::balancing> balancing(std::size_t n, pool_options options) {
  return routing_strategy<route_kind::balancing>(
      {.kind = route_kind::balancing, .size = n, .pool = options});
}
routing_strategy<route_kind::troupe> troupe(troupe_options options) {
  return routing_strategy<route_kind::troupe>({.kind = route_kind::troupe, .workers = options});
}

}  // namespace odeon
