#include <odeon/testkit/testkit.hpp>
#include <odeon/workflow/workflow.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;
using namespace std::chrono_literals;

namespace {

auto plus(const std::string& name) {
  return step(name, [](int n) { return n + 1; });
}
auto text_of(const std::string& name) {
  return step(name, [](int n) { return std::to_string(n); });
}
using ints = odeon::workflow<int, int>;

bool says(const std::vector<std::string>& all, const std::string& part) {
  return std::ranges::any_of(
      all, [&](const std::string& s) { return s.find(part) != std::string::npos; });
}

/// The only sentence.
std::string only(const workflow_base& w) {
  const auto all = w.problems();
  std::string text;
  for (const std::string& s : all) text += "[" + s + "]";
  CHECK_MESSAGE(all.size() == 1, text);
  return all.empty() ? std::string() : all[0];
}

}  // namespace

TEST_CASE("an edge to or from a step that is not there dangles") {
  ints w("w");
  auto a = w.add(plus("a"));
  w.start(a).end(a);
  w.edge(a, w["b"]);
  CHECK(only(w) == "the edge 'a' -> 'b' dangles: its target 'b' is no step of the workflow 'w'");
  ints v("v");
  auto c = v.add(plus("c"));
  v.start(c).edge(node(), c);
  CHECK(only(v) == "the edge ? -> 'c' dangles: its source is a node that no workflow gave");
}

TEST_CASE("a node of another workflow is foreign, as a start as well") {
  ints w("w"), other("other");
  auto a = w.add(plus("a"));
  auto b = other.add(plus("b"));
  w.start(a).end(a).edge(a, b);
  CHECK(only(w) ==
        "the edge 'a' -> 'b' dangles: its target 'b' is a step of another workflow: add "
        "it to 'w'");
  ints v("v");
  v.add(plus("a"));
  v.start(b);
  CHECK(says(v.problems(), "the start 'b' is a step of another workflow"));
}

TEST_CASE("steps that cannot be reached, and names used twice, are told by name") {
  ints w("w");
  auto a = w.add(plus("a")), b = w.add(plus("b"));
  w.start(a).end(a);
  CHECK(only(w) == "the step 'b' cannot be reached from the start 'a'");
  w.edge(a, b).add(plus("a"));
  CHECK(says(w.problems(), "two steps are named 'a': give each use a name of its own"));
}

TEST_CASE("a cycle without a bound is refused with its way round") {
  ints w("w");
  auto a = w.add(plus("a")), b = w.add(plus("b")), c = w.add(plus("c")), d = w.add(plus("d"));
  w.start(a).end(d).edge(a, b).edge(b, c).edge(c, d);
  w.edge(c, b, {.when = [](int n) { return n < 3; }});
  CHECK(only(w) ==
        "the cycle 'b' -> 'c' -> 'b' has no bound: give one of its steps max_visits, or "
        "the workflow max_steps");
  ints bounded = w;
  bounded.max_steps(50);
  CHECK(bounded.problems().empty());
  ints v("v");
  auto x = v.add(step("x", [](int n) { return n; }, {.max_visits = 3}));
  auto y = v.add(plus("y")), z = v.add(plus("z"));
  v.start(x).end(z).edge(x, y).edge(y, x, {.when = [](int n) { return n < 9; }}).edge(y, z);
  CHECK(v.problems().empty());
  CHECK(says((plus("p") >> plus("q") >> plus("p")).get().steps.empty()
                 ? std::vector<std::string>()
                 : ints(plus("p") >> plus("q") >> plus("p")).problems(),
             "two steps are named 'p'"));
}

