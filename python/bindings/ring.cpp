#include "ring.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <system_error>

/// @file Protocol.
///
/// One memory file: a page of positions for each direction, then the bytes of each. In a direction
/// one process produces and the other consumes.
///
/// | word | written by | meaning |
/// |---|---|---|
/// | `tail` | producer | bytes ever appended; all below it may be read |
/// | `head` | consumer | bytes ever taken; all below it may be overwritten |
/// | `consumer_sleeps` | consumer 1, either 0 | the consumer sleeps, or is about to |
/// | `producer_sleeps` | producer 1, either 0 | the producer found no room, and wants to know of
/// some |
///
/// A record is a head of eight bytes (length, descriptors) and its bytes, up to a multiple of 8.
/// The bytes are mapped twice in a row, so a record is always in one piece. Positions only grow,
/// and their difference never passes the capacity.
///
/// Sending: the descriptors go through the socket, then the bytes into the ring, then `tail` is
/// published. So whoever sees a record finds its descriptors in the socket.
///
/// Orders. The producer's store of `tail` releases the bytes to the consumer's acquiring load; the
/// consumer's store of `head` releases its reads to the producer, which acquires it before it
/// overwrites. Sleeping is Dekker's pattern: one side stores its position and then reads the
/// other's `sleeps`; that one stores `sleeps` and then reads the position. All four are seq_cst, so
/// they have one order, and at least one side sees the other's store: either the sleeper finds the
/// new position and stays awake, or the other side finds `sleeps` and sends a wake-up. Words that
/// only this side writes are read relaxed, from its own copy.
///
/// A wake-up is a message of one byte in the socket, sent by who changes `sleeps` from 1 to 0: at
/// most one for each time that somebody went to sleep. A futex would not do: nothing wakes who
/// sleeps on it when the peer is killed, and no event loop can wait for it. The socket does both.
///
/// End: closing the socket, or the death of the process, is an end of file here. Records that were
/// published before are received, then `closed` is the answer.

