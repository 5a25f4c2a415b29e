#include "sidecar/internal/records.hpp"
#include <odeon/runtime/runtime.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <algorithm>
#include <utility>

// A store has no state of its own: everything is in the journal, which orders what comes in. A call
// of two steps makes the second one in the completion of the first; it has the journal by pointer,
// which is good for as long as the journal makes completions. A shared pointer there could be the
// last one, and a journal must not end on its own thread.

namespace odeon::sidecar {

namespace {

constexpr std::string_view schedule_id = "sidecar-schedule";
constexpr std::string_view schedule_manifest = "sidecar.invocation";
constexpr std::size_t schedule_page = 256;

std::string name_of(const actor_id& a) { return a.system + "/" + a.name; }

result<std::optional<stored_state>> state_in(const actor_id& actor,
                                             result<loaded_snapshot> loaded) {
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  if (!loaded->snapshot) {
    if (!loaded->damaged.empty()) return std::unexpected(std::move(loaded->damaged.front()));
    return std::optional<stored_state>{};
  }
  const stored_snapshot& s = *loaded->snapshot;
  auto state = records::read_state(actor, s.manifest, s.version, s.payload);
  if (!state) return std::unexpected(std::move(state.error()));
  return stored_state{std::move(*state), s.sequence};
}

/// One reading of what is due, page after page.
struct due_reading {
  journal* from;
  wall_time until;
  std::size_t max;
  std::function<void(const error&)> report;
  state_store::completion<std::vector<scheduled_invocation>> done;
  std::vector<scheduled_invocation> found = {};
};

void read_due(std::unique_ptr<due_reading> r, timer_cursor after) {
  journal& from = *r->from;
  const wall_time until = r->until;
  const std::size_t page = std::min(schedule_page, r->max - r->found.size());
  from.timers_due(
      until, std::move(after), page,
      [r = std::move(r)](result<std::vector<stored_timer>> timers) mutable {
        if (!timers) return r->done(std::unexpected(std::move(timers.error())));
        for (stored_timer& t : *timers) {
          if (t.persistence_id != schedule_id) continue;
          auto what = records::read_invocation(t.timer.payload);
          if (what)
            r->found.push_back({t.timer.id, t.timer.due, std::move(*what)});
          else if (r->report)
            r->report(error(errc::corrupt_record,
                            "the scheduled invocation " + t.timer.id +
                                " is passed over: " + std::string(what.error().text())));
        }
        if (timers->empty() || r->found.size() >= r->max) return r->done(std::move(r->found));
        const stored_timer& last = timers->back();
        read_due(std::move(r), {last.timer.due, last.persistence_id, last.timer.id});
      });
}

class journal_state_store final : public state_store {
 public:
  journal_state_store(std::shared_ptr<journal> j, state_store_options options)
      : journal_(std::move(j)),
        options_(std::move(options)) {}

  void open(const actor_id& actor, std::uint64_t revision, completion<opened_state> done) override {
    if (auto good = records::check_names(actor); !good)
      return done(std::unexpected(std::move(good.error())));
    auto id = records::state_id(actor);
    journal* const j = journal_.get();
    j->open_writer(
        id, [j, id, actor, revision, done = std::move(done)](result<std::uint64_t> epoch) mutable {
          if (!epoch) return done(std::unexpected(std::move(epoch.error())));
          state_lease lease{std::move(id), *epoch, 0, actor};
          if (revision == 0)
            open_newest(*j, std::move(lease), std::move(done));
          else
            open_older(*j, revision, std::move(lease), std::move(done));
        });
  }

  void peek(const actor_id& actor, completion<std::optional<stored_state>> done) override {
    if (auto good = records::check_names(actor); !good)
      return done(std::unexpected(std::move(good.error())));
    journal_->load_snapshot(
        {.persistence_id = records::state_id(actor)},
        [actor, done = std::move(done)](result<loaded_snapshot> loaded) mutable {
          done(state_in(actor, std::move(loaded)));
        });
  }

