// A mailbox with a bound, and what a full one does.

#include <odeon/odeon.hpp>

struct job {
  int number;
};
struct hold {
  odeon::promise<void> begun;
  odeon::future<void> until;
};
struct sum_of {
  using reply = int;
  int count;
};

// Answers with the sum when that many jobs have come.
class collector : public odeon::actor<job, sum_of> {
 public:
  void on(job m) { sum_ += m.number, ++seen_, tell(); }
  void on(sum_of m, odeon::reply_to<int> r) { wanted_ = m.count, answer_ = std::move(r), tell(); }

 private:
  void tell() {
    if (seen_ == wanted_) answer_(sum_);
  }
  int sum_ = 0, seen_ = 0, wanted_ = -1;
  odeon::reply_to<int> answer_;
};

// Hands its jobs on; `hold` keeps it busy for a while.
class worker : public odeon::actor<job, hold> {
 public:
  explicit worker(odeon::actor_ref<job> to) : to_(std::move(to)) {}
  odeon::task<void> on(hold m) {
    m.begun.set();
    co_await std::move(m.until);
  }
  void on(job m) { to_.tell(m); }

 private:
  odeon::actor_ref<job> to_;
};

// Tells 1, 2, 4 and 8 to a busy worker that has room for two. What came through, added up.
int sum_with(odeon::actor_system& system, odeon::overflow what) {
  auto results = system.spawn<collector>();
  auto w = system.spawn<worker>({.mailbox = odeon::mailbox::bounded(2, what)}, results);
  auto [begun, is_busy] = odeon::promise<void>::make(system.get_runtime());
  auto [end, until] = odeon::promise<void>::make(system.get_runtime());
  w.tell<hold>(std::move(begun), std::move(until));
  is_busy.get();
  int refused = 0;
  for (const int n : {1, 2, 4, 8})
    if (const auto told = w.try_tell<job>(n); !told && told.error() == odeon::errc::mailbox_full)
      ++refused;
  end.set();
  return 100 * refused + results.ask<sum_of>(2).get();
}

int main() {
  odeon::actor_system system{"app"};
  const bool right = sum_with(system, odeon::overflow::fail) == 203 &&  // the teller is told
                     sum_with(system, odeon::overflow::drop_newest) == 3 &&
                     sum_with(system, odeon::overflow::drop_oldest) == 12;
  // What did not come through is not gone without a trace.
  return right && system.dead_letters().size() == 6 ? 0 : 1;
}
