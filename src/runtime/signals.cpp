#include "internal/futex.hpp"
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <csignal>

namespace odeon {

namespace {

std::atomic<std::uint32_t> signals{0};
struct sigaction before_term;
struct sigaction before_int;

// Async-signal safe: an atomic and the futex system call.
void note_signal(int) noexcept {
  const int saved = errno;
  signals.fetch_add(1);
  detail::futex_wake(signals, INT_MAX);
  errno = saved;
}

}  // namespace

termination_signals::termination_signals() {
  signals.store(0);
  struct sigaction action{};
  action.sa_handler = &note_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, &before_term);
  sigaction(SIGINT, &action, &before_int);
}

termination_signals::~termination_signals() {
  sigaction(SIGTERM, &before_term, nullptr);
  sigaction(SIGINT, &before_int, nullptr);
}

unsigned termination_signals::count() const noexcept { return signals.load(); }

bool termination_signals::wait(duration limit) noexcept {
  while (signals.load() == 0)
    if (!detail::futex_wait(signals, 0, limit)) return signals.load() > 0;
  return true;
}

}  // namespace odeon
