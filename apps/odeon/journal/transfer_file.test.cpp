#include "odeon/journal/transfer_file.hpp"

#include "odeon/journal/text.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace odeon;
using namespace odeon::journal_tool;

namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

/// Writes down what comes.
class recorder final : public journal_sink {
 public:
  explicit recorder(std::string& into) : out_(into) {}
  result<void> begin_id(const std::string& id, const id_info& i) override {
    return line("id", id, i.epoch, i.highest_sequence, i.keeps_states ? 1 : 0);
  }
  result<void> event(const event_view& e) override {
    for (const auto tag : e.tags) out_ += std::string(tag) + ";";
    return line("event", to_base64(e.payload) + std::string(e.manifest), e.sequence, e.position,
                e.epoch + e.version);
  }
  result<void> snapshot(const stored_snapshot& s) override {
    return line("snapshot", to_base64(s.payload), s.sequence, s.version, 0);
  }
  result<void> timer(const timer_record& t) override {
    return line("timer", t.id, static_cast<std::uint64_t>(t.due.time_since_epoch().count()), 0, 0);
  }
  result<void> mark(const mark_record& m) override { return line("mark", m.name, m.value, 0, 0); }
  result<void> outbox(const outbox_entry& e) override {
    return line("outbox", e.persistence_id + e.message.id + e.message.target, e.position,
                e.sequence, 0);
  }
  result<void> finish() override { return line("finish", "", 0, 0, 0); }

 private:
  result<void> line(const char* kind, const std::string& text, std::uint64_t a, std::uint64_t b,
                    std::uint64_t c) {
    out_ += std::string(kind) + " " + text + " " + std::to_string(a) + " " + std::to_string(b) +
            " " + std::to_string(c) + "\n";
    return {};
  }
  std::string& out_;
};

void feed(journal_sink& to) {
  const std::string_view tags[] = {"red", "\xff odd"};
  const auto payload = bytes_of("\x00\x01 bytes");
  REQUIRE(to.begin_id("a \xf0\x28", {.epoch = 3, .highest_sequence = 1}));
  REQUIRE(to.event({.sequence = 1,
                    .position = 1ull << 62,
                    .epoch = 2,
                    .written = wall_time(duration(-5)),
                    .version = 0xffff'ffff,
                    .manifest = "m\"",
                    .payload = payload,
                    .tags = tags}));
  REQUIRE(to.timer({"t", wall_time::min(), "m", 1, {}}));
  REQUIRE(to.mark({"sender", UINT64_MAX}));
  REQUIRE(to.begin_id("s", {.epoch = 1, .highest_sequence = 2, .keeps_states = true}));
  REQUIRE(to.snapshot({2, wall_time(), "m", 1, payload}));
  REQUIRE(to.outbox({9, "s", 2, {"id", "target", "m", 1, {}}}));
  REQUIRE(to.finish());
}

std::string exported() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = ::open_memstream(&text, &size);
  feed(*make_export_writer(file));
  std::fclose(file);
  const std::string out(text, size);
  std::free(text);
  return out;
}

result<transfer_counts> read(std::string text, std::string& into) {
  text += '\0';  // room: an empty buffer is none
  std::FILE* file = ::fmemopen(text.data(), text.size() - 1 > 0 ? text.size() - 1 : 1, "r");
  recorder to(into);
  auto out = read_export(file, to);
  std::fclose(file);
  return out;
}

std::string with_crc(const std::string& line) {
  char tail[32];
  std::snprintf(tail, sizeof tail, ",\"crc\":\"%08x\"}\n", crc32c(line));
  return line + tail;
}

const std::string head = with_crc(R"({"kind":"odeon-journal","format":1)");

}  // namespace

TEST_CASE("what is exported is read back, all of it") {
  std::string direct;
  recorder to(direct);
  feed(to);
  std::string back;
  const auto counts = read(exported(), back);
  REQUIRE_MESSAGE(counts.has_value(), counts.error().to_string());
  CHECK(back == direct);
  CHECK(*counts == transfer_counts{2, 1, 1, 1, 1, 1});
}

