#include "common.test.hpp"
#include <odeon/pattern/compute.hpp>

#include <memory>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

int square(int n) { return n * n; }
result<std::string> shout(const std::string& text) {
  if (text.empty()) return fail(errc::refused, "nothing to shout");
  return text + "!";
}

const process_function<square> square_fn{"square"};
const process_function<shout> shout_fn{"shout"};

struct calculate {
  using reply = int;
  int n;
};
struct clerk : actor<calculate> {
  task<int> on(calculate c) { co_return co_await compute(ctx().system(), square_fn, c.n); }
};

}  // namespace

TEST_CASE("a computation on a thread gives its value, its result's error, or its exception's") {
  testkit::kit k;
  auto& s = k.system();
  CHECK(compute(s, [](int a, int b) { return a + b; }, 2, 3).get() == 5);
  auto moved = std::make_unique<int>(7);
  CHECK(compute(s, [m = std::move(moved)] { return *m; }).get() == 7);
  compute(s, [] {}).get();
  CHECK(compute(s, shout_fn, "hello").get() == "hello!");
  CHECK(compute(s, shout_fn, "").result().error() == error(errc::refused, "nothing to shout"));
  auto thrown = compute(s, []() -> int { throw std::runtime_error("no luck"); }).result();
  CHECK(thrown.error() == error(errc::handler_failed, "no luck"));
  CHECK(square_fn(4) == 16);
  CHECK(square_fn.name() == "square");
}

TEST_CASE("an actor awaits a computation without holding up others") {
  testkit::kit k;
  auto a = k.system().spawn<clerk>();
  CHECK(a.ask<calculate>(12).get() == 144);
}

TEST_CASE("computations beyond the queue's bound are refused, and so are those after the end") {
  testkit::kit k{{.moves_time = false}};
  configure_compute(k.system(), {.queue = 2});
  auto one = compute(k.system(), square_fn, 1);
  auto two = compute(k.system(), square_fn, 2);
  auto three = compute(k.system(), square_fn, 3);
  CHECK(three.result().error().code() == errc::mailbox_full);
  k.settle();
  CHECK(one.get() == 1);
  CHECK(compute(k.system(), square_fn, 4).get() == 16);
  CHECK(thrown_by([&] { configure_compute(k.system(), {}); }) == errc::name_taken);
  CHECK(thrown_by([&] { configure_compute(k.system(), {.queue = 0}); }) == errc::invalid_argument);
  k.system().terminate_and_wait(1s);
  CHECK(compute(k.system(), square_fn, 5).result().error().code() == errc::system_stopped);
}

TEST_CASE("a wait for a computation on a thread ends at its limit") {
  actor_system system("real");
  auto gate = promise<int>::make(system.get_runtime());
  auto late =
      compute(system, {.limit = 20ms}, [f = std::move(gate.second)]() mutable { return f.get(); });
  CHECK(late.result().error().code() == errc::ask_timeout);
  gate.first.set(1);
}

TEST_CASE("what processes can not do is refused with a reason") {
  testkit::kit k;
  const compute_options in_process{.execution = execution::process};
  auto simulated = compute(k.system(), in_process, square_fn, 2).result();
  CHECK(contains(simulated.error().text(), "a simulated runtime has no processes"));
  auto nameless = compute(k.system(), in_process, [] { return 1; }).result();
  CHECK(contains(nameless.error().text(), "give a process_function"));
  actor_system real("real");
  auto unserved = compute(real, in_process, square_fn, 2).result();
  REQUIRE(!unserved);
  CHECK(unserved.error() ==
        error(errc::spawn_failed,
              "this program does not serve computations in processes: begin main with "
              "odeon::serve_compute(argc, argv)"));
}

TEST_CASE("a name that stands for two functions, or for none, is refused") {
  testkit::kit k;
  static detail::process_entry a, b;
  detail::add_process_function(a, "twice", nullptr);
  detail::add_process_function(b, "twice", nullptr);
  CHECK(contains(detail::find_process_function("twice").error().text(), "have the name 'twice'"));
  CHECK(detail::find_process_function("nobody").error() == errc::not_found);
}
