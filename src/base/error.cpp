#include <odeon/base/assert.hpp>
#include <odeon/base/error.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace odeon {

namespace {

struct entry {
  errc code;
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array entries{
    entry{errc::no_such_actor, "no_such_actor", "there is no such actor"},
    entry{errc::actor_stopped, "actor_stopped", "the actor has stopped"},
    entry{errc::mailbox_full, "mailbox_full", "the actor's mailbox is full"},
    entry{errc::expired, "expired", "the message expired before it was taken"},
    entry{errc::unhandled, "unhandled", "the actor has no handler for this message"},
    entry{errc::unreachable, "unreachable", "the actor cannot be reached now"},
    entry{errc::stale, "stale", "the message was for an earlier incarnation of the actor"},
    entry{errc::peer_overloaded, "peer_overloaded", "the queue to the actor's node is full"},
    entry{errc::ask_timeout, "ask_timeout", "no reply came in time"},
    entry{errc::handler_failed, "handler_failed", "the handler failed"},
    entry{errc::no_reply, "no_reply", "the handler ended without a reply"},
    entry{errc::cancelled, "cancelled", "the request was cancelled"},
    entry{errc::killed, "killed", "the actor was killed"},
    entry{errc::call_cycle, "call_cycle", "the ask would wait for itself"},
    entry{errc::would_block, "would_block", "this thread must not block"},
    entry{errc::refused, "refused", "the request was refused"},
    entry{errc::name_taken, "name_taken", "the name is taken"},
    entry{errc::spawn_failed, "spawn_failed", "the actor could not be started"},
    entry{errc::system_stopped, "system_stopped", "the actor system has stopped"},
    entry{errc::invalid_argument, "invalid_argument", "the argument is not acceptable"},
    entry{errc::stash_full, "stash_full", "the stash is full"},
    entry{errc::restart_limit, "restart_limit", "the actor failed too often"},
    entry{errc::bad_encoding, "bad_encoding", "the bytes are malformed"},
    entry{errc::truncated, "truncated", "the bytes end too early"},
    entry{errc::limit_exceeded, "limit_exceeded", "a limit is exceeded"},
    entry{errc::wrong_type, "wrong_type", "the value has another type"},
    entry{errc::missing_field, "missing_field", "a field is missing"},
    entry{errc::unknown_manifest, "unknown_manifest", "the manifest is not registered"},
    entry{errc::newer_version, "newer_version", "written by a newer version"},
    entry{errc::no_codec, "no_codec", "no codec is registered for the type"},
    entry{errc::config_invalid, "config_invalid", "the configuration is not acceptable"},
    entry{errc::fenced, "fenced", "a newer writer has taken over"},
    entry{errc::version_conflict, "version_conflict",
          "the expected version is not the present one"},
    entry{errc::corrupt_record, "corrupt_record", "a stored record is corrupt"},
    entry{errc::not_found, "not_found", "not found"},
    entry{errc::io_failed, "io_failed", "an input or output operation failed"},
    entry{errc::store_full, "store_full", "no space is left in the store"},
    entry{errc::store_closed, "store_closed", "the store is closed"},
    entry{errc::unknown_host, "unknown_host", "the host is not known"},
    entry{errc::connection_refused, "connection_refused", "nothing listens at that address"},
    entry{errc::connect_timeout, "connect_timeout", "no connection came to be in time"},
    entry{errc::bad_certificate, "bad_certificate", "the peer's certificate is not trusted"},
    entry{errc::expired_certificate, "expired_certificate", "the peer's certificate has expired"},
    entry{errc::authentication_failed, "authentication_failed",
          "the peer could not be authenticated"},
    entry{errc::incompatible_peer, "incompatible_peer", "the peer speaks another protocol"},
    entry{errc::protocol_violation, "protocol_violation", "the peer broke the protocol"},
    entry{errc::contract_changed, "contract_changed",
          "the two sides disagree about the form of a message"},
    entry{errc::quarantined, "quarantined", "the peer was given up"},
    entry{errc::placement_failed, "placement_failed", "no member has what the actor needs"},
    entry{errc::address_in_use, "address_in_use", "something listens at that address already"},
    entry{errc::internal, "internal", "a defect in Odeon"},
};

constexpr entry unknown{errc::internal, "unknown", "an unknown error"};

const entry& find(errc code) noexcept {
  for (const auto& e : entries)
    if (e.code == code) return e;
  return unknown;
}

class category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "odeon"; }
  [[nodiscard]] std::string message(int value) const override {
    return std::string(find(static_cast<errc>(value)).sentence);
  }
};

}  // namespace

std::string_view to_string(errc code) noexcept { return find(code).name; }

const std::error_category& error_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

std::string_view error::text() const noexcept {
  return text_.empty() ? find(code_).sentence : std::string_view(text_);
}

std::string error::to_string() const {
  std::string out(odeon::to_string(code_));
  out += ": ";
  out += text();
  return out;
}

actor_error::actor_error(error e)
    : std::system_error(make_error_code(e.code())),
      error_(std::move(e)),
      what_(error_.to_string()) {}

namespace detail {

void assert_failed(const char* condition, const char* message, const char* file,
                   int line) noexcept {
  std::fprintf(stderr, "odeon: broken invariant: %s (%s) at %s:%d\n", message, condition, file,
               line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace detail

}  // namespace odeon
