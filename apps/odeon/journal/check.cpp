#include "odeon/journal/text.hpp"
#include "odeon/journal/tool.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

/// @file `odeon journal verify` and `compact`: of SQLite files.

namespace odeon::journal_tool {

namespace {

unsigned long long n(std::uint64_t v) { return v; }

std::function<void(std::uint64_t, std::uint64_t)> percent(progress_line& line) {
  return [&line](std::uint64_t done, std::uint64_t all) {
    line.show([&] {
      return std::to_string(done) + " of " + std::to_string(all) + " rows checked (" +
             std::to_string(all == 0 ? 100 : 100 * done / all) + " %)";
    });
  };
}

void print_json(const journal_report& r, std::FILE* out) {
  std::string damages;
  for (const auto& d : r.damages)
    damages += (damages.empty() ? "" : ",") + ("{\"place\":" + json_text(d.place)) +
               ",\"id\":" + json_text(d.persistence_id) +
               ",\"sequence\":" + std::to_string(d.sequence) +
               ",\"reason\":" + json_text(d.reason) + "}";
  std::fprintf(out,
               "{\"good\":%s,\"ids\":%llu,\"events\":%llu,\"snapshots\":%llu,\"timers\":%llu,"
               "\"outbox\":%llu,\"marks\":%llu,\"damages\":[%s],\"more_damages\":%s}\n",
               r.good() ? "true" : "false", n(r.actors), n(r.events), n(r.snapshots), n(r.timers),
               n(r.outbox), n(r.marks), damages.c_str(), r.more_damages ? "true" : "false");
}

}  // namespace

int verify(const verify_options& o, const terminal& t) {
  const auto path = sqlite_path(o.from);
  if (!path) return complain(t, path.error(), usage);
  result<journal_report> report = journal_report{};
  {
    progress_line line(t);
    report = verify_sqlite_journal(*path, {.progress = percent(line)});
  }
  if (!report) return complain(t, report.error(), cannot_open);
  if (o.json) {
    print_json(*report, t.out);
    return report->good() ? good : damaged;
  }
  for (const auto& d : report->damages) {
    std::string whose = d.persistence_id.empty() ? "" : " of " + shown(d.persistence_id);
    if (d.sequence > 0) whose += ", from event " + std::to_string(d.sequence);
    std::fprintf(t.out, "%s%s: %s\n", d.place.c_str(), whose.c_str(), d.reason.c_str());
  }
  const std::string sum = counted({report->actors, report->events, report->snapshots,
                                   report->timers, report->marks, report->outbox});
  std::fprintf(t.out, "%s: %s\n", report->good() ? "good" : "damaged, of what is good",
               sum.c_str());
  if (report->more_damages) std::fprintf(t.out, "there are more damages than these\n");
  return report->good() ? good : damaged;
}

int compact(const source& from, const terminal& t) {
  const auto path = sqlite_path(from);
  if (!path) return complain(t, path.error(), usage);
  result<journal_compaction> done = journal_compaction{};
  {
    progress_line line(t);
    done = compact_sqlite_journal(*path, percent(line));
  }
  if (!done) {
    // What the disk refuses in the middle is told by its code; all else is the opening.
    return complain(t, done.error(), done.error() == errc::store_full ? failed : cannot_open);
  }
  std::fprintf(t.out, "%s: %llu bytes before, %llu now\n", path->c_str(), n(done->bytes_before),
               n(done->bytes_after));
  return good;
}

}  // namespace odeon::journal_tool
