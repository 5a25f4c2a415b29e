// Being told of an end, and sharing one.

#include <odeon/odeon.hpp>

#include <string>

struct work {};
struct report {
  using reply = std::string;
};
struct follow {
  odeon::any_ref whom;
};

class worker : public odeon::actor<work, follow> {
 public:
  void on(work) { throw std::runtime_error("out of paper"); }
  void on(follow m) { ctx().link(m.whom); }  // from here on they end together
};

// Watches what it is shown, and tells how all of it ended.
class witness : public odeon::actor<follow, report> {
 public:
  void on(follow m) {
    ++expected_;
    ctx().watch(m.whom);
  }
  void on(odeon::terminated t) {
    seen_ += t.ref.path() + ": " + odeon::to_string(t.reason) + "\n";
    if (--expected_ == 0) answer_(seen_);
  }
  void on(report, odeon::reply_to<std::string> answer) {
    answer_ = std::move(answer);
    if (expected_ == 0) answer_(seen_);
  }

 private:
  int expected_ = 0;
  std::string seen_;
  odeon::reply_to<std::string> answer_;
};

int main() {
  odeon::actor_system system{"app"};
  odeon::set_log_level(odeon::log_level::off);  // the failure below is meant
  auto a =
      system.spawn<worker>({.name = "a", .supervision = {.otherwise = odeon::directive::stop}});
  auto b = system.spawn<worker>({.name = "b"});
  auto w = system.spawn<witness>();
  w.tell<follow>(a);
  w.tell<follow>(b);
  b.tell<follow>(a);
  a.tell<work>();
  const std::string seen = w.ask<report>().get();
  std::fputs(seen.c_str(), stdout);
  const bool a_failed =
      seen.find("/user/a: ") != seen.npos && seen.find("out of paper") != seen.npos;
  return a_failed && seen.find("/user/b: ") != seen.npos ? 0 : 1;
}
