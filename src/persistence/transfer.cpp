#include <odeon/persistence/transfer.hpp>

#include <algorithm>
#include <vector>

namespace odeon {

namespace {

constexpr std::size_t page = 1000;
constexpr std::uint64_t progress_step = 1024;  // items between two calls of `progress`

class copier {
 public:
  copier(runtime& rt, journal& from, journal_sink& to,
         std::function<void(const transfer_counts&)> progress)
      : rt_(rt),
        from_(from),
        to_(to),
        progress_(std::move(progress)) {}

  result<transfer_counts> run() {
    std::string after;
    while (true) {
      auto ids = wait_for<std::vector<std::string>>(
          rt_, [&](auto done) { from_.persistence_ids(after, page, std::move(done)); });
      if (!ids) return std::unexpected(std::move(ids.error()));
      if (ids->empty()) break;
      for (const auto& id : *ids)
        if (auto ok = one(id); !ok) return std::unexpected(std::move(ok.error()));
      after = std::move(ids->back());
    }
    if (auto ok = outbox(); !ok) return std::unexpected(std::move(ok.error()));
    if (auto ok = to_.finish(); !ok) return std::unexpected(std::move(ok.error()));
    if (progress_) progress_(counts_);
    return counts_;
  }

 private:
  void count(std::uint64_t& what) {
    what += 1;
    if (++items_ % progress_step == 0 && progress_) progress_(counts_);
  }

  result<void> one(const std::string& id) {
    auto info = wait_for<id_info>(rt_, [&](auto done) { from_.describe(id, std::move(done)); });
    if (!info) return std::unexpected(std::move(info.error()));
    if (auto ok = to_.begin_id(id, *info); !ok) return ok;
    count(counts_.ids);
    if (!info->keeps_states)
      if (auto ok = events(id); !ok) return ok;
    if (auto ok = snapshots(id, info->keeps_states); !ok) return ok;
    if (auto ok = timers(id); !ok) return ok;
    return marks(id);
  }

  // The visitor runs on the journal's thread while this one waits.
  result<void> events(const std::string& id) {
    auto read = wait_for<replay_report>(rt_, [&](auto done) {
      from_.replay(
          {.persistence_id = id},
          [this](const event_view& e) -> result<void> {
            auto ok = to_.event(e);
            if (ok) count(counts_.events);
            return ok;
          },
          std::move(done));
    });
    if (!read) return std::unexpected(std::move(read.error()));
    return {};
  }

  result<void> snapshots(const std::string& id, bool states) {
    std::vector<std::uint64_t> all;  // newest first
    snapshot_criteria which{.persistence_id = id};
    while (true) {
      auto list = wait_for<std::vector<snapshot_info>>(
          rt_, [&](auto done) { from_.snapshots_of(which, page, std::move(done)); });
      if (!list) return std::unexpected(std::move(list.error()));
      for (const auto& s : *list) all.push_back(s.sequence);
      if (list->empty() || list->back().sequence == 0) break;
      which.max_sequence = list->back().sequence - 1;
    }
    for (auto at = all.rbegin(); at != all.rend(); ++at) {
      auto loaded = wait_for<loaded_snapshot>(rt_, [&](auto done) {
        from_.load_snapshot({.persistence_id = id, .min_sequence = *at, .max_sequence = *at},
                            std::move(done));
      });
      if (!loaded) return std::unexpected(std::move(loaded.error()));
      if (!loaded->snapshot) {
        if (!states || loaded->damaged.empty()) continue;  // a shortcut, or gone meanwhile
        return std::unexpected(std::move(loaded->damaged.front()));
      }
      if (auto ok = to_.snapshot(*loaded->snapshot); !ok) return ok;
      count(counts_.snapshots);
    }
    return {};
  }

  result<void> timers(const std::string& id) {
    auto list = wait_for<std::vector<timer_record>>(
        rt_, [&](auto done) { from_.timers_of(id, std::move(done)); });
    if (!list) return std::unexpected(std::move(list.error()));
    for (const auto& t : *list) {
      if (auto ok = to_.timer(t); !ok) return ok;
      count(counts_.timers);
    }
    return {};
  }

  result<void> marks(const std::string& id) {
    std::string after;
    while (true) {
      auto list = wait_for<std::vector<mark_record>>(
          rt_, [&](auto done) { from_.marks_of(id, after, page, std::move(done)); });
      if (!list) return std::unexpected(std::move(list.error()));
      if (list->empty()) return {};
      for (const auto& m : *list) {
        if (auto ok = to_.mark(m); !ok) return ok;
        count(counts_.marks);
      }
      after = std::move(list->back().name);
    }
  }

  result<void> outbox() {
    std::uint64_t after = 0;
    while (true) {
      auto list = wait_for<std::vector<outbox_entry>>(
          rt_, [&](auto done) { from_.take_outbox(after, page, std::move(done)); });
      if (!list) return std::unexpected(std::move(list.error()));
      if (list->empty()) return {};
      for (const auto& e : *list) {
        if (auto ok = to_.outbox(e); !ok) return ok;
        count(counts_.outbox);
      }
      after = list->back().position;
    }
  }

  runtime& rt_;
  journal& from_;
  journal_sink& to_;
  std::function<void(const transfer_counts&)> progress_;
  transfer_counts counts_;
  std::uint64_t items_ = 0;
};

}  // namespace

result<transfer_counts> copy_journal(runtime& rt, journal& from, journal_sink& to,
                                     std::function<void(const transfer_counts&)> progress) {
  return copier(rt, from, to, std::move(progress)).run();
}

}  // namespace odeon
