#include "persistence/internal/commit_witness.hpp"
#include "persistence/internal/event_format.hpp"
#include "persistence/internal/sqlite_rows.hpp"
#include <odeon/base/crc32c.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace odeon {

namespace {

using namespace detail;

// Rows between two calls of `progress`.
constexpr std::uint64_t progress_step = 256;

/// One walk over a file, inside one read transaction.
class verifier {
 public:
  verifier(sqlite_db& db, const journal_verify_options& options) : db_(db), options_(options) {}

  result<journal_report> run() {
    if (auto ok = db_.execute("BEGIN"); !ok) return std::unexpected(std::move(ok.error()));
    structure();
    count_rows();
    state();
    actors();
    segments();
    log();
    tags();
    rows_of("snapshots", snapshot_columns, report_.snapshots,
            [](sqlite_statement& row, std::string_view id) { return read_snapshot(row, id); });
    states();
    rows_of("timers", timer_columns, report_.timers,
            [](sqlite_statement& row, std::string_view id) { return read_timer(row, id); });
    rows_of("outbox", outbox_columns, report_.outbox,
            [](sqlite_statement& row, std::string_view id) { return read_outbox(row, id); });
    rows_of("marks", mark_columns, report_.marks,
            [](sqlite_statement& row, std::string_view id) { return read_mark(row, id); });
    if (options_.progress) options_.progress(rows_, rows_);
    return std::move(report_);
  }

 private:
  struct known_actor {
    std::uint32_t id_crc = 0;
    std::uint64_t stored = 0;    // the last event that segments must have
    std::uint64_t next = 1;      // the event that must come now
    std::uint64_t revision = 0;  // the state that must be there
    bool good = false;           // its row is
    bool broken = false;         // an event was reported: what follows cannot be recovered anyway
  };

  void damage(std::string place, std::string reason, std::uint32_t actor = 0,
              std::uint64_t sequence = 0) {
    if (report_.damages.size() >= options_.max_damages) {
      report_.more_damages = true;
      return;
    }
    std::string id = actor == 0 ? "" : name_of(actor);
    report_.damages.push_back({std::move(place), std::move(id), sequence, std::move(reason)});
  }

  void failed(const char* table, const error& why) { damage(table, std::string(why.text())); }

  /// The text of the id as it is stored, good or not; "" when there is none.
  std::string name_of(std::uint32_t actor) {
    auto row = db_.prepare("SELECT id FROM actors WHERE actor = ?");
    if (!row) return {};
    row->bind(1, actor);
    const auto found = row->step();
    return found && *found ? std::string(row->text(0)) : std::string();
  }

  /// Calls `each` with every row; an error of the walk is a damage of the table.
  template <class Each>
  void walk(const char* table, const std::string& sql, Each each) {
    auto row = db_.prepare(sql.c_str());
    if (!row) return failed(table, row.error());
    while (true) {
      auto found = row->step();
      if (!found) return failed(table, found.error());
      if (!*found) return;
      each(*row);
      if (++done_ % progress_step == 0 && options_.progress)
        options_.progress(std::min(done_, rows_), rows_);
    }
  }

  void structure() {
    auto row = db_.prepare("PRAGMA integrity_check(100)");
    if (!row) return failed("the file", row.error());
    while (true) {
      auto found = row->step();
      if (!found) return failed("the file", found.error());
      if (!*found) return;
      if (row->text(0) != "ok") damage("the file", std::string(row->text(0)));
    }
  }

  void count_rows() {
    for (const char* table :
         {"actors", "segments", "log", "tagged", "snapshots", "timers", "outbox", "marks"})
      rows_ += static_cast<std::uint64_t>(
          db_.integer((std::string("SELECT count(*) FROM ") + table).c_str()).value_or(0));
  }

  void state() {
    auto s = read_state(db_);
    if (!s) return failed("state", s.error());
    state_ = *s;
    has_state_ = true;
  }

