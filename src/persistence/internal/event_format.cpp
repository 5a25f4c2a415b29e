#include "persistence/internal/event_format.hpp"

#include "persistence/internal/bytes.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/crc32c.hpp>

#include <limits>
#include <utility>

namespace odeon::detail {

namespace {

std::uint32_t record_crc(std::span<const std::byte> record, std::uint32_t id_crc) noexcept {
  return crc32c(record.subspan(8), crc32c(record.first(4), id_crc));
}

std::unexpected<error> damaged(std::string what) {
  return fail(errc::corrupt_record, std::move(what));
}

}  // namespace

void encode_record(std::vector<std::byte>& out, const event_record& event,
                   const record_stamp& stamp, std::uint32_t id_crc) {
  std::size_t tags_size = 0;
  for (const auto& tag : event.tags) tags_size += 2 + tag.size();
  const std::size_t size = record_head + event.manifest.size() + tags_size + event.payload.size();
  ODEON_ASSERT(size <= std::numeric_limits<std::uint32_t>::max() &&
                   event.manifest.size() <= 0xffff && tags_size <= 0xffff,
               "an event passed the journal's bounds but not the format's");
  const std::size_t start = out.size();
  out.reserve(start + size);
  put(out, static_cast<std::uint32_t>(size));
  put(out, std::uint32_t{0});
  put(out, stamp.key.sequence);
  put(out, stamp.position);
  put(out, static_cast<std::int64_t>(stamp.written.time_since_epoch().count()));
  put(out, stamp.epoch);
  put(out, stamp.key.actor);
  put(out, event.version);
  put(out, static_cast<std::uint16_t>(event.manifest.size()));
  put(out, static_cast<std::uint16_t>(tags_size));
  put(out, std::string_view(event.manifest));
  for (const auto& tag : event.tags) {
    put(out, static_cast<std::uint16_t>(tag.size()));
    put(out, std::string_view(tag));
  }
  put(out, std::span<const std::byte>(event.payload));
  set(out, start + 4, record_crc(std::span<const std::byte>(out).subspan(start), id_crc));
}

result<std::pair<record_key, std::size_t>> peek_record(std::span<const std::byte> bytes) {
  if (bytes.size() < record_head)
    return damaged("a record's head ends after " + std::to_string(bytes.size()) + " of 52 bytes");
  const auto size = get<std::uint32_t>(bytes, 0);
  if (size < record_head || size > bytes.size())
    return damaged("a record says it is " + std::to_string(size) + " bytes long where " +
                   std::to_string(bytes.size()) + " are left");
  return std::pair(record_key{get<std::uint32_t>(bytes, 40), get<std::uint64_t>(bytes, 8)},
                   std::size_t{size});
}

result<decoded_record> decode_record(std::span<const std::byte> bytes, std::uint32_t id_crc,
                                     std::vector<std::string_view>& tags) {
  auto peeked = peek_record(bytes);
  if (!peeked) return std::unexpected(std::move(peeked.error()));
  decoded_record out{peeked->first, {}, peeked->second};
  bytes = bytes.first(out.size);
  if (get<std::uint32_t>(bytes, 4) != record_crc(bytes, id_crc))
    return damaged("the checksum does not match");
  const std::size_t manifest_size = get<std::uint16_t>(bytes, 48);
  const std::size_t tags_size = get<std::uint16_t>(bytes, 50);
  if (record_head + manifest_size + tags_size > out.size)
    return damaged("manifest and tags are longer than the record");
  out.view = {.sequence = out.key.sequence,
              .position = get<std::uint64_t>(bytes, 16),
              .epoch = get<std::uint64_t>(bytes, 32),
              .written = wall_time(duration(get<std::int64_t>(bytes, 24))),
              .version = get<std::uint32_t>(bytes, 44),
              .manifest = as_text(bytes.subspan(record_head, manifest_size)),
              .payload = bytes.subspan(record_head + manifest_size + tags_size),
              .tags = {}};
  tags.clear();
  auto list = bytes.subspan(record_head + manifest_size, tags_size);
  while (!list.empty()) {
    if (list.size() < 2 || list.size() - 2 < get<std::uint16_t>(list, 0))
      return damaged("the list of tags ends early");
    const std::size_t size = get<std::uint16_t>(list, 0);
    tags.push_back(as_text(list.subspan(2, size)));
    list = list.subspan(2 + size);
  }
  out.view.tags = tags;
  return out;
}

void encode_directory(std::vector<std::byte>& out, std::span<const directory_entry> entries) {
  const std::size_t start = out.size();
  out.reserve(start + entries.size() * directory_entry_size + 4);
  for (const auto& e : entries) {
    put(out, e.key.sequence);
    put(out, e.key.actor);
    put(out, e.offset);
  }
  put(out, crc32c(std::span<const std::byte>(out).subspan(start)));
}

result<std::vector<directory_entry>> decode_directory(std::span<const std::byte> bytes,
                                                      std::size_t records_size) {
  if (bytes.size() < 4 || (bytes.size() - 4) % directory_entry_size != 0)
    return damaged("a directory of " + std::to_string(bytes.size()) + " bytes");
  const auto list = bytes.first(bytes.size() - 4);
  if (crc32c(list) != get<std::uint32_t>(bytes, list.size()))
    return damaged("the directory's checksum does not match");
  std::vector<directory_entry> out;
  out.reserve(list.size() / directory_entry_size);
  for (std::size_t at = 0; at < list.size(); at += directory_entry_size) {
    directory_entry e{{get<std::uint32_t>(list, at + 8), get<std::uint64_t>(list, at)},
                      get<std::uint32_t>(list, at + 12)};
    const bool grows = out.empty() ? e.offset == 0 : e.offset > out.back().offset;
    if (!grows || e.offset >= records_size)
      return damaged("the directory points outside its records");
    out.push_back(e);
  }
  return out;
}

}  // namespace odeon::detail
