#pragma once

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file For tests: a real PostgreSQL or MariaDB server of one's own.
///
/// It lives in a folder under the temporary one, listens on a socket in that folder and nowhere
/// else, keeps its own settings of durability, can be killed and started again, and goes away with
/// the object, or with the process. Neither server runs as root: when the tests do, it runs as the
/// user that its package made, or as `nobody`.

/// Waits, without an event to wait for, between two looks at a condition; a hundred looks a second.
class patience {
 public:
  explicit patience(std::chrono::milliseconds limit) : looks_(limit.count() / 10) {}
  /// False: the time is over.
  bool pause() {
    ::poll(nullptr, 0, 10);
    return looks_-- > 0;
  }

 private:
  long looks_;
};

class database_server {
 public:
  enum class kind { postgres, mariadb };

  /// Null: the programs are not installed. Throws when they are, and do not do their work.
  static std::unique_ptr<database_server> make(kind which) {
    std::unique_ptr<database_server> out(new database_server(which));
    if (out->server_.empty() || out->installer_.empty()) return nullptr;
    out->create();
    out->start();
    return out;
  }

  ~database_server() {
    if (pid_ > 0) kill();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  database_server(const database_server&) = delete;
  database_server& operator=(const database_server&) = delete;

  [[nodiscard]] std::string folder() const { return folder_.string(); }
  [[nodiscard]] std::string socket() const { return (folder_ / "s").string(); }
  [[nodiscard]] std::string log() const {
    std::ifstream in(folder_ / "log");
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }

  /// Starts it and waits until it takes connections. Recovers what a kill left.
  void start() {
    const auto seen = log().size();
    pid_ = spawn(command(), folder_ / "log");
    const std::string_view ready =
        which_ == kind::postgres ? "ready to accept connections" : "ready for connections";
    patience waiting(std::chrono::seconds(60));
    while (log().find(ready, seen) == std::string::npos)
      if (ended() || !waiting.pause())
        throw std::runtime_error("the server does not start:\n" + log().substr(seen));
  }

  /// Ends it as an administrator would, with clients still connected.
  void stop() {
    ::kill(pid_, which_ == kind::postgres ? SIGINT : SIGTERM);
    reap();
  }

  /// Ends it as a power cut would end its processes, all at once.
  void kill() {
    ::kill(pid_, SIGSTOP);  // so that it starts no more of them
    const auto others = children();
    for (const auto child : others) ::kill(child, SIGKILL);
    ::kill(pid_, SIGKILL);
    reap();
    patience waiting(std::chrono::seconds(10));
    for (const auto child : others)
      while (alive(child) && waiting.pause()) {
      }
  }

  /// Stops and continues the processes without their noticing: a machine that hangs.
  void freeze() { signal_all(SIGSTOP); }
  void thaw() { signal_all(SIGCONT); }

 private:
  explicit database_server(kind which) : which_(which) {
    const bool pg = which == kind::postgres;
    server_ = find(pg ? "postgres" : "mariadbd");
    installer_ = find(pg ? "initdb" : "mariadb-install-db");
  }

  static std::string find(const std::string& program) {
    std::vector<std::filesystem::path> places;
    std::error_code ignored;
    for (const auto& v : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored))
      places.push_back(v.path() / "bin");
    std::istringstream path(std::getenv("PATH") == nullptr ? "" : std::getenv("PATH"));
    for (std::string part; std::getline(path, part, ':');) places.emplace_back(part);
    places.insert(places.end(), {"/usr/sbin", "/usr/local/sbin"});
    for (const auto& place : places)
      if (::access((place / program).c_str(), X_OK) == 0) return (place / program).string();
    return {};
  }

