#include "integration/bank/program.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace bank_test;

namespace {

// One sentence on stderr, nothing on stdout.
void check_refusal(const outcome& o, int code, std::string_view text) {
  CAPTURE(o.err);
  CHECK(o.code == code);
  CHECK(o.err.starts_with("odeon: "));
  CHECK(o.err.find(text) != std::string::npos);
  CHECK(o.err.ends_with('\n'));
}

}  // namespace

TEST_CASE("a file of one's own is carried out, and its bad lines are reported with their numbers") {
  const scratch folder;
  const std::string file = folder.file("mine.csv",
                                       "from,to,amount,reference\r\n"
                                       "alice,bob,100.50,rent\r\n"
                                       "\"O'Hara, Ann\",bob,7,gift\r\n"
                                       "alice,bob,100.50,rent\r\n"
                                       "alice,alice,1,self\r\n"
                                       "\r\n"
                                       "bob,M\xc3\xbcller,5000,much\r\n"
                                       "bob,alice,ten,word\r\n"
                                       "bob,M\xc3\xbcller,0.01,last");
  const auto o =
      run(folder, {"dev", "--kills=0", "--file=" + file, "--data=" + folder.path("run")});
  REQUIRE_MESSAGE(o.code == 0, o.err);
  for (const char* told :
       {"5 transfers, 2 lines that are none", "opened 4 accounts with 1,000.00 each",
        "skipped line 4: the reference rent is that of line 2",
        "skipped line 5: from and to are the same account, alice",
        "skipped line 8: the amount is not a number such as 12 or 12.50", "exactly once: 4 of 4",
        "3 completed, 1 refused", "every bad line was reported: 3 of 3"})
    CHECK_MESSAGE(o.out.find(told) != std::string::npos, told);
  CHECK(folder.content("run/acknowledged.txt").find("refused much\n") != std::string::npos);
  CHECK(folder.content("run/rejected.txt").find("line 5: ") != std::string::npos);
}

TEST_CASE("a file without transfers is a run without transfers") {
  const scratch folder;
  for (const char* content : {"", "from,to,amount,reference\n", "\n\n", "nonsense\n"}) {
    CAPTURE(content);
    const auto o = run(folder, {"dev", "--file=" + folder.file("empty.csv", content)});
    CHECK_MESSAGE(o.code == 0, o.err);
    CHECK(o.out.find("exactly once: 0 of 0") != std::string::npos);
  }
}

TEST_CASE("a command line that is not acceptable is one sentence and exit code 2") {
  const scratch folder;
  check_refusal(run(folder, {}), 2, "subcommand");
  check_refusal(run(folder, {"fly"}), 2, "");
  check_refusal(run(folder, {"dev", "--kills=many"}), 2, "--kills");
  check_refusal(run(folder, {"dev", "--accounts=1"}), 2, "--accounts");
  check_refusal(run(folder, {"dev", "--window=0"}), 2, "--window");
  check_refusal(run(folder, {"dev", "--opening-balance=-5"}), 2, "the amount is negative");
  check_refusal(run(folder, {"dev", "--file=x.csv", "--accounts=5"}), 2, "--accounts");
  check_refusal(run(folder, {"dev", "generate"}), 2, "out");
  check_refusal(run(folder, {"dev", "--file=" + folder.path("none.csv")}), 2,
                "none.csv: No such file or directory");
  check_refusal(run(folder, {"dev", "--file=" + folder.path()}), 2, "not a regular file");
  check_refusal(run(folder, {"dev", "generate", folder.path("no/such.csv")}), 2, "no/such.csv");
  check_refusal(run(folder, {"dev", "reconcile", folder.path("nothing")}), 2, "holds no run");
  check_refusal(run(folder, {"dev", "--data=/proc/nowhere"}), 2, "/proc/nowhere");
  CHECK(run(folder, {"--help"}).code == 0);
  CHECK(run(folder, {"--version"}).out.starts_with("odeon "));
}

TEST_CASE("a folder with another run is refused, and one in use") {
  const scratch folder;
  const std::string data = "--data=" + folder.path("run");
  const std::string file = folder.file("a.csv", "a,b,1,r1\n");
  REQUIRE(run(folder, {"dev", "--kills=0", "--file=" + file, data}).code == 0);
  check_refusal(run(folder, {"dev", "--file=" + folder.file("b.csv", "a,b,1,r2\n"), data}), 2,
                "holds the run of " + file + ", not of ");
  check_refusal(run(folder, {"dev", "--opening-balance=7", data}), 2, "another opening balance");
  (void)folder.file("a.csv", "a,b,2,r1\n");
  check_refusal(run(folder, {"dev", data}), 2, "a.csv has changed");

  program holder(folder,
                 {"dev", "--kills=0", "--transfers=100000", "--data=" + folder.path("busy")});
  REQUIRE_FALSE(holder.read_until("worker").empty());
  const scratch other;
  check_refusal(run(other, {"dev", "--data=" + folder.path("busy")}), 2,
                "is in use by another odeon");
}

