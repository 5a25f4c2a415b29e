#include "odeon/contract/command.hpp"

#include "odeon/bank/scratch.test.hpp"
#include "odeon/cli.hpp"
#include "odeon/contract/ask_program.hpp"
#include <odeon/wire/wire.hpp>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <vector>

namespace contract_test {

struct deposit {
  static constexpr auto manifest = "bank.deposit";
  std::string account;
  long cents = 0;
};
struct deposit_and_note {
  static constexpr auto manifest = "bank.deposit";
  std::string account;
  long cents = 0;
  std::string note;
};
struct deposit_in_text {
  static constexpr auto manifest = "bank.deposit";
  std::string account;
  std::string cents;
};

}  // namespace contract_test

namespace {

using namespace contract_test;
using namespace std::chrono_literals;
using odeon::errc;
using odeon::bank::scratch;
using namespace odeon::contracts;
namespace wire = odeon::wire;

template <class... T>
std::string document() {
  wire::registry types;
  types.add<T...>();
  wire::contract made;
  made.add(types);
  return made.to_json();
}

// The program itself, with this command line.
int odeon_says(const std::vector<std::string>& arguments) {
  std::vector<const char*> argv = {"odeon"};
  for (const std::string& a : arguments) argv.push_back(a.c_str());
  argv.push_back(nullptr);
  return odeon::run_program(static_cast<int>(argv.size()) - 1, argv.data(), "0");
}

std::string script(const scratch& folder, std::string_view name, std::string_view body) {
  const std::string path = folder.file(name, "#!/bin/sh\n" + std::string(body) + "\n");
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  return path;
}

// A program that answers as one does whose main begins with answer_contract_request.
std::string program(const scratch& folder, std::string_view name, const std::string& answer) {
  const std::string text = folder.file(std::string(name) + ".json", answer);
  return script(folder, name, "[ \"$*\" = --odeon-contract ] && cat '" + text + "'");
}

TEST_CASE("dump writes the contract of a program that answers") {
  const scratch folder;
  const std::string p = program(folder, "bank", document<deposit>());
  CHECK(odeon_says({"contract", "dump", p, "-o", folder.path("out.json")}) == exit_good);
  CHECK(folder.content("out.json") == document<deposit>());
  CHECK(odeon_says({"contract", "dump", folder.path("out.json"), "-o",
                    folder.path("again.json")}) == exit_good);
  CHECK(folder.content("again.json") == document<deposit>());
}

TEST_CASE("diff ends with 0 for the same and the compatible, and with 1 for what breaks") {
  const scratch folder;
  const std::string a = folder.file("a.json", document<deposit>());
  const std::string b = folder.file("b.json", document<deposit_and_note>());
  const std::string c = program(folder, "c", document<deposit_in_text>());
  CHECK(odeon_says({"contract", "diff", a, a}) == exit_good);
  CHECK(odeon_says({"contract", "diff", a, b}) == exit_good);
  CHECK(odeon_says({"contract", "diff", b, a}) == exit_breaking);
  CHECK(odeon_says({"contract", "diff", a, c, "--json"}) == exit_breaking);
}

TEST_CASE("lock keeps what is compatible, and what breaks only where it is accepted") {
  const scratch folder;
  const std::string a = folder.file("a.json", document<deposit>());
  const std::string b = folder.file("b.json", document<deposit_and_note>());
  const std::string c = folder.file("c.json", document<deposit_in_text>());
  const std::string lock = folder.path("contract.lock");
  const auto run = [&](const std::string& now, bool accept = false) {
    std::vector<std::string> all = {"contract", "lock", now, "--file", lock};
    if (accept) all.emplace_back("--accept");
    return odeon_says(all);
  };
  CHECK(run(a) == exit_good);
  CHECK(folder.content("contract.lock") == document<deposit>());
  CHECK(run(a) == exit_good);
  CHECK(run(b) == exit_good);
  CHECK(folder.content("contract.lock") == document<deposit_and_note>());
  CHECK(run(c) == exit_breaking);
  CHECK(folder.content("contract.lock") == document<deposit_and_note>());
  CHECK(run(c, true) == exit_good);
  CHECK(folder.content("contract.lock") == document<deposit_in_text>());
}

TEST_CASE("a lock that cannot be read is not overwritten") {
  const scratch folder;
  const std::string a = folder.file("a.json", document<deposit>());
  const std::string lock = folder.file("contract.lock", "<<<<<<< ours");
  CHECK(odeon_says({"contract", "lock", a, "--file", lock, "--accept"}) == exit_unreadable);
  CHECK(folder.content("contract.lock") == "<<<<<<< ours");
  CHECK(odeon_says({"contract", "lock", a, "--file", folder.path("no/such/folder")}) ==
        exit_unreadable);
}

TEST_CASE("a wrong command line ends with 2") {
  CHECK(odeon_says({"contract"}) == exit_usage);
  CHECK(odeon_says({"contract", "undo"}) == exit_usage);
  CHECK(odeon_says({"contract", "dump"}) == exit_usage);
  CHECK(odeon_says({"contract", "diff", "a"}) == exit_usage);
  CHECK(odeon_says({"contract", "lock", "a", "--force"}) == exit_usage);
}

TEST_CASE("what cannot be read ends with 3 and is told with its name") {
  const scratch folder;
  const std::string good = folder.file("a.json", document<deposit>());
  const std::string bad = folder.file("bad.json", "{\"odeon_contract\":1}");
  CHECK(odeon_says({"contract", "diff", good, folder.path("missing")}) == exit_unreadable);
  CHECK(odeon_says({"contract", "diff", bad, good}) == exit_unreadable);
  CHECK(odeon_says({"contract", "diff", good, folder.path()}) == exit_unreadable);
  const auto why = [](const std::string& path) {
    auto read = read_contract(path);
    return read ? "read" : read.error().to_string();
  };
  CHECK(why(bad) == "wrong_type: " + bad + ": the document: \"formats\" is missing");
  CHECK(why(folder.path("missing")).starts_with("not_found: " + folder.path("missing")));
  CHECK(why(folder.path()).ends_with("is not a file"));
  const std::string text = script(folder, "text", "echo hello");
  CHECK(why(text).starts_with("bad_encoding: " + text + " answers with what is no contract: at"));
}

TEST_CASE("a program that does not know the question is told what its main needs") {
  const scratch folder;
  const auto why = [&](std::string_view body, std::chrono::milliseconds limit = 60s) {
    auto asked = ask_program(script(folder, "p", body), limit);
    return asked ? "answered" : asked.error().to_string();
  };
  CHECK(why("exit 3").contains("ended with code 3; its main must begin with"));
  CHECK(why("kill -9 $$").contains("was killed by signal 9"));
  CHECK(why("true").contains("prints nothing"));
  CHECK(why("exec cat /dev/zero").starts_with("limit_exceeded"));
  CHECK(why("exec tail -f /dev/null", 50ms).starts_with("ask_timeout"));
  CHECK(why("mkfifo $0.f; echo '{}'; exec >&-; read x < $0.f", 3s).contains("does not end"));
  CHECK(why("cat; echo done") == "answered");  // its stdin is empty
  const std::string no_program = folder.file("plain", "not a program");
  REQUIRE(::chmod(no_program.c_str(), 0755) == 0);
  CHECK(ask_program(no_program).error().to_string().contains("cannot be started"));
  CHECK(ask_program(folder.path("missing")).error() == errc::not_found);
}

}  // namespace
