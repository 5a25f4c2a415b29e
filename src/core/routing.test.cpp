// The core's half of routing; what routers make of it is tested in pattern.

#include "common.test.hpp"
#include <odeon/core/detail/routing.hpp>

#include <array>
#include <map>
#include <memory>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct plain {
  std::string text;
  std::vector<int> list;
};
struct unique_field {
  int n;
  std::unique_ptr<int> p;
};
struct hidden_in_list {
  std::string text;
  int n = 0;
  std::vector<std::unique_ptr<int>> list;
};
struct hidden_in_field {
  int n = 0;
  hidden_in_list inner;
};
struct hidden_in_map {
  std::map<int, std::vector<std::unique_ptr<int>>> map;
};
struct tree {
  std::string name;
  std::vector<tree> below;
};
class says_no {
 public:
  static constexpr bool copyable = false;
  explicit says_no(int) {}
  std::vector<std::unique_ptr<int>> parts;
};

struct by_text {
  std::string account;
  [[nodiscard]] const std::string& routing_key() const { return account; }
};
struct by_function {
  long n;
};
long routing_key(const by_function& m) { return m.n; }

struct hit {};
class child_of_failing : public actor<hit> {
 public:
  explicit child_of_failing(journal j) : journal_(std::move(j)) {}
  void post_stop() { journal_->push_back("child stopped"); }
  void on(hit) {}

 private:
  journal journal_;
};
class failing : public actor<hit> {
 public:
  explicit failing(const journal& j) {
    ctx().spawn<child_of_failing>({.name = "child"}, j);
    throw std::runtime_error("no");
  }
  void on(hit) {}
};

class taker : public actor<hit> {
 public:
  void on(hit) {}
};

}  // namespace

TEST_CASE("whether a message can be copied is looked at in its fields and containers") {
  using detail::can_copy;
  CHECK(can_copy<plain>());
  CHECK(can_copy<tree>());
  CHECK(can_copy<std::array<std::string, 3>>());
  CHECK(!can_copy<unique_field>());
  CHECK(!can_copy<hidden_in_list>());
  CHECK(!can_copy<hidden_in_field>());
  CHECK(!can_copy<hidden_in_map>());
  CHECK(!can_copy<says_no>());
  CHECK(static_cast<bool>(detail::message_type_of<plain>.copy));
  CHECK(!static_cast<bool>(detail::message_type_of<hidden_in_field>.copy));
}

TEST_CASE("a message's own key is its member's, or that of the function beside it") {
  const by_text text{"ada"};
  CHECK(detail::message_type_of<by_text>.key(&text) == message_key("ada"));
  const by_function number{-1};
  CHECK(detail::message_type_of<by_function>.key(&number) == ~std::uint64_t{0});
  CHECK(!static_cast<bool>(detail::message_type_of<plain>.key));
}

TEST_CASE("a copy of an envelope has the payload, the key and the chain, and no timer") {
  detail::envelope* e = detail::make_envelope<plain>(true, plain{"a", {1, 2}});
  detail::stamp(*e);
  e->extra()->key = 7;
  detail::envelope* copy = detail::copy_envelope(*e);
  REQUIRE(copy != nullptr);
  CHECK(static_cast<plain*>(copy->payload())->list == std::vector{1, 2});
  CHECK(copy->extra()->key == 7);
  CHECK(copy->trace == e->trace);
  for (detail::envelope* x : {e, copy}) {
    detail::destroy_payload(*x);
    detail::free_block(*x);
  }
  detail::envelope* unique = detail::make_envelope<unique_field>(false);
  detail::stamp(*unique);
  CHECK(detail::copy_envelope(*unique) == nullptr);
  detail::destroy_payload(*unique);
  detail::free_block(*unique);
}

TEST_CASE("children of a constructor that throws are stopped, and its name is free at once") {
  testkit::kit k;
  auto j = new_journal();
  const auto spawn = [&] { (void)k.system().spawn<failing>({.name = "f"}, j); };
  CHECK(thrown_by(spawn) == errc::spawn_failed);
  k.settle();
  CHECK(all_of(j) == "child stopped");
  CHECK(thrown_by(spawn) == errc::spawn_failed);
  k.settle();
  CHECK(k.system().snapshot().actors == 0);
}

TEST_CASE("counted mailboxes count what waits from then on, and forget what was taken") {
  testkit::kit k;
  auto a = k.system().spawn<taker>();
  auto b = k.system().spawn<taker>({.name = "b"});
  for (const auto& r : {a, b}) {
    detail::cell& c = *r.get();
    detail::count_waiting(c);
    k.settle();
    CHECK(detail::is_idle(c));
    for (int i = 0; i < 5; ++i) r.tell<hit>();
    CHECK(detail::waiting_in(c) == 5);
    CHECK(!detail::is_idle(c));
    k.settle();
    CHECK(detail::waiting_in(c) == 0);
    CHECK(detail::is_idle(c));
  }
}

TEST_CASE("an actor that is dismissed stops when it has nothing left") {
  testkit::kit k;
  auto a = k.system().spawn<taker>();
  for (int i = 0; i < 1000; ++i) a.tell<hit>();
  detail::dismiss(*a.get());
  k.settle();
  CHECK(a.is_terminated());
  CHECK(k.system().dead_letters().empty());
}
