#include "odeon/journal/text.hpp"
#include "odeon/journal/tool.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

/// @file `odeon journal cat`.

namespace odeon::journal_tool {

namespace {

constexpr std::size_t page = 1000;

unsigned long long n(std::uint64_t v) { return v; }

std::string tag_list(std::span<const std::string_view> tags) {
  std::string out;
  for (const auto tag : tags) out += (out.empty() ? "" : ",") + json_text(tag);
  return "[" + out + "]";
}

class shower {
 public:
  shower(runtime& rt, journal& j, const show_options& o, const terminal& t)
      : rt_(rt),
        j_(j),
        o_(o),
        t_(t) {}

  int run() {
    bool anything = false;
    const std::pair<bool, result<void> (shower::*)()> parts[] = {{o_.snapshots, &shower::snapshots},
                                                                 {o_.timers, &shower::timers},
                                                                 {o_.outbox, &shower::outbox},
                                                                 {o_.marks, &shower::marks}};
    for (const auto& [asked, part] : parts) {
      if (!asked) continue;
      anything = true;
      if (auto ok = (this->*part)(); !ok) return complain(t_, ok.error(), failed);
    }
    if (!anything)
      if (auto ok = events(); !ok) return complain(t_, ok.error(), failed);
    return outcome_;
  }

 private:
  result<void> events() {
    auto read = wait_for<replay_report>(rt_, [&](auto done) {
      j_.replay(
          {.persistence_id = o_.id, .from_sequence = o_.first, .to_sequence = o_.last},
          [this](const event_view& e) -> result<void> {
            print(e);
            return {};
          },
          std::move(done));
    });
    if (!read) return std::unexpected(std::move(read.error()));
    return {};
  }

  void print(const event_view& e) {
    const std::string when = iso_time(e.written);
    if (!o_.json) {
      std::string tags;
      for (const auto tag : e.tags) tags += (tags.empty() ? "  [" : ", ") + shown(tag);
      if (!tags.empty()) tags += "]";
      std::fprintf(t_.out, "%llu  %s  %s v%u%s  %s\n", n(e.sequence), when.c_str(),
                   shown(e.manifest).c_str(), e.version, tags.c_str(),
                   payload_text(e.payload).c_str());
      return;
    }
    std::fprintf(t_.out,
                 "{\"sequence\":%llu,\"position\":%llu,\"epoch\":%llu,\"written\":\"%s\","
                 "\"manifest\":%s,\"version\":%u,\"tags\":%s,%s}\n",
                 n(e.sequence), n(e.position), n(e.epoch), when.c_str(),
                 json_text(e.manifest).c_str(), e.version, tag_list(e.tags).c_str(),
                 payload_members(e.payload).c_str());
  }

  // One after the other from the newest; one that is damaged does not hide the others.
  result<void> snapshots() {
    snapshot_criteria which{.persistence_id = o_.id,
                            .min_sequence = o_.first == 1 ? 0 : o_.first,
                            .max_sequence = o_.last};
    while (true) {
      auto list = wait_for<std::vector<snapshot_info>>(
          rt_, [&](auto done) { j_.snapshots_of(which, page, std::move(done)); });
      if (!list) return std::unexpected(std::move(list.error()));
      for (const auto& s : *list) snapshot(s.sequence);
      if (list->size() < page || list->back().sequence == 0) return {};
      which.max_sequence = list->back().sequence - 1;
    }
  }

  void snapshot(std::uint64_t sequence) {
    auto loaded = wait_for<loaded_snapshot>(rt_, [&](auto done) {
      j_.load_snapshot(
          {.persistence_id = o_.id, .min_sequence = sequence, .max_sequence = sequence},
          std::move(done));
    });
    if (!loaded) {
      outcome_ = complain(t_, loaded.error(), failed);
      return;
    }
    for (const auto& e : loaded->damaged) outcome_ = complain(t_, e, failed);
    if (!loaded->snapshot) return;
    const stored_snapshot& s = *loaded->snapshot;
    const std::string when = iso_time(s.written);
    if (o_.json)
      std::fprintf(t_.out,
                   "{\"sequence\":%llu,\"written\":\"%s\",\"manifest\":%s,\"version\":%u,%s}\n",
                   n(s.sequence), when.c_str(), json_text(s.manifest).c_str(), s.version,
                   payload_members(s.payload).c_str());
    else
      std::fprintf(t_.out, "%llu  %s  %s v%u  %s\n", n(s.sequence), when.c_str(),
                   shown(s.manifest).c_str(), s.version, payload_text(s.payload).c_str());
  }

