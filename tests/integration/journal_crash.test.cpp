/// @file A program that appends and tells a pipe what was acknowledged is killed with SIGKILL at
/// random moments, again and again. After each kill the journal must hold every acknowledged event,
/// in order, exactly once, and of what was not acknowledged whole appends or nothing.
///
/// The program is this test executable itself, run anew with the path of the journal in its
/// environment.

#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/runtime/runtime.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace odeon;

namespace {

constexpr const char* path_variable = "ODEON_JOURNAL_CRASH_PATH";
constexpr int report_fd = 3;  // in the child: where acknowledgements go
constexpr std::uint32_t actors = 40;
constexpr int kills = 30;

std::string id_of(std::uint32_t actor) { return "actor-" + std::to_string(actor); }

std::vector<std::byte> payload_of(std::uint32_t actor, std::uint64_t sequence) {
  // Of differing lengths, and telling whose it is.
  std::string text = std::to_string(actor) + ":" + std::to_string(sequence) + ":";
  text.append((actor * 31 + sequence * 7) % 300, 'x');
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

sqlite_journal_options options_at(const std::string& path) {
  sqlite_journal_options o;
  o.path = path;
  // Small, so that a short life goes through tails, segments, trimming and checkpoints.
  o.landing_bytes = 60'000;
  o.segment_bytes = 6'000;
  o.checkpoint_bytes = 150'000;
  return o;
}

/// What the child says of each acknowledged append.
struct report {
  std::uint32_t actor;
  std::uint32_t last;  // sequence
};

// --- The child.
// -----------------------------------------------------------------------------------

struct appender {
  journal& j;
  std::uint32_t actor;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;

  void next() {
    append_request r{.persistence_id = id_of(actor), .epoch = epoch, .expected_sequence = sequence};
    const std::uint64_t count = 1 + (sequence + actor) % 3;
    for (std::uint64_t k = 1; k <= count; ++k)
      r.events.push_back({.manifest = "e", .payload = payload_of(actor, sequence + k)});
    // One timer for each append: it must say the same as the events do.
    r.set_timers.push_back(
        {.id = "last", .due = wall_time(duration(static_cast<std::int64_t>(sequence + count)))});
    if (sequence % 5 == 0) r.outbox.push_back({.id = std::to_string(sequence + count)});
    j.append(std::move(r), [this](result<append_ack> ack) {
      if (!ack) std::_Exit(3);
      sequence = ack->sequence;
      const report done{actor, static_cast<std::uint32_t>(sequence)};
      if (::write(report_fd, &done, sizeof done) != sizeof done) std::_Exit(4);
      if (sequence % 16 == 0)
        j.save_snapshot({.persistence_id = id_of(actor),
                         .epoch = epoch,
                         .sequence = sequence,
                         .payload = payload_of(actor, sequence),
                         .keep = 2},
                        [](result<void> saved) {
                          if (!saved) std::_Exit(5);
                        });
      next();
    });
  }
};

[[noreturn]] void append_until_killed(const std::string& path) {
  const auto rt = make_threaded_runtime();
  auto opened = open_sqlite_journal(*rt, options_at(path));
  if (!opened) std::_Exit(2);
  std::vector<std::unique_ptr<appender>> all;
  for (std::uint32_t a = 0; a < actors; ++a) {
    auto epoch = wait_for<std::uint64_t>(
        *rt, [&](auto done) { (*opened)->open_writer(id_of(a), std::move(done)); });
    auto last = wait_for<std::uint64_t>(
        *rt, [&](auto done) { (*opened)->highest_sequence(id_of(a), std::move(done)); });
    if (!epoch || !last) std::_Exit(6);
    all.push_back(std::unique_ptr<appender>(new appender{**opened, a, *epoch, *last}));
  }
  for (auto& a : all) a->next();
  for (;;) ::pause();
}

// --- The parent.
// ----------------------------------------------------------------------------------

struct child {
  pid_t pid = -1;
  int reports = -1;

  explicit child(const std::string& path) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::close(ends[0]);
      if (ends[1] != report_fd) {
        ::dup2(ends[1], report_fd);
        ::close(ends[1]);
      }
      ::setenv(path_variable, path.c_str(), 1);
      ::execl("/proc/self/exe", "journal-crash-child", "-tc=the child of the journal's crash test",
              "--no-skip", static_cast<char*>(nullptr));
      std::_Exit(7);
    }
    ::close(ends[1]);
    reports = ends[0];
  }
  ~child() {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    ::close(reports);
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  /// Reads what is there, waiting at most so long for something; false: the pipe is closed.
  bool read_reports(std::map<std::uint32_t, std::uint32_t>& last, int wait_ms,
                    std::uint64_t& count) {
    pollfd p{reports, POLLIN, 0};
    if (::poll(&p, 1, wait_ms) == 0) return true;
    report r{};
    // Each was written whole: it is smaller than PIPE_BUF.
    const ssize_t n = ::read(reports, &r, sizeof r);
    if (n == 0) return false;
    REQUIRE(n == static_cast<ssize_t>(sizeof r));
    CHECK(r.last > last[r.actor]);
    last[r.actor] = r.last;
    ++count;
    return true;
  }
};

/// Opens what was left and compares it with what was acknowledged. Returns the new truth.
void check(const std::string& path, std::map<std::uint32_t, std::uint32_t>& acknowledged) {
  const auto report = verify_sqlite_journal(path);
  REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().to_string()));
  REQUIRE_MESSAGE(report->good(), report->damages[0].place << ": " << report->damages[0].reason);
  const auto rt = make_threaded_runtime();
  auto j = open_sqlite_journal(*rt, options_at(path));
  REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
  for (std::uint32_t a = 0; a < actors; ++a) {
    const auto events = wait_for<std::vector<stored_event>>(
        *rt, [&](auto done) { read_events(**j, {.persistence_id = id_of(a)}, std::move(done)); });
    REQUIRE(events.has_value());
    REQUIRE_MESSAGE(events->size() >= acknowledged[a], id_of(a) << " has " << events->size()
                                                                << " events of " << acknowledged[a]
                                                                << " acknowledged");
    for (std::size_t k = 0; k < events->size(); ++k) {
      REQUIRE((*events)[k].sequence == k + 1);
      REQUIRE((*events)[k].event.payload == payload_of(a, k + 1));
    }
    // The timer was written with the last append, in the same transaction: it tells whether that
    // one is whole.
    const auto timers = wait_for<std::vector<timer_record>>(
        *rt, [&](auto done) { (*j)->timers_of(id_of(a), std::move(done)); });
    REQUIRE(timers.has_value());
    const std::uint64_t timer =
        timers->empty() ? 0
                        : static_cast<std::uint64_t>(timers->at(0).due.time_since_epoch().count());
    REQUIRE(timer == events->size());
    recovery_callbacks callbacks;
    std::uint64_t next = 1;
    callbacks.on_snapshot = [&](const stored_snapshot& s) -> result<void> {
      CHECK(s.payload == payload_of(a, s.sequence));
      next = s.sequence + 1;
      return {};
    };
    callbacks.on_event = [&](const event_view& e) -> result<void> {
      CHECK(e.sequence == next);
      ++next;
      return {};
    };
    const auto recovered = wait_for<recovery_report>(*rt, [&](auto done) {
      callbacks.on_end = std::move(done);
      (*j)->recover({.persistence_id = id_of(a)}, std::move(callbacks));
    });
    REQUIRE(recovered.has_value());
    CHECK(recovered->damaged_snapshots.empty());
    CHECK(next == events->size() + 1);
    acknowledged[a] = static_cast<std::uint32_t>(events->size());
  }
}

}  // namespace

