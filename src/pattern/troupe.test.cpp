// Workers that come and go with the work.

#include "common.test.hpp"
#include <odeon/pattern/router_control.hpp>
#include <odeon/pattern/troupe.hpp>

#include <map>
#include <memory>
#include <set>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

struct job {
  int n = 0;
  using reply = int;
};
struct note {
  int n = 0;
};
struct later {
  using reply = int;
};
struct unique_job {
  std::unique_ptr<int> n;
  using reply = int;
};

struct record {
  std::map<int, int> deaths;  // over a job; still to come
  std::vector<int> done;
  std::set<std::string> workers;
  std::vector<reply_to<int>> owed;
  int made = 0;
  bool stillborn = false;
  std::string refusal;
};

class worker : public actor<job, note, later, unique_job> {
 public:
  explicit worker(std::shared_ptr<record> r) : r_(std::move(r)) { ++r_->made; }
  void pre_start() {
    if (r_->stillborn) ctx().stop();
  }
  task<std::expected<int, error>> on(job j) {
    r_->workers.insert(ctx().path());
    co_await sleep(1s);
    if (r_->deaths[j.n]-- > 0) throw std::runtime_error("died over " + std::to_string(j.n));
    if (!r_->refusal.empty()) co_return std::unexpected(error(errc::refused, r_->refusal));
    r_->done.push_back(j.n);
    co_return j.n * 2;
  }
  void on(note m) {
    if (r_->deaths[m.n]-- > 0) throw std::runtime_error("died over a note");
    r_->done.push_back(m.n);
  }
  void on(later, reply_to<int> r) { r_->owed.push_back(std::move(r)); }
  int on(unique_job j) {
    if (r_->deaths[*j.n]-- > 0) throw std::runtime_error("died over the only one");
    return *j.n;
  }

 private:
  std::shared_ptr<record> r_;
};

struct pool {
  explicit pool(troupe_options o, supervision s = {.otherwise = directive::stop}) {
    ref = k.system().spawn<worker>(
        {.name = "pool", .supervision = std::move(s), .router = troupe(o)}, r);
  }
  troupe_status status() const { return troupe_control(ref).status(); }
  std::vector<future<int>> ask(int n) {
    std::vector<future<int>> out;
    for (int i = 0; i < n; ++i) out.push_back(ref.ask<job>(i).within(1h));
    k.settle();
    return out;
  }
  testkit::kit k;
  std::shared_ptr<record> r = std::make_shared<record>();
  worker::ref ref;
};

}  // namespace

TEST_CASE("jobs are done by as many workers as there are jobs, up to the maximum") {
  pool p({.max = 3, .idle = 1});
  CHECK(p.status().workers == 1);
  auto jobs = p.ask(2);
  CHECK(p.status().workers == 2);
  CHECK(p.status().busy == 2);
  auto more = p.ask(6);
  CHECK(p.status().workers == 3);
  CHECK(p.status().busy == 3);
  CHECK(p.status().pending == 5);
  for (int i = 0; i < 2; ++i) CHECK(jobs[static_cast<std::size_t>(i)].get() == 2 * i);
  for (int i = 0; i < 6; ++i) CHECK(more[static_cast<std::size_t>(i)].get() == 2 * i);
  CHECK(p.r->workers.size() == 3);
  p.k.settle();
  const auto s = p.status();
  CHECK(s.completed == 8);
  CHECK(s.busy == 0);
  CHECK(s.pending == 0);
  CHECK(s.failed == 0);
}

TEST_CASE("surplus workers are dismissed after their idle time, and not before") {
  pool p({.max = 4, .idle = 1, .idle_time = 2s});
  for (auto& j : p.ask(4)) (void)j.get();
  CHECK(p.status().workers == 4);
  p.k.advance(1900ms);
  CHECK(p.status().workers == 4);
  p.k.advance(700ms);
  CHECK(p.status().workers == 1);
  CHECK(p.status().dismissed == 3);
  CHECK(p.k.system().snapshot().actors == 2);
  CHECK(p.ask(1)[0].get() == 0);
  CHECK(router_control(p.ref).stats().waiting == 0);
}

