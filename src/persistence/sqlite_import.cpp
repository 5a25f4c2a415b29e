#include "persistence/internal/event_format.hpp"
#include "persistence/internal/sqlite_rows.hpp"
#include "persistence/internal/sqlite_schema.hpp"
#include <odeon/base/crc32c.hpp>
#include <odeon/persistence/transfer.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

/// @file A new SQLite journal from the items of another one: events go straight into segments.

namespace odeon {

namespace {

using namespace detail;

constexpr std::size_t segment_bytes = 64u << 10;  // a segment ends with the event that reaches it
constexpr std::size_t transaction_bytes = 32u << 20;  // then the write-ahead log is folded in

result<void> sync_folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool good = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!good) return fail(errc::io_failed, folder + ": cannot be synced");
  return {};
}

class sqlite_sink final : public journal_sink {
 public:
  explicit sqlite_sink(std::string path) : path_(std::move(path)), building_(path_ + "-import") {}

  ~sqlite_sink() override {
    close_building();
    if (owner_) remove_building();  // without it they are another import's
  }

  result<void> open() {
    if (auto ok = take_target(); !ok) return ok;
    remove_building();  // of an import that was cut short
    sqlite_journal_options options;
    options.path = building_;
    auto store = open_store(options, store_access::write);
    if (!store) return std::unexpected(std::move(store.error()));
    building_owner_.emplace(std::move(*store->owner));
    db_ = std::move(store->db);
    const std::pair<sqlite_statement*, const char*> all[] = {
        {&sql_.actor,
         "INSERT INTO actors(actor, id, id_crc, epoch, stored, crc, revision)"
         " VALUES (?, ?, ?, ?, ?, ?, ?)"},
        {&sql_.segment, "INSERT INTO segments(actor, first, last, records) VALUES (?, ?, ?, ?)"},
        {&sql_.tagged,
         "INSERT OR IGNORE INTO tagged(tag, position, actor, sequence) VALUES (?, ?, ?, ?)"},
        {&sql_.snapshot,
         "INSERT INTO snapshots(actor, sequence, written, manifest, version, payload, crc)"
         " VALUES (?, ?, ?, ?, ?, ?, ?)"},
        {&sql_.timer,
         "INSERT INTO timers(actor, id, due, manifest, version, payload, crc)"
         " VALUES (?, ?, ?, ?, ?, ?, ?)"},
        {&sql_.mark, "INSERT INTO marks(actor, name, name_crc, value, crc) VALUES (?, ?, ?, ?, ?)"},
        {&sql_.outbox,
         "INSERT INTO outbox"
         "(position, actor, sequence, id, target, manifest, version, payload, crc)"
         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
        {&sql_.state,
         "UPDATE state SET position_next = ?, outbox_next = ?, actor_next = ?, crc = ?"},
    };
    for (const auto& [statement, text] : all) {
      auto prepared = db_->prepare(text);
      if (!prepared) return std::unexpected(std::move(prepared.error()));
      *statement = std::move(*prepared);
    }
    return db_->execute("BEGIN IMMEDIATE");
  }

  result<void> begin_id(const std::string& id, const id_info& info) override {
    if (auto ok = end_id(); !ok) return ok;
    row_ = {.actor = state_.actor_next++,
            .id_crc = crc32c(id),
            .epoch = info.epoch,
            .stored = 0,
            .revision = info.keeps_states ? info.highest_sequence : 0};
    id_ = id;
    highest_ = info.keeps_states ? 0 : info.highest_sequence;
    newest_snapshot_ = 0;
    open_id_ = true;
    if (!actors_.emplace(id, row_.actor).second) return unfit("is there twice");
    return maybe_commit(id.size());
  }

  result<void> event(const event_view& e) override {
    if (e.sequence != row_.stored + 1 || row_.revision > 0 || e.position <= last_position_of_id_)
      return unfit("has the event " + std::to_string(e.sequence) + " at position " +
                   std::to_string(e.position) + " after the event " + std::to_string(row_.stored) +
                   " at position " + std::to_string(last_position_of_id_));
    record_.manifest = e.manifest;
    record_.version = e.version;
    record_.payload.assign(e.payload.begin(), e.payload.end());
    record_.tags.assign(e.tags.begin(), e.tags.end());
    if (records_.empty()) first_ = e.sequence;
    const record_stamp stamp{.key = {row_.actor, e.sequence},
                             .position = e.position,
                             .epoch = e.epoch,
                             .written = e.written};
    encode_record(records_, record_, stamp, row_.id_crc);
    for (const auto& tag : e.tags) {
      sql_.tagged.bind_all(tag, e.position, row_.actor, e.sequence);
      if (auto ok = sql_.tagged.run(); !ok) return ok;
    }
    row_.stored = e.sequence;
    last_position_of_id_ = e.position;
    state_.position_next = std::max(state_.position_next, e.position + 1);
    return records_.size() < segment_bytes ? result<void>{} : end_segment();
  }

  result<void> snapshot(const stored_snapshot& s) override {
    if (s.sequence <= newest_snapshot_) return unfit("has snapshots that do not follow each other");
    newest_snapshot_ = s.sequence;
    sql_.snapshot.bind_all(
        row_.actor, s.sequence, count_of(s.written), std::string_view(s.manifest), s.version,
        std::span<const std::byte>(s.payload),
        snapshot_checksum(s.sequence, s.written, s.manifest, s.version, s.payload, row_.id_crc));
    if (auto ok = sql_.snapshot.run(); !ok) return ok;
    return maybe_commit(s.payload.size());
  }

  result<void> timer(const timer_record& t) override {
    sql_.timer.bind_all(row_.actor, std::string_view(t.id), count_of(t.due),
                        std::string_view(t.manifest), t.version,
                        std::span<const std::byte>(t.payload), checksum(t, row_.id_crc));
    if (auto ok = sql_.timer.run(); !ok) return ok;
    return maybe_commit(t.payload.size());
  }

  result<void> mark(const mark_record& m) override {
    sql_.mark.bind_all(row_.actor, std::string_view(m.name), crc32c(m.name), m.value,
                       checksum(m, row_.id_crc));
    if (auto ok = sql_.mark.run(); !ok) return ok;
    return maybe_commit(m.name.size());
  }

  result<void> outbox(const outbox_entry& e) override {
    if (auto ok = end_id(); !ok) return ok;
    const auto actor = actors_.find(e.persistence_id);
    if (actor == actors_.end() || e.position < state_.outbox_next)
      return fail(errc::version_conflict, path_ + ": the outbox message at position " +
                                              std::to_string(e.position) +
                                              " is of an unknown id, or not the next one");
    state_.outbox_next = e.position + 1;
    const auto& m = e.message;
    sql_.outbox.bind_all(e.position, actor->second, e.sequence, std::string_view(m.id),
                         std::string_view(m.target), std::string_view(m.manifest), m.version,
                         std::span<const std::byte>(m.payload),
                         checksum(m, e.position, e.sequence, crc32c(e.persistence_id)));
    if (auto ok = sql_.outbox.run(); !ok) return ok;
    return maybe_commit(m.payload.size());
  }

  result<void> finish() override {
    if (auto ok = end_id(); !ok) return ok;
    sql_.state.bind_all(state_.position_next, state_.outbox_next, state_.actor_next,
                        checksum(state_));
    if (auto ok = sql_.state.run(); !ok) return ok;
    if (auto ok = commit(); !ok) return ok;
    if (auto ok = db_->execute("PRAGMA wal_checkpoint(TRUNCATE)"); !ok) return ok;
    close_building();
    if (std::rename(building_.c_str(), path_.c_str()) != 0)
      return fail(errc::io_failed, building_ + ": cannot be renamed to " + path_);
    return sync_folder_of(path_);
  }

 private:
  struct statements {
    sqlite_statement actor, segment, tagged, snapshot, timer, mark, outbox, state;
  };

  [[nodiscard]] std::unexpected<error> unfit(const std::string& why) const {
    return fail(errc::version_conflict, path_ + ": \"" + id_ + "\" " + why);
  }

  // Becomes the owner of the place, so that nobody opens it meanwhile.
  result<void> take_target() {
    sqlite_journal_options options;
    options.path = path_;
    options.create = false;
    std::error_code ignored;
    if (!std::filesystem::exists(path_, ignored)) {
      const auto folder = std::filesystem::path(path_).parent_path();
      if (!folder.empty() && !std::filesystem::is_directory(folder, ignored))
        return fail(errc::not_found, path_ + ": its folder does not exist");
      auto owner = owner_lock::take(path_);
      if (!owner) return std::unexpected(std::move(owner.error()));
      owner_.emplace(std::move(*owner));
      return {};
    }
    auto target = open_store(options, store_access::write);
    if (!target) return std::unexpected(std::move(target.error()));
    owner_.emplace(std::move(*target->owner));
    auto ids = target->db->integer("SELECT count(*) FROM actors");
    if (!ids) return std::unexpected(std::move(ids.error()));
    if (*ids == 0) return {};
    return fail(errc::name_taken, path_ + ": has " + std::to_string(*ids) +
                                      " persistence ids, and an import needs an empty journal");
  }

  result<void> end_segment() {
    if (records_.empty()) return {};
    sql_.segment.bind_all(row_.actor, first_, row_.stored, std::span<const std::byte>(records_));
    if (auto ok = sql_.segment.run(); !ok) return ok;
    const std::size_t bytes = records_.size();
    records_.clear();
    return maybe_commit(bytes);
  }

  result<void> end_id() {
    if (!open_id_) return {};
    open_id_ = false;
    last_position_of_id_ = 0;
    if (auto ok = end_segment(); !ok) return ok;
    if (row_.stored != highest_)
      return unfit("ends with the event " + std::to_string(row_.stored) + " instead of " +
                   std::to_string(highest_));
    if (row_.revision > 0 && newest_snapshot_ != row_.revision)
      return unfit("lacks its newest state, revision " + std::to_string(row_.revision));
    sql_.actor.bind_all(row_.actor, std::string_view(id_), row_.id_crc, row_.epoch, row_.stored,
                        checksum(row_), row_.revision);
    return sql_.actor.run();
  }

  result<void> maybe_commit(std::size_t bytes) {
    pending_ += bytes;
    if (pending_ < transaction_bytes) return {};
    if (auto ok = commit(); !ok) return ok;
    if (auto ok = db_->execute("PRAGMA wal_checkpoint(TRUNCATE)"); !ok) return ok;
    return db_->execute("BEGIN IMMEDIATE");
  }

  result<void> commit() {
    pending_ = 0;
    return db_->execute("COMMIT");
  }

  void close_building() noexcept {
    sql_ = {};
    db_.reset();
    building_owner_.reset();
  }

  void remove_building() noexcept {
    for (const char* suffix : {"", "-wal", "-shm", "-owner"})
      static_cast<void>(std::remove((building_ + suffix).c_str()));
  }

  const std::string path_;
  const std::string building_;
  std::optional<owner_lock> owner_;
  std::optional<owner_lock> building_owner_;
  std::unique_ptr<sqlite_db> db_;
  statements sql_;
  store_state state_;
  std::unordered_map<std::string, std::uint32_t> actors_;
  std::size_t pending_ = 0;  // bytes since the last commit

  // The id begun last.
  bool open_id_ = false;
  std::string id_;
  actor_row row_;
  std::uint64_t highest_ = 0;
  std::uint64_t last_position_of_id_ = 0;
  std::uint64_t newest_snapshot_ = 0;
  event_record record_;
  std::vector<std::byte> records_;
  std::uint64_t first_ = 0;
};

}  // namespace

result<std::unique_ptr<journal_sink>> create_sqlite_journal(const std::string& path) {
  auto out = std::make_unique<sqlite_sink>(path);
  if (auto ok = out->open(); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

}  // namespace odeon