  void create() {
    std::string name = (std::filesystem::temp_directory_path() / "odeon-db-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    folder_ = name;
    if (::geteuid() == 0) {
      const passwd* user = ::getpwnam(which_ == kind::postgres ? "postgres" : "mysql");
      if (user == nullptr) user = ::getpwnam("nobody");
      if (user == nullptr) throw std::runtime_error("there is no user to run a server as");
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;
      if (::chown(name.c_str(), uid_, gid_) != 0) throw std::runtime_error("chown " + name);
    }
    const std::string data = (folder_ / "data").string();
    std::vector<std::string> install{installer_};
    if (which_ == kind::postgres)
      install.insert(install.end(), {"-D", data, "-A", "trust", "-U", "odeon", "-E", "UTF8",
                                     "--locale=C", "--no-sync", "--no-instructions"});
    else
      install.insert(install.end(), {"--no-defaults", "--datadir=" + data, "--skip-test-db",
                                     "--auth-root-authentication-method=normal"});
    pid_ = spawn(install, folder_ / "install.log");
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    if (status != 0) throw std::runtime_error(installer_ + " failed; see " + folder_.string());
    if (which_ == kind::postgres) ask_for_passwords(folder_ / "data" / "pg_hba.conf");
  }

  // Everybody is trusted but the user `locked`.
  static void ask_for_passwords(const std::filesystem::path& rules) {
    std::ifstream in(rules);
    std::ostringstream all;
    all << "local all locked scram-sha-256\n" << in.rdbuf();
    std::ofstream(rules) << all.str();
  }

  [[nodiscard]] std::vector<std::string> command() const {
    const std::string data = (folder_ / "data").string();
    if (which_ == kind::postgres)
      return {server_,
              "-D",
              data,
              "-k",
              folder_.string(),
              "-c",
              "listen_addresses=",
              "-c",
              "shared_buffers=32MB",
              "-c",
              "recovery_init_sync_method=syncfs",
              "-c",
              "max_connections=60"};
    return {server_,
            "--no-defaults",
            "--datadir=" + data,
            "--socket=" + socket(),
            "--skip-networking",
            "--pid-file=" + (folder_ / "pid").string(),
            "--innodb-buffer-pool-size=64M"};
  }

  pid_t spawn(const std::vector<std::string>& words, const std::filesystem::path& log) const {
    std::vector<char*> argv;
    for (const auto& w : words) argv.push_back(const_cast<char*>(w.c_str()));
    argv.push_back(nullptr);
    const std::string out = log.string();
    const std::string home = folder_.string();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child > 0) return child;
    // Between fork and exec: only calls that are safe in a copy of a program with threads.
    if (uid_ != 0 && (::setgroups(0, nullptr) != 0 || ::setgid(gid_) != 0 || ::setuid(uid_) != 0))
      ::_exit(126);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    const int fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    ::dup2(fd, 1);
    ::dup2(fd, 2);
    for (int other = 3; other < 256; ++other) ::close(other);
    if (::chdir(home.c_str()) != 0) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  [[nodiscard]] std::vector<pid_t> children() const {
    std::vector<pid_t> out;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto [state, parent] = state_of(std::stoi(name));
      if (parent == pid_ && state != 'Z') out.push_back(std::stoi(name));
    }
    return out;
  }

  void signal_all(int which) {
    if (which == SIGSTOP) ::kill(pid_, which);
    for (const auto child : children()) ::kill(child, which);
    if (which != SIGSTOP) ::kill(pid_, which);
  }

  /// A process's state and parent, from /proc/<pid>/stat: "pid (name) state parent …".
  static std::pair<char, pid_t> state_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(in, line);
    const auto after = line.rfind(')');
    if (after == std::string::npos) return {'Z', 0};
    std::istringstream rest(line.substr(after + 1));
    char state = 'Z';
    pid_t parent = 0;
    rest >> state >> parent;
    return {state, parent};
  }

  static bool alive(pid_t pid) { return state_of(pid).first != 'Z'; }

  bool ended() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
    pid_ = 0;
    return true;
  }

  void reap() {
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  kind which_;
  std::string server_;
  std::string installer_;
  std::filesystem::path folder_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  pid_t pid_ = 0;
};
