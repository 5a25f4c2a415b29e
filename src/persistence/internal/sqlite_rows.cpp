#include "persistence/internal/sqlite_rows.hpp"

#include <odeon/base/crc32c.hpp>

namespace odeon::detail {

namespace {

std::vector<std::byte> copy(std::span<const std::byte> b) { return {b.begin(), b.end()}; }

wall_time time_of(std::int64_t ns) { return wall_time(duration(ns)); }

std::unexpected<error> mismatch(const std::string& what, std::string_view id) {
  return fail(errc::corrupt_record,
              what + " of \"" + std::string(id) + "\": the checksum does not match");
}

}  // namespace

std::uint32_t snapshot_checksum(std::uint64_t sequence, wall_time written,
                                std::string_view manifest, std::uint32_t version,
                                std::span<const std::byte> payload, std::uint32_t id_crc) noexcept {
  return row_checksum(id_crc)
      .number(sequence)
      .number(static_cast<std::uint64_t>(count_of(written)))
      .text(manifest)
      .number(version)
      .bytes(payload)
      .value();
}

std::uint32_t checksum(const mark_record& m, std::uint32_t id_crc) noexcept {
  return row_checksum(id_crc).text(m.name).number(m.value).value();
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

bool is_good_snapshot(sqlite_statement& row, std::string_view id) {
  return snapshot_checksum(row.natural(0), time_of(row.integer(1)), row.text(2), row.natural32(3),
                           row.blob(4), crc32c(id)) == row.natural32(5);
}

result<stored_snapshot> read_snapshot(sqlite_statement& row, std::string_view id) {
  if (!is_good_snapshot(row, id))
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

result<mark_record> read_mark(sqlite_statement& row, std::string_view id) {
  mark_record m{std::string(row.text(0)), row.natural(2)};
  if (crc32c(m.name) != row.natural32(1) || checksum(m, crc32c(id)) != row.natural32(3))
    return mismatch("the mark \"" + m.name + "\"", id);
  return m;
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
