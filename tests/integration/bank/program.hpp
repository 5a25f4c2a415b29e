#pragma once

#include "odeon/bank/scratch.test.hpp"
#include "odeon/dev/run_report.hpp"
#include <odeon/wire/codec.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <span>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

/// @file The program under test, as a person starts it.

namespace bank_test {

using odeon::bank::scratch;

/// A start of the program in a folder, its output in files there. Destroying it kills and waits.
class program {
 public:
  program(const scratch& folder, std::vector<std::string> arguments,
          std::vector<std::string> wrapper = {})
      : folder_(folder) {
    std::vector<std::string> all = std::move(wrapper);
    all.emplace_back(ODEON_PROGRAM);
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], 1);
    posix_spawn_file_actions_addopen(&files, 2, folder.path("stderr").c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0644);
    REQUIRE(::posix_spawnp(&pid_, argv[0], &files, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&files);
    ::close(ends[1]);
    reader_ = ends[0];
  }
  ~program() {
    if (pid_ != 0) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
    ::close(reader_);
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  void send_signal(int number) const { ::kill(pid_, number); }

  /// Reads stdout up to a line that contains `text`, and gives that line. Ends with the output.
  std::string read_until(std::string_view text) {
    for (;;) {
      for (std::size_t end = 0; (end = out_.find('\n', read_)) != std::string::npos;) {
        const std::string line = out_.substr(read_, end - read_);
        read_ = end + 1;
        if (line.find(text) != std::string::npos) return line;
      }
      if (!read_more()) return {};
    }
  }
  /// Its exit code; -1 when it was killed.
  int wait() {
    while (read_more()) {
    }
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] const std::string& out() const { return out_; }
  [[nodiscard]] std::string err() const { return folder_.content("stderr"); }

 private:
  bool read_more() {
    char piece[4096];
    const ssize_t got = ::read(reader_, piece, sizeof piece);
    if (got > 0) out_.append(piece, static_cast<std::size_t>(got));
    return got > 0;
  }
  const scratch& folder_;
  pid_t pid_ = 0;
  int reader_ = -1;
  std::string out_;
  std::size_t read_ = 0;
};

struct outcome {
  int code = 0;
  std::string out;
  std::string err;
};
inline outcome run(const scratch& folder, std::vector<std::string> arguments,
                   std::vector<std::string> wrapper = {}) {
  program p(folder, std::move(arguments), std::move(wrapper));
  const int code = p.wait();
  return {code, p.out(), p.err()};
}

/// What `--json` printed.
inline odeon::dev::run_report report_of(const outcome& o) {
  auto text = o.out;
  while (text.ends_with('\n')) text.pop_back();
  auto read = odeon::wire::decode<odeon::dev::run_report>(std::as_bytes(std::span(text)),
                                                          odeon::wire::format::json);
  REQUIRE_MESSAGE(read.has_value(), o.err);
  return *std::move(read);
}

}  // namespace bank_test
