// Reads do not queue behind writes: each reader has a connection and an executor of its own. All
// reads of one persistence id go to the same reader, so that they come in the order of their calls.

#include "persistence/internal/journal_thread.hpp"

#include <algorithm>
#include <exception>
#include <functional>

namespace odeon::detail {

namespace {

error visitor_threw(const char* what) {
  return {errc::handler_failed, std::string("the visitor of a replay threw: ") + what};
}

/// Runs user code that may throw; what it throws is its error.
template <class Run>
auto guarded(Run&& run) -> decltype(run()) {
  try {
    return run();
  } catch (const std::exception& e) {
    return std::unexpected(visitor_threw(e.what()));
  } catch (...) {
    return std::unexpected(visitor_threw("something that is no std::exception"));
  }
}

}  // namespace

std::size_t queued_journal::reader_of(const std::string& persistence_id) const noexcept {
  return std::hash<std::string>{}(persistence_id) % readers_.size();
}

template <class T, class Work>
void queued_journal::read(std::size_t which, completion<T> done, Work work) {
  error why(errc::internal);
  {
    const std::lock_guard lock(mutex_);
    if (closing_) {
      why = journal_closed();
    } else if (stats_.pending_reads >= options_.max_pending_reads) {
      why = {errc::limit_exceeded, std::to_string(stats_.pending_reads) +
                                       " reads wait, and max_pending_reads allows no more"};
    } else {
      stats_.pending_reads += 1;
      reader& r = readers_[which];
      r.thread->post([this, &r, done = std::move(done), work = std::move(work)]() mutable {
        const on_journal_thread mark(this);
        result<T> outcome = work(*r.backend);
        {
          const std::lock_guard relock(mutex_);
          stats_.pending_reads -= 1;
        }
        done(std::move(outcome));
      });
      return;
    }
    stats_.refused += 1;
  }
  done(std::unexpected(std::move(why)));
}

void queued_journal::recover(recover_request request, recovery_callbacks callbacks) {
  const std::size_t which = reader_of(request.persistence_id);
  auto on_end = std::move(callbacks.on_end);
  read<recovery_report>(
      which, std::move(on_end),
      [this, request = std::move(request), callbacks = std::move(callbacks)](
          read_backend& from) mutable { return recover_now(from, request, callbacks); });
}

result<recovery_report> queued_journal::recover_now(read_backend& from,
                                                    const recover_request& request,
                                                    recovery_callbacks& callbacks) {
  recovery_report report;
  if (request.max_snapshot_sequence > 0) {
    auto loaded = from.load_snapshot(
        {.persistence_id = request.persistence_id,
         .max_sequence = std::min(request.max_snapshot_sequence, request.to_sequence)});
    if (!loaded) return std::unexpected(std::move(loaded.error()));
    report.damaged_snapshots = std::move(loaded->damaged);
    if (loaded->snapshot) {
      report.snapshot_sequence = loaded->snapshot->sequence;
      if (callbacks.on_snapshot) {
        auto ok = guarded([&] { return callbacks.on_snapshot(*loaded->snapshot); });
        if (!ok) return std::unexpected(std::move(ok.error()));
      }
    }
  }
  event_visitor visit = [&](const event_view& e) -> result<void> {
    return callbacks.on_event ? guarded([&] { return callbacks.on_event(e); }) : result<void>{};
  };
  auto replayed = from.replay({.persistence_id = request.persistence_id,
                               .from_sequence = report.snapshot_sequence + 1,
                               .to_sequence = request.to_sequence},
                              visit);
  if (!replayed) return std::unexpected(std::move(replayed.error()));
  if (replayed->highest_sequence < report.snapshot_sequence)
    return fail(errc::corrupt_record,
                "\"" + request.persistence_id + "\" has a snapshot as of sequence " +
                    std::to_string(report.snapshot_sequence) + ", and its events end at " +
                    std::to_string(replayed->highest_sequence));
  report.highest_sequence = replayed->highest_sequence;
  report.events = replayed->events;
  return report;
}

void queued_journal::replay(replay_request request, event_visitor on_event,
                            completion<replay_report> on_end) {
  const std::size_t which = reader_of(request.persistence_id);
  read<replay_report>(
      which, std::move(on_end),
      [request = std::move(request), on_event = std::move(on_event)](read_backend& from) mutable {
        event_visitor visit = [&](const event_view& e) -> result<void> {
          return guarded([&] { return on_event(e); });
        };
        return from.replay(request, visit);
      });
}

void queued_journal::highest_sequence(std::string persistence_id, completion<std::uint64_t> done) {
  const std::size_t which = reader_of(persistence_id);
  read<std::uint64_t>(which, std::move(done), [id = std::move(persistence_id)](read_backend& from) {
    return from.highest_sequence(id);
  });
}

void queued_journal::describe(std::string persistence_id, completion<id_info> done) {
  const std::size_t which = reader_of(persistence_id);
  read<id_info>(which, std::move(done),
                [id = std::move(persistence_id)](read_backend& from) { return from.describe(id); });
}

void queued_journal::persistence_ids(std::string after, std::size_t max,
                                     completion<std::vector<std::string>> done) {
  max = std::min(max, options_.max_page_items);
  read<std::vector<std::string>>(0, std::move(done),
                                 [after = std::move(after), max](read_backend& from) {
                                   return from.persistence_ids(after, max);
                                 });
}

void queued_journal::by_tag(std::string tag, std::uint64_t after, std::size_t max,
                            completion<std::vector<stored_event>> done) {
  max = std::min(max, options_.max_page_items);
  read<std::vector<stored_event>>(0, std::move(done),
                                  [tag = std::move(tag), after, max](read_backend& from) {
                                    return from.by_tag(tag, after, max);
                                  });
}

void queued_journal::load_snapshot(snapshot_criteria which, completion<loaded_snapshot> done) {
  const std::size_t reader = reader_of(which.persistence_id);
  read<loaded_snapshot>(reader, std::move(done), [which = std::move(which)](read_backend& from) {
    return from.load_snapshot(which);
  });
}

void queued_journal::snapshots_of(snapshot_criteria which, std::size_t max,
                                  completion<std::vector<snapshot_info>> done) {
  max = std::min(max, options_.max_page_items);
  const std::size_t reader = reader_of(which.persistence_id);
  read<std::vector<snapshot_info>>(reader, std::move(done),
                                   [which = std::move(which), max](read_backend& from) {
                                     return from.snapshots_of(which, max);
                                   });
}

void queued_journal::read_mark(std::string persistence_id, std::string name,
                               completion<std::uint64_t> done) {
  const std::size_t which = reader_of(persistence_id);
  read<std::uint64_t>(which, std::move(done),
                      [id = std::move(persistence_id), name = std::move(name)](read_backend& from) {
                        return from.read_mark(id, name);
                      });
}

void queued_journal::marks_of(std::string persistence_id, std::string after, std::size_t max,
                              completion<std::vector<mark_record>> done) {
  max = std::min(max, options_.max_page_items);
  const std::size_t which = reader_of(persistence_id);
  read<std::vector<mark_record>>(which, std::move(done),
                                 [id = std::move(persistence_id), after = std::move(after), max](
                                     read_backend& from) { return from.marks_of(id, after, max); });
}

void queued_journal::timers_due(wall_time until, timer_cursor after, std::size_t max,
                                completion<std::vector<stored_timer>> done) {
  max = std::min(max, options_.max_page_items);
  read<std::vector<stored_timer>>(0, std::move(done),
                                  [until, after = std::move(after), max](read_backend& from) {
                                    return from.timers_due(until, after, max);
                                  });
}

void queued_journal::timers_of(std::string persistence_id,
                               completion<std::vector<timer_record>> done) {
  const std::size_t which = reader_of(persistence_id);
  read<std::vector<timer_record>>(
      which, std::move(done),
      [id = std::move(persistence_id)](read_backend& from) { return from.timers_of(id); });
}

void queued_journal::take_outbox(std::uint64_t after, std::size_t max,
                                 completion<std::vector<outbox_entry>> done) {
  max = std::min(max, options_.max_page_items);
  read<std::vector<outbox_entry>>(0, std::move(done), [after, max](read_backend& from) {
    return from.take_outbox(after, max);
  });
}

}  // namespace odeon::detail
