#include "odeon/contract/ask_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

extern char** environ;

namespace odeon::contracts {

namespace {

using clock = std::chrono::steady_clock;

std::string message_of(int why) { return std::generic_category().message(why); }

// The program while it runs. Who lets go of it kills it.
class running {
 public:
  running(pid_t pid, int reader) noexcept : pid_(pid), reader_(reader) {}
  running(const running&) = delete;
  running& operator=(const running&) = delete;
  ~running() {
    if (pid_ != 0) {
      ::kill(-pid_, SIGKILL);
      (void)wait();
    }
    ::close(reader_);
  }

  [[nodiscard]] int reader() const noexcept { return reader_; }

  int wait() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
  int reader_;
};

// stdin is empty, stdout is the pipe, stderr stays: what it complains of is the user's to read.
int start(const std::string& program, int out, pid_t& pid) {
  const std::string question(wire::contract_request);
  char* const argv[] = {const_cast<char*>(program.c_str()), const_cast<char*>(question.c_str()),
                        nullptr};
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const int why = ::posix_spawn(&pid, program.c_str(), &files, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return why;
}

std::unexpected<error> no_answer(const std::string& program, errc code, std::string_view what) {
  return fail(code, program + " " + std::string(what) +
                        "; its main must begin with odeon::wire::answer_contract_request");
}

// What it prints until it closes its stdout.
result<std::string> read_all(const std::string& program, int from, clock::time_point until) {
  std::string out;
  char block[16384];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now());
    pollfd ready{from, POLLIN, 0};
    const int found = left.count() <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left.count()));
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return no_answer(program, errc::ask_timeout, "does not answer");
    const ssize_t n = ::read(from, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errc::io_failed, program + ": " + message_of(errno));
    if (n == 0) return out;
    out.append(block, static_cast<std::size_t>(n));
    if (out.size() > wire::contract::max_bytes) {
      return no_answer(program, errc::limit_exceeded, "prints without an end");
    }
  }
}

bool is_program(const std::string& path) {
  struct stat about{};
  return ::stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) &&
         (about.st_mode & S_IXUSR) != 0;
}

result<std::string> read_file(const std::string& path) {
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) return fail(errc::not_found, message_of(errno));
  if (!S_ISREG(about.st_mode)) return fail(errc::io_failed, "is not a file");
  if (static_cast<std::uint64_t>(about.st_size) > wire::contract::max_bytes) {
    return fail(errc::limit_exceeded, std::to_string(about.st_size) + " bytes are more than the " +
                                          "allowed " + std::to_string(wire::contract::max_bytes));
  }
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in && !in.eof()) return fail(errc::io_failed, "cannot be read");
  return text;
}

}  // namespace

result<std::string> ask_program(const std::string& program, std::chrono::milliseconds limit) {
  if (::access(program.c_str(), F_OK) != 0) {
    return fail(errc::not_found, program + ": " + message_of(errno));
  }
  const auto until = clock::now() + limit;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errc::io_failed, "no pipe: " + message_of(errno));
  pid_t pid = 0;
  // A name without a slash would be looked for along the PATH elsewhere: it is a file, as named.
  const std::string file = program.contains('/') ? program : "./" + program;
  const int why = start(file, ends[1], pid);
  ::close(ends[1]);
  if (why != 0) {
    ::close(ends[0]);
    return fail(errc::io_failed, program + " cannot be started: " + message_of(why));
  }
  running child(pid, ends[0]);
  auto out = read_all(program, child.reader(), until);
  if (!out) return out;
  // It may close its stdout and stay: the group is killed when the wait is over.
  int status = 0;
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
         info.si_pid == 0) {
    if (clock::now() >= until) return no_answer(program, errc::ask_timeout, "does not end");
    ::poll(nullptr, 0, 1);
  }
  status = child.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string how = WIFEXITED(status)
                                ? "ended with code " + std::to_string(WEXITSTATUS(status))
                                : "was killed by signal " + std::to_string(WTERMSIG(status));
    return no_answer(program, errc::io_failed, how);
  }
  if (out->find_first_not_of(" \t\r\n") == std::string::npos) {
    return no_answer(program, errc::io_failed, "prints nothing");
  }
  return out;
}

result<wire::contract> read_contract(const std::string& path) {
  const bool program = is_program(path);
  auto text = program ? ask_program(path) : read_file(path);
  if (!text && program) return std::unexpected(std::move(text).error());
  if (!text) return fail(text.error().code(), path + ": " + std::string(text.error().text()));
  auto read = wire::contract::from_json(*text);
  if (!read) {
    return fail(read.error().code(), path +
                                         (program ? " answers with what is no contract: " : ": ") +
                                         std::string(read.error().text()));
  }
  return read;
}

}  // namespace odeon::contracts
