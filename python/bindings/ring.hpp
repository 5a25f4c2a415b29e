#pragma once

#include <odeon/base/error.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

/// @file Bytes between two processes: records through shared memory, large ones beside it.
///
/// A channel joins a parent with one child. Each direction is a ring of bytes in one memory file;
/// a socket pair carries the file descriptors of segments, wakes a sleeping side, and tells of a
/// peer's end. Nothing here knows Python. Every descriptor is closed on exec, unless the parent
/// passes it on.
///
/// Neither side believes the other: sizes, positions and counts that come from shared memory are
/// copied once and checked, a record is copied out before it is read, and a memory file is mapped
/// only when it is sealed against changes of its size. A peer that breaks the rules makes its
/// channel `broken`; it cannot make this process read or write elsewhere.

namespace odeon::python {

/// A file descriptor that is closed at the end of its life.
class unique_fd {
 public:
  unique_fd() noexcept = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~unique_fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

/// A piece of memory in a file of its own, which another process may map as well. Immutable in
/// size. @threadsafe, but for the content.
class segment {
 public:
  segment(const segment&) = delete;
  segment& operator=(const segment&) = delete;
  ~segment();

  /// New memory of `size` bytes (at least 1), zero, writable here. `io_failed` when there is none.
  [[nodiscard]] static result<std::shared_ptr<segment>> make(std::size_t size);

  /// The parts one after the other, each at a multiple of 64 bytes, sealed: nobody can change the
  /// content any more. Their places go to `offsets`. One copy, made by the kernel.
  [[nodiscard]] static result<std::shared_ptr<segment>> copy_of(
      std::span<const std::span<const std::byte>> parts, std::vector<std::uint64_t>& offsets);

  /// What another process made, read only. `bad_encoding` unless it is a memory file that is
  /// sealed against changes of its size.
  [[nodiscard]] static result<std::shared_ptr<segment>> attach(unique_fd file);

  /// The segment made here that holds these bytes, or null. Cost: a look-up under a lock.
  [[nodiscard]] static std::shared_ptr<segment> containing(std::span<const std::byte> bytes);

  /// Before the file goes to another process: there it can be mapped for reading only.
  [[nodiscard]] result<void> share();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool writable() const noexcept { return writable_; }
  /// Nobody can change the content, not even who made it.
  [[nodiscard]] bool frozen() const noexcept { return frozen_; }
  [[nodiscard]] int file() const noexcept { return file_.get(); }

 private:
  segment(unique_fd file, std::byte* data, std::size_t size, bool writable, bool frozen) noexcept;

  unique_fd file_;
  std::byte* data_;
  std::size_t size_;
  bool writable_;
  bool frozen_;
};

/// One direction, as one side sees it. Part of `channel`.
struct ring_shared;
struct ring_end {
  ring_shared* shared = nullptr;
  std::byte* data = nullptr;  ///< the ring's bytes, mapped twice in a row
  std::uint64_t capacity = 0;
  std::uint64_t mine = 0;    ///< this side's own position
  std::uint64_t theirs = 0;  ///< the peer's, as last read
};

enum class channel_status : std::uint8_t {
  done,
  empty,   ///< nothing has arrived
  full,    ///< no room now
  closed,  ///< the peer has ended, and all it sent has been received
  broken,  ///< the peer broke the rules; the channel is of no use any more
};

/// What arrived: bytes, and the descriptors that came with them.
struct channel_record {
  std::vector<std::byte> bytes;
  std::vector<unique_fd> files;
};

/// A two-way connection to another process. Any thread may send. One thread at a time receives and
/// waits.
class channel {
 public:
  static constexpr std::size_t max_files = 16;  ///< with one record

  struct pair;

  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel();

  /// Both descriptors of the peer's side, for `attach` there; to be closed here once it has them.
  struct offered {
    unique_fd memory;
    unique_fd socket;
  };

  /// A channel whose rings hold `capacity` bytes each (a power of two, 64 KiB to 1 GiB).
  [[nodiscard]] static result<std::unique_ptr<channel>> make(std::size_t capacity,
                                                             offered& for_peer);

  /// The other side. `bad_encoding` when these are not what `make` gave.
  [[nodiscard]] static result<std::unique_ptr<channel>> attach(unique_fd memory, unique_fd socket);

  /// The longest record: a quarter of the ring.
  [[nodiscard]] std::size_t max_record() const noexcept;

  /// Appends a record made of `parts`; `files` stay the caller's. `full`: nothing was sent, and
  /// the socket becomes readable when there is room. A record longer than `max_record`, or with
  /// more than `max_files`, is `invalid_argument`.
  [[nodiscard]] result<channel_status> send(std::span<const std::span<const std::byte>> parts,
                                            std::span<const int> files = {});

  /// Takes the oldest record: `done`, `empty`, `closed` or `broken`.
  [[nodiscard]] channel_status receive(channel_record& to);

  /// Announces that this side is going to sleep until something arrives: the socket becomes
  /// readable then. False when something is there already, so that it must not sleep.
  [[nodiscard]] bool about_to_wait() noexcept;

  /// After waking: takes wake-ups off the socket, so that it is not readable for their sake.
  void woken() noexcept;

  /// Looks for something to arrive, `rounds` times, each some 10 to 40 ns.
  [[nodiscard]] bool spin(int rounds) const noexcept;

  /// Sleeps until something arrives, room is made, the peer ends, or `milliseconds` have passed
  /// (negative: no limit). Spins for `rounds` before. False when the time is over.
  [[nodiscard]] bool wait(int milliseconds, int rounds = 0) noexcept;

  /// Readable when the peer wakes this side or ends. For poll, epoll, asyncio.
  [[nodiscard]] int socket() const noexcept { return socket_.get(); }

  /// The peer has ended, or let go of the channel; what it sent may still be received.
  [[nodiscard]] bool peer_gone() const noexcept { return gone_.load(std::memory_order_acquire); }

  /// Lets go of the socket: the peer sees this side's end.
  void close() noexcept;

 private:
  struct locks;

  channel();
  [[nodiscard]] result<void> map(unique_fd memory, bool first);
  [[nodiscard]] bool room(std::uint64_t needed) noexcept;
  [[nodiscard]] channel_status take(channel_record& to);
  [[nodiscard]] bool take_files(std::size_t count, std::vector<unique_fd>& to);
  [[nodiscard]] bool send_files(std::span<const int> files) noexcept;
  void wake(std::atomic<std::uint32_t>& sleeper) noexcept;
  void drain() noexcept;
  [[nodiscard]] bool data_waits() noexcept;

  unique_fd memory_;
  unique_fd socket_;
  std::byte* base_ = nullptr;
  std::size_t mapped_ = 0;
  ring_end out_;
  ring_end in_;
  std::atomic<bool> gone_{false};
  std::atomic<bool> broken_{false};
  std::vector<unique_fd> arrived_;
  std::unique_ptr<locks> locks_;
};

}  // namespace odeon::python