TEST_CASE("a dead worker's job is done by another, once for each death") {
  pool p({.max = 2, .idle = 2, .attempts = 3});
  p.r->deaths[1] = 2;
  auto jobs = p.ask(3);
  for (int i = 0; i < 3; ++i) CHECK(jobs[static_cast<std::size_t>(i)].get() == 2 * i);
  p.k.settle();
  CHECK(p.status().requeued == 2);
  CHECK(p.status().completed == 3);
  CHECK(p.r->done.size() == 3);
  CHECK(p.status().workers == 2);
  CHECK(p.r->made == 4);
  CHECK(p.k.system().dead_letters().empty());  // nothing was lost
}

TEST_CASE("after too many deaths the asker is told, and a told job is a dead letter") {
  pool p({.max = 2, .idle = 1, .attempts = 2});
  p.r->deaths[7] = 100;
  auto r = p.ref.ask<job>(7).within(1h).result();
  REQUIRE(!r);
  CHECK(r.error() == errc::handler_failed);
  CHECK(contains(r.error().text(), "given up after 2 workers died over it; the last: died over 7"));
  p.k.settle();
  CHECK(p.r->deaths[7] == 98);
  CHECK(p.status().failed == 1);
  const auto letters = p.k.system().dead_letters().size();
  p.ref.tell<note>(7);
  p.k.settle();
  CHECK(p.r->deaths[7] == 96);
  REQUIRE(p.k.system().dead_letters().size() == letters + 1);
  CHECK(p.k.system().dead_letters().back().reason == errc::handler_failed);
  CHECK(p.k.system().dead_letters().back().message.ends_with("note"));
  CHECK(p.ref.ask<job>(3).within(1h).get() == 6);
}

TEST_CASE("a worker that is restarted has died over its job; one that resumes has not") {
  pool restarts({.max = 1, .idle = 1}, {.otherwise = directive::restart});
  restarts.r->deaths[1] = 1;
  CHECK(restarts.ref.ask<job>(1).within(1h).get() == 2);
  CHECK(restarts.status().requeued == 1);
  CHECK(restarts.r->made == 2);
  pool resumes({.max = 1, .idle = 1}, {.otherwise = directive::resume});
  resumes.r->deaths[1] = 1;
  auto r = resumes.ref.ask<job>(1).within(1h).result();
  REQUIRE(!r);
  CHECK(r.error() == errc::handler_failed);
  CHECK(resumes.status().requeued == 0);
  CHECK(resumes.ref.ask<job>(1).within(1h).get() == 2);
}

TEST_CASE("workers that die over jobs are replaced as jobs need them, however many") {
  pool p({.max = 2, .idle = 1});
  for (int i = 0; i < 20; ++i) p.r->deaths[i] = 1;
  auto jobs = p.ask(20);
  for (int i = 0; i < 20; ++i) CHECK(jobs[static_cast<std::size_t>(i)].get() == 2 * i);
  CHECK(p.status().requeued == 20);
}

TEST_CASE("a killed worker's job goes to another") {
  pool p({.max = 2, .idle = 1});
  auto job = p.ref.ask<struct job>(4).within(1h);
  p.k.advance(500ms);
  p.k.system().kill(p.k.system().lookup("pool/r1"));
  CHECK(job.get() == 8);
  CHECK(p.status().requeued == 1);
  CHECK(p.r->done == std::vector{4});
}

TEST_CASE("an error that the handler answers with is the answer") {
  pool p({.max = 1, .idle = 1});
  p.r->refusal = "not today";
  auto r = p.ref.ask<job>(1).within(1h).result();
  REQUIRE(!r);
  CHECK(r.error() == error(errc::refused, "not today"));
  p.k.settle();
  CHECK(p.status().failed == 1);
  CHECK(p.status().requeued == 0);
}