namespace odeon::python {

namespace {

constexpr std::uint64_t magic = 0x316e6e61686344f0;  // "chan", version 1
constexpr std::size_t page = 4096;
constexpr std::size_t least = std::size_t{64} << 10U;
constexpr std::size_t most = std::size_t{1} << 30U;
constexpr std::size_t max_arrived = 256;  // descriptors that came before their records
constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;

struct record_head {
  std::uint32_t size;
  std::uint32_t files;
};

constexpr std::uint64_t padded(std::uint64_t n) { return (n + 7) & ~std::uint64_t{7}; }

error os_error(const char* what) {
  return {errc::io_failed, std::string(what) + ": " + std::generic_category().message(errno)};
}

}  // namespace

struct ring_shared {
  std::uint64_t magic;
  std::uint64_t capacity;
  alignas(64) std::atomic<std::uint64_t> tail;
  alignas(64) std::atomic<std::uint64_t> head;
  alignas(64) std::atomic<std::uint32_t> consumer_sleeps;
  alignas(64) std::atomic<std::uint32_t> producer_sleeps;
};
static_assert(sizeof(ring_shared) <= page);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

struct channel::locks {
  std::mutex sending;
  std::mutex receiving;
  std::mutex socket;  // what was read from it
};

channel::channel() : locks_(std::make_unique<locks>()) {}

channel::~channel() {
  if (base_ != nullptr) ::munmap(base_, mapped_);
}

result<std::unique_ptr<channel>> channel::make(std::size_t capacity, offered& for_peer) {
  if (!std::has_single_bit(capacity) || capacity < least || capacity > most) {
    return fail(errc::invalid_argument, "a ring's capacity is a power of two, 64 KiB to 1 GiB");
  }
  unique_fd memory(::memfd_create("odeon-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (memory.get() < 0) return std::unexpected(os_error("a memory file"));
  if (::ftruncate(memory.get(), static_cast<off_t>(2 * page + 2 * capacity)) != 0 ||
      ::fcntl(memory.get(), F_ADD_SEALS, size_seals | F_SEAL_SEAL) != 0) {
    return std::unexpected(os_error("memory for a channel"));
  }
  for (off_t i = 0; i < 2; ++i) {
    const std::uint64_t head[2] = {magic, capacity};
    if (::pwrite(memory.get(), head, sizeof head, i * static_cast<off_t>(page)) != sizeof head) {
      return std::unexpected(os_error("memory for a channel"));
    }
  }
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0) {
    return std::unexpected(os_error("a socket pair"));
  }
  unique_fd mine(sockets[0]);
  for_peer.socket.reset(sockets[1]);
  for_peer.memory.reset(::fcntl(memory.get(), F_DUPFD_CLOEXEC, 0));
  std::unique_ptr<channel> made(new channel);
  made->socket_ = std::move(mine);
  if (auto done = made->map(std::move(memory), true); !done) {
    return std::unexpected(std::move(done).error());
  }
  return made;
}

result<std::unique_ptr<channel>> channel::attach(unique_fd memory, unique_fd socket) {
  std::unique_ptr<channel> made(new channel);
  made->socket_ = std::move(socket);
  const int flags = ::fcntl(made->socket_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(made->socket_.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail(errc::bad_encoding, "the channel's socket is none");
  }
  (void)::fcntl(made->socket_.get(), F_SETFD, FD_CLOEXEC);
  (void)::fcntl(memory.get(), F_SETFD, FD_CLOEXEC);
  if (auto done = made->map(std::move(memory), false); !done) {
    return std::unexpected(std::move(done).error());
  }
  return made;
}

// The first side produces into the first ring.
result<void> channel::map(unique_fd memory, bool first) {
  struct stat found{};
  std::uint64_t head[2] = {};
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  if (seals < 0 || (seals & size_seals) != size_seals || ::fstat(memory.get(), &found) != 0 ||
      ::pread(memory.get(), head, sizeof head, 0) != sizeof head || head[0] != magic ||
      !std::has_single_bit(head[1]) || head[1] < least || head[1] > most ||
      static_cast<std::uint64_t>(found.st_size) != 2 * page + 2 * head[1]) {
    return fail(errc::bad_encoding, "the memory of a channel is malformed");
  }
  const std::size_t capacity = head[1];
  mapped_ = 2 * page + 4 * capacity;
  void* space = ::mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (space == MAP_FAILED) return std::unexpected(os_error("room for a channel"));
  base_ = static_cast<std::byte*>(space);
  const auto place = [&](std::size_t at, std::size_t from, std::size_t size) {
    return ::mmap(base_ + at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory.get(),
                  static_cast<off_t>(from)) != MAP_FAILED;
  };
  const std::size_t bytes = 2 * page;
  if (!place(0, 0, bytes + capacity) || !place(bytes + capacity, bytes, capacity) ||
      !place(bytes + 2 * capacity, bytes + capacity, capacity) ||
      !place(bytes + 3 * capacity, bytes + capacity, capacity)) {
    return std::unexpected(os_error("mapping a channel"));
  }
  ring_end one{reinterpret_cast<ring_shared*>(base_), base_ + bytes, capacity};
  ring_end two{reinterpret_cast<ring_shared*>(base_ + page), base_ + bytes + 2 * capacity,
               capacity};
  out_ = first ? one : two;
  in_ = first ? two : one;
  memory_ = std::move(memory);
  return {};
}

std::size_t channel::max_record() const noexcept { return out_.capacity / 4 - sizeof(record_head); }

// --- sending -----------------------------------------------------------------------------------

bool channel::room(std::uint64_t needed) noexcept {
  if (out_.mine + needed - out_.theirs <= out_.capacity) return true;
  const std::uint64_t head = out_.shared->head.load(std::memory_order_seq_cst);
  // A head that goes back, or past what was sent, is a peer that breaks the rules.
  if (head - out_.theirs > out_.mine - out_.theirs) {
    broken_.store(true, std::memory_order_relaxed);  // a flag by itself
    return false;
  }
  out_.theirs = head;
  return out_.mine + needed - head <= out_.capacity;
}

result<channel_status> channel::send(std::span<const std::span<const std::byte>> parts,
                                     std::span<const int> files) {
  std::size_t size = 0;
  for (const auto& part : parts) size += part.size();
  if (size > max_record() || files.size() > max_files) {
    return fail(errc::invalid_argument, "a record longer than the ring takes");
  }
  const std::uint64_t needed = sizeof(record_head) + padded(size);
  const std::lock_guard guard(locks_->sending);
  if (broken_.load(std::memory_order_relaxed)) return channel_status::broken;
  if (peer_gone()) return channel_status::closed;
  if (!room(needed)) {
    // Announced first and looked again: see the protocol.
    out_.shared->producer_sleeps.store(1, std::memory_order_seq_cst);
    if (!room(needed)) {
      return broken_.load(std::memory_order_relaxed) ? channel_status::broken
                                                     : channel_status::full;
    }
    out_.shared->producer_sleeps.store(0, std::memory_order_relaxed);  // a wake-up too many is fine
  }
  if (!files.empty() && !send_files(files)) {
    out_.shared->producer_sleeps.store(1,
                                       std::memory_order_seq_cst);  // records hold the socket full
    return peer_gone() ? channel_status::closed : channel_status::full;
  }
  std::byte* to = out_.data + (out_.mine & (out_.capacity - 1));
  const record_head head{static_cast<std::uint32_t>(size),
                         static_cast<std::uint32_t>(files.size())};
  std::memcpy(to, &head, sizeof head);
  to += sizeof head;
  for (const auto& part : parts) {
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  out_.mine += needed;
  out_.shared->tail.store(out_.mine, std::memory_order_seq_cst);
  if (out_.shared->consumer_sleeps.load(std::memory_order_seq_cst) != 0) {
    wake(out_.shared->consumer_sleeps);
  }
  return channel_status::done;
}

bool channel::send_files(std::span<const int> files) noexcept {
  char one = 'F';
  iovec content{&one, 1};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(max_files * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(files.size_bytes());
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(files.size_bytes());
  std::memcpy(CMSG_DATA(rights), files.data(), files.size_bytes());
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ETOOMANYREFS) {
    gone_.store(true, std::memory_order_release);
  }
  return sent == 1;
}

void channel::wake(std::atomic<std::uint32_t>& sleeper) noexcept {
  if (sleeper.exchange(0, std::memory_order_seq_cst) == 0) return;
  const char one = 'W';
  ssize_t sent = 0;
  do {
    sent = ::send(socket_.get(), &one, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  // A full socket holds something to read already, so the peer is awake.
  if (sent < 0 && errno != EAGAIN) gone_.store(true, std::memory_order_release);
}

// --- receiving ---------------------------------------------------------------------------------

bool channel::data_waits() noexcept {
  return in_.shared->tail.load(std::memory_order_seq_cst) != in_.mine;
}

channel_status channel::receive(channel_record& to) {
  const std::lock_guard guard(locks_->receiving);
  if (broken_.load(std::memory_order_relaxed)) return channel_status::broken;
  const bool gone = peer_gone();  // before looking: what it sent first is seen then
  const channel_status status = take(to);
  if (status == channel_status::empty && gone) return channel_status::closed;
  if (status == channel_status::broken) broken_.store(true, std::memory_order_relaxed);
  return status;
}

channel_status channel::take(channel_record& to) {
  if (in_.theirs == in_.mine) {
    in_.theirs = in_.shared->tail.load(std::memory_order_acquire);  // releases the bytes below it
    if (in_.theirs == in_.mine) return channel_status::empty;
  }
  const std::uint64_t waiting = in_.theirs - in_.mine;
  if (waiting > in_.capacity || waiting < sizeof(record_head)) return channel_status::broken;
  const std::byte* from = in_.data + (in_.mine & (in_.capacity - 1));
  record_head head{};
  std::memcpy(&head, from, sizeof head);  // once: it may change under our eyes
  const std::uint64_t taken = sizeof head + padded(head.size);
  if (head.size > in_.capacity / 4 || taken > waiting || head.files > max_files) {
    return channel_status::broken;
  }
  to.bytes.resize(head.size);
  if (head.size != 0) std::memcpy(to.bytes.data(), from + sizeof head, head.size);
  to.files.clear();
  if (head.files != 0 && !take_files(head.files, to.files)) return channel_status::broken;
  in_.mine += taken;
  in_.shared->head.store(in_.mine, std::memory_order_seq_cst);
  if (in_.shared->producer_sleeps.load(std::memory_order_seq_cst) != 0) {
    wake(in_.shared->producer_sleeps);
  }
  return channel_status::done;
}

bool channel::take_files(std::size_t count, std::vector<unique_fd>& to) {
  drain();
  const std::lock_guard guard(locks_->socket);
  if (arrived_.size() < count) return false;
  const auto end = arrived_.begin() + static_cast<std::ptrdiff_t>(count);
  std::move(arrived_.begin(), end, std::back_inserter(to));
  arrived_.erase(arrived_.begin(), end);
  return true;
}

// Reads the socket empty: wake-ups are forgotten, descriptors kept for their records.
void channel::drain() noexcept {
  const std::lock_guard guard(locks_->socket);
  for (;;) {
    std::array<char, 8> content{};
    iovec to{content.data(), content.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(max_files * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &to;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      gone_.store(true, std::memory_order_release);
      return;
    }
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        unique_fd file(fd);
        if (arrived_.size() < max_arrived) arrived_.push_back(std::move(file));
      }
    }
  }
}

// --- waiting -----------------------------------------------------------------------------------

bool channel::about_to_wait() noexcept {
  in_.shared->consumer_sleeps.store(1, std::memory_order_seq_cst);
  if (!data_waits()) return true;
  in_.shared->consumer_sleeps.store(0, std::memory_order_relaxed);  // a wake-up too many is fine
  return false;
}

void channel::woken() noexcept {
  in_.shared->consumer_sleeps.store(0, std::memory_order_relaxed);  // as above
  drain();
}

bool channel::spin(int rounds) const noexcept {
  for (; rounds > 0; --rounds) {
    if (in_.shared->tail.load(std::memory_order_relaxed) != in_.mine) return true;  // a hint
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  return false;
}

bool channel::wait(int milliseconds, int rounds) noexcept {
  if (spin(rounds)) return true;
  if (!about_to_wait()) return true;
  pollfd one{socket_.get(), POLLIN, 0};
  const int ready = ::poll(&one, 1, milliseconds);
  woken();
  return ready != 0;
}

void channel::close() noexcept {
  (void)::shutdown(socket_.get(), SHUT_RDWR);
  gone_.store(true, std::memory_order_release);
}

}  // namespace odeon::python
