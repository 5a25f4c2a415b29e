#include "odeon/dev/child_process.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

extern char** environ;

namespace odeon::dev {

std::string to_string(const exit_status& status) {
  if (status.signal == 0) return "exit code " + std::to_string(status.code);
  return "signal " + std::to_string(status.signal) + " (" + ::strsignal(status.signal) + ")";
}

result<child_process> child_process::start(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(errc::io_failed, "no pipe: " + std::generic_category().message(errno));

  std::vector<char*> argv = {const_cast<char*>("odeon")};
  for (const auto& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);

  sigset_t none;
  sigset_t defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int s : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&defaults, s);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], pipe_fd);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setsigmask(&attributes, &none);
  pid_t pid = 0;
  const int why = ::posix_spawn(&pid, "/proc/self/exe", &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  if (why == 0) return child_process(pid, ends[0]);
  ::close(ends[0]);
  return fail(errc::io_failed, "the worker cannot start: " + std::generic_category().message(why));
}

child_process::child_process(child_process&& o) noexcept
    : pid_(std::exchange(o.pid_, 0)),
      reader_(std::exchange(o.reader_, -1)) {}

child_process& child_process::operator=(child_process&& o) noexcept {
  std::swap(pid_, o.pid_);
  std::swap(reader_, o.reader_);
  return *this;
}

child_process::~child_process() {
  if (pid_ != 0) {
    send_signal(SIGKILL);
    (void)wait();
  }
  if (reader_ >= 0) ::close(reader_);
}

void child_process::send_signal(int number) const noexcept {
  if (pid_ != 0) ::kill(pid_, number);
}

exit_status child_process::wait() noexcept {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  if (WIFSIGNALED(status)) return {0, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace odeon::dev
