#pragma once

#include "router_gate.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>
#include <odeon/pattern/detail/router_plan.hpp>
#include <odeon/pattern/hash_ring.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

/// @file What a router is made of. The protocol stands in src/pattern/router_state.cpp.

namespace odeon::detail {

inline constexpr std::size_t router_routees_max = 10'000;
/// How many routers a message may go through on its way.
inline constexpr unsigned router_nesting_max = 16;

class gather;
class shared_work;

[[nodiscard]] std::string_view to_string(route_kind kind) noexcept;

/// Immutable once published.
struct route_table {
  std::vector<any_ref> routees;
  hash_ring ring;  // of consistent_hash alone
};

class router_state final : public stand_in, public std::enable_shared_from_this<router_state> {
 public:
  /// `routee`: the class of a pool's; null for a group.
  router_state(const router_plan& plan, system_anchor& system, const actor_class* routee);
  ~router_state() override;

  // -- the senders' side --------------------------------------------------------------------------
  result<void> route(cell& self, envelope& e, bool may_wait) noexcept override;
  future<void> route_wait(cell& self, envelope& e) override;
  [[nodiscard]] bool accepts(const message_type& type) const noexcept override;
  [[nodiscard]] std::string_view type_name() const noexcept override {
    return routee_ ? routee_->name : "odeon::router_group";
  }
  void given_up(const ask_state_base& ask) noexcept override;
  [[nodiscard]] std::string where_is(const ask_state_base& ask) const override;
  void ended(cell& self) noexcept override;
  [[nodiscard]] const void* kind() const noexcept override { return &own_kind; }
  /// Null when `ref` is no router.
  [[nodiscard]] static router_state* of(const any_ref& ref) noexcept;

  /// A dead letter, counted; the error is for `try_tell`.
  std::unexpected<error> refuse(cell& self, envelope& e, errc code, std::string text) noexcept;

  // -- of the router's own actor ------------------------------------------------------------------
  /// In its constructor.
  void attach(cell& self) noexcept;
  /// The router itself; empty when its memory is gone.
  [[nodiscard]] any_ref self() const noexcept;
  /// From now on messages go by `next`. When nobody routes by the table before any more, `leaving`
  /// are told to finish.
  void publish(std::unique_ptr<route_table> next, std::vector<any_ref> leaving,
               cell& self) noexcept;

  /// Calls `f(const route_table&)`, which stays as it is meanwhile.
  template <class F>
  decltype(auto) read(F f) const {
    looks_.fetch_add(1, std::memory_order_relaxed);
    const router_gate::pass inside(gate_);
    return f(static_cast<const route_table&>(*table_.load()));
  }

  // -- asks to several ----------------------------------------------------------------------------
  void add_open(const ask_state_base& first, gather& g);
  void remove_open(const ask_state_base& first) noexcept;

  const router_plan plan;
  system_anchor& system;
  runtime& rt;
  std::shared_ptr<shared_work> work;  // of balancing and troupe
  std::exception_ptr spawn_error;     // what kept the first routees from being made

  struct counters {
    std::atomic<std::uint64_t> refused{0}, added{0}, removed{0}, stopped{0}, replaced{0};
    std::atomic<std::size_t> leaving{0};
  };
  counters count;
  [[nodiscard]] std::uint64_t routed() const noexcept {
    return gate_.entries() - looks_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::string last_refusal() const;
  [[nodiscard]] std::size_t open_asks() const noexcept;

 private:
  class leave;
  static const char own_kind;

  result<void> route_inside(cell& self, envelope& e, const route_table& table, bool may_wait);
  [[nodiscard]] cell* pick(const route_table& table, envelope& e) noexcept;
  [[nodiscard]] cell* next_alive(const route_table& table, std::size_t from) const noexcept;
  [[nodiscard]] cell* least_loaded(const route_table& table) noexcept;
  result<void> tell_all(cell& self, envelope& e, const route_table& table, bool may_wait);

  const actor_class* const routee_;
  cell* self_ = nullptr;  // weak: it owns this
  std::uint32_t generation_ = 0;
  mutable router_gate gate_;
  mutable std::atomic<std::uint64_t> looks_{0};  // passes that routed nothing
  std::atomic<const route_table*> table_;
  std::atomic<std::uint64_t> turn_{0};                       // of round robin; the state of random
  mutable spin_lock lock_;                                   // of what follows
  std::unordered_map<const ask_state_base*, gather*> open_;  // with a reference each
  std::string last_refusal_;
};

/// In a catch: what it says.
std::string text_of_exception() noexcept;

/// To one routee, with its ask.
result<void> hand_over(cell& target, envelope& e, bool may_wait);

/// One of those that share a mailbox is woken, when one is idle.
void wake_one(const router_state& state) noexcept;

}  // namespace odeon::detail
