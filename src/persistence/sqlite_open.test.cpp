#include "persistence/sqlite_support.test.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace odeon;

namespace {

/// The code of the refusal, whose text must name the file and hold `part`.
errc refusal(sqlite_world& w, const std::string& part) {
  const auto j = w.try_open();
  REQUIRE(!j.has_value());
  const std::string text(j.error().text());
  CHECK_MESSAGE(text.find(w.options.path) != std::string::npos, text);
  CHECK_MESSAGE(text.find(part) != std::string::npos, text);
  return j.error().code();
}

/// Acts as a user without rights until the end of the scope, when the tests run as root.
class without_root {
 public:
  without_root() {
    if (was_root_) REQUIRE(::seteuid(65534) == 0);
  }
  ~without_root() {
    if (was_root_) static_cast<void>(::seteuid(0) == 0);
  }
  without_root(const without_root&) = delete;
  without_root& operator=(const without_root&) = delete;

 private:
  bool was_root_ = ::geteuid() == 0;
};

}  // namespace

TEST_CASE("a journal in a folder that is not there is refused") {
  sqlite_world w;
  w.options.path = w.folder.file("no/such/journal.db");
  CHECK(refusal(w, "folder") == errc::not_found);
}

TEST_CASE("a missing journal is refused when it must not be created") {
  sqlite_world w;
  w.options.create = false;
  CHECK(refusal(w, "does not exist") == errc::not_found);
  CHECK(!std::filesystem::exists(w.options.path));
}

TEST_CASE("names that SQLite would take for no file are refused") {
  sqlite_world w;
  for (const char* path : {"", ":memory:"}) {
    w.options.path = path;
    CHECK(refusal(w, "not the path") == errc::invalid_argument);
  }
  w.options.path = w.folder.path();
  CHECK(refusal(w, "is not a file") == errc::io_failed);
}

TEST_CASE("options out of range are refused") {
  sqlite_world w;
  w.options.readers = 0;
  CHECK(refusal(w, "readers") == errc::invalid_argument);
  w.options.readers = 65;
  CHECK(refusal(w, "readers") == errc::invalid_argument);
  w.options.readers = 1;
  w.options.max_payload_bytes = std::size_t{1} << 31;
  CHECK(refusal(w, "512 MiB") == errc::invalid_argument);
}

TEST_CASE("a file that is no database is refused and left alone") {
  sqlite_world w;
  const std::string text =
      "Dear diary, this is no database, but it is longer than a header of one.\n";
  std::ofstream(w.options.path) << text << text;
  CHECK(refusal(w, "not an SQLite database") == errc::bad_encoding);
  std::ifstream back(w.options.path);
  CHECK(std::string(std::istreambuf_iterator<char>(back), {}) == text + text);
  CHECK(!std::filesystem::exists(w.options.path + "-owner"));
}

TEST_CASE("a database of another program is refused and left alone") {
  sqlite_world w;
  raw_sqlite other(w.options.path);
  other.run("CREATE TABLE songs(title)");
  CHECK(refusal(w, "no Odeon journal") == errc::wrong_type);
  CHECK(other.number("SELECT count(*) FROM sqlite_master") == 1);
}

TEST_CASE("a journal of a newer version is refused, naming both versions") {
  sqlite_world w;
  w.open()->close();
  raw_sqlite(w.options.path).run("UPDATE meta SET value = 3 WHERE key = 'schema_version'");
  CHECK(refusal(w, "schema version 3") == errc::newer_version);
  const auto verified = verify_sqlite_journal(w.options.path);
  CHECK(!verified);
  raw_sqlite(w.options.path).run("UPDATE meta SET value = 0 WHERE key = 'schema_version'");
  CHECK(refusal(w, "schema_version") == errc::corrupt_record);
}

TEST_CASE("an empty file becomes a journal, also when its creation was cut short") {
  sqlite_world w;
  std::ofstream(w.options.path).flush();
  write_events(*std::make_unique<odeon::testing::waiting_journal>(w.open()), "a", 2);
  sqlite_world cut;
  raw_sqlite(cut.options.path).run("PRAGMA journal_mode = WAL");
  auto j = cut.open();
  write_events(j, "a", 2);
  CHECK(j.highest("a") == 2u);
}

TEST_CASE("a journal that is open is refused to a second one, naming the process") {
  sqlite_world w;
  auto first = w.open();
  CHECK(refusal(w, "process " + std::to_string(::getpid())) == errc::io_failed);
  write_events(first, "a", 1);
  first->close();
  auto second = w.open();
  CHECK(second.highest("a") == 1u);
}

TEST_CASE("a journal that another program has locked is refused after the busy timeout") {
  sqlite_world w;
  w.open()->close();
  raw_sqlite other(w.options.path);
  other.run("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; CREATE TABLE x(y)");
  CHECK(refusal(w, "holds a lock") == errc::io_failed);
  other.run("ROLLBACK");
}

TEST_CASE("a lock of another program fails appends after the busy timeout and no longer") {
  sqlite_world w;
  auto j = w.open();
  const auto epoch = write_events(j, "a", 1);
  raw_sqlite other(w.options.path);
  other.run("BEGIN IMMEDIATE");
  const auto refused = j.append("a", epoch, 1, {odeon::testing::event_of("x")});
  REQUIRE(!refused);
  CHECK(refused.error().code() == errc::io_failed);
  CHECK(refused.error().text().find("holds a lock") != std::string_view::npos);
  other.run("ROLLBACK");
  CHECK(j.append("a", epoch, 1, {odeon::testing::event_of("x")}).has_value());
}

TEST_CASE("a journal that may not be written is refused") {
  sqlite_world w;
  w.open()->close();
  std::filesystem::remove(w.options.path + "-owner");
  REQUIRE(::chmod(w.folder.path().c_str(), 0555) == 0);
  REQUIRE(::chmod(w.options.path.c_str(), 0444) == 0);
  {
    const without_root plain;
    CHECK(refusal(w, "not writable") == errc::io_failed);
  }
  REQUIRE(::chmod(w.folder.path().c_str(), 0755) == 0);
}

TEST_CASE("a write-ahead log left by a crash is read when the journal is opened") {
  sqlite_world w;
  sqlite_world copy;
  auto j = w.open();
  write_events(j, "a", 20);
  // What a killed process leaves: the file and its log as they are now.
  for (const char* suffix : {"", "-wal"})
    std::filesystem::copy_file(w.options.path + suffix, copy.options.path + suffix);
  auto after = copy.open();
  CHECK(after.events("a").value().size() == 20);
  CHECK(copy.verify().good());
}
