#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/key_ring.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// @file Opening the statestore that a configuration names, with its keys.
///
///     auto o = odeon::sidecar::statestore_from_environment(read);   // PROXY_DATABASE_TYPE, …
///     auto states = odeon::sidecar::open_statestore(rt, *o, kinds);
///
/// docs/guide/sidecar-stores.md tells how keys are made, exchanged and taken out of use.

namespace odeon::sidecar {

struct statestore_options {
  std::string kind = "sqlite";            ///< "sqlite", "memory", or one of `statestore_kinds`
  std::string path = "odeon-sidecar.db";  ///< of the SQLite file
  std::string host = {};                  ///< of a server; empty: its own default
  std::uint16_t port = 0;                 ///< 0: the server's own
  std::string user = {}, password = {}, database = {};
  /// Keys as `parse_statestore_keys` takes them; empty: states are stored as they are.
  std::string keys = {};
  /// Reads states that were stored before there was a key; each is sealed with its next write.
  bool accept_plain = false;
  state_store_options states = {};
};

/// Opens a journal of a kind that this module does not know: of a server, with its own library.
using journal_opener =
    std::function<result<std::unique_ptr<journal>>(runtime&, const statestore_options&)>;
using statestore_kinds = std::map<std::string, journal_opener>;

/// A variable of the environment and what it says, for help texts and checks of deployments.
struct environment_variable {
  std::string_view name;
  std::string_view meaning;
};
[[nodiscard]] std::span<const environment_variable> statestore_variables() noexcept;

/// The options that the environment tells, by `get` (none: not set; an empty one counts as not
/// set). Errors: `config_invalid`, naming the variable and what it takes, and never a secret.
[[nodiscard]] result<statestore_options> statestore_from_environment(
    const std::function<std::optional<std::string>(const std::string&)>& get);

/// Keys parted by blanks, commas or line breaks, the newest last: each "id:key", or the key alone,
/// whose id is then "k" and twelve digits of its SHA-256. A key is 32 bytes, of base64 or
/// hexadecimal. Errors: as `key_ring::parse`, naming SPAWN_STATESTORE_KEY and the number.
[[nodiscard]] result<key_ring> parse_statestore_keys(std::string_view text);

/// Opens the journal, compares its keys and gives the store. A store says by a record of its own
/// whether it is sealed, and with which key ("sidecar-key-check"): so a wrong key is refused here,
/// and not with the first state that is read. The record follows the newest key.
///
/// Blocks the calling thread; `rt` outlives the store. Errors: those of opening the journal;
/// `invalid_argument`, in one sentence that says what to do: an unknown kind, keys that cannot be
/// read, a sealed store without its key, a wrong key, a key for a store of plain states.
[[nodiscard]] result<std::unique_ptr<state_store>> open_statestore(
    runtime& rt, const statestore_options& options, const statestore_kinds& more = {});

}  // namespace odeon::sidecar
