/// @file A program with a durable run is killed with SIGKILL at each boundary of each step – at the
/// step's beginning, after its effect and before its record, after its record and before the next
/// step – and started again, until the run ends. Each effect is a line in a file that is written
/// with O_APPEND and synced.
///
/// The rules: no step whose end was recorded runs again; one that was killed before its record runs
/// once more, with the same key; the answer is the one of a run that was never killed. The same for
/// the compensations of a saga that fails.
///
/// The program is this test executable itself, run anew with the path of its folder and the point
/// where it is to die in its environment.

#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/workflow/workflow.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;

namespace {

constexpr const char* folder_variable = "ODEON_WORKFLOW_CRASH_FOLDER";
constexpr const char* point_variable = "ODEON_WORKFLOW_CRASH_POINT";
constexpr const char* fail_variable = "ODEON_WORKFLOW_CRASH_FAILS";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// --- The child -----------------------------------------------------------------------------------

/// Dies here when this is the point of this life.
void die_at(const std::string& point) {
  if (variable(point_variable) == point) ::raise(SIGKILL);
}

/// An effect that outlives the program.
void note(const std::string& line) {
  const std::string path = variable(folder_variable) + "/effects";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const std::string text = line + "\n";
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fsync(fd) != 0)
    std::_Exit(3);
  ::close(fd);
}

void effect(const std::string& name, const step_context& ctx) {
  die_at("begin " + name);
  note(name + " " + ctx.key());
  die_at("effect " + name);
}

/// The step before has been recorded when this one begins: `begin x` is the point after its record.
auto book(const std::string& name, int price) {
  return step(name,
              [name, price](int sum, step_context ctx) {
                effect(name, ctx);
                return sum + price;
              })
      .compensated_by([name](int, int, step_context ctx) { effect("undo " + name, ctx); });
}

