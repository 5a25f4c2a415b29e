#pragma once

/// @file
/// The second process of the remote workloads, the same for every system: forked before the first
/// thread, it says where it listens, and serves until this process lets it go.

#include "harness.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <concepts>
#include <cstdlib>
#include <string>

namespace bench {

/// What the second process has of the first.
class first_process {
 public:
  first_process(int tell, int until) noexcept : tell_(tell), until_(until) {}
  /// Where this side listens; once.
  void listening_at(const std::string& address) const {
    require(::write(tell_, address.data(), address.size()) == static_cast<ssize_t>(address.size()),
            "the first process does not listen");
  }
  /// Blocks until the first process lets this one go.
  void serve() const {
    char nothing;
    while (::read(until_, &nothing, 1) > 0) {
    }
  }

 private:
  int tell_, until_;
};

/// Owns the second process. To be made while this one has a single thread.
class second_process {
 public:
  explicit second_process(std::invocable<const first_process&> auto body) {
    int up[2];
    int down[2];
    require(::pipe(up) == 0 && ::pipe(down) == 0, "no pipe");
    pid_ = ::fork();
    require(pid_ >= 0, "no process");
    if (pid_ == 0) {
      ::close(up[0]);
      ::close(down[1]);
      body(first_process(up[1], down[0]));
      std::_Exit(0);
    }
    ::close(up[1]);
    ::close(down[0]);
    keeps_ = down[1];
    char text[256];
    const ssize_t n = ::read(up[0], text, sizeof text);
    ::close(up[0]);
    if (n > 0) address_.assign(text, static_cast<std::size_t>(n));
    if (n <= 0) let_go();
    require(n > 0, "the other process did not start");
  }
  ~second_process() { let_go(); }
  second_process(const second_process&) = delete;
  second_process& operator=(const second_process&) = delete;
  /// What `listening_at` was told there.
  [[nodiscard]] const std::string& address() const noexcept { return address_; }

 private:
  void let_go() noexcept {
    if (pid_ < 0) return;
    ::close(keeps_);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  pid_t pid_ = -1;
  int keeps_ = -1;
  std::string address_;
};

}  // namespace bench
