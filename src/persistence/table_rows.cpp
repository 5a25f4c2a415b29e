#include <odeon/base/crc32c.hpp>
#include <odeon/persistence/table_rows.hpp>

#include <bit>

namespace odeon::store {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are summed as they lie");

class sum {
 public:
  explicit sum(std::uint32_t seed) noexcept : crc_(seed) {}
  sum& number(std::uint64_t n) noexcept {
    crc_ = crc32c(std::as_bytes(std::span(&n, 1)), crc_);
    return *this;
  }
  sum& bytes(std::span<const std::byte> b) noexcept {
    number(b.size());
    crc_ = crc32c(b, crc_);
    return *this;
  }
  sum& text(std::string_view t) noexcept { return bytes(std::as_bytes(std::span(t))); }
  [[nodiscard]] std::uint32_t value() const noexcept { return crc_; }

 private:
  std::uint32_t crc_;
};

std::uint64_t as_number(std::int64_t n) noexcept { return static_cast<std::uint64_t>(n); }

std::unexpected<error> mismatch(const char* table, std::string_view id, const std::string& key) {
  return fail(errc::corrupt_record, std::string(table) + "(\"" + std::string(id) + "\", " + key +
                                        "): the checksum does not match");
}

bool unpack_tags(std::string_view packed, std::vector<std::string_view>& tags) {
  tags.clear();
  while (!packed.empty()) {
    if (packed.size() < 2) return false;
    const auto low = static_cast<unsigned char>(packed[0]);
    const auto high = static_cast<unsigned char>(packed[1]);
    const std::size_t size = low + 256u * high;
    if (packed.size() - 2 < size) return false;
    tags.push_back(packed.substr(2, size));
    packed.remove_prefix(2 + size);
  }
  return true;
}

std::vector<std::byte> copy(std::span<const std::byte> b) { return {b.begin(), b.end()}; }

}  // namespace

std::uint32_t checksum_of_id(std::string_view persistence_id) noexcept {
  return crc32c(persistence_id);
}

std::uint32_t checksum(const state_row& r) noexcept {
  return sum(0).number(r.position_next).number(r.outbox_next).number(r.actor_next).value();
}

std::uint32_t checksum(const actor_row& r) noexcept {
  return sum(checksum_of_id(r.id))
      .number(r.actor)
      .number(r.epoch)
      .number(r.sequence)
      .number(static_cast<std::uint64_t>(r.kind))
      .value();
}

std::uint32_t checksum(const event_row& r, std::uint32_t id_crc) noexcept {
  return sum(id_crc)
      .number(r.sequence)
      .number(r.position)
      .number(r.epoch)
      .number(as_number(r.written))
      .number(r.version)
      .text(r.manifest)
      .text(r.tags)
      .bytes(r.payload)
      .value();
}

std::uint32_t checksum(const outbox_row& r, std::uint32_t id_crc) noexcept {
  return sum(id_crc)
      .number(r.position)
      .number(r.sequence)
      .text(r.id)
      .text(r.target)
      .text(r.manifest)
      .number(r.version)
      .bytes(r.payload)
      .value();
}

std::uint32_t checksum(const timer_row& r, std::uint32_t id_crc) noexcept {
  return sum(id_crc)
      .text(r.id)
      .number(as_number(r.due))
      .text(r.manifest)
      .number(r.version)
      .bytes(r.payload)
      .value();
}

std::uint32_t checksum(const mark_row& r, std::uint32_t id_crc) noexcept {
  return sum(id_crc).text(r.name).number(r.value).value();
}

std::uint32_t checksum(const snapshot_row& r, std::uint32_t id_crc) noexcept {
  return sum(id_crc)
      .number(r.sequence)
      .number(as_number(r.written))
      .text(r.manifest)
      .number(r.version)
      .bytes(r.payload)
      .value();
}

std::string pack_tags(const std::vector<std::string>& tags) {
  std::string out;
  for (const auto& tag : tags) {
    out += static_cast<char>(tag.size() % 256);
    out += static_cast<char>(tag.size() / 256);
    out += tag;
  }
  return out;
}

result<void> check(const state_row& r, std::uint32_t crc) {
  if (checksum(r) == crc) return {};
  return fail(errc::corrupt_record, "state: the checksum does not match");
}

result<void> check(const actor_row& r) {
  if (checksum(r) == r.crc) return {};
  return fail(errc::corrupt_record,
              "actors(\"" + std::string(r.id) + "\"): the checksum does not match");
}

result<event_view> checked(const event_row& r, std::string_view id,
                           std::vector<std::string_view>& tags) {
  if (checksum(r, checksum_of_id(id)) != r.crc || !unpack_tags(r.tags, tags))
    return mismatch("events", id, std::to_string(r.sequence));
  return event_view{.sequence = r.sequence,
                    .position = r.position,
                    .epoch = r.epoch,
                    .written = wall_time(duration(r.written)),
                    .version = r.version,
                    .manifest = r.manifest,
                    .payload = r.payload,
                    .tags = tags};
}

result<outbox_entry> checked(const outbox_row& r, std::string_view id) {
  if (checksum(r, checksum_of_id(id)) != r.crc)
    return mismatch("outbox", id, std::to_string(r.position));
  return outbox_entry{.position = r.position,
                      .persistence_id = std::string(id),
                      .sequence = r.sequence,
                      .message = {.id = std::string(r.id),
                                  .target = std::string(r.target),
                                  .manifest = std::string(r.manifest),
                                  .version = r.version,
                                  .payload = copy(r.payload)}};
}

result<timer_record> checked(const timer_row& r, std::string_view id) {
  if (checksum(r, checksum_of_id(id)) != r.crc)
    return mismatch("timers", id, "\"" + std::string(r.id) + "\"");
  return timer_record{.id = std::string(r.id),
                      .due = wall_time(duration(r.due)),
                      .manifest = std::string(r.manifest),
                      .version = r.version,
                      .payload = copy(r.payload)};
}

result<mark_record> checked(const mark_row& r, std::string_view id) {
  if (checksum(r, checksum_of_id(id)) != r.crc)
    return mismatch("marks", id, "\"" + std::string(r.name) + "\"");
  return mark_record{.name = std::string(r.name), .value = r.value};
}

result<stored_snapshot> checked(const snapshot_row& r, std::string_view id) {
  if (checksum(r, checksum_of_id(id)) != r.crc)
    return mismatch("snapshots", id, std::to_string(r.sequence));
  return stored_snapshot{.sequence = r.sequence,
                         .written = wall_time(duration(r.written)),
                         .manifest = std::string(r.manifest),
                         .version = r.version,
                         .payload = copy(r.payload)};
}

}  // namespace odeon::store
