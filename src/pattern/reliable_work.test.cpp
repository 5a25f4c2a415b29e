#include "common.test.hpp"
#include <odeon/pattern/reliable_consumer.hpp>
#include <odeon/pattern/reliable_work.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;
namespace rl = odeon::reliable;

namespace {

struct job {
  int n;
};
using work = rl::work_controller<job>;
using inlet = rl::consumer_controller<job>;
using job_queue = std::shared_ptr<rl::durable_queue<job>>;

struct ledger {
  std::map<int, int> done;  // how often each job was dealt with
  int stuck_at = 0;         // this one is taken and never confirmed
  [[nodiscard]] bool all_once(int n) const {
    return static_cast<int>(done.size()) == n &&
           std::ranges::all_of(done, [](const auto& d) { return d.second == 1; });
  }
};

struct hand : actor<rl::delivery<job>> {
  hand(const std::shared_ptr<ledger>& l, const actor_ref<rl::start<job>>& from)
      : l_(l),
        from_(from) {}
  void pre_start() { from_.tell(rl::start<job>{self()}); }
  void on(rl::delivery<job> d) {
    if (d.message.n == l_->stuck_at) return;
    ++l_->done[d.message.n];
    d.confirm();
  }
  std::shared_ptr<ledger> l_;
  actor_ref<rl::start<job>> from_;
};

struct shop {
  testkit::kit k{{.moves_time = false}};
  std::shared_ptr<ledger> l = std::make_shared<ledger>();
  job_queue q = rl::make_memory_queue<job>();
  work::ref to = k.system().spawn<work>(rl::producer_options{.capacity = 100}, q);

  struct worker {
    inlet::ref in;
    hand::ref end;
  };
  worker hire(std::size_t window = 4) {
    auto in = k.system().spawn<inlet>(rl::consumer_options{.window = window}, to);
    auto end = k.system().spawn<hand>(l, in);
    k.settle();
    return {in, end};
  }
  void give(int from, int up_to) {
    for (int i = from; i <= up_to; ++i) to.tell(rl::send<job>{job{i}});
    k.settle();
  }
  rl::work_status status() {
    auto s = to.ask<rl::get_work_status>();
    k.settle();
    return s.get();
  }
};

}  // namespace

TEST_CASE("work goes to whoever has room, each job to one worker") {
  shop s;
  s.hire();
  s.hire();
  s.hire();
  s.give(1, 60);
  s.k.advance(5s);
  CHECK(s.l->all_once(60));
  const auto st = s.status();
  CHECK(st.workers == 3);
  CHECK(st.finished == 60);
  CHECK(st.in_hand == 0);
}

TEST_CASE("work waits for workers, up to its capacity, and ready says when there is room") {
  shop s;
  auto room = s.to.ask<rl::ready>().within(1h);
  s.give(1, 100);
  auto refused = s.to.ask(rl::send<job>{job{101}});
  s.k.settle();
  CHECK(refused.result().error() == errc::mailbox_full);
  CHECK(!room.is_ready());
  CHECK(s.status().waiting == 100);
  s.hire(8);
  s.k.advance(20s);
  CHECK(s.l->all_once(100));
  REQUIRE(room.is_ready());
  CHECK(room.get() >= 1);
}

TEST_CASE("the jobs of a worker that ends go to the others") {
  shop s;
  s.l->stuck_at = 3;
  auto first = s.hire(4);
  s.give(1, 8);
  s.k.advance(3s);
  CHECK(s.status().in_hand == 4);
  CHECK(s.l->done.size() == 2);
  s.l->stuck_at = 0;
  s.hire(4);
  s.k.advance(3s);
  s.k.system().kill(first.in);
  s.k.advance(3s);
  CHECK(s.l->all_once(8));
  const auto st = s.status();
  CHECK(st.workers == 1);
  CHECK(st.given_back >= 1);
}

TEST_CASE("a delivery is answered when its worker has confirmed it") {
  shop s;
  auto answer = s.to.ask(rl::deliver<job>{job{1}}).within(1h);
  s.k.advance(10s);
  CHECK(!answer.is_ready());
  s.hire();
  s.k.advance(2s);
  REQUIRE(answer.is_ready());
  CHECK(answer.get() == 1);
}

TEST_CASE("a new controller gives out what the durable queue kept") {
  shop s;
  s.l->stuck_at = 5;
  auto w = s.hire(2);
  s.give(1, 10);
  s.k.advance(3s);
  CHECK(s.l->done.size() == 4);
  s.k.system().kill(s.to);
  s.k.system().kill(w.in);
  s.k.settle();
  s.l->stuck_at = 0;
  s.to = s.k.system().spawn<work>(rl::producer_options(), s.q);
  s.hire(3);
  s.k.advance(5s);
  CHECK(s.l->all_once(10));
}
