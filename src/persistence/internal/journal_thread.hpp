#pragma once

#include "persistence/internal/queued_journal.hpp"

/// @file What the threads of a journal know of themselves.

namespace odeon::detail {

/// Marks the calling thread as one of a journal's, until the end of the scope.
class on_journal_thread {
 public:
  explicit on_journal_thread(const queued_journal* j) noexcept : before_(current_) { current_ = j; }
  ~on_journal_thread() { current_ = before_; }
  on_journal_thread(const on_journal_thread&) = delete;
  on_journal_thread& operator=(const on_journal_thread&) = delete;

  [[nodiscard]] static bool is(const queued_journal* j) noexcept { return current_ == j; }

 private:
  inline static thread_local const queued_journal* current_ = nullptr;
  const queued_journal* before_;
};

[[nodiscard]] inline error journal_closed() {
  return {errc::store_closed, "the journal is closed"};
}

}  // namespace odeon::detail
