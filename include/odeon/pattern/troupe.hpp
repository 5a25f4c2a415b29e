#pragma once

#include <odeon/pattern/routers.hpp>

#include <cstdint>

/// @file `troupe`: workers that come and go with the work.
///
///     auto pool = system.spawn<resize_image>({.name = "images", .router = troupe({.max = 8})});
///     auto done = pool.ask<job>(file);   // a job
///     troupe_control(pool).status();
///
/// Every message is a job. A job waits, in the order sent, until a worker has none; a worker has
/// one at a time, an asked one until it is answered. A worker that dies with a job in hand (its
/// handler throws, it is killed or stopped) has it given to the next one; after `attempts` deaths
/// the asker gets the error `handler_failed`, a told job is a dead letter. A handler that answers
/// with an error, or whose supervision says `resume`, has not died: its job is not tried again. A
/// message that cannot be copied is tried once.

namespace odeon {

struct troupe_status {
  std::size_t workers = 0;  ///< alive; those that are being dismissed do not count
  std::size_t busy = 0;
  std::size_t pending = 0;  ///< jobs that wait
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;     ///< given up, or answered with an error
  std::uint64_t requeued = 0;   ///< once for each death
  std::uint64_t refused = 0;    ///< the queue was full
  std::uint64_t dismissed = 0;  ///< surplus workers
  troupe_options settings;
};

/// What is going on in a troupe, and its settings. @threadsafe
class troupe_control {
 public:
  /// Throws `errc::wrong_type` when `ref` is no troupe.
  explicit troupe_control(any_ref ref);

  [[nodiscard]] troupe_status status() const;
  /// From now on. Workers above `max` end after the job they have; below `idle` further ones start
  /// at once. Ends when that was ordered; `invalid_argument` for settings that make no sense.
  [[nodiscard]] future<void> set(troupe_options settings) const;

 private:
  any_ref ref_;
};

}  // namespace odeon
