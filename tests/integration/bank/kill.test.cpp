#include "integration/bank/program.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

using namespace bank_test;

TEST_CASE("a bank that is killed again and again loses nothing") {
  for (int seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    const scratch folder;
    const auto o =
        run(folder, {"dev", "--json", "--kills=3", "--seed=" + std::to_string(seed),
                     "--accounts=300", "--transfers=4000", "--bad-lines=40",
                     "--window=" + std::to_string(seed * 150), "--data=" + folder.path("run")});
    REQUIRE_MESSAGE(o.code == 0, o.err);
    const auto r = report_of(o);
    // Where the supervisor has to wait for the machine, the last may come after the end.
    CHECK(r.load->kills >= 1);
    CHECK(r.load->kills <= 3);
    CHECK(r.load->recoveries.size() == r.load->kills);
    CHECK(r.proof->good);
    CHECK(r.proof->transfers == 4'000);
    CHECK(r.proof->completed + r.proof->refused + r.proof->refunded == 4'000);
    CHECK(r.proof->acknowledged == 4'000);
    CHECK(r.proof->confirmed == 4'000);
    CHECK(r.load->rejected == 40);
    CHECK(r.proof->opened_with == "300000.00");
    CHECK(r.proof->sum_of_balances == "300000.00");
  }
}

TEST_CASE("a run without kills has the same end as one with them") {
  const scratch folder;
  const auto text = [&](const char* kills) {
    const auto r =
        report_of(run(folder, {"dev", "--json", "--seed=3", "--accounts=2", "--transfers=300",
                               "--bad-lines=0", "--window=1", std::string("--kills=") + kills}));
    return std::to_string(r.proof->completed) + " " + std::to_string(r.proof->refused) + " " +
           std::to_string(r.proof->refunded) + " " + r.proof->debited;
  };
  // With one transfer at a time the order is that of the file, and so is every balance.
  CHECK(text("0") == text("4"));
}

TEST_CASE("a worker that somebody else kills is started again") {
  const scratch folder;
  program p(folder, {"dev", "--kills=0", "--accounts=300", "--transfers=20000",
                     "--data=" + folder.path("run")});
  const std::string line = p.read_until("started");
  ::kill(std::stoi(line.substr(line.find(' ') + 1)), SIGKILL);
  CHECK_FALSE(p.read_until("somebody else killed the worker").empty());
  CHECK(p.wait() == 0);
  CHECK(p.out().find("the books balance") != std::string::npos);
}

TEST_CASE("a stopped run goes on where it was") {
  const scratch folder;
  const std::vector<std::string> arguments = {"dev", "--kills=0", "--accounts=300",
                                              "--transfers=20000", "--data=" + folder.path("run")};
  {
    program p(folder, arguments);
    CHECK_FALSE(p.read_until("opened 300 accounts").empty());
    p.send_signal(SIGINT);
    CHECK(p.wait() == 130);
    CHECK(p.out().find("stopped; `odeon dev --data " + folder.path("run") + "` goes on") !=
          std::string::npos);
  }
  // In the middle the books are sound, and know that they are not complete.
  const auto half = report_of(run(folder, {"dev", "reconcile", "--json", folder.path("run")}));
  CHECK(half.proof->good);
  CHECK(half.proof->unfinished > 0);
  CHECK(half.proof->acknowledged == 20'000 - half.proof->unfinished);

  const auto o = run(folder, {"dev", "--json", "--kills=0", "--data=" + folder.path("run")});
  REQUIRE_MESSAGE(o.code == 0, o.err);
  const auto r = report_of(o);
  CHECK(r.proof->transfers == 20'000);
  CHECK(r.proof->acknowledged == 20'000);
  CHECK(r.proof->accounts == 300);

  // Once more: nothing is left to do, and nothing is done twice.
  const auto again = report_of(run(folder, {"dev", "--json", "--data=" + folder.path("run")}));
  CHECK(again.proof->good);
  CHECK(again.proof->debited == r.proof->debited);
}

TEST_CASE("a supervisor that is killed leaves a run that goes on") {
  const scratch folder;
  const std::vector<std::string> arguments = {"dev", "--kills=1", "--accounts=300",
                                              "--transfers=20000", "--data=" + folder.path("run")};
  {
    program p(folder, arguments);
    CHECK_FALSE(p.read_until("opened 300 accounts").empty());
    p.send_signal(SIGKILL);
    CHECK(p.wait() == -1);
  }
  // The worker ends what is under way and lets go of the journal; until then it is in use.
  outcome o;
  do {
    o = run(folder, {"dev", "--json", "--kills=1", "--data=" + folder.path("run")});
  } while (o.code == 1 && o.err.find("in use") != std::string::npos);
  REQUIRE_MESSAGE(o.code == 0, o.err);
  CHECK(report_of(o).proof->acknowledged == 20'000);
}
