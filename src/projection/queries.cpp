#include <odeon/projection/queries.hpp>

#include <algorithm>

namespace odeon::projection::detail {

void tag_cursor::read(journal& from, journal::completion<std::vector<stored_event>> done) const {
  from.by_tag(tag, after, std::max<std::size_t>(page, 1), std::move(done));
}

void id_cursor::read(journal& store, journal::completion<std::vector<stored_event>> done) const {
  read_events(store,
              {.persistence_id = id,
               .from_sequence = from,
               .to_sequence = to,
               .max_events = std::max<std::size_t>(page, 1)},
              std::move(done));
}

void ids_cursor::read(journal& from, journal::completion<std::vector<std::string>> done) const {
  from.persistence_ids(after, std::max<std::size_t>(page, 1), std::move(done));
}

}  // namespace odeon::projection::detail
