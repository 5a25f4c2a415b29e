#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/receivers.hpp>
#include <odeon/task/future.hpp>

#include <deque>
#include <memory>

/// @file What a system keeps for its durable actors.

namespace odeon::detail {

/// New messages stand in the outbox.
struct outbox_written {};
using outbox_ref = actor_ref<outbox_written>;

/// The journal, who may recover now, and who delivers.
struct persistence_extension {
  std::shared_ptr<journal> store;
  runtime* rt = nullptr;
  actor_system* system = nullptr;
  persistence::install_options options;
  std::shared_ptr<persistence::receivers> receivers;

  /// Fulfilled when a permit to recover is there.
  future<void> permit();
  void give_back() noexcept;

  /// A receiver is known now: the first one has the outbox looked at.
  void receiver_is_ready();
  /// Messages were committed.
  void wrote_outbox();

 private:
  outbox_ref relay();

  spin_lock lock_;
  std::size_t taken_ = 0;
  std::deque<promise<void>> waiting_;
  bool looked_ = false;
  outbox_ref relay_;
};

/// The actor that hands out what stands in the outbox.
[[nodiscard]] outbox_ref spawn_outbox_relay(persistence_extension& with);

}  // namespace odeon::detail