  void actors() {
    walk("actors", std::string("SELECT ") + actor_columns + " FROM actors",
         [&](sqlite_statement& row) {
           const auto number = row.natural32(0);
           known_actor& a = actors_[number];
           const auto good = read_actor(row);
           a.id_crc = crc32c(row.text(1));
           a.stored = row.natural(4);
           a.revision = row.natural(6);
           a.good = good.has_value();
           if (!good)
             damage("actors(" + std::to_string(number) + ")", "the checksum does not match",
                    number);
           report_.actors += a.good ? 1 : 0;
         });
  }

  void segments() {
    walk("segments", "SELECT actor, first, last, records FROM segments ORDER BY actor, first",
         [&](sqlite_statement& row) {
           const auto number = row.natural32(0);
           const std::string place = "segments(actor " + std::to_string(number) + ", first " +
                                     std::to_string(row.natural(1)) + ")";
           const auto found = actors_.find(number);
           if (found == actors_.end()) return damage(place, "there is no such actor");
           known_actor& a = found->second;
           if (a.broken) return;
           if (row.natural(1) != a.next) return broken(number, a, place, "it is missing before");
           const auto records = row.blob(3);
           for (std::size_t at = 0; at < records.size();) {
             const auto record = decode_record(records.subspan(at), a.id_crc, tags_);
             const std::string byte = place + ", byte " + std::to_string(at);
             if (!record) return broken(number, a, byte, record.error().text());
             if (record->key != record_key{number, a.next})
               return broken(number, a, byte, "another event is here");
             event(*record);
             a.next += 1;
             at += record->size;
           }
           if (row.natural(2) + 1 != a.next) broken(number, a, place, "the segment ends early");
         });
    for (auto& [number, a] : actors_)
      if (a.good && !a.broken && a.next != a.stored + 1)
        broken(number, a, "segments(actor " + std::to_string(number) + ")", "it is missing");
  }

  void broken(std::uint32_t number, known_actor& a, std::string place, std::string_view reason) {
    a.broken = true;
    damage(std::move(place), "event " + std::to_string(a.next) + ": " + std::string(reason), number,
           a.next);
  }

  void log() {
    std::uint64_t next = state_.log_first;
    walk("log", "SELECT number, directory, records FROM log ORDER BY number",
         [&](sqlite_statement& row) {
           const std::string place = "log(" + std::to_string(row.natural(0)) + ")";
           if (has_state_ && row.natural(0) != next)
             damage("log(" + std::to_string(next) + ")", "the row is not there");
           next = row.natural(0) + 1;
           log_row(place, row.blob(1), row.blob(2));
         });
    if (has_state_ && next != state_.log_next)
      damage("log(" + std::to_string(next) + ")", "the row is not there");
  }

  void log_row(const std::string& place, std::span<const std::byte> directory,
               std::span<const std::byte> records) {
    const auto entries = decode_directory(directory, records.size());
    if (!entries) return damage(place + ", directory", std::string(entries.error().text()));
    for (const auto& e : *entries) {
      const std::string byte = place + ", byte " + std::to_string(e.offset);
      const auto found = actors_.find(e.key.actor);
      if (found == actors_.end()) {
        damage(byte, "there is no actor " + std::to_string(e.key.actor));
        continue;
      }
      known_actor& a = found->second;
      const bool is_new = e.key.sequence > a.stored;  // otherwise a segment has it too
      if (is_new && a.broken) continue;
      const auto record = decode_record(records.subspan(e.offset), a.id_crc, tags_);
      std::string wrong;
      if (!record)
        wrong = record.error().text();
      else if (record->key != e.key)
        wrong = "another event is here";
      else if (is_new && e.key.sequence != a.next)
        wrong = "events are missing before it";
      if (!wrong.empty()) {
        damage(byte, "event " + std::to_string(e.key.sequence) + ": " + wrong, e.key.actor,
               e.key.sequence);
        a.broken = a.broken || is_new;
      } else if (is_new) {
        event(*record);
        a.next += 1;
      }
    }
  }

