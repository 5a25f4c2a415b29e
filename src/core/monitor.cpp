// The monitor wakes up with the first turn after a rest, looks every tenth of a second, and goes to
// rest when two looks see no turn in between. It reads each thread's ring: whose handler runs, and
// how many were recorded. The same handler at two looks has been running since the first of them at
// least; so time is known without a clock on the hot path.

#include "internal/cell_access.hpp"

namespace odeon::detail {

namespace {

constexpr auto every = std::chrono::milliseconds(100);

}  // namespace

void monitor::start() noexcept {
  if (stopped_.load() || core_.rt.is_simulated()) {
    awake_.store(true,
                 std::memory_order_relaxed);  // virtual handlers take no time: nothing to look for
    return;
  }
  if (awake_.exchange(true)) return;
  core_.rt.timers(clock_domain::housekeeping)
      .arm(*this, core_.rt.now(clock_domain::housekeeping) + every);
}

void monitor::stop() noexcept {
  stopped_.store(true);
  if (core_.rt.is_simulated()) return;
  while (awake_.load() && !core_.rt.timers(clock_domain::housekeeping).disarm(*this) &&
         awake_.load())
    yield_thread();
}

void monitor::fired(timer_node& node) noexcept {
  auto& self = static_cast<monitor&>(node);
  try {
    self.look();
  } catch (...) {
    // No memory for the notes of this look; the next one comes.
  }
}

void monitor::look() {
  const time_point now = core_.rt.now(clock_domain::housekeeping);
  const duration limit = core_.options.slow_handler;
  bool active = false;
  std::vector<slow_handler> slow;
  {
    std::lock_guard guard(mutex_);
    for (hop_ring* r = core_.rings.load(std::memory_order_acquire); r; r = r->next) {
      seen& s = seen_[r];
      const std::uint64_t written = r->written.load(std::memory_order_acquire);
      cell* running = r->running.load(std::memory_order_relaxed);
      const std::uint32_t generation = r->running_gen.load(std::memory_order_relaxed);
      active |= running != nullptr || written != s.written;
      if (written != s.written || running != s.running) {
        s = {written, running, now, false};
        continue;
      }
      if (running && cell::try_ref(running, generation)) {
        const any_ref held = any_ref::adopt(running);
        cell_access::note_depth(*running, cell_access::depth(*running));
      }
      if (!running || s.reported || limit <= duration::zero() || now - s.since < limit ||
          written == 0)
        continue;
      if (!cell::try_ref(running, generation)) continue;
      s.reported = true;
      any_ref ref = any_ref::adopt(running);
      const auto* type =
          r->hops[(written - 1) % hop_ring::capacity].type.load(std::memory_order_relaxed);
      slow.push_back({ref, ref.path(), type ? type->name : std::string_view(), now - s.since});
    }
  }
  for (const auto& s : slow) {
    core_.event<slow_handler>([&] { return s; });
    logger(s.path).warn("the handler of {} has been running for {}", s.message,
                        to_string(s.running_for));
  }
  if (stopped_.load() || !active) {
    awake_.store(false);
    return;
  }
  core_.rt.timers(clock_domain::housekeeping).arm(*this, now + every);
}

std::optional<duration> monitor::running_for(const cell& c) const {
  std::lock_guard guard(mutex_);
  for (const auto& [ring, s] : seen_) {
    if (s.running == &c && ring->running.load(std::memory_order_relaxed) == &c &&
        ring->written.load(std::memory_order_relaxed) == s.written)
      return core_.rt.now(clock_domain::housekeeping) - s.since;
  }
  return std::nullopt;
}

}  // namespace odeon::detail
