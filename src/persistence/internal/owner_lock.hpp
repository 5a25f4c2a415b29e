#pragma once

#include <odeon/base/error.hpp>

#include <string>
#include <utility>

/// @file One process, one journal.

namespace odeon::detail {

/// Holds a `flock` on a file beside the journal, which the kernel releases when the process ends in
/// whatever way. The file holds the owner's process id for the message, and stays behind: removing
/// it would race with the next owner.
///
/// A file of its own, because closing any descriptor of a database file drops all of SQLite's locks
/// on it.
class owner_lock {
 public:
  /// Errors: `io_failed` when another journal has it (the text has its process id), or it cannot be
  /// made.
  [[nodiscard]] static result<owner_lock> take(const std::string& journal_path);

  owner_lock(owner_lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  owner_lock& operator=(owner_lock&&) = delete;
  ~owner_lock();

 private:
  explicit owner_lock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace odeon::detail
