#pragma once

#include "persistence/internal/sqlite_schema.hpp"

#include <cstdint>
#include <string>
#include <utility>

/// @file What a crash may not take: a note, beside the journal, of the last acknowledged commit.
///
/// SQLite takes a write-ahead log up to its first frame that does not match its checksum, and what
/// stands behind is gone without a word. After a loss of power that is right: such a frame was
/// never acknowledged. A byte that was damaged, or a file that was removed, loses acknowledged
/// commits. The note tells the two apart. It is written after each commit, without a sync: a
/// process that is killed leaves it exact, and a loss of power leaves an older one, which claims
/// less and is true all the same. A journal that is closed removes it.

namespace odeon::detail {

/// The last commit that was acknowledged.
struct witnessed_commit {
  std::uint32_t salt1 = 0;  ///< of the write-ahead log's header
  std::uint32_t salt2 = 0;
  std::uint32_t frames = 0;  ///< that the log then had
  store_state state;
};

/// The writer's side. Where the file cannot be written nothing is noted: it is only a check.
class commit_witness {
 public:
  explicit commit_witness(const std::string& journal_path);
  commit_witness(const commit_witness&) = delete;
  commit_witness& operator=(const commit_witness&) = delete;
  ~commit_witness();

  /// A commit is durable; the log has so many frames. One `pwrite` into the page cache.
  void note(std::uint32_t frames, const store_state& state) noexcept;
  /// The log may begin anew with the next commit.
  void folded() noexcept { salts_known_ = false; }
  /// The journal is closed, and all of the log will be in the database.
  void forget() noexcept;

 private:
  std::string wal_path_;
  std::string path_;
  int fd_ = -1;
  bool salts_known_ = false;
  witnessed_commit last_;
};

/// Compares what was noted with what can be read, outside of a transaction and before anything is
/// written. Also beside a writer. Error: `corrupt_record`, with the place of the first damage.
[[nodiscard]] result<void> check_witness(sqlite_db& db);

/// For a journal that is new: a note that an older one of that name has left.
void remove_witness(const std::string& journal_path) noexcept;

}  // namespace odeon::detail