TEST_CASE("types that do not fit along an edge are told with both names") {
  ints w("w");
  auto a = w.add(text_of("a")), b = w.add(plus("b"));
  w.start(a).edge(a, b);
  const std::string text = only(w);
  CHECK(text.starts_with("the edge 'a' -> 'b' does not fit: 'a' gives "));
  CHECK(text.find("basic_string") != std::string::npos);
  CHECK(text.ends_with("and 'b' takes int"));
  ints c("c");
  auto s = c.add(plus("s")), t = c.add(plus("t"));
  c.start(s).edge(s, t, {.when = [](const std::string& x) { return x.empty(); }});
  CHECK(only(c).starts_with("the condition of the edge 's' -> 't' takes "));
  // Of a join: which of its inputs.
  ints j("j");
  auto p = j.add(plus("p")), q = j.add(text_of("q")), r = j.add(text_of("r"));
  auto both = j.add(step("both", [](int n, int m) { return n + m; }));
  j.start(p).edge(p, q).edge(p, r).edge(p, both).edge(q, both);
  j.end(both);
  CHECK(says(j.problems(), "the edge 'q' -> 'both' does not fit: 'q' gives "));
  CHECK(says(j.problems(), "takes int as input 2"));
  j.edge(r, both);
  CHECK(says(j.problems(), "the join 'both' has 2 inputs, but 3 edges lead to it"));
  // The ends of the whole.
  odeon::workflow<std::string, int> in("in");
  in.start(in.add(plus("a")));
  CHECK(only(in).find("but its start 'a' takes int") != std::string::npos);
  odeon::workflow<int, std::string> out("out");
  out.start(out.add(plus("a")));
  CHECK(only(out).find("but its end 'a' gives int") != std::string::npos);
}

TEST_CASE("a workflow needs a start, steps, and one end") {
  CHECK(only(ints("empty")) == "the workflow 'empty' has no steps");
  ints w("w");
  auto a = w.add(plus("a"));
  CHECK(only(w) == "the workflow 'w' has no start: name one by start(…)");
  w.start(a).edge(a, w.add(plus("b"))).edge(a, w.add(plus("c")));
  CHECK(only(w) == "the end is ambiguous: 'b', 'c' have no edges; name one by end(…)");
  w.end(w["c"]);
  CHECK(w.problems().empty());
}

TEST_CASE("options that mean nothing are refused with the step's or the edge's name") {
  ints w("w");
  auto a = w.add(step("a", [](int n) { return n; }, {.retry = {.attempts = 0}}));
  auto b = w.add(step("b", [](int n) { return n; }, {.timeout = 5s}));
  auto c = w.add(step("c", [](int n) { return n; }, {.retry = {.min = 2s, .max = 1s}}));
  w.start(a).edge(a, b, {.delay = -1s});
  w.edge(b, c, {.when = [](int) { return true; }, .otherwise = true});
  const auto all = w.problems();
  CHECK(says(all, "the step 'a' has 0 attempts"));
  CHECK(says(all, "the step 'b' is a plain function, which no timeout can interrupt"));
  CHECK(says(all, "the step 'c' has a negative time, or a retry.max below its retry.min"));
  CHECK(says(all, "the edge 'a' -> 'b' has a negative delay"));
  CHECK(says(all, "the edge 'b' -> 'c' has a condition and says otherwise"));
}

TEST_CASE("a wrong workflow runs nothing and tells all its problems at once") {
  testkit::kit k;
  int ran = 0;
  ints w("w");
  auto a = w.add(step("a", [&](int n) {
    ++ran;
    return n;
  }));
  w.add(plus("lost"));
  w.start(a).end(a).edge(a, node());
  auto r = w.run(1, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::invalid_argument);
  CHECK(std::string(r.error().text()).find("'lost' cannot be reached") != std::string::npos);
  CHECK(std::string(r.error().text()).find("the edge 'a' -> ? dangles") != std::string::npos);
  CHECK(ran == 0);
  CHECK_FALSE(w.has_started());
}

TEST_CASE("a workflow that has been run cannot be changed, and a copy can") {
  testkit::kit k;
  ints w("w");
  auto a = w.add(plus("a"));
  w.start(a);
  CHECK(w.run(1, k.system()).get() == 2);
  CHECK_THROWS_AS(w.edge(a, a), actor_error);
  CHECK_THROWS_AS(w.add(plus("b")), actor_error);
  CHECK_THROWS_AS(w.version(2), actor_error);
  ints copy = w;
  auto b = copy.add(plus("b"));
  copy.edge(a, b);
  CHECK(copy.run(1, k.system()).get() == 3);
  CHECK(w.run(1, k.system()).get() == 2);
}

