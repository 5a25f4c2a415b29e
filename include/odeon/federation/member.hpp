#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// @file Who is in a federation, and what happens to that.

namespace odeon::federation {

/// Who may find a name.
enum class name_scope : std::uint8_t {
  local,       ///< this system
  tenant,      ///< members of the same tenant
  federation,  ///< all members
};

/// An actor that others find by a name.
struct shared_name {
  std::string name;
  std::string path;  ///< "/user/bank"
  name_scope seen_by = name_scope::federation;
  friend bool operator==(const shared_name&, const shared_name&) = default;
};

/// One system. What a member says of itself; nobody speaks for another.
struct member {
  std::string node;               ///< how it is reached: "10.0.0.7:7400"
  std::string system;             ///< its name
  std::uint64_t incarnation = 0;  ///< another one after a restart
  std::uint64_t version = 0;      ///< counts the changes of what follows
  std::string tenant;
  std::vector<std::string> capabilities;  ///< "gpu", "disk=ssd": equal or not, nothing else
  std::vector<std::string> types;         ///< of actors that it makes for others
  std::vector<shared_name> names;
  friend bool operator==(const member&, const member&) = default;
};

enum class leave_reason : std::uint8_t {
  left,      ///< it said so
  expired,   ///< its lease has run out: nothing was heard of it
  replaced,  ///< another incarnation of the same node has joined
};
/// "expired", for people.
[[nodiscard]] std::string_view to_string(leave_reason why) noexcept;

struct member_joined {
  member who;
};
/// Its capabilities, types or names have changed.
struct member_updated {
  member who;
};
struct member_left {
  member who;
  leave_reason why;
};
/// What `membership::watch` is told; each is published on the system's event stream as well.
using membership_event = std::variant<member_joined, member_updated, member_left>;

/// Where an actor is to be made.
struct placement {
  enum class where : std::uint8_t {
    here,       ///< in this system, and nowhere else
    automatic,  ///< here when it has what is needed, else at a member that has
    there,      ///< at `node`
  };
  /// `{.on = placement::automatic, .needs = {"gpu"}}` reads as it should.
  static constexpr where here = where::here;
  static constexpr where automatic = where::automatic;

  where on = where::automatic;
  std::vector<std::string> needs = {};  ///< capabilities, each of which must be there
  std::string node = {};                ///< of `there`
  std::string type = {};                ///< as it was offered; "": the class's own name
  std::string name = {};                ///< of the actor; "": one is made
  bool same_tenant = false;             ///< only members of this system's tenant
};

}  // namespace odeon::federation
