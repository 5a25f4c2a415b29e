#include "crash/checker.hpp"

#include <odeon/runtime/simulated.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

namespace crash {

odeon::sqlite_journal_options journal_at(const std::string& path) {
  odeon::sqlite_journal_options o;
  o.path = path;
  o.landing_bytes = 60'000;
  o.segment_bytes = 6'000;
  o.checkpoint_bytes = 150'000;
  o.cache_bytes = 1'000'000;
  return o;
}

namespace {

constexpr std::size_t page = 2'000;

class checker {
 public:
  checker(const claims& told, bool verify_first) : told_(told), verify_first_(verify_first) {
    out_.found = told;
    out_.found.fault.fill(0);
  }

  verdict run(const std::string& path) {
    if (told_.fault[0] != 0) fault(std::string("the writer: ") + told_.fault.data());
    if (verify_first_) verify(path);
    {
      odeon::simulated_runtime rt;
      rt_ = &rt;
      auto opened = odeon::open_sqlite_journal(rt, journal_at(path));
      if (!opened) {
        fault("it does not open: " + opened.error().to_string());
        return std::move(out_);
      }
      j_ = opened->get();
      for (std::uint32_t id = 0; id < told_.ids; ++id) one(id);
      tags();
      outbox();
      due();
    }
    if (!verify_first_) verify(path);
    return std::move(out_);
  }

 private:
  void fault(std::string what) {
    if (out_.faults.size() < 20) out_.faults.push_back(std::move(what));
  }
  bool holds(bool condition, std::uint32_t id, const std::string& what) {
    if (!condition) fault(id_of(id) + ": " + what);
    return condition;
  }

  template <class T, class Start>
  std::optional<T> get(const char* what, Start&& start) {
    auto r = odeon::wait_for<T>(*rt_, std::forward<Start>(start));
    if (r) return std::move(*r);
    fault(std::string(what) + ": " + r.error().to_string());
    return std::nullopt;
  }

  // A crash before the first commit leaves no journal, or an empty file; `open` makes one of it.
  void verify(const std::string& path) {
    std::error_code ignored;
    const bool nothing = !std::filesystem::exists(path, ignored) || told_.acknowledgements == 0;
    const auto report = odeon::verify_sqlite_journal(path);
    if (!report) {
      if (!nothing) fault("it cannot be verified: " + report.error().to_string());
      return;
    }
    for (const auto& d : report->damages) fault("damage at " + d.place + ": " + d.reason);
  }

  void one(std::uint32_t id) {
    const claim& told = told_.of[id];
    auto step = get<std::uint64_t>(
        "read_mark", [&](auto done) { j_->read_mark(id_of(id), "step", std::move(done)); });
    if (!step) return;
    holds(*step >= told.acked, id,
          "step " + std::to_string(told.acked) + " was acknowledged, and it stands at " +
              std::to_string(*step));
    if (!holds(*step <= told.issued, id,
               "step " + std::to_string(*step) + " was never issued, only " +
                   std::to_string(told.issued)))
      return;
    const expected& want = wanted_.emplace_back(expected_after(id, *step));
    claim& found = out_.found.of[id];
    found.issued = found.acked = *step;
    const auto highest = get<std::uint64_t>(
        "highest_sequence", [&](auto done) { j_->highest_sequence(id_of(id), std::move(done)); });
    holds(highest == want.sequence, id,
          "its highest sequence is " + std::to_string(highest.value_or(0)) + ", not " +
              std::to_string(want.sequence));
    if (keeps_states(id))
      state(id, want);
    else
      events(id, want), snapshots(id, want);
    timers(id, want);
    marks(id, want);
  }

  void events(std::uint32_t id, const expected& want) {
    auto all = get<std::vector<odeon::stored_event>>("replay", [&](auto done) {
      odeon::read_events(*j_, {.persistence_id = id_of(id)}, std::move(done));
    });
    if (!all) return;
    holds(all->size() == want.events.size(), id,
          std::to_string(all->size()) + " events instead of " + std::to_string(want.events.size()));
    const std::size_t n = std::min(all->size(), want.events.size());
    for (std::size_t k = 0; k < n; ++k) {
      const auto& got = (*all)[k];
      const auto& w = want.events[k];
      if (!holds(got.sequence == k + 1 && got.event.manifest == w.manifest &&
                     got.event.version == w.version && got.event.payload == w.payload,
                 id, "event " + std::to_string(k + 1) + " is another"))
        return;
    }
    out_.events += n;
  }

