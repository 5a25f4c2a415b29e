#pragma once

#include <odeon/federation/federation.hpp>
#include <odeon/federation/member.hpp>

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// @file Who is a member, until when, and who can have an actor: without I/O or clock. Not
/// thread-safe.

namespace odeon::federation::detail {

/// What a member may say of itself.
[[nodiscard]] result<void> check(const member& m, const federation_limits& bounds);

class table {
 public:
  table(member self, duration lease, const federation_limits& bounds);

  [[nodiscard]] const member& self() const noexcept { return self_; }
  /// This system has changed: counts its version.
  void change(const std::function<void(member&)>& how);

  /// It joined, or has something new to say; its lease begins anew. Errors: `limit_exceeded`;
  /// `invalid_argument` for what no member says; `stale` for an older version of it. `in_part`: it
  /// says nothing of its tenant's names, so those that are known stay until it does.
  result<void> put(const member& said, time_point now, bool in_part = false);
  /// A member that stays whatever happens: nobody renews it.
  result<void> put_for_ever(const member& m);
  /// Something was heard of it. False: it is no member, or another incarnation is.
  bool renew(std::string_view node, std::uint64_t incarnation, time_point now);
  /// False: it is no member.
  bool leave(std::string_view node, std::uint64_t incarnation);
  /// Those whose leases have run out go.
  void prune(time_point now);
  /// When the next one does; `time_point::max()`: never.
  [[nodiscard]] time_point next_expiry() const noexcept;

  [[nodiscard]] const member* find(std::string_view node) const noexcept;
  /// This system first, then the others by their nodes.
  [[nodiscard]] std::vector<member> members() const;
  /// What has happened since the last call.
  std::vector<membership_event> events() { return std::exchange(events_, {}); }

  /// Where the actor of `type` goes: "" for this system, or a node. `placement_failed` names what
  /// was missing; `invalid_argument` for a placement that says nothing.
  [[nodiscard]] result<std::string> choose(const placement& p, std::string_view type);
  /// What has that name and may be seen here; this system's own first.
  [[nodiscard]] std::optional<std::pair<std::string, std::string>> named(std::string_view name,
                                                                         name_scope within) const;

 private:
  struct entry {
    member who;
    time_point until;
    std::size_t placed = 0;  // by this system
  };
  [[nodiscard]] member with_tenants_names(member m) const;
  [[nodiscard]] error missing(const placement& p, std::string_view type) const;

  member self_;
  const duration lease_;
  const federation_limits& limits_;
  std::map<std::string, entry, std::less<>> others_;
  std::vector<membership_event> events_;
};

}  // namespace odeon::federation::detail
