#pragma once

#include <odeon/base/error.hpp>
#include <odeon/wire/bytes.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// @file Control records: what one endpoint asks of another beside messages. Each arrives exactly
/// once and in order as long as both incarnations live. In MessagePack, a variant of these by name.

namespace odeon::remote::detail::records {

/// As `actor_name`, owned.
struct name {
  std::string path;
  std::uint64_t uid = 0;
};

struct watch {
  static constexpr auto manifest = "watch";
  name target;
  name watcher;
};
struct unwatch {
  static constexpr auto manifest = "unwatch";
  name target;
  name watcher;
};
struct link {
  static constexpr auto manifest = "link";
  name target;
  name other;
};
struct unlink {
  static constexpr auto manifest = "unlink";
  name target;
  name other;
};
/// `who`, an actor of the sending side, has ended, or was never there.
struct ended {
  static constexpr auto manifest = "ended";
  name who;
  name to;
  std::uint8_t kind = 0;  ///< exit_kind
  std::string text;
  bool linked = false;  ///< for a link; else for a watch
};
struct stop {
  static constexpr auto manifest = "stop";
  name target;
  bool kill = false;
};

/// A message that the asking side is going to send.
struct claim {
  std::string manifest;
  std::uint64_t hash = 0;  ///< of its contract and its reply's; 0: not known
};
struct resolve {
  static constexpr auto manifest = "resolve";
  std::uint64_t id = 0;
  std::string system;  ///< "": whichever runs there
  name target;
  std::vector<claim> wants;
};
struct spawn {
  static constexpr auto manifest = "spawn";
  std::uint64_t id = 0;
  std::string type;
  std::string called;  ///< the actor's name; "": a generated one
  wire::bytes arguments;
  std::vector<claim> wants;
};
/// A claim whose hash is another one here, with this side's contract as JSON.
struct difference {
  std::string manifest;
  std::string contract;
};
/// To `resolve` and `spawn`.
struct answer {
  static constexpr auto manifest = "answer";
  std::uint64_t id = 0;
  int code = 0;  ///< errc; 0: found
  std::string text;
  name found;
  std::vector<difference> differs;
};
/// An ask has failed, and the message that would say so could not be queued.
struct ask_failed {
  static constexpr auto manifest = "ask_failed";
  std::uint64_t ask = 0;
  int code = 0;
  std::string text;
};

using any =
    std::variant<watch, unwatch, link, unlink, ended, stop, resolve, spawn, answer, ask_failed>;

[[nodiscard]] wire::bytes to_bytes(const any& record);
/// Errors as `wire::decode`.
[[nodiscard]] result<any> from_bytes(std::span<const std::byte> bytes);

}  // namespace odeon::remote::detail::records

namespace odeon::remote::detail {

/// What a `failure` message says.
struct failure_text {
  static constexpr auto manifest = "odeon.error";
  int code = 0;
  std::string text;
};

/// The code that a peer has sent; one that this program does not know is `handler_failed`.
[[nodiscard]] errc code_of(int value) noexcept;

}  // namespace odeon::remote::detail
