#pragma once

#include <odeon/runtime/runtime.hpp>

#include <cstdint>
#include <memory>

namespace odeon {

struct simulation_options {
  std::uint64_t seed =
      1;  ///< of every choice and of `random`: the same seed gives the same run, step by step

  /// Let a blocking wait move virtual time on when nothing is runnable. Off: such a wait throws
  /// `would_block`, and time moves by `advance` alone.
  bool advance_when_idle = true;

  /// What the wall clock shows at virtual time zero.
  wall_time starts_at = wall_time(std::chrono::seconds(946'684'800));  // 2000-01-01 00:00 UTC
};

/// The deterministic runtime: one thread, virtual clocks, and a seeded choice of which runnable
/// comes next. All executors and serial executors made by it are queues of the same thread: the one
/// that calls `step`, `settle`, `advance`, or a blocking wait. Not thread-safe: use it, and the
/// systems on it, from one thread.
class simulated_runtime final : public runtime {
 public:
  explicit simulated_runtime(simulation_options options = {});
  ~simulated_runtime() override;

  // -- driving it ---------------------------------------------------------------------------------

  /// Runs one runnable, chosen by the seed. False: none is ready.
  bool step();

  /// Runs until nothing is ready, at the present virtual time. Returns the number of steps. Throws
  /// `actor_error(errc::limit_exceeded)` after `max_steps`: some actors send to each other without
  /// end.
  std::size_t settle(std::size_t max_steps = 10'000'000);

  /// Settles, then moves the clock of `domain` (both without one) on by `d`, settling at each timer
  /// on the way.
  void advance(duration d);
  void advance(duration d, clock_domain domain);

  /// Stops a domain's clock for `advance(d)` and for waits, until `thaw`.
  void freeze(clock_domain domain) noexcept;
  void thaw(clock_domain domain) noexcept;

  /// Steps run so far: two runs of one seed show the same.
  [[nodiscard]] std::uint64_t steps() const noexcept;

  // -- runtime ------------------------------------------------------------------------------------

  [[nodiscard]] time_point now(clock_domain domain = clock_domain::user) const noexcept override;
  [[nodiscard]] wall_time wall_now() const noexcept override;
  void random(std::span<std::byte> out) noexcept override;
  [[nodiscard]] timer_queue& timers(clock_domain domain) noexcept override;
  [[nodiscard]] std::unique_ptr<executor> make_executor(executor_options options) override;
  [[nodiscard]] std::unique_ptr<serial_executor> make_serial(std::string name) override;
  bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
            time_point deadline) override;
  void wake(const std::atomic<std::uint32_t>& word) noexcept override;
  [[nodiscard]] bool is_simulated() const noexcept override { return true; }

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace odeon
