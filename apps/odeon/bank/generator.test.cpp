#include "odeon/bank/generator.hpp"

#include "odeon/bank/scratch.test.hpp"
#include "odeon/bank/transfer_file.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <variant>

using namespace odeon::bank;
using odeon::errc;

namespace {

struct counted {
  std::uint64_t good = 0;
  std::uint64_t bad = 0;
  std::set<std::string> accounts;
  std::set<std::string> reasons;
};

counted read(const std::string& path) {
  counted c;
  std::set<std::string> references;
  auto file = transfer_file::open(path);
  REQUIRE(file.has_value());
  for (;;) {
    auto next = file->next();
    REQUIRE(next.has_value());
    if (!*next) return c;
    if (const auto* t = std::get_if<transfer>(&**next);
        t && references.insert(t->reference).second) {
      ++c.good;
      c.accounts.insert({t->from, t->to});
      CHECK(t->amount > 0);
    } else {
      ++c.bad;
      c.reasons.insert(t ? "twice" : std::get<rejected_line>(**next).reason);
    }
  }
}

}  // namespace

TEST_CASE("a generated file has as many good and bad lines as it should") {
  const scratch folder;
  REQUIRE(generate(folder.path("t.csv"), {.accounts = 50, .transfers = 3'000, .bad_lines = 160}));
  const counted c = read(folder.path("t.csv"));
  CHECK(c.good == 3'000);
  CHECK(c.bad == 160);
  CHECK(c.accounts.size() == 50);
  CHECK(c.reasons.size() >= 14);  // the kinds of bad lines
  CHECK(c.reasons.contains("twice"));
  CHECK_FALSE(std::filesystem::exists(folder.path("t.csv.part")));
}

TEST_CASE("the same seed gives the same file, another one another") {
  const scratch folder;
  REQUIRE(generate(folder.path("a"), {.transfers = 500, .bad_lines = 10, .seed = 7}));
  REQUIRE(generate(folder.path("b"), {.transfers = 500, .bad_lines = 10, .seed = 7}));
  REQUIRE(generate(folder.path("c"), {.transfers = 500, .bad_lines = 10, .seed = 8}));
  CHECK(folder.content("a") == folder.content("b"));
  CHECK(folder.content("a") != folder.content("c"));
}

TEST_CASE("a file may have no good lines, or none at all") {
  const scratch folder;
  REQUIRE(generate(folder.path("bad"), {.transfers = 0, .bad_lines = 16}));
  CHECK(read(folder.path("bad")).bad == 16);
  REQUIRE(generate(folder.path("empty"), {.transfers = 0}));
  CHECK(folder.content("empty") == "from,to,amount,reference\n");
}

TEST_CASE("options outside their range are refused") {
  const scratch folder;
  for (const auto& options :
       {generator_options{.accounts = 1}, generator_options{.accounts = max_accounts + 1},
        generator_options{.transfers = max_generated_lines + 1},
        generator_options{.bad_lines = max_generated_lines + 1}}) {
    const auto made = generate(folder.path("t.csv"), options);
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code() == errc::invalid_argument);
  }
  CHECK_FALSE(std::filesystem::exists(folder.path("t.csv")));
}

TEST_CASE("a folder that is not there and a full disk are named") {
  const scratch folder;
  const auto nowhere = generate(folder.path("none/t.csv"), {.transfers = 1});
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error().text() == folder.path("none/t.csv") + ": No such file or directory");

  std::filesystem::create_symlink("/dev/full", folder.path("full.csv.part"));
  const auto full = generate(folder.path("full.csv"), {.transfers = 100'000});
  REQUIRE_FALSE(full.has_value());
  CHECK(full.error().code() == errc::store_full);
}

TEST_CASE("names of accounts are unique and of one length") {
  CHECK(account_name(42, 10'000) == "acct-00042");
  CHECK(account_name(0, 2) == "acct-00000");
  CHECK(account_name(999'999, max_accounts) == "acct-999999");
  CHECK(account_name(7, max_accounts) == "acct-000007");
}
