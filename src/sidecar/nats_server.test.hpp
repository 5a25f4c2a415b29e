#pragma once

#include "support/database_server.hpp"

#include <doctest/doctest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

/// @file For tests: a NATS server of one's own, on a port that it chose, which ends with the object
/// or the process.

namespace nats_test {

class server {
 public:
  /// Null: nats-server is not installed.
  static std::unique_ptr<server> make(std::vector<std::string> more = {}) {
    for (const char* folder : {"/usr/bin", "/usr/sbin", "/usr/local/bin"}) {
      const auto program = std::string(folder) + "/nats-server";
      if (::access(program.c_str(), X_OK) != 0) continue;
      std::unique_ptr<server> out(new server(program, std::move(more)));
      out->start();
      return out;
    }
    MESSAGE("skipped: nats-server is not installed (Debian: nats-server)");
    return nullptr;
  }
  ~server() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  [[nodiscard]] std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }

  /// On the port that it had before, if any.
  void start() {
    const auto seen = log().size();
    const std::string file = folder_ + "/log";
    std::vector<std::string> words{
        program_, "-a", "127.0.0.1", "-l", file, "-p", port_ == 0 ? "-1" : std::to_string(port_)};
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> argv;
    for (auto& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(126);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    constexpr std::string_view listens = "client connections on 127.0.0.1:";
    patience waiting(std::chrono::seconds(60));
    while (log().find("Server is ready", seen) == std::string::npos)
      if (!waiting.pause()) throw std::runtime_error("nats-server does not start:\n" + log());
    const std::string text = log();
    const char* at = text.data() + text.rfind(listens) + listens.size();
    std::from_chars(at, text.data() + text.size(), port_);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  server(std::string program, std::vector<std::string> more)
      : program_(std::move(program)),
        more_(std::move(more)) {
    folder_ = (std::filesystem::temp_directory_path() / "odeon-nats-XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("cannot make " + folder_);
  }
  [[nodiscard]] std::string log() const {
    std::ifstream in(folder_ + "/log");
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  std::string program_;
  std::vector<std::string> more_;
  std::string folder_;
  pid_t pid_ = 0;
  int port_ = 0;
};

}  // namespace nats_test
