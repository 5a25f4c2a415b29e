#pragma once

#include <odeon/wire/codec.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

/// @file What goes over the socket between a program and its worker processes.
///
/// A frame is four bytes of length, the lowest first, and then so many of MessagePack. The worker
/// begins with a `compute_hello`; then each `compute_request` gets one `compute_reply`. A frame
/// that is longer than the bound ends the connection.

namespace odeon::detail {

inline constexpr const char* compute_marker = "ODEON_COMPUTE_WORKER";
inline constexpr int compute_fd = 3;  // in the worker
inline constexpr std::uint32_t compute_version = 1;
/// What a frame has besides the arguments or the result.
inline constexpr std::size_t compute_overhead = 4096;

/// A frame's bytes are as many as its bound says; what is in it may be as much.
[[nodiscard]] inline wire::limits frame_limits(std::size_t max_frame) noexcept {
  return {.max_bytes = max_frame + compute_overhead, .max_string = max_frame + compute_overhead};
}

struct compute_hello {
  std::string says = "odeon compute worker";
  std::uint32_t version = compute_version;
};
struct compute_request {
  std::string function;
  wire::bytes arguments;
};
struct compute_reply {
  std::int32_t code = 0;  // of the error; 0: none
  std::string text;
  wire::bytes value;
};

}  // namespace odeon::detail
