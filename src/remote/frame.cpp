#include "remote/internal/frame.hpp"

#include "remote/internal/cursor.hpp"
#include <odeon/base/crc32c.hpp>

#include <cstring>

namespace odeon::remote::detail {

namespace {
constexpr std::uint8_t frame_version = 1;
constexpr std::size_t counter_at = 8;

std::unexpected<error> violation(std::string text) {
  return fail(errc::protocol_violation, std::move(text));
}
}  // namespace

frame_check::frame_check(protection how, const direction_keys& keys) : crc_seed_(keys.crc_seed) {
  if (how == protection::secret) mac_.emplace(keys.key, keys.iv);
}

void frame_check::make(std::uint64_t counter, const_bytes covered, std::byte* check) noexcept {
  if (mac_)
    mac_->seal(counter, covered, {}, std::span<std::byte, mac_size>(check, mac_size));
  else
    put_word(check, crc32c(covered, crc_seed_));
}

bool frame_check::right(std::uint64_t counter, const_bytes covered,
                        const std::byte* check) noexcept {
  if (mac_)
    return mac_->open(counter, covered, {}, std::span<const std::byte, mac_size>(check, mac_size));
  std::uint32_t found;
  std::memcpy(&found, check, sizeof found);
  return crc32c(covered, crc_seed_) == found;
}

std::size_t frame_writer::begin(wire::buffer& out, lane l) const {
  const std::size_t at = out.size();
  std::byte* p = out.extend(frame_header);
  p = put_word(p, std::uint32_t{0});
  p = put_word(p, frame_version);
  p = put_word(p, static_cast<std::uint8_t>(l));
  p = put_word(p, std::uint16_t{0});
  put_word(p, std::uint64_t{0});
  return at;
}

void frame_writer::close(wire::buffer& out, std::size_t begun) const {
  std::memset(out.extend(check_.size()), 0, check_.size());
  // The buffer is the writer's own; its view is of constant bytes only for others.
  auto* at = const_cast<std::byte*>(out.view().data()) + begun;
  put_word(at, static_cast<std::uint32_t>(out.size() - begun - frame_length));
}

std::size_t frame_writer::seal(wire::buffer& out, std::size_t from) {
  auto* at = const_cast<std::byte*>(out.view().data()) + from;
  const auto* end = out.view().data() + out.size();
  std::size_t frames = 0;
  for (; at != end; ++frames) {
    std::uint32_t length;
    std::memcpy(&length, at, sizeof length);
    put_word(at + counter_at, counter_);
    const std::size_t covered = frame_length + length - check_.size();
    check_.make(counter_++, {at, covered}, at + covered);
    at += frame_length + length;
  }
  return frames;
}

result<std::size_t> frame_reader::measure(const_bytes bytes) const {
  if (bytes.size() < frame_length) return std::size_t{0};
  std::uint32_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bound_ - frame_length)
    return violation("a frame claims " + std::to_string(length) + " bytes; at most " +
                     std::to_string(bound_ - frame_length) + " are taken (remote.frame_bytes)");
  if (length < frame_header - frame_length + check_.size())
    return violation("a frame claims " + std::to_string(length) + " bytes, less than a header");
  return frame_length + std::size_t{length};
}

result<frame_reader::opened> frame_reader::open(const_bytes frame) {
  const const_bytes covered = frame.first(frame.size() - check_.size());
  if (!check_.right(counter_, covered, covered.data() + covered.size()))
    return violation("frame " + std::to_string(counter_) +
                     " of the connection is not what the peer has sent: altered, replayed, out of "
                     "order, cut, or of another connection");
  cursor in(covered.subspan(frame_length));
  const auto version = in.word<std::uint8_t>();
  const auto on = in.word<std::uint8_t>();
  const auto flags = in.word<std::uint16_t>();
  const auto counter = in.word<std::uint64_t>();
  if (version != frame_version || flags != 0 || on >= lane_count)
    return violation("frame " + std::to_string(counter_) + " has version " +
                     std::to_string(version) + ", lane " + std::to_string(on) + " and flags " +
                     std::to_string(flags) + ", which this version does not know");
  if (counter != counter_)
    return violation("frame " + std::to_string(counter) + " came where frame " +
                     std::to_string(counter_) + " should: one was left out, or sent again");
  ++counter_;
  return opened{static_cast<lane>(on), covered.subspan(frame_header)};
}

}  // namespace odeon::remote::detail