TEST_CASE("two joins that could reach each other do not wait for ever") {
  testkit::kit k;
  using list = const std::vector<int>&;
  const auto sum = [](const std::string& name) {
    return step(name,
                [](list all) {
                  int out = 1;
                  for (int n : all) out += n;
                  return out;
                },
                {.max_visits = 5});
  };
  ints w("w");
  auto s = w.add(step("s", [](int n) { return n; }));
  auto a = w.add(plus("a")), b = w.add(plus("b"));
  auto j1 = w.add(sum("j1")), j2 = w.add(sum("j2"));
  w.start(s).end(j2).edge(s, a).edge(s, b).edge(a, j1).edge(b, j2);
  w.edge(j1, j2);
  w.edge(j2, j1, {.when = [](int n) { return n < 0; }});
  // j1 was added first: it goes with 2, gives 3; j2 gets 2 and 3.
  CHECK(w.run(1, k.system()).get() == 6);
}

TEST_CASE("the Graphviz text names steps, conditions and delays") {
  ints w("w");
  auto a = w.add(plus("a")), b = w.add(plus("b"));
  w.start(a).edge(a, b, {.when = [](int) { return true; }, .delay = 5s});
  const std::string dot = w.graphviz();
  CHECK(dot.starts_with("digraph \"w\" {"));
  CHECK(dot.find("n0 -> n1 [label=\"when, 5 s\"]") != std::string::npos);
}

TEST_CASE("a cycle goes round until its condition ends it, or its bound") {
  testkit::kit k;
  const auto make = [](unsigned visits) {
    odeon::workflow<int, int> w("cycle");
    auto grow = w.add(step("grow", [](int n) { return n * 2; }, {.max_visits = visits}));
    auto done = w.add(step("done", [](int n) { return n + 1; }));
    w.start(grow).edge(grow, grow, {.when = [](int n) { return n < 100; }});
    w.edge(grow, done, {.otherwise = true});
    return w;
  };
  CHECK(make(10).run(3, k.system()).get() == 193);
  auto r = make(4).run(3, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::limit_exceeded);
  CHECK(std::string(r.error().text()).find("'grow' would run more than 4 times") !=
        std::string::npos);
}

TEST_CASE("a workflow's max_steps bounds a run, however long its chain of plain functions is") {
  testkit::kit k;
  odeon::workflow<int, int> w("steps");
  auto one = w.add(step("one", [](int n) { return n - 1; }));
  w.start(one).end(one).max_steps(1'000);
  w.edge(one, one, {.when = [](int n) { return n > 0; }});
  CHECK(w.run(1'000, k.system()).get() == 0);
  auto r = w.run(1'001, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::limit_exceeded);
}

TEST_CASE("a fan-out of hundreds of branches meets again in its order") {
  testkit::kit k;
  odeon::workflow<int, int> w("wide");
  auto s = w.add(step("s", [](int n) { return n; }));
  auto join = w.add(step("join", [](const std::vector<int>& all) {
    CHECK(all.size() == 500);
    CHECK(std::ranges::is_sorted(all));
    return static_cast<int>(all.size());
  }));
  w.start(s).end(join);
  for (int i = 0; i < 500; ++i) {
    auto b = w.add(step("b" + std::to_string(i), [i](int n) -> task<int> {
      co_await sleep(std::chrono::milliseconds((i * 37) % 100));
      co_return n + i;
    }));
    w.edge(s, b).edge(b, join);
  }
  CHECK(w.run(1, k.system()).get() == 500);
}

TEST_CASE("a run whose end no branch reaches says where they ended") {
  testkit::kit k;
  odeon::workflow<int, int> w("lost");
  auto a = w.add(step("a", [](int n) { return n; })), b = w.add(step("b", [](int n) { return n; }));
  w.start(a).edge(a, b, {.when = [](int n) { return n > 5; }});
  CHECK(w.run(6, k.system()).get() == 6);
  auto r = w.run(1, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::no_reply);
  CHECK(r.error().text() ==
        "the run of 'lost' ended without an answer: its end 'b' gave none; no "
        "edge went on from 'a'");
}
