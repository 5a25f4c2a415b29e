#include "ring.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

namespace odeon::python {

namespace {

constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;
constexpr std::size_t alignment = 64;

error os_error(const char* what) {
  return {errc::io_failed, std::string(what) + ": " + std::generic_category().message(errno)};
}

// Segments made here, by their first address: how a view of one is recognised.
struct known_segments {
  std::mutex lock;
  std::map<const std::byte*, std::weak_ptr<segment>> by_address;
};

known_segments& known() {
  static auto* all = new known_segments;  // outlives every segment
  return *all;
}

result<unique_fd> memory_file(std::size_t size) {
  unique_fd file(::memfd_create("odeon-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.get() < 0) return std::unexpected(os_error("a memory file"));
  if (size > static_cast<std::size_t>(std::numeric_limits<off_t>::max()) ||
      ::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    return std::unexpected(os_error("memory for a segment"));
  }
  return file;
}

bool write_all(int file, std::span<const std::byte> bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
  return true;
}

result<std::byte*> map(int file, std::size_t size, int protection) {
  void* at = ::mmap(nullptr, size, protection, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) return std::unexpected(os_error("mapping a segment"));
  return static_cast<std::byte*>(at);
}

}  // namespace

void unique_fd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

segment::segment(unique_fd file, std::byte* data, std::size_t size, bool writable,
                 bool frozen) noexcept
    : file_(std::move(file)),
      data_(data),
      size_(size),
      writable_(writable),
      frozen_(frozen) {}

segment::~segment() {
  if (writable_) {
    const std::lock_guard guard(known().lock);
    known().by_address.erase(data_);
  }
  if (data_ != nullptr) ::munmap(data_, size_);
}

result<std::shared_ptr<segment>> segment::make(std::size_t size) {
  if (size == 0) return fail(errc::invalid_argument, "a segment of no bytes");
  auto file = memory_file(size);
  if (!file) return std::unexpected(std::move(file).error());
  auto at = map(file->get(), size, PROT_READ | PROT_WRITE);
  if (!at) return std::unexpected(std::move(at).error());
  std::shared_ptr<segment> made(new segment(*std::move(file), *at, size, true, false));
  const std::lock_guard guard(known().lock);
  known().by_address[made->data_] = made;
  return made;
}

result<std::shared_ptr<segment>> segment::copy_of(std::span<const std::span<const std::byte>> parts,
                                                  std::vector<std::uint64_t>& offsets) {
  std::uint64_t total = 0;
  offsets.clear();
  for (const auto& part : parts) {
    total = (total + alignment - 1) / alignment * alignment;
    offsets.push_back(total);
    total += part.size();
  }
  if (total == 0) total = 1;
  auto file = memory_file(total);
  if (!file) return std::unexpected(std::move(file).error());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!write_all(file->get(), parts[i], offsets[i])) {
      return std::unexpected(os_error("filling a segment"));
    }
  }
  if (::fcntl(file->get(), F_ADD_SEALS, size_seals | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return std::unexpected(os_error("sealing a segment"));
  }
  return std::shared_ptr<segment>(new segment(*std::move(file), nullptr, total, false, true));
}

result<std::shared_ptr<segment>> segment::attach(unique_fd file) {
  struct stat found{};
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || ::fstat(file.get(), &found) != 0) {
    return fail(errc::bad_encoding, "a segment that is no memory file");
  }
  if ((seals & size_seals) != size_seals || found.st_size <= 0) {
    return fail(errc::bad_encoding, "a segment whose size may change");
  }
  const auto size = static_cast<std::size_t>(found.st_size);
  auto at = map(file.get(), size, PROT_READ);
  if (!at) return std::unexpected(std::move(at).error());
  return std::shared_ptr<segment>(
      new segment(std::move(file), *at, size, false, (seals & F_SEAL_WRITE) != 0));
}

std::shared_ptr<segment> segment::containing(std::span<const std::byte> bytes) {
  const std::lock_guard guard(known().lock);
  auto& all = known().by_address;
  auto after = all.upper_bound(bytes.data());
  if (after == all.begin()) return nullptr;
  auto found = std::prev(after)->second.lock();
  if (found == nullptr || bytes.data() + bytes.size() > found->data_ + found->size_) return nullptr;
  return found;
}

result<void> segment::share() {
  if (frozen_ || !writable_) return {};
  if (::fcntl(file_.get(), F_ADD_SEALS, size_seals | F_SEAL_FUTURE_WRITE) != 0) {
    return std::unexpected(os_error("sealing a segment"));
  }
  return {};
}

}  // namespace odeon::python
