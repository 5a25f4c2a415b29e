#pragma once

#include <odeon/base/fwd.hpp>

#include <expected>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// @file What can go wrong, and how it is told.
///
/// An expected outcome (a timeout, a full mailbox, a refused write) is a value: `result<T>`, from
/// functions named `try_…` and from everything that reads bytes from outside. The plain form of the
/// same function throws `actor_error`, which carries the same `errc` and the same sentence.
/// `docs/reference/errors.md` has a paragraph for each code: what happened and what to do.

namespace odeon {

/// The one list of error codes of Odeon. Values are stable: they travel between nodes and
/// languages.
enum class errc : int {
  // Delivery.
  no_such_actor = 1,    ///< nothing is registered under that name or path
  actor_stopped = 2,    ///< the actor had stopped, or stopped before it took the message
  mailbox_full = 3,     ///< a bounded mailbox was at its capacity
  expired = 4,          ///< the message's ttl or its ask's deadline had passed when it was taken
  unhandled = 5,        ///< the actor (or its present behaviour) has no handler for the message
  unreachable = 6,      ///< the actor lives elsewhere, and there is no way to it now
  stale = 7,            ///< it was meant for an earlier incarnation of what has that path now
  peer_overloaded = 8,  ///< the queue to the actor's node was at its bound
  // Asks.
  ask_timeout = 10,     ///< no reply came in time; the text says where the request was
  handler_failed = 11,  ///< the handler threw; the text is that exception's
  no_reply = 12,        ///< the handler let go of its `reply_to` unanswered
  cancelled = 13,       ///< the asker gave up, or the task was asked to stop
  killed = 14,          ///< the actor was killed while it had the message in hand
  call_cycle = 15,      ///< the ask would wait for itself; the text is the whole chain
  would_block = 16,     ///< a blocking call on a thread that must not block
  refused = 17,         ///< the actor said no: the usual code for a rule of the application
  // Actors and systems.
  name_taken = 20,        ///< a live actor already has that name under the same parent
  spawn_failed = 21,      ///< the constructor, the factory or `pre_start` threw
  system_stopped = 22,    ///< the actor system is terminating or has terminated
  invalid_argument = 23,  ///< a call outside its contract, found at run time
  stash_full = 24,        ///< the stash was at its capacity
  restart_limit = 25,     ///< the supervision budget was used up
  // Bytes from outside.
  bad_encoding = 40,    ///< the bytes are not of the form they should have; the text has the offset
  truncated = 41,       ///< the bytes end too early
  limit_exceeded = 42,  ///< larger, deeper or more than the stated bound
  wrong_type = 43,      ///< well formed, but of another type than the field's
  missing_field = 44,   ///< a field without a default is not there
  unknown_manifest = 45,  ///< no type is registered under that manifest
  newer_version = 46,     ///< written by a newer version than this program knows
  no_codec = 47,          ///< no codec is registered for the type
  config_invalid =
      48,  ///< a configuration key or value is not acceptable; the text names file, line and key
  // Stores.
  fenced = 60,            ///< a newer writer has taken over this id
  version_conflict = 61,  ///< the expected sequence or revision is not the present one
  corrupt_record = 62,    ///< a stored record fails its checksum; the text has its position
  not_found = 63,         ///< the key, snapshot or file is not there
  io_failed = 64,         ///< the operating system or the store refused; the text is its own
  store_full = 65,        ///< no space is left; nothing of the write remains
  store_closed = 66,      ///< the store is closed or not reachable
  // Other machines. Each text has the peer's address and says what to do.
  unknown_host = 80,           ///< the name of the host has no address
  connection_refused = 81,     ///< nothing listens at that address
  connect_timeout = 82,        ///< no connection, or no handshake, came to be in time
  bad_certificate = 83,        ///< a certificate that this side does not trust, or for another name
  expired_certificate = 84,    ///< a certificate whose time is over, or has not begun
  authentication_failed = 85,  ///< the other side does not have the secret, or asks for less
  incompatible_peer = 86,      ///< no version or codec of the protocol that both sides speak
  protocol_violation = 87,     ///< bytes that no peer sends: altered, replayed, cut or made up
  contract_changed = 88,       ///< both sides know the message, and disagree about its form
  quarantined = 89,            ///< that incarnation of the peer was given up and stays so
  placement_failed = 90,       ///< no member of the federation has what the actor needs
  address_in_use = 91,         ///< something listens at that address of this machine already
  // The runtime itself.
  internal = 99,  ///< a defect in Odeon: please report it with its text
};

/// The code's identifier, as it is spelled above ("ask_timeout"); "unknown" for a value outside the
/// list.
[[nodiscard]] std::string_view to_string(errc code) noexcept;

/// The `std::error_category` of `errc`; its name is "odeon".
[[nodiscard]] const std::error_category& error_category() noexcept;

[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// A code and one sentence for a person. A value: copying it copies the text.
class error {
 public:
  /// The text of an error made of a code alone is the code's general sentence.
  error(errc code) noexcept
      : code_(code) {}  // NOLINT(google-explicit-constructor): `return errc::refused;`
  error(errc code, std::string text) noexcept : code_(code), text_(std::move(text)) {}

  [[nodiscard]] errc code() const noexcept { return code_; }

  /// What happened, where; without the code. The code's general sentence when nothing more is
  /// known.
  [[nodiscard]] std::string_view text() const noexcept;

  /// "ask_timeout: no reply from /user/bank within 5 s, queued at depth 17".
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const error& e, errc code) noexcept { return e.code_ == code; }
  friend bool operator==(const error& a, const error& b) noexcept = default;

 private:
  errc code_;
  std::string text_;
};

/// A value, or why there is none.
template <class T>
using result = std::expected<T, error>;

/// What the plain (not `try_`) forms throw. `code().value()` is the `errc`; `what()` is
/// `error::to_string()`.
class actor_error : public std::system_error {
 public:
  explicit actor_error(error e);
  actor_error(errc code, std::string text) : actor_error(error(code, std::move(text))) {}

  [[nodiscard]] errc which() const noexcept { return error_.code(); }
  [[nodiscard]] const error& reason() const noexcept { return error_; }
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  error error_;
  std::string what_;
};

/// Shorthand for `std::unexpected(error{code, text})`.
[[nodiscard]] inline std::unexpected<error> fail(errc code, std::string text) {
  return std::unexpected<error>(error(code, std::move(text)));
}

}  // namespace odeon

template <>
struct std::is_error_code_enum<odeon::errc> : std::true_type {};
