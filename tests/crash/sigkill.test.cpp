/// @file A process that writes through the SQLite journal is killed with SIGKILL, again and again:
/// at instants drawn by chance, and before, in the midst of and after operations on the journal's
/// files, drawn likewise. The process is a copy of this one, which has a single thread.

#include "crash/checker.hpp"
#include "crash/fault_vfs.hpp"
#include "crash/fleet.hpp"
#include "crash/rounds.hpp"
#include <odeon/runtime/runtime.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>

using namespace crash;

namespace {

constexpr std::uint32_t ids = 16;
constexpr std::uint64_t rounds_on_one_file = 8;

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

/// Kills its own process at some operation on a file.
class executioner final : public vfs_observer {
 public:
  executioner(std::uint64_t operations, bool halves, bool syncs)
      : left_(operations),
        halves_(halves),
        syncs_(syncs) {}
  void before(const operation& op) override {
    if (left_.fetch_sub(1) != 1) return;
    if (halves_ && op.what == operation::kind::write)
      op.file->pMethods->xWrite(op.file, op.data.data(), static_cast<int>(op.data.size() / 2),
                                op.offset);
    die();
  }
  bool really_syncs() override { return syncs_; }

 private:
  std::atomic<std::uint64_t> left_;
  const bool halves_;
  const bool syncs_;
};

void write_until_killed(const std::string& path, claims& told, std::uint64_t seed, bool lies) {
  const auto rt = odeon::make_threaded_runtime();
  auto opened = odeon::open_sqlite_journal(*rt, journal_at(path));
  if (!opened) {
    ("it does not open: " + opened.error().to_string())
        .copy(told.fault.data(), told.fault.size() - 1);
    return;
  }
  fleet writers(**opened, told, {.seed = seed, .lies = lies});
  writers.start();
  for (;;) ::pause();
}

struct campaign {
  std::uint64_t kills = 0;
  std::uint64_t at_operations = 0;  // of them
  std::uint64_t acknowledgements = 0;
  std::uint64_t events = 0;  // compared
  std::vector<std::string> faults;
};

/// One kill and the look at what it left. `told` is what is there before and, at the end, after.
void round(const scratch_folder& in, shared<claims>& told, dice d, bool lies, campaign& sum) {
  const std::string path = in.file("journal.db");
  const std::uint64_t before = told->acknowledgements;
  // Half of the time at an operation: early ones are those of opening and recovery.
  const bool at_operation = d.one_in(2);
  const std::uint64_t operation = 1 + d.below(d.one_in(2) ? 200 : 4'000);
  executioner axe(at_operation ? operation : 0, d.one_in(2), d.one_in(4));
  const std::uint64_t wanted = d.one_in(4) ? 0 : d.below(200);
  const std::uint64_t seed = d.next();
  const child_run run{
      .body =
          [&] {
            observe(&axe);
            write_until_killed(path, *told, seed, lies);
          },
      .enough =
          [&] {
            return !at_operation &&
                   std::atomic_ref(told->acknowledgements).load() >= before + wanted;
          },
      .microseconds_more = static_cast<std::int64_t>(d.below(d.one_in(2) ? 500 : 20'000))};
  bool stuck = false;
  const death end = run_and_kill(run, stuck);
  if (stuck) sum.faults.push_back("the writer neither died nor got on");
  if (!end.by_sigkill)
    sum.faults.push_back("the writer ended by itself: " + std::string(told->fault.data()));
  auto v = check_journal(path, *told, d.one_in(2));
  sum.kills += 1;
  sum.at_operations += at_operation ? 1 : 0;
  sum.acknowledgements += told->acknowledgements - before;
  sum.events += v.events;
  for (auto& f : v.faults) sum.faults.push_back(std::move(f));
  *told = v.found;
}

campaign kill_often(std::uint64_t first, std::uint64_t rounds, bool lies) {
  install_fault_vfs();
  observe(&no_syncs());
  const scratch_folder in;
  shared<claims> told;
  campaign sum;
  for (std::uint64_t r = first; r < first + rounds && sum.faults.empty(); ++r) {
    if (r == first || r % rounds_on_one_file == 0) {
      in.empty();
      *told = claims{};
      told->ids = ids;
    }
    round(in, told, dice(mix(base_seed(), r)), lies, sum);
    for (auto& f : sum.faults) f = "round " + std::to_string(r) + ": " + f;
  }
  observe(nullptr);
  return sum;
}

}  // namespace

TEST_CASE("what a journal acknowledged survives SIGKILL at any moment") {
  const std::uint64_t seed = base_seed();
  CAPTURE(seed);
  const std::uint64_t rounds = setting("ODEON_CRASH_ROUNDS", 160);
  const auto sum = kill_often(setting("ODEON_CRASH_FIRST", 0), rounds, false);
  MESSAGE(sum.kills << " kills, " << sum.at_operations << " of them at an operation on a file; "
                    << sum.acknowledgements << " acknowledgements, " << sum.events
                    << " events compared; ODEON_TEST_SEED=" << seed);
  for (const auto& f : sum.faults) FAIL_CHECK(f << "; ODEON_TEST_SEED=" << seed);
  CHECK(sum.acknowledgements > 10 * rounds);
}

TEST_CASE("a journal that acknowledged too early would be caught by SIGKILL") {
  const auto sum = kill_often(0, 60, true);
  REQUIRE(!sum.faults.empty());
  CHECK_MESSAGE(sum.faults[0].find("was acknowledged, and it stands at") != std::string::npos,
                sum.faults[0]);
}