odeon::workflow<int, int> order() {
  return book("hotel", 100) >>
         fan_out(book("flight", 20), step("insurance",
                                          [](int sum, step_context ctx) -> task<int> {
                                            co_await sleep(std::chrono::milliseconds(2));
                                            effect("insurance", ctx);
                                            co_return sum + 3;
                                          })) >>
         step("add", [](int a, int b) { return a * 1'000 + b; }) >>
         delayed(std::chrono::milliseconds(3), book("car", 1)) >>
         step("pay", [](int sum, step_context ctx) -> result<int> {
           effect("pay", ctx);
           if (!variable(fail_variable).empty()) return fail(errc::refused, "no money");
           return sum;
         });
}

[[noreturn]] void live(const std::string& folder) {
  std::string said;
  {
    const auto rt = make_threaded_runtime();
    sqlite_journal_options options;
    options.path = folder + "/journal.db";
    auto opened = open_sqlite_journal(*rt, options);
    if (!opened) std::_Exit(4);
    const std::shared_ptr<journal> j = std::move(*opened);
    actor_system system{"crash", {.runtime = rt.get()}};
    const auto w = order();
    auto answer = w.durable("order-17").run(0, system, {.journal = j}).result();
    said = answer ? "answer " + std::to_string(*answer) : "error " + answer.error().to_string();
  }
  std::ofstream(folder + "/said", std::ios::trunc) << said;
  std::_Exit(0);
}

// --- The parent ----------------------------------------------------------------------------------

struct life {
  bool killed = false;
  std::string said;
};

/// One life of the program. The point may be empty: it is not killed.
life run_child(const std::string& folder, const std::string& point, bool fails) {
  std::filesystem::remove(folder + "/said");
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::setenv(folder_variable, folder.c_str(), 1);
    ::setenv(point_variable, point.c_str(), 1);
    ::setenv(fail_variable, fails ? "yes" : "", 1);
    ::execl("/proc/self/exe", "workflow-crash-child", "-tc=the child of the workflow's crash test",
            "--no-skip", static_cast<char*>(nullptr));
    std::_Exit(7);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  if (WIFSIGNALED(status)) {
    REQUIRE(WTERMSIG(status) == SIGKILL);
    return {true, {}};
  }
  REQUIRE_MESSAGE(WEXITSTATUS(status) == 0, "the child said " << WEXITSTATUS(status));
  life out;
  std::ifstream in(folder + "/said");
  std::getline(in, out.said);
  return out;
}

std::vector<std::string> effects(const std::string& folder) {
  std::vector<std::string> out;
  std::ifstream in(folder + "/effects");
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

struct scratch {
  std::string path;
  scratch() {
    path = (std::filesystem::temp_directory_path() / "odeon-workflow-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
  }
  ~scratch() { std::filesystem::remove_all(path); }
};

const std::vector<std::string> forward = {"hotel", "flight", "insurance", "car", "pay"};
const std::vector<std::string> backward = {"undo car", "undo flight", "undo hotel"};

/// What was done, each once unless it was killed between its effect and its record, then twice and
/// with the same key.
void check_effects(const std::string& folder, const std::vector<std::string>& names,
                   const std::map<std::string, int>& repeated) {
  std::map<std::string, std::vector<std::string>> keys;
  for (const std::string& line : effects(folder)) {
    const auto at = line.rfind(' ');
    keys[line.substr(0, at)].push_back(line.substr(at + 1));
  }
  CHECK(keys.size() == names.size());
  for (const std::string& name : names) {
    CAPTURE(name);
    const auto more = repeated.find(name);
    const auto& all = keys[name];
    CHECK(all.size() == 1U + static_cast<unsigned>(more == repeated.end() ? 0 : more->second));
    CHECK(std::ranges::count(all, all.front()) == static_cast<std::ptrdiff_t>(all.size()));
  }
}

void kill_at_each_boundary(bool fails, const std::vector<std::string>& names,
                           const std::string& wanted) {
  // One program is killed once, at each point in turn.
  for (const std::string& name : names)
    for (const std::string at : {"begin ", "effect "}) {
      CAPTURE(at + name);
      const scratch dir;
      const life first = run_child(dir.path, at + name, fails);
      REQUIRE(first.killed);
      const auto before = effects(dir.path);
      const life second = run_child(dir.path, "", fails);
      REQUIRE_FALSE(second.killed);
      CHECK(second.said == wanted);
      const bool twice = at == "effect ";
      // A neighbour of a fan-out may have been between its effect and its record as well.
      std::map<std::string, int> repeated;
      if (twice) repeated[name] = 1;
      if (name == "insurance" || name == "flight") {
        const auto done = effects(dir.path);
        const std::string other = name == "flight" ? "insurance" : "flight";
        const auto times = std::ranges::count_if(
            done, [&](const std::string& s) { return s.starts_with(other + " "); });
        CHECK(times <= 2);
        if (times == 2) repeated[other] = 1;
      }
      check_effects(dir.path, names, repeated);
      // The run has ended: nothing runs any more, and the answer stays.
      const auto all = effects(dir.path);
      CHECK(run_child(dir.path, "", fails).said == wanted);
      CHECK(effects(dir.path) == all);
    }
}

}  // namespace

TEST_CASE("the child of the workflow's crash test" * doctest::skip()) {
  if (const std::string folder = variable(folder_variable); !folder.empty()) live(folder);
}

TEST_CASE("a durable run that is killed at any boundary of a step ends as if it had not been") {
  kill_at_each_boundary(false, forward, "answer 120104");
}

TEST_CASE("a saga that is killed at any boundary undoes each step once, in reverse order") {
  std::vector<std::string> names = forward;
  names.insert(names.end(), backward.begin(), backward.end());
  kill_at_each_boundary(true, names, "error refused: the step 'pay' failed: no money");
}

TEST_CASE("a durable run that is killed at every boundary, one after the other, still ends") {
  const scratch dir;
  std::vector<std::string> points;
  for (const std::string& name :
       {std::string("hotel"), std::string("car"), std::string("pay"), std::string("undo car"),
        std::string("undo flight"), std::string("undo hotel")})
    for (const std::string at : {"begin ", "effect "}) points.push_back(at + name);
  for (const std::string& point : points) {
    CAPTURE(point);
    REQUIRE(run_child(dir.path, point, true).killed);
  }
  CHECK(run_child(dir.path, "", true).said == "error refused: the step 'pay' failed: no money");
  std::vector<std::string> names = forward;
  names.insert(names.end(), backward.begin(), backward.end());
  std::map<std::string, int> repeated;
  for (const std::string& name : {"hotel", "car", "pay", "undo car", "undo flight", "undo hotel"})
    repeated[name] = 1;
  check_effects(dir.path, names, repeated);
  const auto all = effects(dir.path);
  const auto at = [&](const std::string& name) {
    return std::ranges::find_if(all,
                                [&](const std::string& s) { return s.starts_with(name + " "); });
  };
  CHECK(at("undo car") < at("undo flight"));
  CHECK(at("undo flight") < at("undo hotel"));
}
