#pragma once

#include <odeon/task/fwd.hpp>

/// @file What the calling thread is in the middle of: an actor's turn, or nothing.

namespace odeon::detail {

class ambient {
 public:
  /// Whether this thread may sleep here: not on a worker that other actors wait for.
  [[nodiscard]] virtual bool may_block() const noexcept = 0;
  /// Runs `work` beside the present one, under the same rules (in an actor: on its turns, without
  /// holding up its mailbox). An exception that leaves it fails the actor.
  virtual void branch(task<void> work) = 0;
  /// "actor /user/bank", for texts.
  [[nodiscard]] virtual const char* describe() const noexcept = 0;

 protected:
  ~ambient() = default;
};

/// Null outside a turn.
extern constinit thread_local ambient* this_ambient;

}  // namespace odeon::detail
