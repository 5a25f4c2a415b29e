#pragma once

#include "crash/workload.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

#include <string>
#include <vector>

/// @file Compares a journal with what its writers were told.

namespace crash {

struct verdict {
  std::vector<std::string> faults;  ///< each a sentence; empty: all is as promised
  claims found;                     ///< how far each id has come, issued and acked equal
  std::uint64_t events = 0;
};

/// The options of a journal of these tests: small ones, so that a short life goes through tails,
/// segments, trimming and checkpoints.
[[nodiscard]] odeon::sqlite_journal_options journal_at(const std::string& path);

/// Opens the journal, reads everything and closes it. What must hold:
///
///  - each id stands at a step between the last acknowledged and the last issued;
///  - its events or states, tags, timers, marks and outbox are those of just that step;
///  - each acknowledged snapshot, removal and service timer is there, and of the others all or
///    nothing;
///  - `verify_sqlite_journal` reports no damage: before the journal is opened when `verify_first`,
///    after it was closed otherwise.
///
/// Works on the calling thread alone.
[[nodiscard]] verdict check_journal(const std::string& path, const claims& told, bool verify_first);

}  // namespace crash
