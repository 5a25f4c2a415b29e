#include "ring_frame.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace odeon::python {

namespace {

constexpr std::uint8_t payload_in_file = 1;
constexpr std::size_t max_buffers = 4096;
constexpr std::size_t common = 0;  // the file of all that was copied, when there is one

struct frame_head {
  std::uint8_t kind;
  std::uint8_t flags;
  std::uint16_t manifest_size;
  std::uint32_t version;
  std::uint64_t actor;
  std::uint64_t request;
  std::uint64_t payload_size;
  std::uint32_t buffers;
  std::uint32_t reserved;
};

struct place {
  std::uint32_t file;
  std::uint32_t reserved;
  std::uint64_t offset;
  std::uint64_t size;
};

// Where each buffer goes: into a segment of ours that it lies in, else into the common one.
struct layout {
  std::vector<std::shared_ptr<segment>> files;
  std::vector<place> places;
  std::vector<std::span<const std::byte>> copies;
  std::vector<std::size_t> copied;  // the buffer of each copy

  void add(std::span<const std::byte> buffer) {
    const std::size_t i = places.size();
    std::shared_ptr<segment> whole = segment::containing(buffer);
    std::size_t file = 0;
    if (whole != nullptr) {
      const auto known = std::ranges::find(files, whole);
      file = static_cast<std::size_t>(known - files.begin());
      if (known == files.end()) {
        if (files.size() + 1 < channel::max_files)
          files.push_back(whole);
        else
          whole = nullptr;
      }
    }
    if (whole == nullptr) {
      places.push_back({0, 0, 0, buffer.size()});
      copies.push_back(buffer);
      copied.push_back(i);
      return;
    }
    const auto offset = static_cast<std::uint64_t>(buffer.data() - whole->data());
    places.push_back({static_cast<std::uint32_t>(file + 1), 0, offset, buffer.size()});
  }
};

std::span<const std::byte> bytes_of(const auto& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

result<channel_status> send_frame(channel& to, const frame& what,
                                  std::span<const std::span<const std::byte>> buffers) {
  if (what.manifest.size() > std::numeric_limits<std::uint16_t>::max() ||
      buffers.size() > max_buffers) {
    return fail(errc::invalid_argument, "a manifest of 64 KiB, or more than 4096 buffers");
  }
  frame_head head{what.kind,
                  0,
                  static_cast<std::uint16_t>(what.manifest.size()),
                  what.version,
                  what.actor,
                  what.request,
                  what.payload.size(),
                  static_cast<std::uint32_t>(buffers.size()),
                  0};
  const auto manifest = std::as_bytes(std::span(what.manifest));
  const std::size_t inside =
      sizeof head + manifest.size() + sizeof(place) * (buffers.size() + 1) + what.payload.size();
  if (buffers.empty() && what.payload.size() < payload_beside_at && inside <= to.max_record()) {
    const std::array parts = {bytes_of(head), manifest, what.payload};
    return to.send(parts);
  }

  layout all;
  for (const auto& buffer : buffers) all.add(buffer);
  if (what.payload.size() >= payload_beside_at || inside > to.max_record()) {
    head.flags = payload_in_file;
    all.copies.push_back(what.payload);
  }
  std::vector<int> files;
  std::shared_ptr<segment> copied;
  place payload{};
  if (!all.copies.empty()) {
    std::vector<std::uint64_t> offsets;
    auto made = segment::copy_of(all.copies, offsets);
    if (!made) return std::unexpected(std::move(made).error());
    copied = *std::move(made);
    files.push_back(copied->file());
    for (std::size_t i = 0; i < all.copied.size(); ++i) {
      all.places[all.copied[i]].offset = offsets[i];
    }
    payload = {common, 0, offsets.back(), what.payload.size()};
  } else {
    for (place& one : all.places) --one.file;  // the first file is the first segment
  }
  for (const auto& one : all.files) {
    if (auto done = one->share(); !done) return std::unexpected(std::move(done).error());
    files.push_back(one->file());
  }
  const bool beside = head.flags != 0;
  const std::array parts = {bytes_of(head), manifest, beside ? bytes_of(payload) : what.payload,
                            std::as_bytes(std::span(all.places))};
  return to.send(parts, files);
}

namespace {

// Takes pieces off the front of a record.
struct pieces {
  std::span<const std::byte> left;

  bool take(std::size_t n, std::span<const std::byte>& to) {
    if (n > left.size()) return false;
    to = left.first(n);
    left = left.subspan(n);
    return true;
  }
  template <class T>
  bool copy(T& to) {
    std::span<const std::byte> from;
    if (!take(sizeof to, from)) return false;
    std::memcpy(&to, from.data(), sizeof to);
    return true;
  }
};

bool find_part(const received_frame& in, const place& where, segment_part& to) {
  if (where.file >= in.files.size()) return false;
  const auto& whole = in.files[where.file];
  if (where.offset > whole->size() || where.size > whole->size() - where.offset) return false;
  to = {whole, where.offset, where.size};
  return true;
}

bool read_frame(received_frame& to) {
  for (unique_fd& file : to.record.files) {
    auto made = segment::attach(std::move(file));
    if (!made) return false;
    to.files.push_back(*std::move(made));
  }
  pieces in{to.record.bytes};
  frame_head head{};
  std::span<const std::byte> manifest;
  if (!in.copy(head) || !in.take(head.manifest_size, manifest)) return false;
  to.content = {head.kind,
                head.actor,
                head.request,
                head.version,
                {reinterpret_cast<const char*>(manifest.data()), manifest.size()},
                {}};
  if ((head.flags & payload_in_file) != 0) {
    place where{};
    segment_part part;
    if (!in.copy(where) || !find_part(to, where, part)) return false;
    to.content.payload = part.bytes();
    if (!part.whole->frozen()) {  // what may change must not be read twice
      to.copied.assign(to.content.payload.begin(), to.content.payload.end());
      to.content.payload = to.copied;
    }
  } else if (!in.take(static_cast<std::size_t>(head.payload_size), to.content.payload)) {
    return false;
  }
  if (head.buffers > max_buffers) return false;
  for (std::uint32_t i = 0; i < head.buffers; ++i) {
    place where{};
    if (!in.copy(where) || !find_part(to, where, to.buffers.emplace_back())) return false;
  }
  return in.left.empty();
}

}  // namespace

channel_status receive_frame(channel& from, received_frame& to) {
  to.files.clear();
  to.buffers.clear();
  to.copied.clear();
  const channel_status status = from.receive(to.record);
  if (status != channel_status::done) return status;
  return read_frame(to) ? channel_status::done : channel_status::broken;
}

}  // namespace odeon::python
