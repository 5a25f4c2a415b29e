#include "persistence/internal/backend.hpp"
#include <odeon/persistence/journal.hpp>

#include <memory>

namespace odeon {

void read_events(journal& from, replay_request request,
                 journal::completion<std::vector<stored_event>> done) {
  struct page {
    std::vector<stored_event> events;
    std::size_t bytes = 0;
    bool full = false;
  };
  auto shared = std::make_shared<page>();
  const journal_options& bounds = from.options();
  auto take = [shared, &bounds, id = request.persistence_id](const event_view& e) -> result<void> {
    if (shared->bytes >= bounds.max_page_bytes || shared->events.size() >= bounds.max_page_items) {
      shared->full = true;
      return fail(errc::cancelled, "the page is full");
    }
    shared->events.push_back(detail::to_stored(id, e));
    shared->bytes += detail::weight(shared->events.back().event);
    return {};
  };
  from.replay(std::move(request), std::move(take),
              [shared, done = std::move(done)](result<replay_report> r) mutable {
                if (!r && !shared->full) return done(std::unexpected(std::move(r.error())));
                done(std::move(shared->events));
              });
}

}  // namespace odeon
