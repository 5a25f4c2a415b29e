#pragma once

#include <odeon/base/error.hpp>

#include <string>
#include <vector>

namespace odeon::dev {

/// How a process ended.
struct exit_status {
  int code = 0;    ///< when it was not killed
  int signal = 0;  ///< 0: it was not killed

  [[nodiscard]] bool good() const noexcept { return code == 0 && signal == 0; }
};
/// "exit code 1", "signal 11 (Segmentation fault)".
[[nodiscard]] std::string to_string(const exit_status& status);

/// A process of this same program, with a pipe from it. It has a process group of its own, so that
/// the terminal's ^C reaches the parent alone. Destroying it kills and waits. One thread at a time.
class child_process {
 public:
  /// The descriptor at which the child finds the writing end of its pipe.
  static constexpr int pipe_fd = 3;

  /// `arguments` without the program's name. Error: `io_failed`.
  [[nodiscard]] static result<child_process> start(const std::vector<std::string>& arguments);

  child_process(child_process&& o) noexcept;
  child_process& operator=(child_process&& o) noexcept;
  ~child_process();

  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// The reading end; `poll` it. It ends when the child, and whoever inherited it, has ended.
  [[nodiscard]] int reader() const noexcept { return reader_; }
  void send_signal(int number) const noexcept;
  /// Blocks until it has ended. Once.
  exit_status wait() noexcept;

 private:
  child_process(int pid, int reader) noexcept : pid_(pid), reader_(reader) {}
  int pid_ = 0;
  int reader_ = -1;
};

}  // namespace odeon::dev
