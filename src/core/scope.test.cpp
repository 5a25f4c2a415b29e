// Supervision across actors: siblings, children, parents.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct fails {};
struct get_name {
  using reply = std::string;
};
struct spawn_children {
  using reply = std::vector<any_ref>;
  int n = 0;
  supervision how = {};
};
struct count_children {
  using reply = int;
};

/// Writes down its constructions and destructions.
class child : public actor<fails, get_name> {
 public:
  child(journal j, std::string name) : journal_(std::move(j)), name_(std::move(name)) {
    journal_->push_back("+" + name_);
  }
  ~child() { journal_->push_back("-" + name_); }
  void on(fails) { throw std::runtime_error(name_ + " failed"); }
  std::string on(get_name) { return name_; }

 private:
  journal journal_;
  std::string name_;
};

class parent : public actor<spawn_children, fails, count_children> {
 public:
  explicit parent(journal j) : journal_(std::move(j)) { journal_->push_back("+p"); }
  ~parent() { journal_->push_back("-p"); }
  std::vector<any_ref> on(spawn_children m) {
    std::vector<any_ref> out;
    for (int i = 0; i < m.n; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      out.push_back(ctx().spawn<child>({.name = name, .supervision = m.how}, journal_, name));
    }
    return out;
  }
  void on(fails) { throw std::runtime_error("p failed"); }
  int on(count_children) { return static_cast<int>(ctx().children().size()); }

 private:
  journal journal_;
};

struct family {
  explicit family(testkit::kit& kit, int children, supervision how, supervision above = {})
      : k(kit) {
    p = k.system().spawn<parent>({.name = "p", .supervision = above}, said);
    refs = p.ask<spawn_children>(children, how).get();
    said->clear();
  }
  actor_ref<fails, get_name> at(std::size_t i) { return refs[i].as<child>(); }
  testkit::kit& k;
  journal said = new_journal();
  parent::ref p;
  std::vector<any_ref> refs;
};

std::vector<std::string> sorted(const journal& j) {
  auto out = *j;
  std::ranges::sort(out);
  return out;
}

}  // namespace

TEST_CASE("one_for_one restarts the failed actor alone") {
  testkit::kit k;
  family f(k, 3, {.scope = scope::one_for_one});
  f.at(1).tell<fails>();
  k.settle();
  CHECK(all_of(f.said) == "-b +b");
}

TEST_CASE("all_for_one restarts all siblings, and no others") {
  testkit::kit k;
  family f(k, 3, {.scope = scope::all_for_one});
  auto apart = k.system().spawn<child>(f.said, "x");
  f.said->clear();
  f.at(1).tell<fails>();
  k.settle();
  CHECK(sorted(f.said) == lines({"+a", "+b", "+c", "-a", "-b", "-c"}));
}

TEST_CASE("rest_for_one restarts the failed one and those spawned after it") {
  testkit::kit k;
  family f(k, 4, {.scope = scope::rest_for_one});
  f.at(1).tell<fails>();
  k.settle();
  CHECK(sorted(f.said) == lines({"+b", "+c", "+d", "-b", "-c", "-d"}));
}

TEST_CASE("all_for_one with stop ends all siblings") {
  testkit::kit k;
  family f(k, 3, {.otherwise = directive::stop, .scope = scope::all_for_one});
  f.at(0).tell<fails>();
  k.settle();
  for (const auto& r : f.refs) CHECK(r.is_terminated());
  CHECK(f.p.ask<count_children>().get() == 0);
}

TEST_CASE("resume concerns the failed actor alone, whatever the scope") {
  testkit::kit k;
  family f(k, 3, {.otherwise = directive::resume, .scope = scope::all_for_one});
  f.at(0).tell<fails>();
  CHECK(f.at(0).ask<get_name>().get() == "a");
  CHECK(f.said->empty());
}

TEST_CASE("a restart stops the actor's children first") {
  testkit::kit k;
  family f(k, 2, {});
  f.p.tell<fails>();
  CHECK(f.p.ask<count_children>().get() == 0);
  REQUIRE(f.said->size() == 4);
  CHECK(sorted(f.said) == lines({"+p", "-a", "-b", "-p"}));
  CHECK((*f.said)[2] == "-p");
  CHECK((*f.said)[3] == "+p");
}

TEST_CASE("escalate stops the actor and fails its parent with the same failure") {
  testkit::kit k;
  auto failed = k.events<actor_failed>();
  family f(k, 2, {.otherwise = directive::escalate});
  auto w = k.probe<note>();
  w.watch(f.refs[0]);
  f.at(0).tell<fails>();
  const auto reason = w.expect_terminated(f.refs[0]);
  CHECK(reason.kind == exit_kind::failed);
  CHECK(reason.text == "a failed");
  const auto both = failed.await(2);
  CHECK(both[0].ref == f.refs[0]);
  CHECK(both[0].decided == directive::escalate);
  CHECK(both[1].ref == f.p);
  CHECK(both[1].why.what == "a failed");
  CHECK(both[1].why.path == "/user/p/a");
  // The parent's own supervision restarts it.
  CHECK(f.p.ask<count_children>().get() == 0);
  CHECK(f.said->back() == "+p");
}

TEST_CASE("a parent may resume after an escalated failure, and keeps its other children") {
  testkit::kit k;
  family f(k, 2, {.otherwise = directive::escalate}, {.otherwise = directive::resume});
  f.at(0).tell<fails>();
  k.settle();
  CHECK(f.p.ask<count_children>().get() == 1);
  CHECK(f.at(1).ask<get_name>().get() == "b");
  CHECK(all_of(f.said) == "-a");
}

TEST_CASE("a failure that is escalated to the top stops the system") {
  testkit::kit k;
  family f(k, 1, {.otherwise = directive::escalate}, {.otherwise = directive::escalate});
  auto ended = k.system().when_terminated();
  f.at(0).tell<fails>();
  CHECK(ended.get().complete);
  CHECK(f.p.is_terminated());
  CHECK(thrown_by([&] { k.system().spawn<child>(f.said, "late"); }) == errc::system_stopped);
}

TEST_CASE("a child's budget that is used up stops the child and not the parent") {
  testkit::kit k;
  family f(k, 2, {.max_retries = 1});
  f.at(0).tell<fails>();
  f.at(0).tell<fails>();
  k.settle();
  CHECK(f.refs[0].is_terminated());
  CHECK(f.p.ask<count_children>().get() == 1);
}

TEST_CASE("a sibling that fails while it is being restarted with others is restarted once") {
  testkit::kit k;
  family f(k, 2, {.scope = scope::all_for_one});
  f.at(0).tell<fails>();
  f.at(1).tell<fails>();
  k.settle();
  CHECK(f.at(0).ask<get_name>().get() == "a");
  CHECK(f.at(1).ask<get_name>().get() == "b");
}
