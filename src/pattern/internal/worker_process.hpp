#pragma once

#include "compute_wire.hpp"
#include <odeon/pattern/compute.hpp>

#include <sys/types.h>

#include <atomic>
#include <memory>

namespace odeon::detail {

/// A worker process, seen from the program that started it. One call at a time, from any thread;
/// `interrupt` from another one. Linux: posix_spawn of /proc/self/exe with one end of a socket
/// pair.
class worker_process {
 public:
  /// Starts one and waits for its hello. `spawn_failed` with one sentence.
  static result<std::unique_ptr<worker_process>> start(runtime& rt, const compute_settings& s);
  /// Ends it: closes the socket, upon which a worker ends by itself, then SIGTERM, then SIGKILL,
  /// `grace` apart; and takes its exit status, so that no zombie is left.
  ~worker_process();
  worker_process(const worker_process&) = delete;

  struct outcome {
    result<wire::bytes> value;
    bool usable;  ///< the process may serve the next call
  };
  /// `limit` from now on; zero: none.
  outcome call(const compute_request& request, duration limit);
  /// Lets the call under way fail soon.
  void interrupt() noexcept;
  /// False: it has ended while nobody used it.
  [[nodiscard]] bool is_alive() const noexcept;

 private:
  worker_process(runtime& rt, const compute_settings& s, pid_t pid, int fd) noexcept
      : rt_(rt),
        settings_(s),
        pid_(pid),
        fd_(fd) {}
  enum class io { done, late, ended, too_long };
  [[nodiscard]] bool wait_for(short events, time_point deadline) const;
  io write_all(std::span<const std::byte> data, time_point deadline);
  io read_all(std::span<std::byte> data, time_point deadline);
  io read_frame(wire::bytes& out, time_point deadline);
  /// "worker process 17 was killed by signal KILL": after it has ended, or has been made to.
  [[nodiscard]] std::string how_it_ended();
  bool ends_within(duration d);
  void end() noexcept;

  runtime& rt_;
  const compute_settings& settings_;
  pid_t pid_;
  int fd_;
  int status_ = 0;
  bool reaped_ = false;
  std::atomic<bool> interrupted_{false};
};

}  // namespace odeon::detail
