#include "odeon/dev/protocol.hpp"

#include <odeon/wire/codec.hpp>

#include <utility>

namespace odeon::dev {

namespace {

constexpr std::size_t header_bytes = 4;

}  // namespace

std::string_view to_string(phase p) noexcept {
  switch (p) {
    case phase::opening: return "opening";
    case phase::recovering: return "recovering";
    case phase::resuming: return "resuming";
    case phase::transferring: return "transferring";
    case phase::draining: return "draining";
  }
  return "unknown";
}

std::vector<std::byte> encode_frame(const report& r) {
  const wire::bytes body = wire::encode(r, wire::format::compact);
  std::vector<std::byte> frame(header_bytes + body.size());
  for (std::size_t i = 0; i < header_bytes; ++i)
    frame[i] = static_cast<std::byte>(body.size() >> (8 * i));
  std::copy(body.begin(), body.end(), frame.begin() + header_bytes);
  return frame;
}

result<std::optional<report>> frame_reader::next() {
  const std::span<const std::byte> rest = std::span(buffer_).subspan(taken_);
  std::size_t size = 0;
  if (rest.size() >= header_bytes)
    for (std::size_t i = 0; i < header_bytes; ++i)
      size |= std::to_integer<std::size_t>(rest[i]) << (8 * i);
  if (size > max_frame_bytes)
    return fail(errc::limit_exceeded, "a report of " + std::to_string(size) + " bytes");
  if (rest.size() < header_bytes || rest.size() - header_bytes < size) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(taken_));
    taken_ = 0;
    return std::nullopt;
  }
  taken_ += header_bytes + size;
  auto read = wire::decode<report>(rest.subspan(header_bytes, size), wire::format::compact);
  if (!read) return std::unexpected(std::move(read).error());
  return *std::move(read);
}

}  // namespace odeon::dev