  // A good event: its tags must be known.
  void event(const decoded_record& record) {
    report_.events += 1;
    for (std::size_t k = 0; k < record.view.tags.size(); ++k) {
      const auto tag = record.view.tags[k];
      const auto before = record.view.tags.first(k);
      if (std::ranges::find(before, tag) != before.end()) continue;
      ++tagged_;
      if (!find_tag_) {
        auto prepared = db_.prepare(
            "SELECT count(*) FROM tagged"
            " WHERE tag = ? AND position = ? AND actor = ? AND sequence = ?");
        if (!prepared) return failed("tagged", prepared.error());
        find_tag_.emplace(std::move(*prepared));
      }
      const reset_at_exit at_exit(*find_tag_);
      find_tag_->bind_all(tag, record.view.position, record.key.actor, record.key.sequence);
      const auto found = find_tag_->step();
      if (!found) return failed("tagged", found.error());
      if (!*found || find_tag_->integer(0) == 0)
        damage("tagged(" + std::string(tag) + ", " + std::to_string(record.view.position) + ")",
               "the entry is not there", record.key.actor, record.key.sequence);
    }
  }

  // Entries beyond those that events asked for lead nowhere.
  void tags() {
    const auto all = db_.integer("SELECT count(*) FROM tagged");
    if (!all) return failed("tagged", all.error());
    bool any_broken = false;
    for (const auto& [number, a] : actors_) any_broken = any_broken || a.broken || !a.good;
    if (!any_broken && static_cast<std::uint64_t>(*all) != tagged_)
      damage("tagged", std::to_string(*all) + " entries, and the events have " +
                           std::to_string(tagged_) + " tags");
  }

  // The newest state of an id must be there; whether it is good, the walk over all has told.
  void states() {
    auto row = db_.prepare("SELECT count(*) FROM snapshots WHERE actor = ? AND sequence = ?");
    if (!row) return failed("snapshots", row.error());
    for (const auto& [number, a] : actors_) {
      if (!a.good || a.revision == 0) continue;
      const std::string place = "snapshots(actor " + std::to_string(number) + ", sequence " +
                                std::to_string(a.revision) + ")";
      const reset_at_exit at_exit(*row);
      row->bind_all(number, a.revision);
      const auto found = row->step();
      if (!found) return failed("snapshots", found.error());
      if (!*found || row->integer(0) == 0) damage(place, "the newest state is not there", number);
      if (a.next > 1 || a.stored > 0) damage(place, "it has events as well", number);
    }
  }

  template <class Read>
  void rows_of(const char* table, const char* columns, std::uint64_t& good, Read read) {
    const std::string sql = std::string("SELECT ") + columns + ", actor FROM " + table;
    walk(table, sql, [&](sqlite_statement& row) {
      const auto number = row.natural32(count_of_columns(columns));
      const auto outcome = read(row, name_of(number));
      if (outcome) {
        good += 1;
      } else {
        damage(std::string(table) + "(actor " + std::to_string(number) + ")",
               std::string(outcome.error().text()), number);
      }
    });
  }

  /// How many columns a list of them names.
  static int count_of_columns(std::string_view columns) {
    return 1 + static_cast<int>(std::ranges::count(columns, ','));
  }

  sqlite_db& db_;
  const journal_verify_options& options_;
  journal_report report_;
  store_state state_;
  bool has_state_ = false;
  std::unordered_map<std::uint32_t, known_actor> actors_;
  std::optional<sqlite_statement> find_tag_;
  std::vector<std::string_view> tags_;
  std::uint64_t tagged_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace

result<journal_report> verify_sqlite_journal(const std::string& path,
                                             journal_verify_options options) {
  sqlite_journal_options store;
  store.path = path;
  auto opened = open_store(store, store_access::inspect);
  if (!opened) return std::unexpected(std::move(opened.error()));
  const auto acknowledged = check_witness(*opened->db);
  auto report = verifier(*opened->db, options).run();
  if (report && !acknowledged)
    report->damages.insert(report->damages.begin(),
                           {.place = path + "-wal",
                            .persistence_id = {},
                            .sequence = 0,
                            .reason = std::string(acknowledged.error().text())});
  return report;
}

}  // namespace odeon
