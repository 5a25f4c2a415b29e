// A workflow that routes by a score: conditions choose the ways, a fan-out joins, a side branch
// waits.

#include <odeon/core/actor_system.hpp>
#include <odeon/workflow/workflow.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>

using namespace odeon::workflows;
using namespace std::chrono_literals;

struct answer {
  std::string student;
  int score = 0;
  std::string text;
};

answer read_line(const std::string& line) {
  const auto colon = line.find(':');
  answer out{line.substr(0, colon), std::stoi(line.substr(colon + 1)), {}};
  std::erase_if(out.student, [](unsigned char c) { return std::isspace(c); });
  return out;
}

auto score_at_least(int n) {
  return [n](const answer& a) { return a.score >= n; };
}
auto says(const std::string& name, const std::string& text) {
  return step(name, [text](answer a) {
    a.text += text;
    return a;
  });
}

int main() {
  odeon::actor_system system{"school"};

  // As a chain: each when(…) is passed by when its condition does not hold.
  const auto grade = route(when(score_at_least(90), says("praise", "excellent")),
                           when(score_at_least(50), says("pass", "passed")),
                           otherwise(says("again", "try again")));
  const auto stars = step("stars", [](const answer& a) { return std::string(a.score / 20, '*'); });
  workflow w = step("read", read_line) >> when(score_at_least(100), says("perfect", "perfect, ")) >>
               fan_out(grade, stars) >>
               step("print", [](const answer& a, const std::string& stars) {
                 return a.student + " " + std::to_string(a.score) + ": " + a.text + " " + stars;
               });

  std::string all;
  for (const std::string line : {"  Ada : 100", "Bob:55", "Cleo: 12"})
    all += w.run(line, system).get() + "\n";

  // By edges: a cycle with a bound, a delay, and all edges that match.
  workflow<int, int> raise("raise");
  auto add = raise.add(step("add", [](int n) { return n + 7; }, {.max_visits = 20}));
  auto tell = raise.add(step("tell", [](int n) { return n; }));
  raise.start(add).end(tell);
  raise.edge(add, add, {.when = [](int n) { return n < 50; }, .delay = 2ms});
  raise.edge(add, tell, {.when = [](int n) { return n >= 50; }});
  all += "12 raised to " + std::to_string(raise.run(12, system).get()) + "\n";

  std::printf("%s", all.c_str());
  return all == "Ada 100: perfect, excellent *****\n"
                "Bob 55: passed **\n"
                "Cleo 12: try again \n"
                "12 raised to 54\n"
             ? 0
             : 1;
}
