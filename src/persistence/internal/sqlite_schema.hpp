#pragma once

#include "persistence/internal/owner_lock.hpp"
#include "persistence/internal/sqlite_db.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

/// @file The tables of a journal file, and the small things that are the same for writer, reader
/// and verifier.

namespace odeon::detail {

/// "ODJL": what the file header says the database is for.
inline constexpr std::int64_t journal_application_id = 0x4f444a4c;

/// The version that this program writes; older ones are migrated when a journal is opened.
inline constexpr std::int64_t journal_schema_version = 2;

enum class store_access : std::uint8_t {
  write,   ///< creates, migrates, writes
  read,    ///< a reader beside an open writer
  inspect  ///< nothing is changed, not even by folding in the write-ahead log; a file of an older
           ///< version shows as if it were of this one
};

struct opened_store {
  std::optional<owner_lock> owner;  ///< with `write`
  std::unique_ptr<sqlite_db> db;
};

/// A connection, with the file identified. `write` becomes its owner, creates an empty store in an
/// empty file and migrates an older one. Errors as `open_sqlite_journal`.
[[nodiscard]] result<opened_store> open_store(const sqlite_journal_options& options,
                                              store_access access);

/// The one row of `state`: what each commit moves on.
struct store_state {
  std::uint64_t log_first = 1;  ///< log rows [log_first, log_next) exist
  std::uint64_t log_next = 1;
  std::uint64_t position_next = 1;  ///< of events
  std::uint64_t outbox_next = 1;
  std::uint32_t actor_next = 1;
};

[[nodiscard]] result<store_state> read_state(sqlite_db& db);
[[nodiscard]] std::uint32_t checksum(const store_state& s) noexcept;

/// The checksum of a row: over the numbers, texts and blobs of it, each with its length.
class row_checksum {
 public:
  explicit row_checksum(std::uint32_t seed) noexcept : crc_(seed) {}
  row_checksum& number(std::uint64_t n) noexcept;
  row_checksum& bytes(std::span<const std::byte> b) noexcept;
  row_checksum& text(std::string_view t) noexcept { return bytes(std::as_bytes(std::span(t))); }
  [[nodiscard]] std::uint32_t value() const noexcept { return crc_; }

 private:
  std::uint32_t crc_;
};

/// A row of `actors`. `id_crc` is the CRC-32C of the persistence id.
struct actor_row {
  std::uint32_t actor = 0;
  std::uint32_t id_crc = 0;
  std::uint64_t epoch = 0;
  std::uint64_t stored = 0;    ///< the last sequence number in segments
  std::uint64_t revision = 0;  ///< of the newest state; 0: it keeps none
};
[[nodiscard]] std::uint32_t checksum(const actor_row& r) noexcept;

/// The columns that `read_actor` reads, in its order.
inline constexpr const char* actor_columns = "actor, id, id_crc, epoch, stored, crc, revision";

/// The present row of a statement that selects `actor_columns`. The error names the row.
[[nodiscard]] result<actor_row> read_actor(sqlite_statement& row);

/// Finds an id. `actor` is 0 when there is none – for certain: one damaged entry cannot hide an id.
class actor_finder {
 public:
  [[nodiscard]] static result<actor_finder> make(sqlite_db& db);
  [[nodiscard]] result<actor_row> find(std::string_view persistence_id);
  [[nodiscard]] result<actor_row> find(std::uint32_t actor);

 private:
  sqlite_statement by_id_;
  sqlite_statement by_crc_;
  sqlite_statement by_number_;
};

/// `error` with a place before its text.
[[nodiscard]] error at_place(std::string_view place, const error& e);

}  // namespace odeon::detail
