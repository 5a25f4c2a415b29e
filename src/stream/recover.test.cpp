// What happens when a stage fails: supervision, recovery, and switches from outside.

#include "common.test.hpp"
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/recover.hpp>
#include <odeon/stream/kill_switch.hpp>

using namespace odeon;
using namespace odeon::stream_test;

using ints = std::vector<int>;

namespace {

int no_threes(int x) {
  if (x % 3 == 0) throw std::invalid_argument("a three");
  return x;
}
ints without_threes(ints v) {
  std::erase_if(v, [](int x) { return x % 3 == 0; });
  return v;
}

}  // namespace

TEST_CASE("supervised resume drops what a function refuses, and nothing else") {
  check_laws(map(no_threes) | supervised(directive::resume), without_threes,
             {.failure_keeps_all = true});
  check_laws(wire_tap([](int x) { no_threes(x); }) | grouped(2) | supervised(directive::resume),
             [](const ints& v) {
               std::vector<ints> out;
               for (int x : without_threes(v)) {
                 if (out.empty() || out.back().size() == 2) out.emplace_back();
                 out.back().push_back(x);
               }
               return out;
             },
             // A last, short group is only known at the end, however many are dropped before that.
             {.ahead = 10'000});
}

TEST_CASE("supervised resume keeps the state of the stage that threw, restart does not") {
  testkit::kit k;
  auto sum = [](int a, int x) { return a + no_threes(x); };
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | scan(0, sum) | supervised(directive::resume)) ==
        ints{0, 1, 3, 7});
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | scan(0, sum) | supervised(directive::restart)) ==
        ints{0, 1, 3, 4});
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | fold(0, sum) | supervised(directive::resume)) ==
        ints{7});
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | fold(0, sum) | supervised(directive::restart)) ==
        ints{4});
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | reduce(sum) | supervised(directive::resume)) ==
        ints{7});
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | reduce(sum) | supervised(directive::restart)) ==
        ints{4});
  // Another stage's state stays.
  CHECK(run_all(k, source::from({1, 2, 3, 4}) | scan(0, std::plus{}) | map(no_threes) |
                       supervised(directive::restart)) == ints{1, 10});
}

TEST_CASE("a decider goes by the exception's type, and stops by default") {
  testkit::kit k;
  const auto flow = map([](int x) {
                      if (x == 7) throw std::runtime_error("seven");
                      return no_threes(x);
                    }) |
                    supervised({on<std::invalid_argument>(directive::resume)});
  auto r = run_partial(k, source::from({1, 3, 5, 7, 8}) | flow);
  CHECK(r.got == ints{1, 5});
  CHECK(r.why->text() == "seven");
}

TEST_CASE("a failure of the stream itself is not supervised away") {
  check_laws(supervised(directive::resume), [](ints v) { return v; }, {.failure_keeps_all = true});
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto r = run_partial(
      k, probe_source<int>({1}, s, {}, errc::refused) | async() | supervised(directive::restart));
  CHECK(r.got == ints{1});
  CHECK(*r.why == errc::refused);
}

TEST_CASE("recover ends a failed stream with one more element") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    auto s = std::make_shared<seen>();
    auto wanted = in;
    wanted.push_back(-1);
    RC_ASSERT(run_all(k, probe_source(in, s, {}, errc::refused) | recover([](error e) {
                           return e == errc::refused ? -1 : -2;
                         })) == wanted);
  }));
  check_laws(recover([](const std::exception_ptr&) { return std::optional<int>(); }),
             [](ints v) { return v; }, {.failure_keeps_all = true});
}

TEST_CASE("recover sees exceptions of functions, and cancels the source") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  CHECK(run_all(k, probe_source<int>({1, 3, 4}, s) | map(no_threes) |
                       recover([](error) { return 0; })) == ints{1, 0});
  CHECK(s->cancelled);
}

TEST_CASE("recover_with_retries goes on with other sources, so often and no oftener") {
  testkit::kit k;
  int made = 0;
  const auto flow = recover_with_retries(2, [&](error) {
    ++made;
    return source::from({10 * made, 3}) | map(no_threes);
  });
  auto r = run_partial(k, source::from({1, 3, 5}) | map(no_threes) | flow);
  CHECK(r.got == ints{1, 10, 20});
  CHECK(r.why->text() == "a three");
  CHECK(made == 2);
  check_laws(recover_with_retries(0, [](error) { return source::single(1); }),
             [](ints v) { return v; }, {.failure_keeps_all = true});
}

TEST_CASE("map_error gives a failure another name") {
  testkit::kit k;
  auto r = run_partial(k, source::failed<int>(errc::refused) | map_error([](error e) {
                            return error(errc::io_failed, std::string(e.text()) + "?");
                          }));
  CHECK(*r.why == errc::io_failed);
  auto named =
      run_partial(k, source::failed<int>(errc::refused) | map_error([](const std::exception_ptr&) {
                       return std::make_exception_ptr(std::runtime_error("mine"));
                     }));
  CHECK(named.why->text() == "mine");
}

TEST_CASE("a shared kill switch completes all streams at its place and cancels their sources") {
  testkit::kit k;
  shared_kill_switch all;
  auto s = std::make_shared<seen>();
  auto a = (probe_source<int>({}, s, std::vector<bool>(100'000, true)) | all.flow() |
            to(sink::collect()))
               .run(k.system());
  auto b = (source::never<int>() | async() | all.flow() | to(sink::count())).run(k.system());
  for (int i = 0; i < 20; ++i) k.simulation().step();
  CHECK_FALSE(a.is_ready());
  all.shutdown();
  CHECK(a.get().empty());
  CHECK(b.get() == 0);
  CHECK(s->cancelled);
  // Too late for another word; and whoever comes later ends at once.
  all.abort(errc::refused);
  CHECK(run_all(k, source::from({1}) | all.flow()).empty());
}

TEST_CASE("an abort fails the stream with the given error") {
  testkit::kit k;
  auto [handle, result] =
      (source::never<int>() | kill_switch() | to(sink::collect())).run(k.system());
  k.settle();
  handle.abort(error(errc::refused, "enough"));
  CHECK(result.result().error() == error(errc::refused, "enough"));
}

TEST_CASE("an unused kill switch keeps the laws") {
  check_laws(shared_kill_switch().flow(), [](ints v) { return v; }, {.failure_keeps_all = true});
}
