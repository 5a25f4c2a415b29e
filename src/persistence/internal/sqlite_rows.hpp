#pragma once

#include "persistence/internal/sqlite_schema.hpp"
#include <odeon/persistence/record.hpp>
#include <odeon/persistence/snapshot.hpp>

#include <cstdint>
#include <limits>
#include <string_view>

/// @file Rows of snapshots, timers, marks and the outbox: the columns, their checksum, and reading
/// them back. `id_crc` is always the CRC-32C of the persistence id that the row belongs to.

namespace odeon::detail {

[[nodiscard]] inline std::int64_t count_of(wall_time t) noexcept {
  return static_cast<std::int64_t>(t.time_since_epoch().count());
}

/// SQLite's integers are signed; nothing stored is larger than that.
[[nodiscard]] inline std::uint64_t bounded(std::uint64_t n) noexcept {
  constexpr std::uint64_t last = std::numeric_limits<std::int64_t>::max();
  return n < last ? n : last;
}

inline constexpr const char* snapshot_columns =
    "sequence, written, manifest, version, payload, crc";
inline constexpr const char* timer_columns = "id, due, manifest, version, payload, crc";
inline constexpr const char* outbox_columns =
    "position, sequence, id, target, manifest, version, payload, crc";

inline constexpr const char* mark_columns = "name, name_crc, value, crc";

/// Of a snapshot or state.
[[nodiscard]] std::uint32_t snapshot_checksum(std::uint64_t sequence, wall_time written,
                                              std::string_view manifest, std::uint32_t version,
                                              std::span<const std::byte> payload,
                                              std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const mark_record& m, std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const timer_record& t, std::uint32_t id_crc) noexcept;
[[nodiscard]] std::uint32_t checksum(const outbox_message& m, std::uint64_t position,
                                     std::uint64_t sequence, std::uint32_t id_crc) noexcept;

/// The present row, whose first columns are those above. Errors: `corrupt_record`, with the place.
[[nodiscard]] result<stored_snapshot> read_snapshot(sqlite_statement& row, std::string_view id);
[[nodiscard]] bool is_good_snapshot(sqlite_statement& row, std::string_view id);
[[nodiscard]] result<timer_record> read_timer(sqlite_statement& row, std::string_view id);
[[nodiscard]] result<mark_record> read_mark(sqlite_statement& row, std::string_view id);
[[nodiscard]] result<outbox_entry> read_outbox(sqlite_statement& row, std::string_view id);

}  // namespace odeon::detail
