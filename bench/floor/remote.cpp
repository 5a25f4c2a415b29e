/// What does TCP over loopback give two processes that do nothing else? A blocking round trip of 64
/// bytes is what an ask costs at the least when both sides sleep between messages; frames of 64 KiB
/// full of messages of 64 bytes, of which each is read and added up, are the most that a flood can
/// reach.

#include "remote_process.hpp"
#include "workloads.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t message_bytes = 64;
constexpr std::size_t frame_messages = 1024;  // in one write
constexpr std::size_t frame_bytes = frame_messages * message_bytes;

/// A blocking socket.
class wire {
 public:
  explicit wire(int fd) : fd_(fd) {
    const int on = 1;
    require(fd >= 0 && ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
            "no connection");
  }
  ~wire() { ::close(fd_); }
  wire(const wire&) = delete;
  wire& operator=(const wire&) = delete;

  static int to(const std::string& port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in at = loopback(static_cast<std::uint16_t>(std::stoi(port)));
    require(::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0, "no connection");
    return fd;
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
  }

  void write_all(const std::byte* from, std::size_t bytes) const {
    while (bytes > 0) {
      const ssize_t n = ::write(fd_, from, bytes);
      require(n > 0, "the connection broke");
      from += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
  /// 0: the other side has ended.
  [[nodiscard]] std::size_t read_some(std::byte* into, std::size_t most) const {
    const ssize_t n = ::read(fd_, into, most);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  void read_all(std::byte* into, std::size_t bytes) const {
    while (bytes > 0) {
      const std::size_t n = read_some(into, bytes);
      require(n > 0, "the connection broke");
      into += n;
      bytes -= n;
    }
  }

 private:
  int fd_;
};

/// Accepts one connection and gives all that a read has brought of it to `take`, which answers how
/// many bytes of it are used, and how many of these to send back.
struct taken {
  std::size_t used = 0, back = 0;
};
void serve(const first_process& first, auto take) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at = wire::loopback(0);
  socklen_t size = sizeof at;
  auto* where = reinterpret_cast<sockaddr*>(&at);
  require(::bind(listener, where, size) == 0 && ::listen(listener, 1) == 0 &&
              ::getsockname(listener, where, &size) == 0,
          "cannot listen");
  first.listening_at(std::to_string(ntohs(at.sin_port)));
  const wire from(::accept(listener, nullptr, nullptr));
  std::vector<std::byte> room(4 * frame_bytes);
  for (std::size_t filled = 0;;) {
    const std::size_t n = from.read_some(room.data() + filled, room.size() - filled);
    if (n == 0) return;
    filled += n;
    const taken t = take(room.data(), filled);
    from.write_all(room.data(), t.back);
    std::memmove(room.data(), room.data() + t.used, filled -= t.used);
  }
}

std::uint64_t value_of(const std::byte* message) {
  std::uint64_t v;
  std::memcpy(&v, message, sizeof v);
  return v;
}
void put(std::byte* message, std::uint64_t v) { std::memcpy(message, &v, sizeof v); }

void run_ask(const options& opt, report& out) {
  const second_process other([](const first_process& first) {
    serve(first, [](std::byte* all, std::size_t bytes) {
      const std::size_t whole = bytes - bytes % message_bytes;
      for (std::size_t at = 0; at < whole; at += message_bytes)
        put(all + at, value_of(all + at) + 1);
      return taken{whole, whole};
    });
  });
  const wire to(wire::to(other.address()));
  std::vector<std::byte> all(opt.size * message_bytes);
  const auto ask = [&](std::uint64_t first, std::uint64_t together) {
    for (std::uint64_t i = 0; i < together; ++i) put(all.data() + i * message_bytes, first + i);
    to.write_all(all.data(), together * message_bytes);
    to.read_all(all.data(), together * message_bytes);
    for (std::uint64_t i = 0; i < together; ++i)
      require(value_of(all.data() + i * message_bytes) == first + i + 1, "an answer is wrong");
  };
  one_at_a_time(out, opt.scaled(remote_ask::asks, 10), [&](std::uint64_t i) { ask(i, 1); });
  const std::uint64_t rounds = opt.scaled(remote_ask::in_flight) / opt.size + 1;
  auto elapsed = warmed(rounds, 1, [&](std::uint64_t n) {
    auto started = clock::now();
    for (std::uint64_t r = 0; r < n; ++r) ask(r * opt.size, opt.size);
    return nanoseconds(clock::now() - started);
  });
  out.rate_k("open_1000", elapsed, rounds * opt.size);
}

void run_tell(const options& opt, report& out) {
  const second_process other([](const first_process& first) {
    serve(first, [sum = std::uint64_t{0}](std::byte* all, std::size_t bytes) mutable {
      const std::size_t whole = bytes - bytes % frame_bytes;
      for (std::size_t at = 0; at < whole; at += frame_bytes) {
        for (std::size_t i = 1; i < frame_messages; ++i)
          sum += value_of(all + at + i * message_bytes);
        if (value_of(all + at) == 0) continue;  // else it is the last
        put(all, sum);
        return taken{whole, message_bytes};
      }
      return taken{whole, 0};
    });
  });
  const wire to(wire::to(other.address()));
  std::vector<std::byte> frame(frame_bytes);
  std::uint64_t expected = 0;
  const auto flood = [&](std::uint64_t frames) {
    auto started = clock::now();
    for (std::uint64_t f = 0; f < frames; ++f) {
      put(frame.data(), f + 1 == frames ? 1 : 0);
      for (std::size_t i = 1; i < frame_messages; ++i) {
        put(frame.data() + i * message_bytes, f + i);
        expected += f + i;
      }
      to.write_all(frame.data(), frame.size());
    }
    std::array<std::byte, message_bytes> sum{};
    to.read_all(sum.data(), sum.size());
    require(value_of(sum.data()) == expected, "the far sum is wrong");
    return nanoseconds(clock::now() - started);
  };
  const std::uint64_t frames = opt.scaled(remote_tell::messages) / frame_messages + 1;
  out.rate("throughput", warmed(frames, 1, flood), frames * frame_messages);
}

// The same floor under all of Odeon's ways: what protection costs shows beside it.
const registration tells{"remote_tell", remote_tell::window, run_tell};
const registration secret_tells{"remote_tell_secret", remote_tell::window, run_tell};
const registration tls_tells{"remote_tell_tls", remote_tell::window, run_tell};
const registration asks{"remote_ask", remote_ask::open, run_ask};
const registration secret_asks{"remote_ask_secret", remote_ask::open, run_ask};
const registration tls_asks{"remote_ask_tls", remote_ask::open, run_ask};

}  // namespace
}  // namespace bench
