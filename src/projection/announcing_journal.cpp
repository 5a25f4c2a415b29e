// Who waits for what is committed.
//
// Protocol. A watch's `seen` goes false → true by the announcement of a commit that it is
// interested in, which then calls `on_news`, and true → false by its owner, before a read. A commit
// is announced after it is durable and before the writer hears of it, so whoever reads without
// finding an event is told of it later: either the read began before the commit, and then `reset`
// came before the announcement, or it finds the event. The list is changed under a lock; a call of
// `on_news` holds the watch by a share of its own, and no lock.

#include <odeon/projection/announcing_journal.hpp>

#include <algorithm>
#include <functional>
#include <mutex>
#include <vector>

namespace odeon::projection {

namespace {

interest bit_of(std::size_t hash) noexcept { return interest{1} << (hash % 64); }

}  // namespace

interest interest_in_tag(std::string_view tag) noexcept {
  return bit_of(std::hash<std::string_view>()(tag));
}
interest interest_in_id(std::string_view persistence_id) noexcept {
  return bit_of(std::hash<std::string_view>()(persistence_id) * 31 + 17);
}

struct announcing_journal::watchers {
  std::mutex mutex;
  std::vector<std::weak_ptr<projection::watch>> all;
  std::atomic<bool> some{false};  // a hint: `all` is not empty

  void announce(interest committed) {
    if (!some.load()) return;
    std::vector<std::shared_ptr<projection::watch>> told;
    {
      const std::lock_guard lock(mutex);
      std::erase_if(all, [&](const std::weak_ptr<projection::watch>& weak) {
        auto w = weak.lock();
        if (!w) return true;
        if ((w->what_ & committed) != 0) told.push_back(std::move(w));
        return false;
      });
      some.store(!all.empty());
    }
    for (const auto& w : told)
      if (!w->seen_.exchange(true)) w->on_news_();
  }
};

announcing_journal::announcing_journal(std::unique_ptr<journal> inner)
    : watchers_(std::make_shared<watchers>()),
      inner_(std::move(inner)) {}
announcing_journal::~announcing_journal() = default;

std::shared_ptr<watch> announcing_journal::watch(interest what, std::function<void()> on_news) {
  auto made = std::make_shared<projection::watch>(what, std::move(on_news));
  const std::lock_guard lock(watchers_->mutex);
  watchers_->all.push_back(made);
  watchers_->some.store(true);
  return made;
}

void announcing_journal::append(append_request request, completion<append_ack> done) {
  if (request.events.empty()) return inner_->append(std::move(request), std::move(done));
  interest written = interest_in_id(request.persistence_id);
  for (const event_record& e : request.events)
    for (const std::string& tag : e.tags) written |= interest_in_tag(tag);
  inner_->append(std::move(request),
                 [to = watchers_, written, done = std::move(done)](result<append_ack> r) mutable {
                   if (r) to->announce(written);
                   done(std::move(r));
                 });
}

void announcing_journal::open_writer(std::string persistence_id, completion<std::uint64_t> done) {
  inner_->open_writer(std::move(persistence_id), std::move(done));
}
void announcing_journal::save_snapshot(save_snapshot_request request, completion<void> done) {
  inner_->save_snapshot(std::move(request), std::move(done));
}
void announcing_journal::delete_snapshots(snapshot_criteria which, completion<std::uint64_t> done) {
  inner_->delete_snapshots(std::move(which), std::move(done));
}
void announcing_journal::acknowledge_outbox(std::vector<std::uint64_t> positions,
                                            completion<void> done) {
  inner_->acknowledge_outbox(std::move(positions), std::move(done));
}
void announcing_journal::change_timers(std::vector<timer_change> changes,
                                       completion<std::uint64_t> done) {
  inner_->change_timers(std::move(changes), std::move(done));
}
void announcing_journal::recover(recover_request request, recovery_callbacks callbacks) {
  inner_->recover(std::move(request), std::move(callbacks));
}
void announcing_journal::replay(replay_request request, event_visitor on_event,
                                completion<replay_report> on_end) {
  inner_->replay(std::move(request), std::move(on_event), std::move(on_end));
}
void announcing_journal::highest_sequence(std::string persistence_id,
                                          completion<std::uint64_t> done) {
  inner_->highest_sequence(std::move(persistence_id), std::move(done));
}
void announcing_journal::persistence_ids(std::string after, std::size_t max,
                                         completion<std::vector<std::string>> done) {
  inner_->persistence_ids(std::move(after), max, std::move(done));
}
void announcing_journal::by_tag(std::string tag, std::uint64_t after, std::size_t max,
                                completion<std::vector<stored_event>> done) {
  inner_->by_tag(std::move(tag), after, max, std::move(done));
}
void announcing_journal::load_snapshot(snapshot_criteria which, completion<loaded_snapshot> done) {
  inner_->load_snapshot(std::move(which), std::move(done));
}
void announcing_journal::snapshots_of(snapshot_criteria which, std::size_t max,
                                      completion<std::vector<snapshot_info>> done) {
  inner_->snapshots_of(std::move(which), max, std::move(done));
}
void announcing_journal::read_mark(std::string persistence_id, std::string name,
                                   completion<std::uint64_t> done) {
  inner_->read_mark(std::move(persistence_id), std::move(name), std::move(done));
}
void announcing_journal::describe(std::string persistence_id, completion<id_info> done) {
  inner_->describe(std::move(persistence_id), std::move(done));
}
void announcing_journal::marks_of(std::string persistence_id, std::string after, std::size_t max,
                                  completion<std::vector<mark_record>> done) {
  inner_->marks_of(std::move(persistence_id), std::move(after), max, std::move(done));
}
void announcing_journal::timers_due(wall_time until, timer_cursor after, std::size_t max,
                                    completion<std::vector<stored_timer>> done) {
  inner_->timers_due(until, std::move(after), max, std::move(done));
}
void announcing_journal::timers_of(std::string persistence_id,
                                   completion<std::vector<timer_record>> done) {
  inner_->timers_of(std::move(persistence_id), std::move(done));
}
void announcing_journal::take_outbox(std::uint64_t after, std::size_t max,
                                     completion<std::vector<outbox_entry>> done) {
  inner_->take_outbox(after, max, std::move(done));
}
void announcing_journal::close() { inner_->close(); }
journal_stats announcing_journal::stats() const { return inner_->stats(); }
const journal_options& announcing_journal::options() const noexcept { return inner_->options(); }

std::shared_ptr<announcing_journal> announce(std::unique_ptr<journal> inner) {
  return std::make_shared<announcing_journal>(std::move(inner));
}

std::shared_ptr<watch> watch_if_announced(journal& store, interest what,
                                          std::function<void()> on_news) {
  auto* announcing = dynamic_cast<announcing_journal*>(&store);
  return announcing ? announcing->watch(what, std::move(on_news)) : nullptr;
}

}  // namespace odeon::projection
