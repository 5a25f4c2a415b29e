#pragma once

#include <odeon/persistence/journal.hpp>
#include <odeon/projection/announcing_journal.hpp>
#include <odeon/stream/pipe.hpp>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// @file What a journal holds, as streams.
///
///     co_await (projection::events_by_tag(journal, "account") | stream::map(decode)
///               | stream::to(stream::sink::foreach (print))).run(system);
///     auto live = (projection::live_events_by_tag(journal, "account", {.after = last})
///                  | stream::kill_switch() | stream::to(…)).run(system);
///
/// A source reads page by page, each when the one before has been taken: at most `page` elements
/// are in memory, and a sink that takes nothing has nothing read. A stream that is stopped reads no
/// further; a read that is under way then ends unheard. Where the journal refuses – a damaged
/// event, a store that is down – the stream fails with its error, after the elements before that.
///
/// The sources named `live_` go on: at the end they wait for news, which an `announcing_journal`
/// gives at once, and others when they are looked at every `poll`. They end with their stream.

namespace odeon::projection {

struct tag_query {
  std::uint64_t after = 0;                  ///< a position; only events behind it
  std::size_t page = 500;                   ///< events of one read, and at most so many in memory
  duration poll = std::chrono::seconds(1);  ///< of live ones: see above
};
struct id_query {
  std::uint64_t from = 1;                                        ///< a sequence number
  std::uint64_t to = std::numeric_limits<std::uint64_t>::max();  ///< inclusive
  std::size_t page = 500;
  duration poll = std::chrono::seconds(1);
};

namespace detail {

/// A page on its way from a thread of the journal: written once, then `ready`.
template <class T>
struct page_slot {
  result<std::vector<T>> page = std::vector<T>();
  std::atomic<bool> ready{false};
};

/// Where a query stands. src/projection/queries.cpp
struct tag_cursor {
  using value_type = stored_event;
  std::string tag;
  std::uint64_t after;
  std::size_t page;
  void read(journal& from, journal::completion<std::vector<stored_event>> done) const;
  void passed(const stored_event& e) noexcept { after = e.position; }
  [[nodiscard]] bool at_end() const noexcept { return false; }
  [[nodiscard]] interest what() const noexcept { return interest_in_tag(tag); }
};
struct id_cursor {
  using value_type = stored_event;
  std::string id;
  std::uint64_t from;
  std::uint64_t to;
  std::size_t page;
  void read(journal& store, journal::completion<std::vector<stored_event>> done) const;
  void passed(const stored_event& e) noexcept { from = e.sequence + 1; }
  [[nodiscard]] bool at_end() const noexcept { return from > to || from == 0; }
  [[nodiscard]] interest what() const noexcept { return interest_in_id(id); }
};
struct ids_cursor {
  using value_type = std::string;
  std::string after;
  std::size_t page;
  void read(journal& from, journal::completion<std::vector<std::string>> done) const;
  void passed(const std::string& id) { after = id; }
  [[nodiscard]] bool at_end() const noexcept { return false; }
  [[nodiscard]] interest what() const noexcept { return interest_in_all; }
};

template <class Cursor>
class paged_stage : public stream::detail::leaf {
 public:
  using value_type = typename Cursor::value_type;
  /// `poll` without a value: ends where there is no more.
  paged_stage(std::shared_ptr<journal> store, Cursor at, std::optional<duration> poll)
      : store_(std::move(store)),
        cursor_(std::move(at)),
        poll_(poll) {}

  stream::polled<value_type> next(stream::island& in) {
    for (;;) {
      if (at_ < page_.size()) {
        if (!in.spend()) return stream::pending;
        cursor_.passed(page_[at_]);
        return std::move(page_[at_++]);
      }
      if (cursor_.at_end()) return stream::ended;
      if (!slot_ && waits(in)) return stream::pending;
      if (!slot_) read(in);
      if (!slot_->ready.load(std::memory_order_acquire)) return stream::pending;  // acquire: page
      auto read = std::move(slot_->page);
      slot_.reset();
      if (!read) throw actor_error(std::move(read.error()));
      page_ = std::move(*read);
      at_ = 0;
      if (!page_.empty()) continue;
      if (!poll_) return stream::ended;
      due_ = in.now() + *poll_;
    }
  }

 private:
  /// Whether there is nothing to be read for now.
  bool waits(stream::island& in) {
    if (!due_ || in.now() >= *due_ || (watch_ && watch_->seen())) {
      due_.reset();
      return false;
    }
    in.wake_at(*due_);
    return true;
  }
  void read(stream::island& in) {
    if (poll_ && !watch_)
      watch_ = watch_if_announced(*store_, cursor_.what(), [w = in.get_waker()] { w->wake(); });
    if (watch_) watch_->reset();
    slot_ = std::make_shared<page_slot<value_type>>();
    cursor_.read(*store_, [slot = slot_, w = in.get_waker()](result<std::vector<value_type>> r) {
      slot->page = std::move(r);
      slot->ready.store(true, std::memory_order_release);  // release: the page
      w->wake();
    });
  }

  std::shared_ptr<journal> store_;
  Cursor cursor_;
  std::optional<duration> poll_;
  std::vector<value_type> page_;
  std::size_t at_ = 0;
  std::shared_ptr<page_slot<value_type>> slot_;  // of the read that is under way
  std::shared_ptr<watch> watch_;
  std::optional<time_point> due_;  // the end of a wait
};

}  // namespace detail

/// The events with that tag, by their positions. The position of an element is where another query
/// goes on behind it.
[[nodiscard]] inline auto events_by_tag(std::shared_ptr<journal> from, std::string tag,
                                        tag_query q = {}) {
  return stream::detail::stage_source{detail::paged_stage<detail::tag_cursor>(
      std::move(from), {std::move(tag), q.after, q.page}, std::nullopt)};
}
/// The same, and those that are committed from then on, each once and in the order of positions.
[[nodiscard]] inline auto live_events_by_tag(std::shared_ptr<journal> from, std::string tag,
                                             tag_query q = {}) {
  return stream::detail::stage_source{detail::paged_stage<detail::tag_cursor>(
      std::move(from), {std::move(tag), q.after, q.page}, q.poll)};
}
/// The events of one persistence id, by their sequence numbers.
[[nodiscard]] inline auto events_by_id(std::shared_ptr<journal> from, std::string id,
                                       id_query q = {}) {
  return stream::detail::stage_source{detail::paged_stage<detail::id_cursor>(
      std::move(from), {std::move(id), q.from, q.to, q.page}, std::nullopt)};
}
/// The same, and those to come; completes with the event numbered `to`.
[[nodiscard]] inline auto live_events_by_id(std::shared_ptr<journal> from, std::string id,
                                            id_query q = {}) {
  return stream::detail::stage_source{detail::paged_stage<detail::id_cursor>(
      std::move(from), {std::move(id), q.from, q.to, q.page}, q.poll)};
}
/// The persistence ids greater than `after`, in the order of their bytes.
[[nodiscard]] inline auto persistence_ids(std::shared_ptr<journal> from, std::string after = {},
                                          std::size_t page = 1000) {
  return stream::detail::stage_source{detail::paged_stage<detail::ids_cursor>(
      std::move(from), {std::move(after), page}, std::nullopt)};
}

}  // namespace odeon::projection
