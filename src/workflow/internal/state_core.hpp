#pragma once

#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/workflow/state.hpp>

#include <deque>
#include <mutex>
#include <set>

/// @file What a state store is made of.
///
/// `mutex` guards the table and the locks. Only one commit is under way at a time: on the serial
/// executor of a store with a file, or under the mutex of one without. A commit (1) checks
/// revisions and bounds, (2) writes to the disk without the mutex, which nobody else changes the
/// table meanwhile makes safe, (3) publishes. Promises are kept outside the mutex.

namespace odeon::workflows::detail {

using state_table = std::map<std::string, state_value, std::less<>>;

/// Where commits go besides the memory. Used by one thread at a time.
class state_disk {
 public:
  virtual ~state_disk() = default;
  /// It wants the whole table for each commit.
  [[nodiscard]] virtual bool writes_all() const noexcept = 0;
  /// `all`: the table as it will be, if it `writes_all`. All of the changes are durable after this,
  /// or none.
  virtual result<void> write(const state_changes& changes, const state_table& all,
                             int schema_version) = 0;
};

struct state_core : std::enable_shared_from_this<state_core> {
  struct entry {
    state_value value;
    std::uint64_t revision = 0;
  };
  struct named {
    bool held = false;
    std::deque<promise<state_lock>> waiting;
  };
  struct change_set {
    state_changes changes;
    std::map<std::string, std::uint64_t, std::less<>> seen;
  };

  runtime& rt;
  state_options options;
  std::mutex mutex;
  std::map<std::string, entry, std::less<>> table;
  std::size_t bytes = 0;
  std::uint64_t revision = 0;  // of the last commit
  std::map<std::string, named, std::less<>> locks;
  std::unique_ptr<state_disk> disk;
  std::unique_ptr<serial_executor> writer;  // last: it ends before what it uses

  state_core(runtime& r, state_options o) : rt(r), options(std::move(o)) {}

  /// Takes what was read from a file, and brings it up to this program's schema.
  result<void> load(state_table all, int schema, bool is_new, const std::string& path);
  result<void> commit(const change_set& set);

 private:
  result<void> check(const change_set& set, std::size_t& new_bytes) const;
  [[nodiscard]] state_table with(const state_changes& changes) const;
};

/// A file that one process at a time may use: a lock file beside it. Released when destroyed.
class state_file_lock {
 public:
  [[nodiscard]] static result<std::unique_ptr<state_file_lock>> take(const std::string& path);
  ~state_file_lock();
  state_file_lock(const state_file_lock&) = delete;

 private:
  explicit state_file_lock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace odeon::workflows::detail
