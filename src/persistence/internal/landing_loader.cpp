#include "persistence/internal/landing_loader.hpp"

#include "persistence/internal/event_format.hpp"
#include <odeon/base/crc32c.hpp>

#include <unordered_map>
#include <vector>

namespace odeon::detail {

namespace {

std::string log_place(const sqlite_db& db, std::uint64_t number) {
  return db.path() + ": log(" + std::to_string(number) + ")";
}

class landing_loader {
 public:
  landing_loader(sqlite_db& db, actor_finder& finder, const store_state& state, landing& into)
      : db_(db),
        finder_(finder),
        state_(state),
        landing_(into) {}
  result<void> load_landing();

 private:
  using stored_of = std::unordered_map<std::uint32_t, std::uint64_t>;  // by actor
  result<void> load_log_row(std::span<const std::byte> directory,
                            std::span<const std::byte> records, stored_of& known);
  result<std::uint64_t*> last_loaded(const record_key& key, stored_of& known);
  result<std::vector<directory_entry>> rebuild_directory(std::span<const std::byte> records);

  sqlite_db& db_;
  actor_finder& finder_;
  const store_state& state_;
  landing& landing_;
  std::vector<landing::addition> additions_;
};

result<void> landing_loader::load_landing() {
  landing_.add({}, state_.position_next);
  auto rows = db_.prepare("SELECT number, directory, records FROM log ORDER BY number");
  if (!rows) return std::unexpected(std::move(rows.error()));
  std::uint64_t next = state_.log_first;
  std::size_t bytes = 0;
  stored_of known;
  while (true) {
    auto row = rows->step();
    if (!row) return std::unexpected(at_place(log_place(db_, next), row.error()));
    if (!*row) break;
    if (rows->natural(0) != next)
      return fail(errc::corrupt_record, log_place(db_, next) + ": the row is not there");
    if (auto ok = load_log_row(rows->blob(1), rows->blob(2), known); !ok)
      return std::unexpected(at_place(log_place(db_, next), ok.error()));
    bytes += rows->blob(2).size();
    ++next;
  }
  if (next != state_.log_next)
    return fail(errc::corrupt_record, log_place(db_, next) + ": the row is not there");
  landing_.start_sweep(next, bytes);
  return {};
}

result<void> landing_loader::load_log_row(std::span<const std::byte> directory,
                                          std::span<const std::byte> records, stored_of& known) {
  auto entries = decode_directory(directory, records.size());
  if (!entries) {
    auto rebuilt = rebuild_directory(records);
    if (!rebuilt) return std::unexpected(at_place(entries.error().text(), rebuilt.error()));
    entries = std::move(rebuilt);
  }
  additions_.clear();
  for (std::size_t k = 0; k < entries->size(); ++k) {
    const directory_entry& e = (*entries)[k];
    auto last = last_loaded(e.key, known);
    if (!last) return std::unexpected(std::move(last.error()));
    if (e.key.sequence <= **last) continue;  // in a segment already
    if (e.key.sequence != **last + 1)
      return fail(errc::corrupt_record, "event " + std::to_string(e.key.sequence) + " of actor " +
                                            std::to_string(e.key.actor) + " follows event " +
                                            std::to_string(**last));
    **last = e.key.sequence;
    const std::size_t end = k + 1 < entries->size() ? (*entries)[k + 1].offset : records.size();
    additions_.push_back({e.key.actor, e.key.sequence, records.subspan(e.offset, end - e.offset)});
  }
  landing_.add(additions_, state_.position_next);
  return {};
}

// The last event of an actor that is in a segment or was loaded.
result<std::uint64_t*> landing_loader::last_loaded(const record_key& key, stored_of& known) {
  const auto found = known.find(key.actor);
  if (found != known.end()) return &found->second;
  auto row = finder_.find(key.actor);
  if (!row && row.error() != errc::corrupt_record) return std::unexpected(std::move(row.error()));
  // A damaged row refuses the actor's recovery by itself; its events are kept here meanwhile.
  return &known.emplace(key.actor, row ? row->stored : key.sequence - 1).first->second;
}

// For a damaged directory: the records say the same, if all of them are good.
result<std::vector<directory_entry>> landing_loader::rebuild_directory(
    std::span<const std::byte> records) {
  auto ids = db_.prepare("SELECT id FROM actors WHERE actor = ?");
  if (!ids) return std::unexpected(std::move(ids.error()));
  std::vector<directory_entry> out;
  std::vector<std::string_view> tags;
  for (std::size_t at = 0; at < records.size();) {
    const auto left = records.subspan(at);
    const auto place = "byte " + std::to_string(at);
    const auto peeked = peek_record(left);
    if (!peeked) return std::unexpected(at_place(place, peeked.error()));
    const reset_at_exit end(*ids);
    ids->bind(1, peeked->first.actor);
    auto row = ids->step();
    if (!row) return std::unexpected(std::move(row.error()));
    const auto record = decode_record(left, crc32c(*row ? ids->text(0) : ""), tags);
    if (!record) return std::unexpected(at_place(place, record.error()));
    out.push_back({record->key, static_cast<std::uint32_t>(at)});
    at += record->size;
  }
  return out;
}

}  // namespace

result<void> load_landing(sqlite_db& db, actor_finder& finder, const store_state& state,
                          landing& into) {
  return landing_loader(db, finder, state, into).load_landing();
}

}  // namespace odeon::detail