  void snapshots(std::uint32_t id, const expected& want) {
    const claim& told = told_.of[id];
    auto loaded = get<odeon::loaded_snapshot>("load_snapshot", [&](auto done) {
      j_->load_snapshot({.persistence_id = id_of(id)}, std::move(done));
    });
    auto list = get<std::vector<odeon::snapshot_info>>("snapshots_of", [&](auto done) {
      j_->snapshots_of({.persistence_id = id_of(id)}, page, std::move(done));
    });
    if (!loaded || !list) return;
    holds(loaded->damaged.empty(), id, "a snapshot is damaged");
    holds(list->size() <= 2, id, "more snapshots than are to be kept");
    const std::uint64_t newest = loaded->snapshot ? loaded->snapshot->sequence : 0;
    holds(newest == told.snapshot || newest == told.snapshot_asked, id,
          "its newest snapshot is of " + std::to_string(newest) + ", acknowledged was that of " +
              std::to_string(told.snapshot));
    holds(newest <= want.sequence, id, "a snapshot is ahead of the events");
    if (newest != 0)
      holds(loaded->snapshot->payload == snapshot_of(id, newest).payload, id,
            "snapshot " + std::to_string(newest) + " is another");
    out_.found.of[id].snapshot = out_.found.of[id].snapshot_asked = newest;
  }

  void state(std::uint32_t id, const expected& want) {
    auto loaded = get<odeon::loaded_snapshot>("load_snapshot", [&](auto done) {
      j_->load_snapshot({.persistence_id = id_of(id)}, std::move(done));
    });
    if (!loaded) return;
    holds(loaded->damaged.empty(), id, "a state is damaged");
    const std::uint64_t revision = loaded->snapshot ? loaded->snapshot->sequence : 0;
    if (!holds(revision == want.sequence, id,
               "its state is revision " + std::to_string(revision) + ", not " +
                   std::to_string(want.sequence)) ||
        revision == 0)
      return;
    holds(loaded->snapshot->payload == want.state.payload &&
              loaded->snapshot->version == want.state.version,
          id, "its state is another");
    auto list = get<std::vector<odeon::snapshot_info>>("snapshots_of", [&](auto done) {
      j_->snapshots_of({.persistence_id = id_of(id)}, page, std::move(done));
    });
    if (list)
      holds(!list->empty() && list->size() <= want.state.keep, id,
            std::to_string(list->size()) + " revisions where " + std::to_string(want.state.keep) +
                " are kept");
  }

  void timers(std::uint32_t id, const expected& want) {
    const claim& told = told_.of[id];
    auto all = get<std::vector<odeon::timer_record>>(
        "timers_of", [&](auto done) { j_->timers_of(id_of(id), std::move(done)); });
    if (!all) return;
    timers_ += all->size();
    std::uint64_t service = 0;
    std::size_t own = 0;
    for (const auto& t : *all) {
      if (t.id == "service") {
        service = static_cast<std::uint64_t>(t.due.time_since_epoch().count());
        holds(t.payload == content(id, service, 50), id, "the service's timer is another");
        continue;
      }
      const auto w = want.timers.find(t.id);
      own += 1;
      holds(w != want.timers.end() && w->second.due == t.due && w->second.payload == t.payload, id,
            "timer " + t.id + " is not that of step " + std::to_string(want.step));
    }
    holds(own == want.timers.size(), id, "a timer is missing");
    holds(service == told.service || service == told.service_asked, id,
          "the service's timer stands at " + std::to_string(service) + ", acknowledged was " +
              std::to_string(told.service));
    out_.found.of[id].service = out_.found.of[id].service_asked = service;
  }

  void marks(std::uint32_t id, const expected& want) {
    for (const char* name : {"x0", "x1", "x2", "x3"}) {
      const auto got = get<std::uint64_t>(
          "read_mark", [&](auto done) { j_->read_mark(id_of(id), name, std::move(done)); });
      const auto w = want.marks.find(name);
      holds(got == (w == want.marks.end() ? 0 : w->second), id,
            std::string("mark ") + name + " is not that of step " + std::to_string(want.step));
    }
  }

