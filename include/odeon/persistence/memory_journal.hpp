#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/journal_options.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstdint>
#include <memory>
#include <string_view>

/// @file A journal in memory, for tests: the whole contract, no file, and failures on demand.

namespace odeon {

namespace detail {
struct memory_state;
}

/// The "disk" of memory journals: it outlives them, so that a test can close a journal, open
/// another one on the same store and see what a restarted program would see. @threadsafe
class memory_store {
 public:
  memory_store();
  ~memory_store();
  memory_store(const memory_store&) = delete;
  memory_store& operator=(const memory_store&) = delete;

  /// The next `count` transactions fail with `why`: nothing of them is stored, and each call in
  /// them completes with it. Counted from now; replaces what was asked for before.
  void fail_next_commits(std::uint32_t count, error why);

  /// Transactions wait until `release_commits`; calls are accepted meanwhile. Closing a journal
  /// does not wait for the release: it commits.
  void hold_commits();
  void release_commits();

  /// Damages what is stored: the event's, or snapshot's, payload no longer matches its checksum.
  /// False: there is no such item.
  bool damage_event(std::string_view persistence_id, std::uint64_t sequence);
  bool damage_snapshot(std::string_view persistence_id, std::uint64_t sequence);

 private:
  friend std::unique_ptr<journal> make_memory_journal(runtime&, std::shared_ptr<memory_store>,
                                                      journal_options);
  std::shared_ptr<detail::memory_state> state_;
};

/// A journal on `store`, or on a store of its own. One journal at a time may be open on a store;
/// opening the next one before that is a broken invariant. `rt` must outlive it. Works under a
/// simulated runtime.
[[nodiscard]] std::unique_ptr<journal> make_memory_journal(
    runtime& rt, std::shared_ptr<memory_store> store = nullptr, journal_options options = {});

}  // namespace odeon
