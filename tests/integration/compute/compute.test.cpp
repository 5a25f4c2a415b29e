/// @file Computations in processes. A program with a main of its own, which is also what the
/// workers are.

#define DOCTEST_CONFIG_IMPLEMENT
#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/compute.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct shape {
  std::string name;
  std::map<std::string, double> sides;
};
struct measured {
  std::string name;
  double around = 0;
  friend bool operator==(const measured&, const measured&) = default;
};

measured measure(const shape& s, double unit) {
  measured m{s.name, 0};
  for (const auto& [side, length] : s.sides) m.around += length * unit;
  return m;
}
int own_pid() { return ::getpid(); }
int kill_own() { return ::raise(SIGKILL); }
int leave(int code) { std::_Exit(code); }
int hang() {
  for (;;) ::pause();
}
int freeze() { return ::raise(SIGSTOP); }
int fail_with(const std::string& text) { throw std::runtime_error(text); }
result<int> refuse() { return fail(errc::version_conflict, "no"); }
std::string blow_up(std::uint32_t bytes) { return std::string(bytes, 'x'); }
void nothing() {}

const process_function<measure> measure_fn{"measure"};
const process_function<own_pid> own_pid_fn{"own_pid"};
const process_function<kill_own> kill_own_fn{"kill_own"};
const process_function<leave> leave_fn{"leave"};
const process_function<hang> hang_fn{"hang"};
const process_function<freeze> freeze_fn{"freeze"};
const process_function<fail_with> fail_with_fn{"fail_with"};
const process_function<refuse> refuse_fn{"refuse"};
const process_function<blow_up> blow_up_fn{"blow_up"};
const process_function<nothing> nothing_fn{"nothing"};

constexpr compute_options in_process{.execution = execution::process};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Whether a process ends within the time, seen from anywhere.
struct watched_process {
  int fd;
  explicit watched_process(pid_t pid) : fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  watched_process(const watched_process&) = delete;
  ~watched_process() { ::close(fd); }
  [[nodiscard]] bool ends(int milliseconds = 10'000) const {
    pollfd p{fd, POLLIN, 0};
    return fd >= 0 && ::poll(&p, 1, milliseconds) == 1;
  }
};

struct lab {
  actor_system system{"lab"};
  explicit lab(unsigned processes = 1, std::size_t queue = 100) {
    configure_compute(system, {.processes = processes,
                               .queue = queue,
                               .max_frame = 100'000,
                               .start_limit = 30s,
                               .grace = 300ms});
  }
  int pid() { return compute(system, in_process, own_pid_fn).get(); }
};

/// A program that computes, tells its worker's process id, and waits to be killed.
[[noreturn]] void be_a_host() {
  lab l;
  const int worker = l.pid();
  if (::write(1, &worker, sizeof worker) != sizeof worker) std::_Exit(1);
  for (;;) ::pause();
}

}  // namespace

TEST_CASE("a process computes what it is told and is used again") {
  lab l;
  const shape s{"field", {{"a", 2}, {"b", 3.5}}};
  CHECK(compute(l.system, in_process, measure_fn, s, 2).get() == measured{"field", 11});
  compute(l.system, in_process, nothing_fn).get();
  const int first = l.pid();
  CHECK(first != ::getpid());
  CHECK(l.pid() == first);
}

TEST_CASE("several processes work at the same time, and every call gets its own answer") {
  lab l(2);
  std::vector<future<measured>> all;
  for (int i = 0; i < 40; ++i)
    all.push_back(
        compute(l.system, in_process, measure_fn, shape{std::to_string(i), {{"a", i}}}, 1));
  for (int i = 0; i < 40; ++i)
    CHECK(all[static_cast<std::size_t>(i)].get() ==
          measured{std::to_string(i), static_cast<double>(i)});
}

TEST_CASE("an exception and an error in a process fail the call, and the process lives on") {
  lab l;
  const int worker = l.pid();
  CHECK(compute(l.system, in_process, fail_with_fn, "no luck").result().error() ==
        error(errc::handler_failed, "no luck"));
  CHECK(compute(l.system, in_process, refuse_fn).result().error() ==
        error(errc::version_conflict, "no"));
  CHECK(l.pid() == worker);
}

