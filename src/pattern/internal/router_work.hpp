#pragma once

#include "router_state.hpp"

#include <memory>
#include <string>

/// @file A mailbox that the routees of a pool share: of `balancing`, and of `troupe`.

namespace odeon::detail {

class shared_work : public pull_source {
 public:
  /// Takes the envelope. On the sender's thread.
  virtual result<void> push(router_state& state, cell& self, envelope& e) noexcept = 0;
  [[nodiscard]] virtual std::size_t waiting() const noexcept = 0;
  /// The asker of a message that waits, or is worked on, has given up.
  virtual void given_up(const ask_state_base& ask) noexcept = 0;
  [[nodiscard]] virtual std::string where_is(const ask_state_base& ask) const = 0;
  /// What waits becomes dead letters.
  virtual void flush(cell& self, const error& why) noexcept = 0;
};

/// Throws `invalid_argument` for a mailbox that cannot be shared.
std::shared_ptr<shared_work> make_shared_mailbox(std::shared_ptr<router_state> state,
                                                 const mailbox_options& options);

}  // namespace odeon::detail