TEST_CASE("an export is lines of JSON, as described") {
  const std::string text = exported();
  CHECK(text.starts_with(head));
  CHECK(text.find(with_crc(R"({"kind":"mark","mark":"sender","value":18446744073709551615)")) !=
        std::string::npos);
  CHECK(text.find(R"("tags":["red",{"base64":"/yBvZGQ="}],"payload":")") != std::string::npos);
  CHECK(text.ends_with(with_crc(
      R"({"kind":"end","ids":2,"events":1,"snapshots":1,"timers":1,"marks":1,"outbox":1)")));
}

TEST_CASE("a changed, a missing and a moved byte are found, with the line") {
  const std::string text = exported();
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    CAPTURE(at);
    for (const char flip : {'\x01', '\x20'}) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      std::string back;
      const auto r = read(changed, back);
      REQUIRE(!r.has_value());
      REQUIRE(r.error().text().starts_with("line "));
      REQUIRE(back.find("finish") == std::string::npos);
    }
  }
  for (std::size_t size = 1; size + 1 < text.size(); ++size) {
    std::string back;
    REQUIRE(!read(text.substr(0, size), back).has_value());
    REQUIRE(back.find("finish") == std::string::npos);
  }
  std::string back;
  CHECK(read(text.substr(0, text.size() - 1), back).has_value());  // but for the last line's break
}

TEST_CASE("lines that do not fit together are refused") {
  struct bad {
    std::string text;
    errc code;
    const char* part;
  };
  const std::string whole = exported();
  const std::size_t mark = whole.find("{\"kind\":\"mark\"");
  std::string without = whole;
  without.erase(mark, whole.find('\n', mark) + 1 - mark);
  const std::string end =
      with_crc(R"({"kind":"end","ids":0,"events":0,"snapshots":0,"timers":0,"marks":0,"outbox":0)");
  const bad all[] = {
      {without, errc::corrupt_record, "lines are missing"},
      {"hello\n", errc::bad_encoding, "line 1: this is no export"},
      {end, errc::bad_encoding, "no export"},
      {with_crc(R"({"kind":"odeon-journal","format":2)"), errc::newer_version, "format 2"},
      {head, errc::truncated, "line 2"},
      {head + end + end, errc::corrupt_record, "behind the end"},
      {head + with_crc(R"({"kind":"nonsense")"), errc::corrupt_record, "nonsense"},
      {head + with_crc(R"({"kind":"mark","mark":"m","value":1)"), errc::corrupt_record,
       "belongs to no id"},
      {head + with_crc(R"({"kind":"id","id":7,"epoch":1,"sequence":0)"), errc::corrupt_record,
       "\"id\""},
      {head + with_crc(R"({"kind":"id","id":"a","epoch":-1,"sequence":0)"), errc::corrupt_record,
       "\"epoch\""},
      {head + with_crc(R"({"kind":"id","id":{"base64":"?"},"epoch":1,"sequence":0)"),
       errc::corrupt_record, "\"id\""},
      {head + with_crc(R"(["kind")"), errc::corrupt_record, "no JSON object"},
  };
  for (const auto& b : all) {
    std::string back;
    const auto r = read(b.text, back);
    CAPTURE(b.text);
    REQUIRE(!r.has_value());
    CHECK(r.error().code() == b.code);
    CHECK_MESSAGE(r.error().text().find(b.part) != std::string_view::npos, r.error().text());
    CHECK(back.find("finish") == std::string::npos);
  }
  std::string back;
  CHECK(read(head + end, back).value() == transfer_counts{});
}

TEST_CASE("an export that the disk refuses says so") {
  std::FILE* full = std::fopen("/dev/full", "w");
  REQUIRE(full != nullptr);
  const auto writer = make_export_writer(full);
  REQUIRE(writer->begin_id("a", {}));
  const auto refused = writer->finish();
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code() == errc::store_full);
  std::fclose(full);
}
