#include "worker_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

// Defined where `serve_compute` is: its address is null in a program that never calls that.
extern "C" [[gnu::weak]] void odeon_serves_compute();

namespace odeon::detail {

namespace {

constexpr const char* advice = "does main begin with odeon::serve_compute(argc, argv)?";

std::string system_text(int code) { return std::system_category().message(code); }

/// The environment of this program, and the marker.
std::vector<std::string> worker_environment(const compute_settings& s) {
  std::vector<std::string> all;
  for (char** e = environ; *e; ++e)
    if (!std::string_view(*e).starts_with(compute_marker)) all.emplace_back(*e);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(s.start_limit).count();
  all.push_back(std::string(compute_marker) + "=" + std::to_string(s.max_frame) + "," +
                std::to_string(seconds));
  return all;
}

struct spawn_plan {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  spawn_plan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
  }
  spawn_plan(const spawn_plan&) = delete;
  ~spawn_plan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
};

/// Zero, or the error's number. The child has its end as `compute_fd`, nothing to read, no signals
/// blocked or ignored, and a process group of its own: a Ctrl-C is for the program, which then ends
/// its workers.
int spawn_worker(const compute_settings& s, int child_end, pid_t& pid) {
  spawn_plan plan;
  posix_spawn_file_actions_addopen(&plan.files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&plan.files, child_end, compute_fd);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &all);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setflags(&plan.attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  auto environment = worker_environment(s);
  std::vector<char*> env;
  for (auto& e : environment) env.push_back(e.data());
  env.push_back(nullptr);
  std::string name = program_invocation_name;
  char* argv[] = {name.data(), nullptr};
  return ::posix_spawn(&pid, "/proc/self/exe", &plan.files, &plan.attributes, argv, env.data());
}

}  // namespace

result<std::unique_ptr<worker_process>> worker_process::start(runtime& rt,
                                                              const compute_settings& s) {
  if (!&odeon_serves_compute)
    return fail(errc::spawn_failed,
                "this program does not serve computations in processes: begin main with "
                "odeon::serve_compute(argc, argv)");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(errc::spawn_failed, "no socket for a worker process: " + system_text(errno));
  pid_t pid = 0;
  const int failed = spawn_worker(s, ends[1], pid);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return fail(errc::spawn_failed, "no worker process can be started: " + system_text(failed));
  }
  (void)::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  std::unique_ptr<worker_process> w(new worker_process(rt, s, pid, ends[0]));
  wire::bytes frame;
  const auto deadline = rt.now(clock_domain::housekeeping) + s.start_limit;
  switch (w->read_frame(frame, deadline)) {
    case io::done: break;
    case io::late:
      return fail(errc::spawn_failed, "a worker process said nothing within " +
                                          to_string(s.start_limit) + ": " + advice);
    default:
      return fail(errc::spawn_failed,
                  w->how_it_ended() + " before it was ready: " + std::string(advice));
  }
  const auto hello = wire::decode<compute_hello>(frame);
  if (!hello || hello->says != compute_hello().says || hello->version != compute_version)
    return fail(errc::spawn_failed, "a worker process began with something else than its hello: " +
                                        std::string(advice));
  return w;
}

worker_process::~worker_process() { end(); }

worker_process::outcome worker_process::call(const compute_request& request, duration limit) {
  const auto deadline =
      limit > duration::zero() ? rt_.now(clock_domain::housekeeping) + limit : time_point::max();
  auto body = wire::try_encode(request);
  if (!body) return {std::unexpected(std::move(body).error()), true};
  wire::bytes frame;
  for (unsigned shift = 0; shift < 32; shift += 8)
    frame.push_back(static_cast<std::byte>(body->size() >> shift));
  frame.insert(frame.end(), body->begin(), body->end());
  io how = write_all(frame, deadline);
  wire::bytes answer;
  if (how == io::done) how = read_frame(answer, deadline);
  switch (how) {
    case io::done: break;
    case io::late:
      return {fail(errc::ask_timeout, "'" + request.function + "' took longer than " +
                                          to_string(limit) + "; its worker process " +
                                          std::to_string(pid_) + " is ended"),
              false};
    case io::too_long:
      return {fail(errc::limit_exceeded, "the worker process of '" + request.function +
                                             "' answers with more than is allowed"),
              false};
    case io::ended:
      if (interrupted_.load())
        return {
            fail(errc::system_stopped, "the system ends, and '" + request.function + "' with it"),
            false};
      return {fail(errc::killed, how_it_ended() + " while it computed '" + request.function + "'"),
              false};
  }
  auto reply =
      wire::decode<compute_reply>(answer, wire::format::msgpack, frame_limits(settings_.max_frame));
  if (!reply) return {std::unexpected(std::move(reply).error()), false};
  if (reply->code != 0) return {fail(static_cast<errc>(reply->code), std::move(reply->text)), true};
  return {std::move(reply->value), true};
}