TEST_CASE("the child of the journal's crash test" * doctest::skip()) {
  if (const char* path = std::getenv(path_variable)) append_until_killed(path);
}

TEST_CASE("what a journal acknowledged survives SIGKILL at any moment") {
  std::string folder = (std::filesystem::temp_directory_path() / "odeon-crash-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/journal.db";
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 chance(seed);
  std::map<std::uint32_t, std::uint32_t> acknowledged;
  std::uint64_t total = 0;
  for (int kill = 0; kill < kills; ++kill) {
    CAPTURE(kill);
    {
      child c(path);
      // Until some acknowledgements have come; every fourth time it is killed wherever it is, even
      // while opening.
      const std::uint64_t wanted = kill % 4 == 3 ? 0 : 1 + chance() % 800;
      std::uint64_t count = 0;
      while (count < wanted)
        REQUIRE_MESSAGE(c.read_reports(acknowledged, 20'000, count), "the child ended by itself");
      for (int spin = static_cast<int>(chance() % 2'000'000); spin > 0; --spin)
        std::atomic_signal_fence(std::memory_order_seq_cst);
      ::kill(c.pid, SIGKILL);
      int status = 0;
      REQUIRE(::waitpid(std::exchange(c.pid, -1), &status, 0) > 0);
      CHECK(WIFSIGNALED(status));
      while (c.read_reports(acknowledged, -1, count)) {
      }
      total += count;
    }
    if (std::filesystem::exists(path) && std::filesystem::file_size(path) > 0)
      check(path, acknowledged);
  }
  CHECK(total > 1'000);
  MESSAGE(kills << " kills, " << total << " appends acknowledged, none lost; seed " << seed);
  std::filesystem::remove_all(folder);
}
