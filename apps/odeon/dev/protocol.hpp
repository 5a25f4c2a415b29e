#pragma once

#include "odeon/bank/coordinator.hpp"
#include "odeon/bank/transfer_file.hpp"
#include <odeon/base/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// @file What the worker process tells its supervisor, over a pipe: frames of four bytes of length
/// (little endian) and a MessagePack value.

namespace odeon::dev {

/// What the worker is doing.
enum class phase : std::uint8_t {
  opening,     ///< accounts: recovering old ones, opening new ones
  recovering,  ///< coordinators
  resuming,    ///< transfers that were under way
  transferring,
  draining,  ///< no new transfers; those under way end
};
[[nodiscard]] std::string_view to_string(phase p) noexcept;

struct phase_report {
  phase what = phase::opening;
  std::uint64_t done = 0;
  std::uint64_t all = 0;     ///< 0: not known
  std::uint64_t events = 0;  ///< read from the journal since the worker started
  std::uint64_t new_accounts = 0;
};

/// A transfer whose end is committed.
struct acknowledgement {
  std::uint64_t line = 0;
  std::string reference;
  bank::ending how = bank::ending::completed;
  bank::refusal why = bank::refusal::none;
  bool fresh = true;             ///< it ended in this incarnation of the worker
  std::uint64_t latency_us = 0;  ///< from its line being read; 0 when it was not read this time
};
struct acknowledgements {
  std::vector<acknowledgement> all;
};

struct rejections {
  std::vector<bank::rejected_line> all;
};

/// Counters of this incarnation.
struct counters {
  std::uint64_t commits = 0;
  std::uint64_t events = 0;
  std::uint64_t accounts = 0;   ///< live
  std::uint64_t in_flight = 0;  ///< transfers
};

/// The last report of a worker that ends well.
struct finished {
  bool interrupted = false;  ///< it was asked to stop before the end of the file
};
/// The last report of a worker that cannot go on.
struct failed {
  error why = errc::internal;
};

using report = std::variant<phase_report, acknowledgements, rejections, counters, finished, failed>;

inline constexpr std::size_t max_frame_bytes = 4U << 20U;
inline constexpr std::size_t max_batch = 1024;  ///< acknowledgements, or rejections, in one report

[[nodiscard]] std::vector<std::byte> encode_frame(const report& r);

/// Puts frames together from pieces, as a pipe gives them.
class frame_reader {
 public:
  void add(std::span<const std::byte> piece) {
    buffer_.insert(buffer_.end(), piece.begin(), piece.end());
  }
  /// The next whole one; nothing when it is not there yet. An error means that the writer is not a
  /// worker of this program, and nothing after it can be read.
  [[nodiscard]] result<std::optional<report>> next();

 private:
  std::vector<std::byte> buffer_;
  std::size_t taken_ = 0;
};

}  // namespace odeon::dev
