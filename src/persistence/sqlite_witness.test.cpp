#include "persistence/sqlite_support.test.hpp"

#include <filesystem>
#include <fstream>

namespace odeon {
namespace {

namespace fs = std::filesystem;
using testing::waiting_journal;

const char* const parts[] = {"", "-wal", "-witness"};

/// A journal with a write-ahead log that is not folded in, as a killed process leaves it.
struct killed_world {
  sqlite_world w;
  std::string left = w.folder.file("left");

  killed_world() {
    auto j = w.open();
    write_events(j, "a", 20, 3);
    copy(w.options.path, w.folder.file("early"));
    write_events(j, "b", 5);
    copy(w.options.path, left);
  }
  static void copy(const std::string& from, const std::string& to) {
    for (const char* part : parts) {
      fs::remove(to + part);
      if (fs::exists(from + part)) fs::copy_file(from + part, to + part);
    }
  }
  /// What is found at the path, after a kill or some accident.
  result<std::uint64_t> events_at(const std::string& path) {
    w.options.path = path;
    auto opened = w.try_open();
    if (!opened) return std::unexpected(std::move(opened).error());
    waiting_journal j(*w.rt, std::move(*opened));
    return j.events("a").value().size() + j.events("b").value().size();
  }
};

void flip(const std::string& path, std::uint64_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const int old = file.get();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(old ^ (1 << (at % 8))));
  REQUIRE(file.good());
}

TEST_CASE("a flipped byte in a write-ahead log that a kill left is reported with its place") {
  killed_world k;
  CHECK(fs::exists(k.left + "-witness"));
  const std::uint64_t size = fs::file_size(k.left + "-wal");
  const std::string path = k.w.folder.file("flipped");
  std::uint64_t step = 997;  // prime, so that all places of a frame have their turn
  if (const char* asked = std::getenv("ODEON_DAMAGE_STEP"))
    step = std::strtoull(asked, nullptr, 10);
  for (std::uint64_t at = 0; at < size; at += at < 64 ? 1 : step) {
    CAPTURE(at);
    killed_world::copy(k.left, path);
    flip(path + "-wal", at);
    const auto report = verify_sqlite_journal(path);
    if (report) {
      REQUIRE_FALSE(report->good());
      REQUIRE(report->damages.front().place == path + "-wal");
    }
    const auto found = k.events_at(path);
    REQUIRE_FALSE(found.has_value());
    REQUIRE(found.error() == errc::corrupt_record);
    REQUIRE(found.error().to_string().find(path + "-wal") != std::string::npos);
    // Looking changes nothing: it is still reported.
    REQUIRE_FALSE(k.events_at(path).has_value());
  }
}

TEST_CASE("a write-ahead log that is gone or cut short is missed, and may be given up by hand") {
  killed_world k;
  const std::string path = k.w.folder.file("cut");
  killed_world::copy(k.left, path);
  fs::resize_file(path + "-wal", fs::file_size(path + "-wal") / 2);
  REQUIRE_FALSE(k.events_at(path).has_value());
  fs::remove(path + "-wal");
  const auto gone = k.events_at(path);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error() == errc::corrupt_record);
  fs::remove(path + "-witness");
  CHECK(k.events_at(path).has_value());
}

TEST_CASE("a crash without damage is no damage") {
  killed_world k;
  CHECK(k.events_at(k.left) == 25);
  CHECK_FALSE(fs::exists(k.left + "-witness"));  // it was closed
  CHECK(k.events_at(k.left) == 25);

  // A loss of power leaves an older note with a newer log.
  killed_world again;
  fs::copy_file(again.w.folder.file("early") + "-witness", again.left + "-witness",
                fs::copy_options::overwrite_existing);
  CHECK(again.events_at(again.left) == 25);

  // Somebody's shell folds the log in.
  killed_world third;
  raw_sqlite(third.left).run("SELECT count(*) FROM log");
  CHECK_FALSE(fs::exists(third.left + "-wal"));
  CHECK(third.events_at(third.left) == 25);

  // A torn note says nothing.
  killed_world fourth;
  flip(fourth.left + "-witness", 9);
  CHECK(fourth.events_at(fourth.left) == 25);

  // The note of a journal that was deleted does not concern a new one.
  killed_world fifth;
  fs::remove(fifth.left);
  fs::remove(fifth.left + "-wal");
  CHECK(fifth.events_at(fifth.left) == 0);
}

TEST_CASE("a log that begins anew after a checkpoint is witnessed as well") {
  sqlite_world w;
  w.options.checkpoint_bytes = 16u << 10;
  std::string left = w.folder.file("left");
  {
    auto j = w.open();
    for (int k = 0; k < 30; ++k) {
      write_events(j, "a" + std::to_string(k), 4);
      killed_world::copy(w.options.path, left);
      const auto report = verify_sqlite_journal(left);
      REQUIRE(report.has_value());
      REQUIRE_MESSAGE(report->good(), report->damages.front().reason);
      REQUIRE(report->events == 4u * static_cast<unsigned>(k + 1));
    }
  }
  w.options.path = left;
  auto j = w.open();
  CHECK(j.events("a29").value().size() == 4);
}

}  // namespace
}  // namespace odeon
