#pragma once

#include "router_state.hpp"
#include <odeon/pattern/troupe.hpp>

#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <vector>

/// @file The actor that a router's reference points to. No routed message comes here: these are its
/// own.

namespace odeon::detail {

struct resize_pool {
  std::size_t n;
  using reply = std::size_t;
};
struct add_member {
  any_ref who;
  using reply = std::size_t;
};
struct remove_member {
  any_ref who;
  using reply = std::size_t;
};
struct set_troupe {
  troupe_options settings;
  using reply = void;
};
/// There is work for more workers.
struct look_around {
  using is_signal = void;  // nothing is lost when it comes too late
};
/// Successors may be made again.
struct look_later {
  using is_signal = void;  // nothing is lost when it comes too late
};
/// Time has passed.
struct look_regularly {
  using is_signal = void;  // nothing is lost when it comes too late
};

/// What the first routees are made of.
struct router_members {
  actor_recipe recipe;         // of a pool
  spawn_options options;       // of each of its routees
  std::vector<any_ref> given;  // of a group
};

class troupe_work;

class router_head final : public actor<resize_pool, add_member, remove_member, set_troupe,
                                       look_around, look_later, look_regularly> {
 public:
  router_head(std::shared_ptr<router_state> state, std::shared_ptr<router_members> members);

  std::expected<std::size_t, error> on(const resize_pool& m);
  std::expected<std::size_t, error> on(const add_member& m);
  std::expected<std::size_t, error> on(const remove_member& m);
  std::expected<void, error> on(const set_troupe& m);
  void on(look_around);
  void on(look_later);
  void on(look_regularly);
  void on(const terminated& t);

 private:
  struct slot {
    any_ref ref;       // empty: free
    std::uint64_t id;  // of its places on the ring
    bool leaving = false;
  };

  [[nodiscard]] bool is_pool() const noexcept { return members_->recipe.what; }
  [[nodiscard]] std::size_t live() const noexcept;
  void spawn_one();
  void grow(std::size_t n);
  void shrink(std::size_t n);
  void leave(slot& s, std::vector<any_ref>& leaving);
  void publish(std::vector<any_ref> leaving = {});
  void replace();
  [[nodiscard]] bool may_replace();
  void look_at_pressure();
  void look_at_workers();
  [[nodiscard]] bool leads_here(const any_ref& member, unsigned depth) const;

  std::shared_ptr<router_state> state_;
  std::shared_ptr<router_members> members_;
  std::vector<slot> slots_;          // of a pool: r1 is the first
  std::deque<time_point> replaced_;  // within the last minute
  std::size_t owed_ = 0;             // successors that are still to be made
  bool looks_later_ = false;         // a timer will say when that is allowed
};

/// Makes the router's actor, and with it its first routees. As `spawn_cell`.
cell* spawn_router(system_anchor& system, cell* parent, std::string name, const router_plan& plan,
                   router_members members);

}  // namespace odeon::detail