TEST_CASE("jobs past the bound of the queue are refused at once") {
  pool p({.max = 1, .idle = 1, .max_pending = 2});
  auto jobs = p.ask(3);
  auto r = p.ref.ask<job>(9).result();
  REQUIRE(!r);
  CHECK(r.error() == errc::mailbox_full);
  CHECK(contains(r.error().text(), "2 jobs wait for /user/pool"));
  p.ref.tell<note>(9);
  CHECK(p.k.system().dead_letters().back().reason == errc::mailbox_full);
  CHECK(p.status().refused == 2);
  for (auto& j : jobs) (void)j.get();
}

TEST_CASE("a worker has one job until it is answered, however long after its handler") {
  pool p({.max = 1, .idle = 1});
  auto first = p.ref.ask<later>().within(1h);
  auto second = p.ref.ask<later>().within(1h);
  p.k.settle();
  CHECK(p.r->owed.size() == 1);
  p.r->owed[0](5);
  CHECK(first.get() == 5);
  p.k.settle();
  REQUIRE(p.r->owed.size() == 2);
  p.r->owed[1].fail({errc::refused, "no"});
  CHECK(second.result().error() == errc::refused);
  p.k.settle();
  CHECK(p.status().busy == 0);
}

TEST_CASE("an asker that has gone takes its job back") {
  pool p({.max = 1, .idle = 1});
  auto busy = p.ref.ask<job>(1).within(1h);
  {
    auto dropped = p.ref.ask<job>(2);
  }
  auto r = p.ref.ask<job>(3).within(100ms).result();
  REQUIRE(!r);
  CHECK(contains(r.error().text(), "queued at depth"));
  CHECK(busy.get() == 2);
  p.k.settle();
  CHECK(p.r->done == std::vector{1});
  CHECK(p.status().pending == 0);
}

TEST_CASE("a job that cannot be copied is tried once") {
  pool p({.max = 1, .idle = 1});
  CHECK(p.ref.ask<unique_job>(std::make_unique<int>(5)).get() == 5);
  p.r->deaths[6] = 1;
  auto r = p.ref.ask<unique_job>(std::make_unique<int>(6)).result();
  REQUIRE(!r);
  CHECK(r.error() == errc::handler_failed);
  CHECK(contains(r.error().text(), "after 1 worker died over it"));
}

TEST_CASE("settings change while it runs") {
  pool p({.max = 2, .idle = 1});
  auto jobs = p.ask(6);
  CHECK(p.status().busy == 2);
  troupe_control control(p.ref);
  control.set({.max = 4, .idle = 4}).get();
  p.k.settle();
  CHECK(p.status().busy == 4);
  control.set({.max = 1, .idle = 1}).get();
  CHECK(p.status().workers == 1);
  for (auto& j : jobs) (void)j.get();
  p.k.settle();
  CHECK(p.r->done.size() == 6);
  CHECK(p.k.system().snapshot().actors == 2);
  CHECK(control.set({.max = 0}).result().error() == errc::invalid_argument);
  CHECK(control.set({.max = 2, .idle = 3}).result().error() == errc::invalid_argument);
  CHECK(control.set({.attempts = 0}).result().error() == errc::invalid_argument);
  CHECK(thrown_by([&] { troupe_control none(p.k.system().lookup("pool/r1")); }) ==
        errc::wrong_type);
}

TEST_CASE("stopping a troupe ends its workers; waiting jobs are dead letters, and asks fail") {
  pool p({.max = 1, .idle = 1});
  auto jobs = p.ask(3);
  p.k.system().stop(p.ref);
  CHECK(jobs[0].get() == 0);
  CHECK(jobs[1].result().error() == errc::actor_stopped);
  CHECK(jobs[2].result().error() == errc::actor_stopped);
  CHECK(p.ref.ask<job>(1).result().error() == errc::actor_stopped);
}

TEST_CASE("workers that cannot live are not made again and again") {
  pool p({.max = 2, .idle = 2});
  p.k.settle();
  p.r->stillborn = true;
  p.k.system().stop(p.k.system().lookup("pool/r1"));
  p.k.system().stop(p.k.system().lookup("pool/r2"));
  p.k.settle();
  CHECK(p.r->made <= 2 + 12);
  p.r->stillborn = false;
  p.k.advance(61s);
  CHECK(p.ref.ask<job>(1).within(1h).get() == 2);
}
