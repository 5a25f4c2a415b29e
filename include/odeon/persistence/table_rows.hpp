#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/record.hpp>
#include <odeon/persistence/snapshot.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file How a journal lies in the tables of a database: the columns, and the checksum of each row.
/// `docs/reference/postgres-journal.md` is the same in prose.
///
/// Rows here are views: they point into a request that is being written, or into the buffers of a
/// connection that reads. Times are nanoseconds since 1970 UTC. The checksum of a row is the
/// CRC-32C of the persistence id it belongs to, followed by its other columns: a number as 8 bytes,
/// little-endian; bytes as their count (8 bytes), then themselves.

namespace odeon::store {

/// What an id has, once its first event or state has decided.
enum class id_kind : std::uint8_t { nothing = 0, events = 1, states = 2 };

/// The one row that each commit locks and moves on: it makes the order of commits.
struct state_row {
  std::uint64_t position_next = 1;  ///< of events
  std::uint64_t outbox_next = 1;
  std::uint64_t actor_next = 1;
  friend bool operator==(const state_row&, const state_row&) = default;
};

/// One persistence id.
struct actor_row {
  std::uint64_t actor = 0;  ///< the number that stands for the id elsewhere, by age; 0: none
  std::string_view id;
  std::uint64_t epoch = 0;     ///< of the newest writer; 0: nobody has opened it
  std::uint64_t sequence = 0;  ///< of the last event or revision
  id_kind kind = id_kind::nothing;
  std::uint32_t crc = 0;
};

struct event_row {
  std::uint64_t actor = 0;
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;
  std::uint64_t epoch = 0;
  std::int64_t written = 0;
  std::uint32_t version = 1;
  std::string_view manifest;
  std::string_view tags;  ///< packed: see `pack_tags`
  std::span<const std::byte> payload;
  std::uint32_t crc = 0;
};

struct tagged_row {
  std::string_view tag;
  std::uint64_t position = 0;
  std::uint64_t actor = 0;
  std::uint64_t sequence = 0;
};

struct outbox_row {
  std::uint64_t position = 0;
  std::uint64_t actor = 0;
  std::uint64_t sequence = 0;
  std::string_view id;
  std::string_view target;
  std::string_view manifest;
  std::uint32_t version = 1;
  std::span<const std::byte> payload;
  std::uint32_t crc = 0;
};

struct timer_row {
  std::uint64_t actor = 0;
  std::string_view id;
  std::int64_t due = 0;
  std::string_view manifest;
  std::uint32_t version = 1;
  std::span<const std::byte> payload;
  std::uint32_t crc = 0;
};

struct mark_row {
  std::uint64_t actor = 0;
  std::string_view name;
  std::uint64_t value = 0;
  std::uint32_t crc = 0;
};

struct snapshot_row {
  std::uint64_t actor = 0;
  std::uint64_t sequence = 0;
  std::int64_t written = 0;
  std::string_view manifest;
  std::uint32_t version = 1;
  std::span<const std::byte> payload;
  std::uint32_t crc = 0;
};

/// The CRC-32C of a persistence id, with which the checksums of its rows begin.
[[nodiscard]] std::uint32_t checksum_of_id(std::string_view persistence_id) noexcept;

// The checksum that a row should have.
[[nodiscard]] std::uint32_t checksum(const state_row& r) noexcept;
[[nodiscard]] std::uint32_t checksum(const actor_row& r) noexcept;
[[nodiscard]] std::uint32_t checksum(const event_row& r, std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const outbox_row& r, std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const timer_row& r, std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const mark_row& r, std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const snapshot_row& r, std::uint32_t id_crc) noexcept;

/// Tags one after the other: 2 bytes size, little-endian, then the text.
[[nodiscard]] std::string pack_tags(const std::vector<std::string>& tags);

// Rows that have been read, checked. Errors: `corrupt_record`, with the table and the key.
[[nodiscard]] result<void> check(const state_row& r, std::uint32_t crc);
[[nodiscard]] result<void> check(const actor_row& r);
/// The view points into the row and into `tags`, whose content is replaced.
[[nodiscard]] result<event_view> checked(const event_row& r, std::string_view persistence_id,
                                         std::vector<std::string_view>& tags);
[[nodiscard]] result<outbox_entry> checked(const outbox_row& r, std::string_view persistence_id);
[[nodiscard]] result<timer_record> checked(const timer_row& r, std::string_view persistence_id);
[[nodiscard]] result<mark_record> checked(const mark_row& r, std::string_view persistence_id);
[[nodiscard]] result<stored_snapshot> checked(const snapshot_row& r,
                                              std::string_view persistence_id);

}  // namespace odeon::store
