#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file How an event lies in the SQLite journal's blobs. `docs/reference/journal-format.md` is the
/// same in prose.
///
/// A record is self-contained; all numbers are little-endian:
///
///     offset size
///          0    4  size of the record, all of it
///          4    4  CRC-32C of: persistence id, bytes [0, 4), bytes [8, size)
///          8    8  sequence
///         16    8  position
///         24    8  written, nanoseconds since 1970 UTC
///         32    8  epoch of the writer
///         40    4  actor: the number that stands for the persistence id in this file
///         44    4  version
///         48    2  size of the manifest
///         50    2  size of the tags
///         52       manifest, tags (each: 2 bytes size, text), payload

namespace odeon::detail {

inline constexpr std::size_t record_head = 52;

/// Whose event, and which: what is known before the record is read.
struct record_key {
  std::uint32_t actor = 0;
  std::uint64_t sequence = 0;
  friend bool operator==(const record_key&, const record_key&) = default;
};

/// What the journal adds to an event.
struct record_stamp {
  record_key key;
  std::uint64_t position = 0;
  std::uint64_t epoch = 0;
  wall_time written;
};

/// Appends the record to `out`. `id_crc` is the CRC-32C of the persistence id.
void encode_record(std::vector<std::byte>& out, const event_record& event,
                   const record_stamp& stamp, std::uint32_t id_crc);

/// A record that passed its checks. Its views point into the bytes it was read from, and its tags
/// into `tags`.
struct decoded_record {
  record_key key;
  event_view view;
  std::size_t size = 0;
};

/// Reads the record at the front of `bytes`, with room for its tags lent by the caller. The error
/// says what is wrong with it, not where it is. Any bytes are safe to pass.
[[nodiscard]] result<decoded_record> decode_record(std::span<const std::byte> bytes,
                                                   std::uint32_t id_crc,
                                                   std::vector<std::string_view>& tags);

/// Key and size of the record at the front of `bytes` without its checksum: to find out whose it
/// is.
[[nodiscard]] result<std::pair<record_key, std::size_t>> peek_record(
    std::span<const std::byte> bytes);

/// One row of the log beside its records: whose record begins where. A second copy of what the
/// records say, so that one damaged byte leaves it known which id a damaged record belongs to.
struct directory_entry {
  record_key key;
  std::uint32_t offset = 0;
};

inline constexpr std::size_t directory_entry_size = 16;

void encode_directory(std::vector<std::byte>& out, std::span<const directory_entry> entries);

/// Checks the directory's own checksum, and that the offsets grow inside `records_size`.
[[nodiscard]] result<std::vector<directory_entry>> decode_directory(
    std::span<const std::byte> bytes, std::size_t records_size);

}  // namespace odeon::detail