// An idle worker says nothing: a socket with something to read was closed at the other end.
bool worker_process::is_alive() const noexcept {
  pollfd p{fd_, POLLIN, 0};
  return ::poll(&p, 1, 0) == 0;
}

void worker_process::interrupt() noexcept {
  interrupted_.store(true);
  ::shutdown(fd_, SHUT_RDWR);
}

// -- the socket -----------------------------------------------------------------------------------

bool worker_process::wait_for(short events, time_point deadline) const {
  for (;;) {
    int timeout = -1;
    if (deadline != time_point::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline - rt_.now(clock_domain::housekeeping));
      timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000));
    }
    pollfd p{fd_, events, 0};
    const int n = ::poll(&p, 1, timeout);
    if (n > 0) return true;
    if (n == 0 && rt_.now(clock_domain::housekeeping) >= deadline) return false;
  }
}

worker_process::io worker_process::write_all(std::span<const std::byte> data, time_point deadline) {
  while (!data.empty()) {
    const ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (n > 0)
      data = data.subspan(static_cast<std::size_t>(n));
    else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!wait_for(POLLOUT, deadline)) return io::late;
    } else if (errno != EINTR)
      return io::ended;
  }
  return io::done;
}

worker_process::io worker_process::read_all(std::span<std::byte> data, time_point deadline) {
  while (!data.empty()) {
    const ssize_t n = ::recv(fd_, data.data(), data.size(), 0);
    if (n > 0)
      data = data.subspan(static_cast<std::size_t>(n));
    else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!wait_for(POLLIN, deadline)) return io::late;
    } else if (n == 0 || errno != EINTR)
      return io::ended;
  }
  return io::done;
}

worker_process::io worker_process::read_frame(wire::bytes& out, time_point deadline) {
  std::byte head[4];
  if (const io how = read_all(head, deadline); how != io::done) return how;
  std::size_t length = 0;
  for (unsigned i = 0; i < 4; ++i) length |= static_cast<std::size_t>(head[i]) << (8 * i);
  if (length > settings_.max_frame + compute_overhead) return io::too_long;
  out.resize(length);
  return read_all(out, deadline);
}

// -- the end --------------------------------------------------------------------------------------

bool worker_process::ends_within(duration d) {
  if (reaped_) return true;
  // A descriptor that becomes readable when the process has ended; without one (an old kernel) the
  // wait is cut short.
  const int watch = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (watch >= 0) {
    const auto deadline = rt_.now(clock_domain::housekeeping) + d;
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline - rt_.now(clock_domain::housekeeping));
      pollfd p{watch, POLLIN, 0};
      const int n =
          ::poll(&p, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000)));
      if (n > 0 || (n == 0 && left.count() <= 0)) break;
    }
    ::close(watch);
  }
  const pid_t got = ::waitpid(pid_, &status_, WNOHANG);
  // No child of ours any more: somebody else has taken its status.
  if (got == pid_ || (got < 0 && errno == ECHILD)) reaped_ = true;
  return reaped_;
}

void worker_process::end() noexcept {
  ::close(std::exchange(fd_, -1));
  if (ends_within(settings_.grace)) return;
  ::kill(pid_, SIGTERM);
  if (ends_within(settings_.grace)) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

std::string worker_process::how_it_ended() {
  const std::string who = "worker process " + std::to_string(pid_);
  // Its socket is closed: it has ended, or is about to.
  if (!ends_within(settings_.grace)) return who + " closed its connection";
  if (WIFSIGNALED(status_)) {
    const char* name = ::sigabbrev_np(WTERMSIG(status_));
    return who + " was killed by signal " + (name ? name : std::to_string(WTERMSIG(status_)));
  }
  if (WIFEXITED(status_)) return who + " ended with code " + std::to_string(WEXITSTATUS(status_));
  return who + " ended";
}

}  // namespace odeon::detail
