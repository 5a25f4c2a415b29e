#include "persistence/internal/event_format.hpp"

#include <odeon/base/crc32c.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstring>

using namespace odeon;
using namespace odeon::detail;

namespace {

constexpr record_stamp stamp{.key = {.actor = 7, .sequence = 41},
                             .position = 1234,
                             .epoch = 3,
                             .written = wall_time(duration(1'700'000'000'123'456'789))};

event_record sample() {
  return {.manifest = "bank.deposited",
          .version = 2,
          .payload = {std::byte{1}, std::byte{0}, std::byte{255}},
          .tags = {"red", "green"}};
}

std::vector<std::byte> encoded(const event_record& event, std::string_view id = "account-1") {
  std::vector<std::byte> out;
  encode_record(out, event, stamp, crc32c(id));
  return out;
}

std::string hex(std::span<const std::byte> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const auto b : bytes) {
    out += digits[std::to_integer<unsigned>(b) >> 4];
    out += digits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("a record lies in the file as the format's description says") {
  // Size, checksum, sequence, position, written, epoch, actor, version, sizes, manifest, tags,
  // payload.
  const auto bytes = encoded(sample());
  CHECK(hex(std::span(bytes).first(4)) == "51000000");
  CHECK(hex(std::span(bytes).subspan(8)) ==
        "2900000000000000"
        "d204000000000000"
        "15cd853dfe9c9717"
        "0300000000000000"
        "07000000"
        "02000000"
        "0e00"
        "0c00"
        "62616e6b2e6465706f7369746564"
        "0300726564"
        "0500677265656e"
        "0100ff");
  std::vector<std::byte> covered;
  for (const char c : std::string_view("account-1")) covered.push_back(std::byte(c));
  covered.insert(covered.end(), bytes.begin(), bytes.begin() + 4);
  covered.insert(covered.end(), bytes.begin() + 8, bytes.end());
  std::uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + 4, 4);
  CHECK(crc == crc32c_portable(covered));
}

TEST_CASE("a record is read back whole") {
  CHECK(
      rc::check([](const std::string& manifest, std::uint32_t version,
                   const std::vector<std::uint8_t>& payload, const std::vector<std::string>& tags) {
        event_record event{.manifest = manifest, .version = version, .tags = tags};
        for (const auto b : payload) event.payload.push_back(std::byte(b));
        std::vector<std::byte> bytes(5);  // something may stand before it
        encode_record(bytes, event, stamp, crc32c("id"));
        const std::size_t size = bytes.size() - 5;
        bytes.resize(bytes.size() + 9);  // and behind it
        std::vector<std::string_view> room;
        const auto record = decode_record(std::span(bytes).subspan(5), crc32c("id"), room);
        RC_ASSERT(record.has_value());
        RC_ASSERT(record->size == size);
        RC_ASSERT(record->key == stamp.key);
        RC_ASSERT(record->view.position == stamp.position && record->view.epoch == stamp.epoch);
        RC_ASSERT(record->view.written == stamp.written && record->view.version == version);
        RC_ASSERT(record->view.manifest == manifest);
        RC_ASSERT(std::ranges::equal(record->view.payload, event.payload));
        RC_ASSERT(std::ranges::equal(record->view.tags, tags));
      }));
}

TEST_CASE("a truncated record is refused at every length") {
  const auto bytes = encoded(sample());
  std::vector<std::string_view> room;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::byte> part(bytes.begin(),
                                      bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto record = decode_record(part, crc32c("account-1"), room);
    REQUIRE(!record);
    REQUIRE(record.error() == errc::corrupt_record);
  }
}

TEST_CASE("a record with any one bit flipped is refused") {
  const auto bytes = encoded(sample());
  std::vector<std::string_view> room;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] ^= std::byte(1u << (bit % 8));
    REQUIRE(!decode_record(flipped, crc32c("account-1"), room));
  }
}

TEST_CASE("a record is refused under another persistence id") {
  const auto bytes = encoded(sample());
  std::vector<std::string_view> room;
  CHECK(decode_record(bytes, crc32c("account-1"), room));
  CHECK(!decode_record(bytes, crc32c("account-2"), room));
}

TEST_CASE("bytes that were never a record are refused or read within bounds") {
  CHECK(rc::check([](const std::vector<std::uint8_t>& noise) {
    std::vector<std::string_view> room;
    RC_ASSERT(!decode_record(std::as_bytes(std::span(noise)), 0, room));
    static_cast<void>(decode_directory(std::as_bytes(std::span(noise)), 100));
  }));
}

TEST_CASE("a directory is read back, and refused when damaged or out of order") {
  const std::vector<directory_entry> entries{{{1, 10}, 0}, {{2, 7}, 80}, {{1, 11}, 160}};
  std::vector<std::byte> bytes;
  encode_directory(bytes, entries);
  CHECK(bytes.size() == 3 * directory_entry_size + 4);
  const auto back = decode_directory(bytes, 200);
  REQUIRE(back);
  for (std::size_t k = 0; k < entries.size(); ++k) {
    CHECK((*back)[k].key == entries[k].key);
    CHECK((*back)[k].offset == entries[k].offset);
  }
  CHECK(!decode_directory(bytes, 160));  // the last one would begin at the end
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] ^= std::byte(1u << (bit % 8));
    REQUIRE(!decode_directory(flipped, 200));
  }
  std::vector<std::byte> backwards;
  encode_directory(backwards, std::vector<directory_entry>{{{1, 1}, 0}, {{1, 2}, 0}});
  CHECK(!decode_directory(backwards, 200));
}
