// Two ways to be in a state: set messages aside until their time comes, or change the behaviour.

#include <odeon/odeon.hpp>

#include <string>
#include <vector>

struct add_line {
  std::string line;
};
struct begin {};
struct finish {};
struct get_lines {
  using reply = std::vector<std::string>;
};

// What comes before `begin` waits. After `finish` another set of handlers is in force.
class notebook : public odeon::actor<begin, add_line, finish, get_lines> {
 public:
  void on(begin) {
    has_begun_ = true;
    ctx().unstash_all();  // next, in the order it came, before what waits in the mailbox
  }
  void on(const add_line& m) {
    if (!has_begun_) return ctx().stash();
    lines_.push_back(m.line);
  }
  void on(finish) {
    lines_.emplace_back("(finished)");
    ctx().become(odeon::behavior(
        lines_, [](std::vector<std::string>& l, const add_line&) { l.emplace_back("(refused)"); },
        [](std::vector<std::string>& l, get_lines) { return l; }));
  }
  std::vector<std::string> on(get_lines) { return lines_; }

 private:
  bool has_begun_ = false;
  std::vector<std::string> lines_;
};

int main() {
  odeon::actor_system system{"app"};
  auto n = system.spawn<notebook>();
  n.tell<add_line>("one");
  n.tell<add_line>("two");
  n.tell<begin>();
  n.tell<add_line>("three");
  n.tell<finish>();
  n.tell<add_line>("four");
  const auto lines = n.ask<get_lines>().get();
  return lines == std::vector<std::string>{"one", "two", "three", "(finished)", "(refused)"} ? 0
                                                                                             : 1;
}
