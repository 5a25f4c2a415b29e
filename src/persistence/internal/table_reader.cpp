#include "persistence/internal/table_reader.hpp"

#include <algorithm>

namespace odeon::store {

namespace {

constexpr std::size_t page_rows_min = 16;
constexpr std::size_t page_rows_max = 4096;
constexpr std::size_t page_bytes = 2u << 20;  // about

// The databases' integers have a sign; no number stored is larger than that.
std::uint64_t bounded(std::uint64_t n) { return std::min<std::uint64_t>(n, INT64_MAX); }

std::int64_t count_of(wall_time t) {
  return static_cast<std::int64_t>(t.time_since_epoch().count());
}

std::unexpected<error> damaged(std::string text) {
  return fail(errc::corrupt_record, std::move(text));
}

std::string key(const char* table, std::string_view id, std::uint64_t number) {
  return std::string(table) + "(\"" + std::string(id) + "\", " + std::to_string(number) + ")";
}

/// The row of `actors` that another row belongs to.
result<void> check_owner(const actor_row& owner, const char* table, std::uint64_t number) {
  if (owner.actor == 0)
    return damaged(std::string(table) + "(" + std::to_string(number) +
                   "): its row of actors is not there");
  return check(owner);
}

}  // namespace

std::size_t table_reader::page_size::rows(std::size_t left) const noexcept {
  return std::min(left, rows_);
}

void table_reader::page_size::seen(std::size_t rows, std::size_t bytes) noexcept {
  if (rows == 0) return;
  const std::size_t fitting = page_bytes / std::max<std::size_t>(bytes / rows, 1);
  rows_ = std::clamp(std::min(fitting, rows_ * 4), page_rows_min, page_rows_max);
}

result<table_reader::found_actor> table_reader::find(const std::string& persistence_id) {
  found_actor out;
  auto rows = ask([&] {
    return link_->actor(persistence_id, [&](const actor_row& row) -> result<bool> {
      if (row.id != persistence_id) return damaged("actors: the index by id leads to another id");
      if (auto good = check(row); !good) return std::unexpected(std::move(good.error()));
      out = {row.actor, row.sequence, row.kind};
      return true;
    });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

result<std::uint64_t> table_reader::highest_sequence(const std::string& persistence_id) {
  auto who = find(persistence_id);
  if (!who) return std::unexpected(std::move(who.error()));
  return who->sequence;
}

result<std::vector<std::string>> table_reader::persistence_ids(const std::string& after,
                                                               std::size_t max) {
  std::vector<std::string> out;
  auto rows = ask([&] {
    out.clear();
    return link_->actors_after(after, max, [&](const actor_row& row) -> result<bool> {
      if (auto good = check(row); !good) return std::unexpected(std::move(good.error()));
      out.emplace_back(row.id);
      return true;
    });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

// Events.

result<replay_report> table_reader::replay(const replay_request& r,
                                           journal::event_visitor& on_event) {
  auto who = find(r.persistence_id);
  if (!who) return std::unexpected(std::move(who.error()));
  replay_report report{.highest_sequence = who->sequence};
  if (who->kind != id_kind::events || r.max_events == 0) return report;
  const std::uint64_t first = std::max<std::uint64_t>(r.from_sequence, 1);
  std::uint64_t last = std::min(r.to_sequence, who->sequence);
  if (first > last) return report;
  if (r.max_events <= last - first) last = first + (r.max_events - 1);
  for (std::uint64_t next = first; next <= last;)
    if (auto ok = next_events(*who, r, next, last, on_event); !ok)
      return std::unexpected(std::move(ok.error()));
  report.events = last - first + 1;
  return report;
}

result<void> table_reader::next_events(const found_actor& who, const replay_request& r,
                                       std::uint64_t& next, std::uint64_t last,
                                       journal::event_visitor& on_event) {
  std::optional<error> refused;  // by the visitor, or by a check: no reason to ask again
  std::size_t bytes = 0;
  std::size_t visited = 0;
  const auto refuse = [&](error why) {
    refused = std::move(why);
    return false;
  };
  auto rows = ask([&] {
    const std::uint64_t left = last - next + 1;
    const std::size_t limit = event_page_.rows(std::min<std::uint64_t>(left, page_rows_max));
    return link_->events(who.actor, next, last, limit, [&](const event_row& row) -> result<bool> {
      if (row.sequence != next)
        return refuse({errc::corrupt_record,
                       key("events", r.persistence_id, next) + ": the row is not there"});
      auto view = checked(row, r.persistence_id, tags_);
      if (!view) return refuse(std::move(view.error()));
      if (auto ok = on_event(*view); !ok) return refuse(std::move(ok.error()));
      bytes += row.payload.size() + row.manifest.size() + row.tags.size();
      ++visited;
      ++next;
      return true;
    });
  });
  if (refused) return std::unexpected(std::move(*refused));
  if (!rows) return std::unexpected(std::move(rows.error()));
  if (visited == 0)
    return damaged(key("events", r.persistence_id, next) + ": the row is not there");
  event_page_.seen(visited, bytes);
  return {};
}

result<std::vector<stored_event>> table_reader::by_tag(const std::string& tag, std::uint64_t after,
                                                       std::size_t max) {
  std::vector<stored_event> out;
  std::size_t bytes = 0;
  std::size_t limit = 0;
  const auto take = [&](const tagged_event_row& row) -> result<bool> {
    const auto at = [&](const std::string& what) {
      return damaged("tagged(\"" + tag + "\", " + std::to_string(row.position) + "): " + what);
    };
    if (auto good = check_owner(row.actor, "tagged", row.position); !good)
      return at(std::string(good.error().text()));
    if (row.event.sequence == 0) return at("its row of events is not there");
    auto view = checked(row.event, row.actor.id, tags_);
    if (!view) return at(std::string(view.error().text()));
    if (view->position != row.position || std::ranges::find(tags_, tag) == tags_.end())
      return at("leads to another event");
    out.push_back(to_stored(std::string(row.actor.id), *view));
    bytes += weight(out.back().event);
    after = row.position;
    return bytes < max_page_bytes_;
  };
  page_size page;
  while (out.size() < max && bytes < max_page_bytes_) {
    const std::size_t before = out.size();
    const std::size_t bytes_before = bytes;
    auto rows = ask([&] {
      limit = page.rows(max - out.size());
      return link_->tagged(tag, bounded(after), limit, take);
    });
    if (!rows) return std::unexpected(std::move(rows.error()));
    if (*rows < limit) break;
    page.seen(out.size() - before, bytes - bytes_before);
  }
  return out;
}

// Timers and the outbox.

result<std::vector<stored_timer>> table_reader::timers_due(wall_time until,
                                                           const timer_cursor& after,
                                                           std::size_t max) {
  found_actor actor;
  if (!after.persistence_id.empty()) {
    auto found = find(after.persistence_id);
    if (!found) return std::unexpected(std::move(found.error()));
    actor = *found;
  }
  std::vector<stored_timer> out;
  std::size_t bytes = 0;
  auto rows = ask([&] {
    out.clear();
    bytes = 0;
    const auto take = [&](const owned_row<timer_row>& row) -> result<bool> {
      if (auto good = check_owner(row.actor, "timers", row.row.actor); !good)
        return std::unexpected(std::move(good.error()));
      auto timer = checked(row.row, row.actor.id);
      if (!timer) return std::unexpected(std::move(timer.error()));
      bytes += weight(*timer);
      out.push_back({std::string(row.actor.id), std::move(*timer)});
      return bytes < max_page_bytes_;
    };
    return link_->timers_due(count_of(until), count_of(after.due), actor.actor, after.timer_id, max,
                             take);
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

result<std::vector<timer_record>> table_reader::timers_of(const std::string& persistence_id) {
  std::vector<timer_record> out;
  auto who = find(persistence_id);
  if (!who) return std::unexpected(std::move(who.error()));
  if (who->actor == 0) return out;
  auto rows = ask([&] {
    out.clear();
    return link_->timers_of(who->actor, [&](const timer_row& row) -> result<bool> {
      auto timer = checked(row, persistence_id);
      if (!timer) return std::unexpected(std::move(timer.error()));
      out.push_back(std::move(*timer));
      return true;
    });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

result<std::vector<outbox_entry>> table_reader::take_outbox(std::uint64_t after, std::size_t max) {
  std::vector<outbox_entry> out;
  std::size_t bytes = 0;
  auto rows = ask([&] {
    out.clear();
    bytes = 0;
    return link_->outbox_after(
        bounded(after), max, [&](const owned_row<outbox_row>& row) -> result<bool> {
          if (auto good = check_owner(row.actor, "outbox", row.row.position); !good)
            return std::unexpected(std::move(good.error()));
          auto entry = checked(row.row, row.actor.id);
          if (!entry) return std::unexpected(std::move(entry.error()));
          bytes += weight(entry->message);
          out.push_back(std::move(*entry));
          return bytes < max_page_bytes_;
        });
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  return out;
}

std::unique_ptr<read_backend> make_table_reader(runtime& rt,
                                                std::unique_ptr<table_reader_link> link,
                                                reconnect_options reconnect,
                                                std::size_t max_page_bytes) {
  return std::make_unique<table_reader>(rt, std::move(link), reconnect, max_page_bytes);
}

}  // namespace odeon::store
