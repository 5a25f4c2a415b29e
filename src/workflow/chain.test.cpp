#include <odeon/testkit/testkit.hpp>
#include <odeon/workflow/chain.hpp>
#include <odeon/workflow/workflow.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

std::string trimmed(std::string s) {
  std::erase(s, ' ');
  return s;
}
auto tag(const std::string& name) {
  return step(name, [name](const std::string& s) { return s + "+" + name; });
}
auto longer_than(std::size_t n) {
  return [n](const std::string& s) { return s.size() > n; };
}

/// What steps did, in order. Tests of the simulation use one thread.
struct journal_of_steps {
  std::shared_ptr<strings> lines = std::make_shared<strings>();
  auto note(const std::string& name) const {
    return step(name, [l = lines, name](int n) {
      l->push_back(name);
      return n;
    });
  }
};

}  // namespace

TEST_CASE("a chain passes each output on and answers with the last") {
  testkit::kit k;
  odeon::workflow w = step("normalize", trimmed) >> tag("a") >> tag("b");
  CHECK(w.run("  Odeon  ", k.system()).get() == "Odeon+a+b");
  CHECK(w.has_started());
}

TEST_CASE("a stage under a condition is passed by when the condition does not hold") {
  testkit::kit k;
  odeon::workflow w = step("normalize", trimmed) >> when(longer_than(4), tag("long")) >> tag("end");
  CHECK(w.run("Odeon", k.system()).get() == "Odeon+long+end");
  CHECK(w.run("O", k.system()).get() == "O+end");
  odeon::workflow last = tag("a") >> when(longer_than(4), tag("long"));
  CHECK(last.run("O", k.system()).get() == "O+a");
}

TEST_CASE("a route takes the first way whose condition holds, and it alone") {
  testkit::kit k;
  odeon::workflow w = route(when(longer_than(4), tag("long")), when(longer_than(2), tag("mid")),
                            otherwise(tag("short"))) >>
                      tag("end");
  CHECK(w.run("12345", k.system()).get() == "12345+long+end");
  CHECK(w.run("123", k.system()).get() == "123+mid+end");
  CHECK(w.run("1", k.system()).get() == "1+short+end");
}

TEST_CASE("the ways of a fan-out meet in the order they are written") {
  testkit::kit k;
  auto slow = step("slow", [](std::string s) -> task<int> {
    co_await sleep(1s);
    co_return static_cast<int>(s.size());
  });
  odeon::workflow w =
      fan_out(slow, tag("b"), when(longer_than(3), tag("c"))) >>
      step("sum", [](int n, const std::string& b, const std::optional<std::string>& c) {
        return std::to_string(n) + "/" + b + "/" + c.value_or("-");
      });
  CHECK(w.run("123", k.system()).get() == "3/123+b/-");
  CHECK(w.run("1234", k.system()).get() == "4/1234+b/1234+c");
}

TEST_CASE("a delayed edge waits on the clock, and its run with it") {
  testkit::kit k;
  const journal_of_steps j;
  odeon::workflow w = j.note("a") >> delayed(10s, j.note("b"));
  auto f = w.run(1, k.system());
  k.advance(9s);
  CHECK(*j.lines == strings{"a"});
  CHECK_FALSE(f.is_ready());
  k.advance(2s);
  CHECK(*j.lines == strings{"a", "b"});
  CHECK(f.get() == 1);
}
