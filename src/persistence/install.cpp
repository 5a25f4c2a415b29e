#include "persistence/internal/extension.hpp"

namespace odeon {

namespace detail {

future<void> persistence_extension::permit() {
  auto [p, f] = promise<void>::make(*rt);
  spin_guard guard(lock_);
  if (taken_ < recovery_permits) {
    ++taken_;
    p.set();
  } else {
    waiting_.push_back(std::move(p));
  }
  return std::move(f);
}

void persistence_extension::give_back() noexcept {
  for (;;) {
    promise<void> next;
    {
      spin_guard guard(lock_);
      if (waiting_.empty()) {
        --taken_;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    if (next.set()) return;  // else that actor has gone: the permit goes to the one behind it
  }
}

void persistence_extension::receiver_is_ready() {
  {
    spin_guard guard(lock_);
    if (std::exchange(looked_, true)) return;
  }
  if (options.outbox_poll > duration::zero()) {
    static_cast<void>(relay());
    return;
  }
  std::weak_ptr<persistence_extension> self = system->find_extension<persistence_extension>();
  store->take_outbox(0, 1, [self](result<std::vector<outbox_entry>> left) {
    if (!left || left->empty()) return;
    if (auto there = self.lock()) there->wrote_outbox();
  });
}

void persistence_extension::wrote_outbox() {
  if (auto to = relay()) to.tell(outbox_written{});
}

outbox_ref persistence_extension::relay() {
  {
    spin_guard guard(lock_);
    if (relay_ && !relay_.is_terminated()) return relay_;
  }
  // Two at once: the name decides, and the second finds the first one's.
  try {
    outbox_ref made = spawn_outbox_relay(*this);
    spin_guard guard(lock_);
    relay_ = made;
    return made;
  } catch (const actor_error& e) {
    if (e.which() == errc::system_stopped) return {};
    if (e.which() != errc::name_taken) throw;
    spin_guard guard(lock_);
    return relay_;
  }
}

}  // namespace detail

namespace persistence {

void install(actor_system& system, std::shared_ptr<journal> store, install_options options) {
  auto extension = std::make_shared<detail::persistence_extension>();
  extension->store = std::move(store);
  extension->rt = &system.get_runtime();
  extension->system = &system;
  extension->options = options;
  extension->receivers = receivers_of(system);
  system.add_extension(std::move(extension));
}

std::shared_ptr<journal> installed(const actor_system& system) {
  auto extension = system.find_extension<detail::persistence_extension>();
  return extension ? extension->store : nullptr;
}

}  // namespace persistence

}  // namespace odeon
