#include "odeon/journal/text.hpp"
#include "odeon/journal/tool.hpp"

#include <map>
#include <string_view>
#include <vector>

/// @file `odeon journal ls`.

namespace odeon::journal_tool {

namespace {

constexpr std::size_t page = 1000;

struct line {
  std::string id;
  id_info info;
  std::uint64_t snapshots = 0;
  std::uint64_t timers = 0;
  std::uint64_t outbox = 0;
  std::uint64_t marks = 0;
};

/// How many snapshots an id has.
result<std::uint64_t> count_snapshots(runtime& rt, journal& j, const std::string& id) {
  std::uint64_t count = 0;
  snapshot_criteria which{.persistence_id = id};
  while (true) {
    auto list = wait_for<std::vector<snapshot_info>>(
        rt, [&](auto done) { j.snapshots_of(which, page, std::move(done)); });
    if (!list) return std::unexpected(std::move(list.error()));
    count += list->size();
    if (list->size() < page || list->back().sequence == 0) return count;
    which.max_sequence = list->back().sequence - 1;
  }
}

result<std::uint64_t> count_marks(runtime& rt, journal& j, const std::string& id) {
  std::uint64_t count = 0;
  std::string after;
  while (true) {
    auto list = wait_for<std::vector<mark_record>>(
        rt, [&](auto done) { j.marks_of(id, after, page, std::move(done)); });
    if (!list) return std::unexpected(std::move(list.error()));
    count += list->size();
    if (list->empty()) return count;
    after = std::move(list->back().name);
  }
}

/// Messages by their sender.
result<std::map<std::string, std::uint64_t>> count_outbox(runtime& rt, journal& j) {
  std::map<std::string, std::uint64_t> out;
  std::uint64_t after = 0;
  while (true) {
    auto list = wait_for<std::vector<outbox_entry>>(
        rt, [&](auto done) { j.take_outbox(after, page, std::move(done)); });
    if (!list) return std::unexpected(std::move(list.error()));
    if (list->empty()) return out;
    for (const auto& e : *list) out[e.persistence_id] += 1;
    after = list->back().position;
  }
}

result<line> look_at(runtime& rt, journal& j, std::string id) {
  line l{.id = std::move(id)};
  auto info = wait_for<id_info>(rt, [&](auto done) { j.describe(l.id, std::move(done)); });
  if (!info) return std::unexpected(std::move(info.error()));
  l.info = *info;
  auto snapshots = count_snapshots(rt, j, l.id);
  if (!snapshots) return std::unexpected(std::move(snapshots.error()));
  l.snapshots = *snapshots;
  auto timers = wait_for<std::vector<timer_record>>(
      rt, [&](auto done) { j.timers_of(l.id, std::move(done)); });
  if (!timers) return std::unexpected(std::move(timers.error()));
  l.timers = timers->size();
  auto marks = count_marks(rt, j, l.id);
  if (!marks) return std::unexpected(std::move(marks.error()));
  l.marks = *marks;
  return l;
}

const char* kind_of(const id_info& info) {
  if (info.keeps_states) return "states";
  return info.highest_sequence > 0 ? "events" : "-";
}

void print(const line& l, bool json, std::FILE* out) {
  const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
  if (json) {
    std::string id = "\"id\":" + json_text(l.id);
    if (!is_utf8(l.id)) id += ",\"id_hex\":\"" + to_hex(std::as_bytes(std::span(l.id))) + "\"";
    std::fprintf(out,
                 "{%s,\"kind\":\"%s\",\"sequence\":%llu,\"epoch\":%llu,\"snapshots\":%llu,"
                 "\"timers\":%llu,\"outbox\":%llu,\"marks\":%llu}\n",
                 id.c_str(), kind_of(l.info), n(l.info.highest_sequence), n(l.info.epoch),
                 n(l.snapshots), n(l.timers), n(l.outbox), n(l.marks));
    return;
  }
  std::fprintf(out, "%10llu  %-6s  %6llu  %9llu  %6llu  %6llu  %5llu  %s\n",
               n(l.info.highest_sequence), kind_of(l.info), n(l.info.epoch), n(l.snapshots),
               n(l.timers), n(l.outbox), n(l.marks), shown(l.id).c_str());
}

}  // namespace

int list(const list_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  auto opened = open_to_read(*rt, o.from);
  if (!opened) return complain(t, opened.error(), cannot_open);
  journal& j = **opened;
  auto outbox = count_outbox(*rt, j);
  if (!outbox) return complain(t, outbox.error(), failed);
  if (!o.json)
    std::fprintf(t.out, "%10s  %-6s  %6s  %9s  %6s  %6s  %5s  %s\n", "last", "kind", "epoch",
                 "snapshots", "timers", "outbox", "marks", "id");
  // The ids greater than the prefix without its last byte: the prefix itself is among them.
  std::string after = o.prefix.substr(0, o.prefix.empty() ? 0 : o.prefix.size() - 1);
  progress_line progress(t);
  std::uint64_t seen = 0;
  int outcome = good;
  while (true) {
    auto ids = wait_for<std::vector<std::string>>(
        *rt, [&](auto done) { j.persistence_ids(after, page, std::move(done)); });
    if (!ids) return complain(t, ids.error(), failed);
    if (ids->empty()) return outcome;
    for (auto& id : *ids) {
      if (!id.starts_with(o.prefix)) {
        if (id > o.prefix) return outcome;
        continue;
      }
      auto l = look_at(*rt, j, id);
      ++seen;
      if (!l) {
        outcome = complain(t, l.error(), failed);
        if (outcome != damaged) return outcome;
        continue;  // the others may be good
      }
      const auto messages = outbox->find(id);
      l->outbox = messages == outbox->end() ? 0 : messages->second;
      print(*l, o.json, t.out);
      progress.show([&] { return std::to_string(seen) + " ids"; });
    }
    after = std::move(ids->back());
  }
}

}  // namespace odeon::journal_tool
