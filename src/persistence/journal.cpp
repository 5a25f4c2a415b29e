#include "persistence/internal/backend.hpp"
#include <odeon/persistence/journal.hpp>

#include <memory>

namespace odeon {

namespace {

// An id has either states, which number no event, or events from the first to the last.
id_info info_of(const replay_report& last, std::uint64_t epoch) {
  return {.epoch = epoch,
          .highest_sequence = last.highest_sequence,
          .keeps_states = last.highest_sequence > 0 && last.events == 0};
}

}  // namespace

void journal::describe(std::string id, completion<id_info> done) {
  std::string of = id;
  highest_sequence(std::move(of), [this, id = std::move(id),
                                   done = std::move(done)](result<std::uint64_t> highest) mutable {
    if (!highest) return done(std::unexpected(std::move(highest.error())));
    if (*highest == 0) return done(id_info{});
    auto epoch = std::make_shared<std::uint64_t>(0);
    replay(
        {.persistence_id = std::move(id), .from_sequence = *highest},
        [epoch](const event_view& e) -> result<void> {
          *epoch = e.epoch;
          return {};
        },
        [epoch, done = std::move(done)](result<replay_report> r) mutable {
          if (!r) return done(std::unexpected(std::move(r.error())));
          done(info_of(*r, *epoch));
        });
  });
}

result<id_info> store::read_backend::describe(const std::string& id) {
  auto highest = highest_sequence(id);
  if (!highest) return std::unexpected(std::move(highest.error()));
  if (*highest == 0) return id_info{};
  std::uint64_t epoch = 0;
  journal::event_visitor visit = [&](const event_view& e) -> result<void> {
    epoch = e.epoch;
    return {};
  };
  auto r = replay({.persistence_id = id, .from_sequence = *highest}, visit);
  if (!r) return std::unexpected(std::move(r.error()));
  return info_of(*r, epoch);
}

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