TEST_CASE("a process that is killed fails its call with a clear error and is replaced") {
  lab l;
  const int worker = l.pid();
  const auto killed = compute(l.system, in_process, kill_own_fn).result();
  REQUIRE(!killed);
  CHECK(killed.error() == error(errc::killed, "worker process " + std::to_string(worker) +
                                                  " was killed by signal KILL while it computed "
                                                  "'kill_own'"));
  const auto left = compute(l.system, in_process, leave_fn, 3).result();
  REQUIRE(!left);
  CHECK(contains(left.error().text(), "ended with code 3 while it computed 'leave'"));
  CHECK(l.pid() != worker);
}

TEST_CASE("a process that is killed while it is idle is replaced, and no call fails") {
  lab l;
  const int worker = l.pid();
  const watched_process gone(worker);
  ::kill(worker, SIGKILL);
  REQUIRE(gone.ends());
  CHECK(l.pid() != worker);
}

TEST_CASE("a process that hangs is ended at the call's limit, also one that is frozen") {
  lab l;
  for (bool frozen : {false, true}) {
    const int worker = l.pid();
    const watched_process gone(worker);
    const compute_options limited{.execution = execution::process, .limit = 200ms};
    const auto late = frozen ? compute(l.system, limited, freeze_fn).result()
                             : compute(l.system, limited, hang_fn).result();
    REQUIRE(!late);
    CHECK(late.error() == errc::ask_timeout);
    CHECK(contains(late.error().text(), "took longer than 200 ms"));
    CHECK(gone.ends());
    CHECK(l.pid() != worker);
  }
}

TEST_CASE("arguments and results beyond the bound are refused, and the process lives on") {
  lab l;
  const int worker = l.pid();
  const auto large =
      compute(l.system, in_process, fail_with_fn, std::string(200'000, 'x')).result();
  REQUIRE(!large);
  CHECK(large.error() == errc::limit_exceeded);
  CHECK(contains(large.error().text(), "the arguments of 'fail_with' have"));
  const auto result = compute(l.system, in_process, blow_up_fn, 200'000U).result();
  REQUIRE(!result);
  CHECK(result.error() == errc::limit_exceeded);
  CHECK(contains(result.error().text(), "the result of 'blow_up' has"));
  CHECK(compute(l.system, in_process, blow_up_fn, 90'000U).get().size() == 90'000);
  CHECK(l.pid() == worker);
}

TEST_CASE("the end of a system ends its processes and fails the calls under way, without zombies") {
  future<int> hanging, waiting;
  {
    lab l(1);
    const int worker = l.pid();
    const watched_process gone(worker);
    hanging = compute(l.system, in_process, hang_fn);
    waiting = compute(l.system, in_process, own_pid_fn);
    const auto report = l.system.terminate_and_wait(60s);
    CHECK(report.complete);
    CHECK(gone.ends());
    CHECK(hanging.result().error() == errc::system_stopped);
    CHECK(waiting.result().error() == errc::system_stopped);
  }
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("a worker ends when its program is killed, also in the middle of a computation") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  char self[] = "host";
  char mode[] = "host";
  char* argv[] = {self, mode, nullptr};
  pid_t host = 0;
  REQUIRE(::posix_spawn(&host, "/proc/self/exe", &files, nullptr, argv, environ) == 0);
  posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  int worker = 0;
  REQUIRE(::read(ends[0], &worker, sizeof worker) == sizeof worker);
  ::close(ends[0]);
  const watched_process gone(worker);
  CHECK(!gone.ends(0));
  ::kill(host, SIGKILL);
  REQUIRE(::waitpid(host, nullptr, 0) == host);
  CHECK(gone.ends());
}

int main(int argc, char** argv) {
  serve_compute(argc, argv);
  if (argc == 2 && std::string_view(argv[1]) == "host") be_a_host();
  return doctest::Context(argc, argv).run();
}
