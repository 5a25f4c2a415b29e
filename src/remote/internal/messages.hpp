#pragma once

#include <odeon/base/time.hpp>
#include <odeon/wire/tagged.hpp>

#include <cstdint>
#include <string_view>

/// @file What travels between two nodes, in the terms of the actors' side. How it looks in bytes
/// is the session's affair (session.hpp), which connection it takes the hub's (hub.hpp).

namespace odeon::remote::detail {

enum class user_kind : std::uint8_t {
  tell,
  ask,
  reply,    ///< `message` is the value
  failure,  ///< of an ask: `message` is an error
  cancel,   ///< the asker has given up
};

/// An actor of one of the two nodes: "/user/bank" and the uid of its incarnation (0: whichever has
/// that path). An actor of a third node is its whole address in `path`, with uid 0.
struct actor_name {
  std::string_view path;
  std::uint64_t uid = 0;
  friend bool operator==(const actor_name&, const actor_name&) = default;
};

/// What a name that has come is called in this process: equal serials are equal names (path and
/// uid, or manifest, version and format), for the life of the process. 0: it has none. So what was
/// found out about a name can be kept under its serial and needs no look-up by text.
using name_serial = std::uint64_t;

/// At most once, in order per pair of actors. A view: everything belongs to who made it.
struct user_message {
  user_kind kind = user_kind::tell;
  actor_name to;              ///< of a reply and a failure: empty, `ask` says it all
  actor_name from;            ///< the sender, when it is an actor; else empty
  std::uint64_t ask = 0;      ///< chosen by the asking node; unique within its incarnation
  duration limit{0};          ///< ask: what is left of its time; tell: its ttl; 0: none
  std::uint64_t trace = 0;    ///< the causal chain
  std::uint64_t key = 0;      ///< as tell_options
  std::int32_t priority = 0;  ///< as tell_options
  wire::tagged_view message;
  // Of a message that has come; not looked at when one is sent.
  name_serial to_serial = 0;
  name_serial from_serial = 0;
  name_serial type_serial = 0;  ///< of manifest, version and format of `message`
};

}  // namespace odeon::remote::detail
