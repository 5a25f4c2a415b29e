// Guarantees of docs/reference/semantics.md about order that no other test holds.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct item {
  int n = 0;
};
struct other_item {
  int n = 0;
};
struct question {
  using reply = int;
  int n = 0;
};
struct go {
  int first = 0;
};

class taker : public actor<item, other_item, question> {
 public:
  explicit taker(journal j) : journal_(std::move(j)) {}
  void on(item m) { journal_->push_back(std::to_string(m.n)); }
  void on(const other_item& m) { journal_->push_back(std::to_string(m.n)); }
  int on(question m) {
    journal_->push_back(std::to_string(m.n));
    return m.n;
  }

 private:
  journal journal_;
};

/// Sends in every way there is.
class sender : public actor<go> {
 public:
  explicit sender(taker::ref to) : to_(std::move(to)) {}
  void on(go m) {
    for (int n = m.first; n < m.first + 60; n += 6) {
      to_.tell<item>(n);
      to_.tell(other_item{n + 1}, {.ttl = 1h});
      to_.ask<question>(n + 2).then([](result<int>) {});
      (void)to_.try_tell<other_item>(n + 3);
      to_.tell(item{n + 4}, {.key = 9});
      to_.tell<question>(n + 5);
    }
  }

 private:
  taker::ref to_;
};

}  // namespace

TEST_CASE("tells of every form and asks of one sender keep one order, under many interleavings") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    for (auto box : {mailbox::unbounded(), mailbox::bounded(10'000), mailbox::priority()}) {
      testkit::kit k({.seed = seed});
      auto j = new_journal();
      auto to = k.system().spawn<taker>({.mailbox = box}, j);
      std::vector<sender::ref> senders;
      for (int i = 0; i < 3; ++i) senders.push_back(k.system().spawn<sender>(to));
      for (int i = 0; i < 3; ++i) senders[static_cast<std::size_t>(i)].tell<go>(1000 * i);
      k.settle();
      REQUIRE(j->size() == 180);
      int next[3] = {0, 1000, 2000};
      for (const auto& line : *j) {
        const int n = std::stoi(line);
        CHECK(n == next[n / 1000]++);
      }
    }
  }
}

TEST_CASE("a restart keeps the order of what waits, the stash first") {
  testkit::kit k;
  auto j = new_journal();
  struct keeper : actor<item, other_item, go> {
    journal said;
    bool fresh = true;
    explicit keeper(journal j, std::shared_ptr<int> lives) : said(std::move(j)) {
      fresh = ++*lives == 1;
    }
    void on(const item& m) {
      if (fresh) return ctx().stash();
      said->push_back(std::to_string(m.n));
    }
    void on(other_item m) { said->push_back(std::to_string(m.n)); }
    void on(go) { throw std::runtime_error("again"); }
  };
  auto a = k.system().spawn<keeper>(j, std::make_shared<int>(0));
  for (int i = 1; i <= 3; ++i) a.tell<item>(i);
  a.tell<go>();
  for (int i = 4; i <= 6; ++i) a.tell<other_item>(i);
  k.settle();
  CHECK(all_of(j) == "1 2 3 4 5 6");
}