  void save(state_lease lease, any state, completion<state_lease> done) override {
    append_request r;
    r.persistence_id = lease.id;
    r.epoch = lease.epoch;
    r.expected_sequence = lease.revision;
    r.state = state_record{.manifest = records::state_manifest(state),
                           .version = records::layout,
                           .payload = records::write_state(lease.actor, state),
                           .keep = options_.keep_revisions};
    journal_->append(std::move(r), [lease = std::move(lease),
                                    done = std::move(done)](result<append_ack> ack) mutable {
      if (!ack) return done(std::unexpected(std::move(ack.error())));
      lease.revision = ack->sequence;
      done(std::move(lease));
    });
  }

  void schedule(scheduled_invocation what, completion<void> done) override {
    if (what.id.empty())
      return done(fail(errc::invalid_argument, "a scheduled invocation needs an id"));
    timer_record timer{.id = what.id,
                       .due = what.due,
                       .manifest = std::string(schedule_manifest),
                       .version = records::layout,
                       .payload = records::write_invocation(what.what)};
    change(what.id, std::move(timer), std::move(done));
  }

  void due(wall_time until, std::size_t max,
           completion<std::vector<scheduled_invocation>> done) override {
    if (max == 0) return done(std::vector<scheduled_invocation>{});
    read_due(
        std::make_unique<due_reading>(journal_.get(), until, max, options_.report, std::move(done)),
        {});
  }

  void unschedule(const std::string& id, completion<void> done) override {
    if (id.empty()) return done({});  // nothing has such an id
    change(id, std::nullopt, std::move(done));
  }

 private:
  static void open_newest(journal& j, state_lease lease, completion<opened_state> done) {
    const std::string id = lease.id;
    j.load_snapshot({.persistence_id = id}, [lease = std::move(lease), done = std::move(done)](
                                                result<loaded_snapshot> loaded) mutable {
      auto state = state_in(lease.actor, std::move(loaded));
      if (!state) return done(std::unexpected(std::move(state.error())));
      if (*state) lease.revision = (*state)->revision;
      done(opened_state{std::move(lease), std::move(*state)});
    });
  }

  static void open_older(journal& j, std::uint64_t revision, state_lease lease,
                         completion<opened_state> done) {
    const std::string id = lease.id;
    j.highest_sequence(id, [&j, revision, lease = std::move(lease),
                            done = std::move(done)](result<std::uint64_t> highest) mutable {
      if (!highest) return done(std::unexpected(std::move(highest.error())));
      lease.revision = *highest;
      snapshot_criteria just_that{lease.id, revision, revision};
      j.load_snapshot(
          std::move(just_that), [revision, lease = std::move(lease),
                                 done = std::move(done)](result<loaded_snapshot> loaded) mutable {
            auto state = state_in(lease.actor, std::move(loaded));
            if (!state) return done(std::unexpected(std::move(state.error())));
            if (!*state)
              return done(fail(errc::not_found, "actor " + name_of(lease.actor) +
                                                    " has no revision " + std::to_string(revision) +
                                                    " in the store; the newest is " +
                                                    std::to_string(lease.revision)));
            done(opened_state{std::move(lease), std::move(*state)});
          });
    });
  }

  void change(std::string timer_id, std::optional<timer_record> set, completion<void> done) {
    std::vector<timer_change> changes;
    changes.push_back({.persistence_id = std::string(schedule_id),
                       .timer_id = std::move(timer_id),
                       .set = std::move(set)});
    journal_->change_timers(std::move(changes),
                            [done = std::move(done)](result<std::uint64_t> applied) mutable {
                              if (!applied)
                                return done(std::unexpected(std::move(applied.error())));
                              done({});
                            });
  }

  const std::shared_ptr<journal> journal_;
  const state_store_options options_;
};

}  // namespace

std::unique_ptr<state_store> make_state_store(runtime&, std::shared_ptr<journal> store,
                                              state_store_options options) {
  return std::make_unique<journal_state_store>(std::move(store), std::move(options));
}

}  // namespace odeon::sidecar
