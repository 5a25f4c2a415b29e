#include "internal/timer_wheel.hpp"
#include <odeon/base/error.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/runtime/simulated.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace odeon {

namespace {

constexpr time_point epoch{
    duration(1'000'000'000)};  // not zero: a zero time means "none" in places

std::size_t index(clock_domain d) noexcept { return static_cast<std::size_t>(d); }

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to choose with.
std::uint64_t next_random(std::uint64_t& s) noexcept {
  std::uint64_t z = (s += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

struct simulated_runtime::state {
  simulation_options options;
  std::uint64_t chance;
  std::uint64_t entropy;
  std::uint64_t steps = 0;
  struct entry {
    runnable* work;
    const executor* on;
  };
  std::vector<entry> ready;
  const executor* running = nullptr;
  std::array<timer_wheel, 2> wheels{timer_wheel(epoch), timer_wheel(epoch)};
  std::array<time_point, 2> clocks{epoch, epoch};
  std::array<bool, 2> frozen{};

  explicit state(simulation_options o)
      : options(o),
        chance(o.seed),
        entropy(o.seed ^ 0x6f64656f6e) {}

  /// The next due time among domains that move; the domain in `which`.
  time_point next_due(std::array<bool, 2> moves, std::size_t& which) noexcept {
    duration least = duration::max();
    for (std::size_t d = 0; d < 2; ++d) {
      if (!moves[d]) continue;
      const time_point due = wheels[d].next_due();
      if (due == time_point::max() || due - clocks[d] >= least) continue;
      least = std::max(duration::zero(), due - clocks[d]);
      which = d;
    }
    return least == duration::max() ? time_point::max() : clocks[which] + least;
  }
};

namespace {

class simulated_executor final : public executor {
 public:
  using entries = std::vector<std::pair<runnable*, const executor*>>;
  simulated_executor(std::move_only_function<void(runnable&, const executor*)> enqueue,
                     std::move_only_function<void(const executor*)> forget,
                     const executor* const& running, bool blocks)
      : enqueue_(std::move(enqueue)),
        forget_(std::move(forget)),
        running_(running),
        blocks_(blocks) {}
  ~simulated_executor() override { forget_(this); }

  void submit(runnable& work) noexcept override { enqueue_(work, this); }
  [[nodiscard]] bool is_current() const noexcept override { return running_ == this; }
  [[nodiscard]] bool may_block() const noexcept override { return blocks_; }

 private:
  std::move_only_function<void(runnable&, const executor*)> enqueue_;
  std::move_only_function<void(const executor*)> forget_;
  const executor* const& running_;
  bool blocks_;
};

/// Its jobs take their turn among the runnables, one at a time, in order.
class simulated_serial final : public serial_executor, runnable {
 public:
  explicit simulated_serial(std::unique_ptr<executor> on)
      : runnable(&run_one),
        on_(std::move(on)) {}
  // What was posted runs first; a turn that is still queued then finds nothing.
  ~simulated_serial() override {
    while (!jobs_.empty()) {
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      job();
    }
    on_.reset();
  }
  void post(std::move_only_function<void()> job) override {
    jobs_.push_back(std::move(job));
    if (!std::exchange(queued_, true)) on_->submit(*this);
  }

 private:
  static void run_one(runnable& r) noexcept {
    auto& self = static_cast<simulated_serial&>(r);
    self.queued_ = false;
    if (self.jobs_.empty()) return;
    auto job = std::move(self.jobs_.front());
    self.jobs_.pop_front();
    if (!self.jobs_.empty()) {
      self.queued_ = true;
      self.on_->submit(self);
    }
    job();
  }
  std::unique_ptr<executor> on_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool queued_ = false;
};

}  // namespace

simulated_runtime::simulated_runtime(simulation_options options)
    : state_(std::make_unique<state>(options)) {}
simulated_runtime::~simulated_runtime() = default;

bool simulated_runtime::step() {
  auto& s = *state_;
  if (s.ready.empty()) return false;
  const std::size_t pick = next_random(s.chance) % s.ready.size();
  const auto chosen = s.ready[pick];
  // The order of the others stays: a run is a function of the seed and of what the actors do.
  s.ready.erase(s.ready.begin() + static_cast<std::ptrdiff_t>(pick));
  ++s.steps;
  const executor* before = std::exchange(s.running, chosen.on);
  chosen.work->run_now();
  s.running = before;
  return true;
}

std::size_t simulated_runtime::settle(std::size_t max_steps) {
  std::size_t n = 0;
  while (step()) {
    if (++n >= max_steps)
      throw actor_error(errc::limit_exceeded, "the simulation did not settle within " +
                                                  std::to_string(max_steps) + " steps");
  }
  return n;
}

void simulated_runtime::advance(duration d) {
  auto& s = *state_;
  settle();
  const std::array<bool, 2> moves{!s.frozen[0], !s.frozen[1]};
  duration left = d;
  for (;;) {
    std::size_t which = 0;
    const time_point due = s.next_due(moves, which);
    const duration jump = due == time_point::max() ? left : std::min(left, due - s.clocks[which]);
    for (std::size_t i = 0; i < 2; ++i)
      if (moves[i]) s.clocks[i] += jump;
    left -= jump;
    std::size_t fired = 0;
    for (std::size_t i = 0; i < 2; ++i)
      if (moves[i]) fired += s.wheels[i].advance(s.clocks[i]);
    settle();
    if (left <= duration::zero() && fired == 0) return;
  }
}

void simulated_runtime::advance(duration d, clock_domain domain) {
  auto& s = *state_;
  const auto other = 1 - index(domain);
  const bool before = std::exchange(s.frozen[other], true);
  const bool own = std::exchange(s.frozen[index(domain)], false);
  advance(d);
  s.frozen[other] = before;
  s.frozen[index(domain)] = own;
}

void simulated_runtime::freeze(clock_domain domain) noexcept {
  state_->frozen[index(domain)] = true;
}
void simulated_runtime::thaw(clock_domain domain) noexcept {
  state_->frozen[index(domain)] = false;
}
std::uint64_t simulated_runtime::steps() const noexcept { return state_->steps; }

time_point simulated_runtime::now(clock_domain domain) const noexcept {
  return state_->clocks[index(domain)];
}

wall_time simulated_runtime::wall_now() const noexcept {
  return state_->options.starts_at + (state_->clocks[index(clock_domain::user)] - epoch);
}

void simulated_runtime::random(std::span<std::byte> out) noexcept {
  for (auto& b : out) b = static_cast<std::byte>(next_random(state_->entropy) >> 56);
}

timer_queue& simulated_runtime::timers(clock_domain domain) noexcept {
  return state_->wheels[index(domain)];
}

std::unique_ptr<executor> simulated_runtime::make_executor(executor_options options) {
  auto& s = *state_;
  return std::make_unique<simulated_executor>(
      [&s](runnable& work, const executor* on) { s.ready.push_back({&work, on}); },
      [&s](const executor* on) {
        // Runs what is left of this executor, and what that submits to it.
        for (;;) {
          auto found = std::ranges::find(s.ready, on, &state::entry::on);
          if (found == s.ready.end()) return;
          runnable* work = found->work;
          s.ready.erase(found);
          work->run_now();
        }
      },
      s.running, options.kind != executor_kind::work_stealing);
}

std::unique_ptr<serial_executor> simulated_runtime::make_serial(std::string) {
  return std::make_unique<simulated_serial>(make_executor({.kind = executor_kind::pinned}));
}

bool simulated_runtime::wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                             time_point deadline) {
  auto& s = *state_;
  while (word.load(std::memory_order_acquire) == value) {
    if (step()) continue;
    const std::array<bool, 2> moves{!s.frozen[0], !s.frozen[1]};
    std::size_t which = 0;
    const time_point due =
        s.options.advance_when_idle ? s.next_due(moves, which) : time_point::max();
    const std::size_t housekeeping = index(clock_domain::housekeeping);
    if (due != time_point::max()) {
      const duration jump = due - s.clocks[which];
      if (deadline != time_point::max() && moves[housekeeping] &&
          s.clocks[housekeeping] + jump > deadline) {
        for (std::size_t i = 0; i < 2; ++i)
          if (moves[i]) s.clocks[i] += deadline - s.clocks[housekeeping];
        return false;
      }
      for (std::size_t i = 0; i < 2; ++i)
        if (moves[i]) s.clocks[i] += jump;
      for (std::size_t i = 0; i < 2; ++i)
        if (moves[i]) s.wheels[i].advance(s.clocks[i]);
      continue;
    }
    if (deadline != time_point::max() && s.options.advance_when_idle && moves[housekeeping]) {
      const duration jump = std::max(duration::zero(), deadline - s.clocks[housekeeping]);
      for (std::size_t i = 0; i < 2; ++i)
        if (moves[i]) s.clocks[i] += jump;
      return false;
    }
    throw actor_error(errc::would_block,
                      "nothing is left to run, and no timer is armed, that could end this wait");
  }
  return true;
}

void simulated_runtime::wake(const std::atomic<std::uint32_t>&) noexcept {}

}  // namespace odeon
