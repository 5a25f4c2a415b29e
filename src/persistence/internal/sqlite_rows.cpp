#include "persistence/internal/sqlite_rows.hpp"

#include "persistence/internal/crc32c.hpp"

namespace odeon::detail {

namespace {

std::vector<std::byte> copy(std::span<const std::byte> b) { return {b.begin(), b.end()}; }

wall_time time_of(std::int64_t ns) { return wall_time(duration(ns)); }

std::unexpected<error> mismatch(const std::string& what, std::string_view id) {
  return fail(errc::corrupt_record,
              what + " of \"" + std::string(id) + "\": the checksum does not match");
}

std::uint32_t snapshot_checksum(std::uint64_t sequence, std::int64_t written,
                                std::string_view manifest, std::uint32_t version,
                                std::span<const std::byte> payload, std::uint32_t id_crc) noexcept {
  return row_checksum(id_crc)
      .number(sequence)
      .number(static_cast<std::uint64_t>(written))
      .text(manifest)
      .number(version)
      .bytes(payload)
      .value();
}

}  // namespace

std::uint32_t checksum(const save_snapshot_request& r, wall_time written,
                       std::uint32_t id_crc) noexcept {
  return snapshot_checksum(r.sequence, count_of(written), r.manifest, r.version, r.payload, id_crc);
}

std::uint32_t checksum(const timer_record& t, std::uint32_t id_crc) noexcept {
  return row_checksum(id_crc)
      .text(t.id)
      .number(static_cast<std::uint64_t>(count_of(t.due)))
      .text(t.manifest)
      .number(t.version)
      .bytes(t.payload)
      .value();
}

std::uint32_t checksum(const outbox_message& m, std::uint64_t position, std::uint64_t sequence,
                       std::uint32_t id_crc) noexcept {
  return row_checksum(id_crc)
      .number(position)
      .number(sequence)
      .text(m.id)
      .text(m.target)
      .text(m.manifest)
      .number(m.version)
      .bytes(m.payload)
      .value();
}

result<stored_snapshot> read_snapshot(sqlite_statement& row, std::string_view id) {
  const auto crc = snapshot_checksum(row.natural(0), row.integer(1), row.text(2), row.natural32(3),
                                     row.blob(4), crc32c(id));
  if (crc != row.natural32(5))
    return mismatch("the snapshot as of sequence " + std::to_string(row.natural(0)), id);
  return stored_snapshot{row.natural(0), time_of(row.integer(1)), std::string(row.text(2)),
                         row.natural32(3), copy(row.blob(4))};
}

result<timer_record> read_timer(sqlite_statement& row, std::string_view id) {
  timer_record t{.id = std::string(row.text(0)),
                 .due = time_of(row.integer(1)),
                 .manifest = std::string(row.text(2)),
                 .version = row.natural32(3),
                 .payload = copy(row.blob(4))};
  if (checksum(t, crc32c(id)) != row.natural32(5))
    return mismatch("the timer \"" + t.id + "\"", id);
  return t;
}

result<outbox_entry> read_outbox(sqlite_statement& row, std::string_view id) {
  outbox_entry e{.position = row.natural(0),
                 .persistence_id = std::string(id),
                 .sequence = row.natural(1),
                 .message = {.id = std::string(row.text(2)),
                             .target = std::string(row.text(3)),
                             .manifest = std::string(row.text(4)),
                             .version = row.natural32(5),
                             .payload = copy(row.blob(6))}};
  if (checksum(e.message, e.position, e.sequence, crc32c(id)) != row.natural32(7))
    return mismatch("the outbox message at position " + std::to_string(e.position), id);
  return e;
}

}  // namespace odeon::detail
