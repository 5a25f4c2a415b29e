#pragma once

#include <odeon/address/address.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/wire/context.hpp>

#include <cstdint>
#include <span>
#include <string_view>

/// @file From references to addresses and back: what the codec of references asks.

namespace odeon {

class actor_system;

/// The messages that a reference to be made must take. A reference that is far away is made to take
/// just these; one that is here is checked.
using wanted_messages = std::span<const detail::message_type* const>;

/// Knows how an actor is named for others, and finds it by that name. The seam between references
/// and whatever reaches further than this process: a module that does (over a network, into another
/// process) derives from it, hands what is its own system's to a `local_resolver`, and makes
/// references that stand for actors elsewhere of the rest. @threadsafe, all of it.
class address_resolver {
 public:
  virtual ~address_resolver() = default;

  /// The address under which others find `ref`, which is not empty. `errc::invalid_argument` for an
  /// actor that it cannot name. Works for stopped actors too.
  [[nodiscard]] virtual result<address> address_of(const any_ref& ref) const = 0;

  /// The live actor at `a`. `errc::no_such_actor` when there is none, and when there is no way to
  /// know; a resolver may return the empty reference in its place, and says so where it is made.
  /// Whether it takes `wanted` is checked by who calls.
  [[nodiscard]] virtual result<any_ref> resolve(const address& a, wanted_messages wanted) const = 0;
};

/// What becomes of an address at which nothing lives.
enum class when_missing : std::uint8_t {
  refuse,     ///< `errc::no_such_actor`: the whole message is refused
  empty_ref,  ///< an empty reference, which its user asks before it tells
};

/// Resolves the addresses of one system in this process: the path is looked up, and its uid must be
/// that of the address, unless that has none. An address of another system or with a node is
/// missing. The system must outlive it. @threadsafe
class local_resolver final : public address_resolver {
 public:
  explicit local_resolver(const actor_system& system,
                          when_missing missing = when_missing::refuse) noexcept
      : system_(system),
        missing_(missing) {}

  [[nodiscard]] result<address> address_of(const any_ref& ref) const override;
  [[nodiscard]] result<any_ref> resolve(const address& a, wanted_messages wanted) const override;

 private:
  [[nodiscard]] result<any_ref> missing(const address& a, std::string_view why) const;

  const actor_system& system_;
  when_missing missing_;
};

/// What to hand to `wire::encode` and `wire::decode` of messages that hold references: `others`
/// with `resolver` in it, which must outlive the call.
[[nodiscard]] inline wire::context addressed_by(const address_resolver& resolver,
                                                wire::context others = {}) {
  others.with<const address_resolver>(resolver);
  return others;
}

}  // namespace odeon
