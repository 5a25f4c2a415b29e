#include "persistence/internal/owner_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace odeon::detail {

result<owner_lock> owner_lock::take(const std::string& journal_path) {
  const std::string path = journal_path + "-owner";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return fail(errc::io_failed, path + ": cannot be opened (" + std::strerror(errno) + ")");
  owner_lock lock(fd);
  int taken = 0;
  do taken = ::flock(fd, LOCK_EX | LOCK_NB);
  while (taken != 0 && errno == EINTR);
  if (taken != 0) {
    if (errno != EWOULDBLOCK)
      return fail(errc::io_failed, path + ": cannot be locked (" + std::strerror(errno) + ")");
    std::array<char, 32> owner{};
    const ssize_t n = ::pread(fd, owner.data(), owner.size() - 1, 0);
    std::string who(owner.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!who.empty() && who.back() == '\n') who.pop_back();
    return fail(errc::io_failed, journal_path + ": is open in another journal, of process " +
                                     (who.empty() ? "unknown" : who));
  }
  // Only for the message above: that it cannot be written is no reason to refuse.
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) == 0)
    static_cast<void>(::pwrite(fd, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size()));
  return lock;
}

owner_lock::~owner_lock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace odeon::detail
