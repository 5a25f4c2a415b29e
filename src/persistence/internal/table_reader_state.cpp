#include "persistence/internal/table_reader.hpp"

#include <algorithm>

namespace odeon::store {

namespace {

std::uint64_t bounded(std::uint64_t n) { return std::min<std::uint64_t>(n, INT64_MAX); }

}  // namespace

// One row after the other, the newest first, until one is good. A state's newest revision is not a
// shortcut but the truth. It may be replaced while it is looked for: then the search begins anew.
result<loaded_snapshot> table_reader::load_snapshot(const snapshot_criteria& which) {
  const std::string& id = which.persistence_id;
  auto who = find(id);
  if (!who) return std::unexpected(std::move(who.error()));
  loaded_snapshot out;
  if (who->actor == 0) return out;
  const bool state = who->kind == id_kind::states;
  const std::uint64_t first = bounded(which.min_sequence);
  const std::uint64_t newest = bounded(which.max_sequence);
  const auto wants_newest = [&] {
    return state && first <= who->sequence && who->sequence <= newest;
  };
  std::uint64_t last = newest;
  while (true) {
    std::uint64_t tried = 0;
    auto rows = ask([&] {
      return link_->snapshots(who->actor, first, last, 1,
                              [&](const snapshot_row& row) -> result<bool> {
                                tried = row.sequence;
                                auto good = checked(row, id);
                                if (good)
                                  out.snapshot = std::move(*good);
                                else
                                  out.damaged.push_back(std::move(good.error()));
                                return true;
                              });
    });
    if (!rows) return std::unexpected(std::move(rows.error()));
    if (wants_newest() && tried < who->sequence) {
      auto now = find(id);
      if (!now) return std::unexpected(std::move(now.error()));
      if (now->sequence == who->sequence) return std::unexpected(lost_state(id, who->sequence, ""));
      who = std::move(now);
      out = {};
      last = newest;
      continue;
    }
    if (out.snapshot || *rows == 0) return out;
    if (wants_newest() && tried >= who->sequence)
      return std::unexpected(lost_state(id, tried, out.damaged.back().text()));
    if (tried == 0) return out;
    last = tried - 1;
  }
}

result<std::vector<snapshot_info>> table_reader::snapshots_of(const snapshot_criteria& which,
                                                              std::size_t max) {
  std::vector<snapshot_info> out;
  auto who = find(which.persistence_id);
  if (!who) return std::unexpected(std::move(who.error()));
  if (who->actor == 0) return out;
  auto rows = ask([&] {
    out.clear();
    return link_->snapshot_infos(who->actor, bounded(which.min_sequence),
                                 bounded(which.max_sequence), max,
                                 [&](const snapshot_info& row) -> result<bool> {
                                   out.push_back(row);
                                   return true;
                                 });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

// Marks.

result<std::uint64_t> table_reader::read_mark(const std::string& persistence_id,
                                              const std::string& name) {
  auto who = find(persistence_id);
  if (!who) return std::unexpected(std::move(who.error()));
  std::uint64_t out = 0;
  if (who->actor == 0) return out;
  auto rows = ask([&] {
    return link_->mark(who->actor, name, [&](const mark_row& row) -> result<bool> {
      auto mark = checked(row, persistence_id);
      if (!mark) return std::unexpected(std::move(mark.error()));
      out = mark->value;
      return true;
    });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

result<std::vector<mark_record>> table_reader::marks_of(const std::string& persistence_id,
                                                        const std::string& after, std::size_t max) {
  std::vector<mark_record> out;
  auto who = find(persistence_id);
  if (!who) return std::unexpected(std::move(who.error()));
  if (who->actor == 0) return out;
  auto rows = ask([&] {
    out.clear();
    return link_->marks_after(who->actor, after, max, [&](const mark_row& row) -> result<bool> {
      auto mark = checked(row, persistence_id);
      if (!mark) return std::unexpected(std::move(mark.error()));
      out.push_back(std::move(*mark));
      return true;
    });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

}  // namespace odeon::store
