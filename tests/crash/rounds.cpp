#include "crash/rounds.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <stdexcept>

namespace crash {

std::uint64_t base_seed() {
  static const std::uint64_t seed = setting("ODEON_TEST_SEED", std::random_device{}());
  return seed;
}

std::uint64_t setting(const char* name, std::uint64_t usual) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : usual;
}

scratch_folder::scratch_folder() {
  const char* where = std::getenv("ODEON_CRASH_DIR");
  std::filesystem::path in = where ? where : "/dev/shm";
  std::error_code ignored;
  if (!std::filesystem::is_directory(in, ignored)) in = std::filesystem::temp_directory_path();
  std::string name = (in / "odeon-crash-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = name;
}

scratch_folder::~scratch_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void scratch_folder::empty() const {
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    std::filesystem::remove_all(entry.path());
}

void* map_shared(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::runtime_error("cannot map shared memory");
  return at;
}

void unmap_shared(void* at, std::size_t bytes) noexcept { ::munmap(at, bytes); }

namespace {

// Waits for the end of the process, at most so long. True: it has ended.
bool ended_within(int process, std::int64_t microseconds) {
  pollfd p{process, POLLIN, 0};
  const timespec limit{microseconds / 1'000'000, microseconds % 1'000'000 * 1'000};
  return ::ppoll(&p, 1, &limit, nullptr) > 0;
}

}  // namespace

death run_and_kill(const child_run& run, bool& stuck) {
  constexpr int looks_max = 60'000;  // of a millisecond
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) std::_Exit(1);
    run.body();
    std::_Exit(0);
  }
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) throw std::runtime_error("cannot watch the child");
  stuck = true;
  for (int looks = 0; looks < looks_max; ++looks) {
    if (run.enough()) {
      static_cast<void>(ended_within(process, run.microseconds_more));
      stuck = false;
      break;
    }
    if (ended_within(process, 1'000)) {
      stuck = false;
      break;
    }
  }
  ::close(process);
  ::kill(pid, SIGKILL);
  death out;
  while (::waitpid(pid, &out.status, 0) < 0) {
  }
  out.by_sigkill = WIFSIGNALED(out.status) && WTERMSIG(out.status) == SIGKILL;
  return out;
}

}  // namespace crash
