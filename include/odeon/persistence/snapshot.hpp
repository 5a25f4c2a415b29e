#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

/// @file Snapshots: a state as of a sequence number, so that a recovery need not replay all events.
///
/// A snapshot is a shortcut and never the truth: the events stay, and a snapshot that fails its
/// checksum is passed over for an older one, or for a replay from the first event.

namespace odeon {

/// A state to be stored. Saving again under the same sequence number replaces.
struct save_snapshot_request {
  std::string persistence_id;
  std::uint64_t epoch = 0;  ///< from `journal::open_writer`
  std::uint64_t sequence =
      0;  ///< the last event that the state includes; must have been acknowledged
  std::string manifest;
  std::uint32_t version = 1;
  std::vector<std::byte> payload;  ///< at most `journal_options::max_snapshot_bytes`
  std::uint32_t keep =
      0;  ///< retention: only this many newest ones stay, in the same transaction; 0: all stay
};

struct stored_snapshot {
  std::uint64_t sequence = 0;
  wall_time written;
  std::string manifest;
  std::uint32_t version = 1;
  std::vector<std::byte> payload;
};

/// A snapshot or revision without its content.
struct snapshot_info {
  std::uint64_t sequence = 0;
  wall_time written;
  std::string manifest;
  std::uint32_t version = 1;
  std::uint64_t bytes = 0;  ///< of the payload
  bool damaged = false;     ///< it does not match its checksum: all above may be wrong
};

/// Which snapshots of one persistence id: those with `min_sequence <= sequence <= max_sequence`.
struct snapshot_criteria {
  std::string persistence_id;
  std::uint64_t min_sequence = 0;
  std::uint64_t max_sequence = std::numeric_limits<std::uint64_t>::max();
};

/// The newest good snapshot of the criteria, if there is one, and what was wrong with the newer
/// ones.
struct loaded_snapshot {
  std::optional<stored_snapshot> snapshot;
  std::vector<error> damaged;  ///< `errc::corrupt_record` each, newest first
};

}  // namespace odeon
