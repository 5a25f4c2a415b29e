#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/router.hpp>
#include <odeon/pattern/detail/router_plan.hpp>

/// @file Routers: one reference, many actors.
///
///     auto pool = system.spawn<worker>({.name = "pool", .router = round_robin(4)}, args…);
///     pool.tell<job>(1);                     // one of /user/pool/r1 … r4 gets it
///
/// The reference is the pool: its actor is the parent and supervisor of the routees, watching it is
/// watching the pool, stop and kill end all. Messages go from the sender's thread straight into a
/// routee's mailbox; they never pass through one of the router. The options of `spawn` but the name
/// are each routee's: its supervision restarts it; one that stops for good is routed to no more.
/// A routee's failure that is escalated is the pool's, and goes on to the pool's parent. A pool
/// whose last routee has stopped, and which has no means to make another, stops itself.
///
/// The order from one sender to one routee is kept. Two messages of one sender may go to two
/// routees, and then no order between them is promised.
///
/// Messages that go to several routees must be copyable. Name the class, and that is checked when
/// the program is compiled: `.router = broadcast<worker>(4)`. Otherwise a message that cannot be
/// copied is a dead letter, and an ask of it fails, with a sentence that names it.

namespace odeon {

/// Each message to the next routee in turn.
[[nodiscard]] routing_strategy<detail::route_kind::round_robin> round_robin(
    std::size_t n = 0, pool_options options = {});
/// Each message to any routee, equally likely. The numbers come from the runtime's entropy, so a
/// simulation repeats them.
[[nodiscard]] routing_strategy<detail::route_kind::random> random(std::size_t n = 0,
                                                                  pool_options options = {});
/// Each message to a routee for which the fewest wait now, one that is idle before one at work.
/// O(n); two atomic additions a message, in each routee, keep the count.
[[nodiscard]] routing_strategy<detail::route_kind::smallest_mailbox> smallest_mailbox(
    std::size_t n = 0, pool_options options = {});
/// Each message to all. An ask gets the first good reply; the others are asked to stop. When all
/// have failed, it fails with the last one's error.
[[nodiscard]] routing_strategy<detail::route_kind::broadcast> broadcast(std::size_t n = 0,
                                                                        pool_options options = {});
/// Each message to the routee that its key belongs to (`hash_ring`): the key in `tell_options`
/// (not 0), or the message's own – a member `routing_key()`, or a function `routing_key(const M&)`
/// beside it, which gives a number, an enum or text. A message without a key is refused:
/// `errc::invalid_argument`. Adding or removing one of n routees moves about 1/n of the keys; the
/// successor of a routee that stopped has the same keys.
[[nodiscard]] routing_strategy<detail::route_kind::consistent_hash> consistent_hash(
    std::size_t n = 0, pool_options options = {});
/// An ask goes to all; the first good reply within `within` is the reply. When all have failed it
/// fails with the last one's error, when none came in time with `ask_timeout`. The ask's own time
/// (`future::within`, by default 5 s) ends it as well. A tell goes to all.
[[nodiscard]] routing_strategy<detail::route_kind::scatter_gather> scatter_gather(
    std::size_t n, duration within, pool_options options = {});
/// An ask goes to one routee, then, each `interval` without a good reply (at once when one fails),
/// to a further one, in random order; the first good reply, from whichever, is the reply. All
/// failed, or none in time: as `scatter_gather`. A tell goes to one at random.
[[nodiscard]] routing_strategy<detail::route_kind::tail_chopping> tail_chopping(
    std::size_t n, duration interval, duration within, pool_options options = {});
/// One mailbox for all: a routee takes the next message when it has nothing to do. `.mailbox` of
/// the spawn options is that one mailbox; unbounded or bounded without `overflow::block`. Not for
/// groups.
[[nodiscard]] routing_strategy<detail::route_kind::balancing> balancing(std::size_t n,
                                                                        pool_options options = {});
/// Workers that come and go with the work. See <odeon/pattern/troupe.hpp>. Not for groups.
[[nodiscard]] routing_strategy<detail::route_kind::troupe> troupe(troupe_options options = {});

/// The same, and whether every message of `A` (an actor class) can be copied is checked when the
/// program is compiled.
template <class A>
[[nodiscard]] auto broadcast(std::size_t n, pool_options options = {}) {
  detail::check_copies(static_cast<typename A::protocol*>(nullptr));
  return broadcast(n, std::move(options));
}
template <class A>
[[nodiscard]] auto scatter_gather(std::size_t n, duration within, pool_options options = {}) {
  detail::check_copies(static_cast<typename A::protocol*>(nullptr));
  return scatter_gather(n, within, std::move(options));
}
template <class A>
[[nodiscard]] auto tail_chopping(std::size_t n, duration interval, duration within,
                                 pool_options options = {}) {
  detail::check_copies(static_cast<typename A::protocol*>(nullptr));
  return tail_chopping(n, interval, within, std::move(options));
}

}  // namespace odeon