  // Every tagged event by its tags, once, in the order of commit.
  void tags() {
    for (int t = 0; t < 4; ++t) {
      const std::string tag = "t" + std::to_string(t);
      std::map<std::string, std::vector<std::uint64_t>> got;
      for (std::uint64_t after = 0;;) {
        auto part = get<std::vector<odeon::stored_event>>(
            "by_tag", [&](auto done) { j_->by_tag(tag, after, page, std::move(done)); });
        if (!part || part->empty()) break;
        for (const auto& e : *part) {
          if (e.position <= after) return fault("tag " + tag + ": positions do not grow");
          after = e.position;
          got[e.persistence_id].push_back(e.sequence);
        }
      }
      for (std::uint32_t id = 0; id < wanted_.size() && wanted_.size() == told_.ids; ++id) {
        std::vector<std::uint64_t> want;
        for (std::size_t k = 0; k < wanted_[id].events.size(); ++k)
          if (std::ranges::count(wanted_[id].events[k].tags, tag) > 0) want.push_back(k + 1);
        holds(got[id_of(id)] == want, id, "its events with tag " + tag + " are others");
      }
    }
  }

  void outbox() {
    if (wanted_.size() != told_.ids) return;
    std::map<std::string, std::vector<odeon::outbox_entry>> got;
    for (std::uint64_t after = 0;;) {
      auto part = get<std::vector<odeon::outbox_entry>>(
          "take_outbox", [&](auto done) { j_->take_outbox(after, page, std::move(done)); });
      if (!part || part->empty()) break;
      for (auto& e : *part) {
        if (e.position <= after) return fault("the outbox's positions do not grow");
        after = e.position;
        got[e.persistence_id].push_back(std::move(e));
      }
    }
    // One call removed for several ids: for all of them or for none.
    bool some_gone = false;
    bool some_there = false;
    for (std::uint32_t id = 0; id < told_.ids; ++id) {
      const claim& told = told_.of[id];
      const auto& mine = got[id_of(id)];
      std::uint64_t gone = told.removed;
      if (told.removal > told.removed && reaches(id, told.removed, told.removal)) {
        const bool there =
            !mine.empty() && mine[0].message.id == first_sent(id, told.removed)->message.id;
        (there ? some_there : some_gone) = true;
        if (!there) gone = told.removal;
      }
      out_.found.of[id].removal = out_.found.of[id].removed = gone;
      same_outbox(id, mine, gone);
    }
    if (some_gone && some_there) fault("one removal from the outbox was carried out by halves");
  }

  const expected::sent* first_sent(std::uint32_t id, std::uint64_t from) const {
    for (const auto& s : wanted_[id].outbox)
      if (s.step >= from) return &s;
    return nullptr;
  }
  bool reaches(std::uint32_t id, std::uint64_t from, std::uint64_t to) const {
    const auto* s = first_sent(id, from);
    return s != nullptr && s->step < to;
  }

  void same_outbox(std::uint32_t id, const std::vector<odeon::outbox_entry>& mine,
                   std::uint64_t gone) {
    std::size_t k = 0;
    for (const auto& s : wanted_[id].outbox) {
      if (s.step < gone) continue;
      if (!holds(k < mine.size(), id, "message " + s.message.id + " is missing in the outbox"))
        return;
      const auto& got = mine[k++];
      if (!holds(got.message.id == s.message.id && got.message.payload == s.message.payload &&
                     got.message.target == s.message.target && got.sequence == s.sequence,
                 id, "message " + s.message.id + " is another in the outbox: " + got.message.id))
        return;
    }
    holds(k == mine.size(), id, "the outbox has messages that no step has sent, or has them twice");
  }

  // The timers in the order of their due times are as many as those by ids.
  void due() {
    std::uint64_t count = 0;
    odeon::timer_cursor after;
    while (true) {
      auto part = get<std::vector<odeon::stored_timer>>("timers_due", [&](auto done) {
        j_->timers_due(odeon::wall_time::max(), after, page, std::move(done));
      });
      if (!part || part->empty()) break;
      count += part->size();
      const auto& last = part->back();
      after = {last.timer.due, last.persistence_id, last.timer.id};
    }
    if (count != timers_)
      fault(std::to_string(count) + " timers by due time, and " + std::to_string(timers_) +
            " by ids");
  }

  const claims& told_;
  const bool verify_first_;
  odeon::simulated_runtime* rt_ = nullptr;
  odeon::journal* j_ = nullptr;
  std::vector<expected> wanted_;
  std::uint64_t timers_ = 0;
  verdict out_;
};

}  // namespace

verdict check_journal(const std::string& path, const claims& told, bool verify_first) {
  return checker(told, verify_first).run(path);
}

}  // namespace crash
