#pragma once

#include "hub.hpp"
#include <odeon/address/address.hpp>
#include <odeon/core/detail/routing.hpp>

#include <memory>
#include <string>
#include <string_view>

/// @file What a far cell's messages go to: one actor of another node.

namespace odeon::remote::detail {

class endpoint_state;

class far_actor final : public odeon::detail::far_target {
 public:
  using cell = odeon::detail::cell;
  using envelope = odeon::detail::envelope;

  /// `at` is null for one of this side that has ended: its cell is marked so.
  far_actor(std::shared_ptr<endpoint_state> home, std::shared_ptr<peer> at, address where);
  ~far_actor() override;

  [[nodiscard]] const address& where() const noexcept { return where_; }
  [[nodiscard]] peer* at() const noexcept { return at_.get(); }
  [[nodiscard]] endpoint_state& home() const noexcept { return *home_; }
  [[nodiscard]] actor_name name() const noexcept { return {where_.path, where_.uid}; }
  [[nodiscard]] std::size_t hash() const noexcept { return hash_; }

  result<void> route(cell& self, envelope& e, bool may_wait) noexcept override;
  future<void> route_wait(cell& self, envelope& e) override;
  /// What it takes is known there alone.
  [[nodiscard]] bool accepts(const odeon::detail::message_type&) const noexcept override {
    return true;
  }
  [[nodiscard]] std::string_view type_name() const noexcept override { return "far actor"; }
  void given_up(const odeon::detail::ask_state_base& ask) noexcept override;
  [[nodiscard]] std::string where_is(const odeon::detail::ask_state_base& ask) const override;
  [[nodiscard]] const void* kind() const noexcept override { return &kind_of; }

  void watch(cell& self, any_ref watcher) noexcept override;
  void unwatch(cell& self, any_ref watcher) noexcept override;
  void link(cell& self, any_ref other) noexcept override;
  void unlink(cell& self, any_ref other) noexcept override;
  void stop(cell& self, bool kill) noexcept override;
  void terminated(cell& self, any_ref who, const exit_reason& reason) noexcept override;
  void exited(cell& self, any_ref who, const exit_reason& reason) noexcept override;

  static constexpr char kind_of = 0;

  // -- of the table (far_table.hpp), under its lock
  // ------------------------------------------------
  cell* local = nullptr;
  std::uint32_t generation = 0;

 private:
  struct outgoing;
  /// Encodes into the thread's buffer. An error: the envelope is lost and told.
  result<void> prepare(cell& self, envelope& e, outgoing& out);
  result<void> refuse(cell& self, envelope& e, error why) noexcept;
  static void sent(envelope& e) noexcept;

  std::shared_ptr<endpoint_state> home_;
  std::shared_ptr<peer> at_;
  address where_;
  std::size_t hash_;
};

/// That of a cell, when it is one of this module's; else null.
[[nodiscard]] far_actor* far_actor_of(const odeon::detail::cell& c) noexcept;

}  // namespace odeon::remote::detail