TEST_CASE("a generated file is a file like any other") {
  const scratch folder;
  REQUIRE(run(folder, {"dev", "generate", "--accounts=20", "--transfers=500", "--bad-lines=20",
                       "--seed=4", folder.path("g.csv")})
              .code == 0);
  const auto r = report_of(run(folder, {"dev", "--json", "--file=" + folder.path("g.csv")}));
  CHECK(r.proof->good);
  CHECK(r.proof->transfers == 500);
  CHECK(r.proof->accounts == 20);
  CHECK(r.load->rejected == 20);
}

TEST_CASE("a damaged record ends the run with its place, and nothing is made up") {
  const scratch folder;
  const std::string data = folder.path("run");
  REQUIRE(run(folder, {"dev", "--kills=0", "--accounts=50", "--transfers=2000", "--bad-lines=0",
                       "--data=" + data})
              .code == 0);
  std::string bytes = folder.content("run/journal.db");
  unsigned damaged = 0;
  for (auto at = bytes.find("T00000100"); at != std::string::npos;
       at = bytes.find("T00000100", at + 1), ++damaged)
    bytes[at + 1] = '7';
  REQUIRE(damaged > 0);
  (void)folder.file("run/journal.db", bytes);
  check_refusal(run(folder, {"dev", "reconcile", data}), 1, "/");
  CHECK(folder.content("stderr").find("checksum") != std::string::npos);
  const auto o = run(folder, {"dev", "--kills=0", "--data=" + data});
  check_refusal(o, 1, "checksum");
  CHECK(o.err.find("everything is left as it is in " + data) != std::string::npos);
}

TEST_CASE("a full disk ends the run with its reason, and with space it goes on") {
  const scratch folder;
  const std::string data = "--data=" + folder.path("run");
  // Files of at most 1 MiB, by the shell's own limit.
  const auto o = run(folder, {"dev", "--kills=0", "--accounts=200", "--transfers=20000", data},
                     {"/bin/sh", "-c", "ulimit -f 2048; exec \"$0\" \"$@\""});
  CHECK(o.code == 1);
  CAPTURE(o.err);
  CHECK(o.err.starts_with("odeon: "));
  CHECK(o.err.find("everything is left as it is") != std::string::npos);
  const auto after = run(folder, {"dev", "--json", "--kills=1", data});
  REQUIRE_MESSAGE(after.code == 0, after.err);
  CHECK(report_of(after).proof->acknowledged == 20'000);
}

TEST_CASE("books that were tampered with do not pass") {
  const scratch folder;
  const std::string data = folder.path("run");
  REQUIRE(run(folder, {"dev", "--kills=0", "--accounts=50", "--transfers=500", "--bad-lines=0",
                       "--data=" + data})
              .code == 0);
  // An acknowledgement of what was never done.
  const std::string told = folder.content("run/acknowledged.txt");
  (void)folder.file("run/acknowledged.txt", told + "completed invented\n");
  const auto invented = run(folder, {"dev", "reconcile", data});
  CHECK(invented.code == 1);
  CHECK(
      invented.out.find("transfer invented was acknowledged as completed, but the journal does not "
                        "have its end") != std::string::npos);
  CHECK(invented.err == "odeon: the books do not balance\n");
  (void)folder.file("run/acknowledged.txt", told);
  CHECK(run(folder, {"dev", "reconcile", data}).code == 0);

  // A deposit out of nowhere.
  {
    const auto rt = odeon::make_threaded_runtime();
    odeon::sqlite_journal_options options;
    options.path = data + "/journal.db";
    const auto journal = odeon::open_sqlite_journal(*rt, options).value();
    const std::string id = "account/acct-00007";
    const auto last = odeon::wait_for<std::uint64_t>(
        *rt, [&](auto done) { journal->highest_sequence(id, std::move(done)); });
    const auto epoch = odeon::wait_for<std::uint64_t>(
        *rt, [&](auto done) { journal->open_writer(id, std::move(done)); });
    const odeon::bank::deposited gift{"gift", 1'00, {}};
    const auto stored = odeon::wait_for<odeon::append_ack>(*rt, [&](auto done) {
      journal->append({.persistence_id = id,
                       .epoch = epoch.value(),
                       .expected_sequence = last.value(),
                       .events = {{"bank.deposited", 1, odeon::wire::encode(gift), {}}}},
                      std::move(done));
    });
    REQUIRE(stored.has_value());
  }
  const auto gifted = run(folder, {"dev", "reconcile", "--json", data});
  CHECK(gifted.code == 1);
  CHECK_FALSE(report_of(gifted).proof->good);
  CHECK(gifted.err.find("transfer gift has bookings or an end, but was never started") !=
        std::string::npos);
}