  result<void> timers() {
    auto list = wait_for<std::vector<timer_record>>(
        rt_, [&](auto done) { j_.timers_of(o_.id, std::move(done)); });
    if (!list) return std::unexpected(std::move(list.error()));
    for (const auto& t : *list) {
      const std::string due = iso_time(t.due);
      if (o_.json)
        std::fprintf(t_.out, "{\"timer\":%s,\"due\":\"%s\",\"manifest\":%s,\"version\":%u,%s}\n",
                     json_text(t.id).c_str(), due.c_str(), json_text(t.manifest).c_str(), t.version,
                     payload_members(t.payload).c_str());
      else
        std::fprintf(t_.out, "%s  %s  %s v%u  %s\n", shown(t.id).c_str(), due.c_str(),
                     shown(t.manifest).c_str(), t.version, payload_text(t.payload).c_str());
    }
    return {};
  }

  result<void> outbox() {
    std::uint64_t after = 0;
    while (true) {
      auto list = wait_for<std::vector<outbox_entry>>(
          rt_, [&](auto done) { j_.take_outbox(after, page, std::move(done)); });
      if (!list) return std::unexpected(std::move(list.error()));
      if (list->empty()) return {};
      for (const auto& e : *list)
        if (e.persistence_id == o_.id) print(e);
      after = list->back().position;
    }
  }

  void print(const outbox_entry& e) {
    const outbox_message& m = e.message;
    if (o_.json)
      std::fprintf(t_.out,
                   "{\"position\":%llu,\"sequence\":%llu,\"message\":%s,\"target\":%s,"
                   "\"manifest\":%s,\"version\":%u,%s}\n",
                   n(e.position), n(e.sequence), json_text(m.id).c_str(),
                   json_text(m.target).c_str(), json_text(m.manifest).c_str(), m.version,
                   payload_members(m.payload).c_str());
    else
      std::fprintf(t_.out, "%llu  %s -> %s  %s v%u  %s\n", n(e.position), shown(m.id).c_str(),
                   shown(m.target).c_str(), shown(m.manifest).c_str(), m.version,
                   payload_text(m.payload).c_str());
  }

  result<void> marks() {
    std::string after;
    while (true) {
      auto list = wait_for<std::vector<mark_record>>(
          rt_, [&](auto done) { j_.marks_of(o_.id, after, page, std::move(done)); });
      if (!list) return std::unexpected(std::move(list.error()));
      if (list->empty()) return {};
      for (const auto& m : *list)
        std::fprintf(t_.out, o_.json ? "{\"mark\":%s,\"value\":%llu}\n" : "%s  %llu\n",
                     (o_.json ? json_text(m.name) : shown(m.name)).c_str(), n(m.value));
      after = std::move(list->back().name);
    }
  }

  runtime& rt_;
  journal& j_;
  const show_options& o_;
  const terminal& t_;
  int outcome_ = good;
};

/// The id is in the journal. Ids are listed by order: the one after all smaller ones.
result<bool> is_known(runtime& rt, journal& j, const std::string& id) {
  std::string before = id;  // the greatest text that is smaller, but for NULs, which no id has
  if (!before.empty()) before.back() = static_cast<char>(before.back() - 1);
  before += std::string(1, '\xff');
  if (id.empty()) before.clear();
  while (true) {
    auto ids = wait_for<std::vector<std::string>>(
        rt, [&](auto done) { j.persistence_ids(before, page, std::move(done)); });
    if (!ids) return std::unexpected(std::move(ids.error()));
    if (ids->empty()) return false;
    if (std::ranges::find(*ids, id) != ids->end()) return true;
    if (ids->back() > id) return false;
    before = std::move(ids->back());
  }
}

}  // namespace

int show(const show_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  auto opened = open_to_read(*rt, o.from);
  if (!opened) return complain(t, opened.error(), cannot_open);
  const auto known = is_known(*rt, **opened, o.id);
  if (!known) return complain(t, known.error(), failed);
  if (!*known)
    return complain(t, {errc::not_found, o.from.journal + ": there is no id " + shown(o.id)},
                    failed);
  return shower(*rt, **opened, o, t).run();
}

}  // namespace odeon::journal_tool
