#pragma once

#include <odeon/base/type_name.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/federation/member.hpp>
#include <odeon/remote/endpoint.hpp>
#include <odeon/task/future.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file Systems that trust each other: who is there, what each can do, and actors that are made
/// where they can be.
///
///     odeon::remote::endpoint net{system, {.listen = "tcp://10.0.0.5:7400", …}, {.spawn = true}};
///     odeon::federation::membership members{system, net, {.seeds = {"10.0.0.7:7400"}}};
///     members.offer<greeter>();                                     // others may place it here
///     auto g = co_await members.spawn<greeter>({.on = placement::automatic, .needs = {"gpu"}});
///
/// Every member holds a lease of every other: it says so each `heartbeat`, and is gone when nothing
/// was heard for `lease`. There is no leader and no agreement: two members may see different sets
/// for as long as a lease lasts. Whoever wants agreement uses the cluster.

namespace odeon::federation {

struct federation_limits {
  std::size_t members = 1000;    ///< besides this system
  std::size_t items = 1000;      ///< capabilities, types or names of one member, each
  std::size_t text_bytes = 512;  ///< of one of those
  std::size_t joining = 1000;    ///< joins of others that are being confirmed
};

struct federation_options {
  std::vector<std::string> seeds = {};  ///< nodes to join by; this one's own is skipped
  std::vector<std::string> capabilities = {};
  std::string tenant = {};
  /// All members know it: joining proves it by HMAC-SHA256 over nonces of both. At least 16 bytes;
  /// "": whoever passes the endpoint's own handshake (a secret, certificates) may join.
  std::string secret = {};
  /// All members of `tenant` know it, and prove it as `secret`: who says that it is of this tenant
  /// and does not know it may not join. At least 16 bytes; "": a tenant is what members say.
  std::string tenant_secret = {};
  duration lease = std::chrono::seconds(30);
  duration heartbeat = std::chrono::seconds(10);  ///< below `lease`
  /// Members that are known from a file or a console, and never change: then there are no seeds,
  /// leases or heartbeats.
  std::vector<member> fixed = {};
  federation_limits limits = {};
};

namespace detail {
class membership_core;
}

/// This system's place in a federation. One for each system. It ends before its endpoint.
/// @threadsafe
class membership {
 public:
  /// Joins by the seeds, and goes on trying those that do not answer. Throws
  /// `actor_error(invalid_argument)` for options that cannot be meant.
  membership(actor_system& system, remote::endpoint& net, federation_options options = {});
  /// As `leave`, and waits until another one may be made for this system. From any thread, an
  /// actor's as well, but not from a function of `watch`.
  ~membership();
  membership(const membership&) = delete;
  membership& operator=(const membership&) = delete;

  /// Tells all members, and takes no more part. Idempotent; does not wait.
  void leave();

  // -- who is there ------------------------------------------------------------------------------

  /// This system first, then the others by their nodes.
  [[nodiscard]] std::vector<member> members() const;

  /// `f` is told of all who are there (as joined, this system included), then of each change in
  /// its order; one call at a time, on the system's threads; it must not block or throw. Ends with
  /// the returned object, after which a call under way may still come.
  [[nodiscard]] std::shared_ptr<void> watch(std::function<void(const membership_event&)> f);

  /// Replaces what this system can do; all members are told.
  void set_capabilities(std::vector<std::string> all);

  // -- actors ------------------------------------------------------------------------------------

  /// Lets this and other systems make actors of `A` here by that name, with arguments of the types
  /// `Args`, which must travel. Others need `permissions::spawn` of the endpoint. Throws
  /// `errc::name_taken`.
  template <class A, class... Args>
  void offer(std::string type = std::string(type_name<A>)) {
    net_.register_actor<A, Args...>(type);
    offered(std::move(type));
  }

  /// Makes an actor of a type that was offered here or at a member. Fails with `placement_failed`,
  /// whose text names what was missing, and else as `endpoint::spawn_at`. A failure of the chosen
  /// member is not tried elsewhere: the actor may have been made.
  template <class A, class... Args>
  [[nodiscard]] future<remote::detail::ref_to<A>> spawn(const placement& where, Args&&... args) {
    using ref = remote::detail::ref_to<A>;
    const std::string type = where.type.empty() ? std::string(type_name<A>) : where.type;
    auto node = choose(where, type);
    if (node && !node->empty())
      return net_.spawn_at<A>(*node, type, {.name = where.name}, std::forward<Args>(args)...);
    auto made = promise<ref>::make(system_.get_runtime());
    if (!node) {
      made.first.fail(std::move(node).error());
      return std::move(made.second);
    }
    try {
      made.first.set(ref(system_.spawn<A>(
          {.name = where.name}, remote::detail::argument<Args>(std::forward<Args>(args))...)));
    } catch (const actor_error& e) {
      made.first.fail(e.reason());
    }
    return std::move(made.second);
  }

  // -- names -------------------------------------------------------------------------------------

  /// Others in that scope find the actor, which is one of this system, by the name; its messages
  /// are exposed by the endpoint (`endpoint::expose`). `name_taken` when this system has given it
  /// to another; `invalid_argument` for an actor of elsewhere.
  result<void> share(std::string name, const any_ref& actor,
                     name_scope seen_by = name_scope::federation);
  /// Takes a name back. False: this system has not given it.
  bool unshare(std::string_view name);

  /// The actor of that name: this system's own, else that of the first member by its node. Fails
  /// with `no_such_actor`, and as `endpoint::lookup`.
  template <class A>
  [[nodiscard]] future<remote::detail::ref_to<A>> find(std::string_view name,
                                                       name_scope within = name_scope::federation) {
    auto at = named(name, within);
    if (at) return net_.lookup<A>(at->first, at->second);
    auto made = promise<remote::detail::ref_to<A>>::make(system_.get_runtime());
    made.first.fail(std::move(at).error());
    return std::move(made.second);
  }

 private:
  void offered(std::string type);
  [[nodiscard]] result<std::string> choose(const placement& where, std::string_view type);
  [[nodiscard]] result<std::pair<std::string, std::string>> named(std::string_view name,
                                                                  name_scope within) const;

  actor_system& system_;
  remote::endpoint& net_;
  std::shared_ptr<detail::membership_core> core_;
};

}  // namespace odeon::federation
