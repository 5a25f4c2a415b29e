// The worker's side: a process that has the marker in its environment and calls `serve_compute`.
//
// One thread works, in order. A second one waits for the socket to be closed from the other side,
// which happens when the program ends this worker and when it dies, however: then this process ends
// at once, in the middle of whatever it does. (The kernel's parent-death signal would not do: it is
// tied to the thread that started the worker, and that one may end earlier.)

#include "internal/compute_wire.hpp"
#include <odeon/pattern/compute.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/wire/codec.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string_view>

extern "C" void odeon_serves_compute() {}

namespace odeon {

namespace detail {

namespace {

bool send_frame(const wire::bytes& body) {
  wire::bytes frame;
  for (unsigned shift = 0; shift < 32; shift += 8)
    frame.push_back(static_cast<std::byte>(body.size() >> shift));
  frame.insert(frame.end(), body.begin(), body.end());
  std::span<const std::byte> left(frame);
  while (!left.empty()) {
    const ssize_t n = ::send(compute_fd, left.data(), left.size(), MSG_NOSIGNAL);
    if (n > 0)
      left = left.subspan(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      return false;
  }
  return true;
}

bool receive(std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t n = ::recv(compute_fd, into.data(), into.size(), 0);
    if (n > 0)
      into = into.subspan(static_cast<std::size_t>(n));
    else if (n == 0 || errno != EINTR)
      return false;
  }
  return true;
}

compute_reply refusal(const error& why) {
  return {static_cast<std::int32_t>(why.code()), std::string(why.text()), {}};
}

compute_reply answer(std::span<const std::byte> frame, std::size_t max_frame) {
  const auto request =
      wire::decode<compute_request>(frame, wire::format::msgpack, frame_limits(max_frame));
  if (!request) return refusal(request.error());
  const auto serve = find_process_function(request->function);
  if (!serve) return refusal(serve.error());
  try {
    auto value = (*serve)(request->arguments);
    if (!value) return refusal(value.error());
    if (value->size() > max_frame)
      return refusal({errc::limit_exceeded, "the result of '" + request->function + "' has " +
                                                std::to_string(value->size()) +
                                                " bytes, more than the bound of " +
                                                std::to_string(max_frame)});
    return {0, {}, *std::move(value)};
  } catch (...) {
    return refusal(error_of(std::current_exception()));
  }
}

void end_with_the_program() {
  for (;;) {
    pollfd p{compute_fd, POLLRDHUP, 0};
    if (::poll(&p, 1, -1) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR))) std::_Exit(0);
  }
}

[[noreturn]] void serve(std::size_t max_frame) {
  const auto rt = make_threaded_runtime();
  const auto watch = rt->make_serial("compute-watch");
  watch->post(&end_with_the_program);
  if (!send_frame(wire::encode(compute_hello()))) std::_Exit(0);
  for (;;) {
    std::byte head[4];
    if (!receive(head)) std::_Exit(0);
    std::size_t length = 0;
    for (unsigned i = 0; i < 4; ++i) length |= static_cast<std::size_t>(head[i]) << (8 * i);
    if (length > max_frame + compute_overhead) std::_Exit(1);
    wire::bytes frame(length);
    if (!receive(frame)) std::_Exit(0);
    if (!send_frame(wire::encode(answer(frame, max_frame)))) std::_Exit(0);
  }
}

}  // namespace

}  // namespace detail

void serve_compute(int, char**) {
  const char* given = std::getenv(detail::compute_marker);
  if (!given) return;
  const std::string_view text(given);
  std::size_t max_frame = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), max_frame);
  if (bad != std::errc() || end == text.data() + text.size() || *end != ',') std::_Exit(2);
  ::alarm(0);
  ::unsetenv(detail::compute_marker);
  detail::serve(max_frame);
}

}  // namespace odeon
