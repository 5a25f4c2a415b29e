#include "persistence/internal/sqlite_writer.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

#include <filesystem>

namespace odeon {

namespace {

std::uint64_t size_of(const std::string& path) {
  std::uint64_t sum = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code missing;
    const auto size = std::filesystem::file_size(path + suffix, missing);
    if (!missing) sum += size;
  }
  return sum;
}

result<void> check_all(const std::string& path,
                       std::function<void(std::uint64_t, std::uint64_t)> progress) {
  const auto report =
      verify_sqlite_journal(path, {.max_damages = 1, .progress = std::move(progress)});
  if (!report) return std::unexpected(report.error());
  if (report->good()) return {};
  const journal_damage& d = report->damages.front();
  return fail(errc::corrupt_record,
              path + ": is damaged and left alone (" + d.place + ": " + d.reason + ")");
}

}  // namespace

result<journal_compaction> compact_sqlite_journal(
    const std::string& path, std::function<void(std::uint64_t, std::uint64_t)> progress) {
  const auto refuse = [](error& e) { return std::unexpected(std::move(e)); };
  sqlite_journal_options options;
  options.path = path;
  options.create = false;
  // Opened first: nobody writes between the check and the work.
  auto store = detail::open_store(options, detail::store_access::write);
  if (!store) return refuse(store.error());
  if (auto ok = check_all(path, std::move(progress)); !ok) return refuse(ok.error());
  journal_compaction out{.bytes_before = size_of(path)};
  auto fresh = std::make_shared<detail::landing>(options.landing_bytes, options.segment_bytes);
  auto writer = detail::sqlite_writer::open(options, std::move(store->db), std::move(*store->owner),
                                            std::move(fresh));
  if (!writer) return refuse(writer.error());
  if (auto ok = (*writer)->fold(); !ok) return refuse(ok.error());
  detail::sqlite_db& db = (*writer)->db();
  // The new copy is built in a file: it may be larger than the memory.
  for (const char* step : {"PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA temp_store = FILE", "VACUUM",
                           "PRAGMA wal_checkpoint(TRUNCATE)"})
    if (auto ok = db.execute(step); !ok) return refuse(ok.error());
  out.bytes_after = size_of(path);
  return out;
}

}  // namespace odeon
