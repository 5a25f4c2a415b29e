// Back-pressure is real: what a stream holds does not grow with what goes through it.

#include "common.test.hpp"
#include <odeon/stream/fan_out.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/flow/nested.hpp>

#include <atomic>
#include <ranges>

using namespace odeon;
using namespace odeon::stream_test;

namespace {

/// An element of about a kilobyte, counted while it lives.
std::atomic<long> alive{0}, most{0};
class heavy {
 public:
  explicit heavy(int n) : number_(n), bytes_(new char[1024]()) { born(); }
  heavy(heavy&& o) noexcept : number_(o.number_), bytes_(std::move(o.bytes_)) {}
  heavy& operator=(heavy&& o) noexcept {
    std::swap(number_, o.number_);
    std::swap(bytes_, o.bytes_);
    return *this;
  }
  ~heavy() {
    if (bytes_) --alive;
  }
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  static void born() {
    const long now = ++alive;
    for (long m = most; now > m && !most.compare_exchange_weak(m, now);) {
    }
  }
  int number_;
  std::unique_ptr<char[]> bytes_;
};

/// A million kilobytes, made as fast as they are asked for; under AddressSanitizer, to which each
/// costs some ten times as much, a tenth of them.
#ifdef ODEON_ASAN
constexpr int count = 100'000;
#else
constexpr int count = 1'000'000;
#endif
auto a_gigabyte() {
  return source::from(std::views::iota(0, count)) | map([](int n) { return heavy(n); });
}
/// A sink that is slower than any source: it has work to do after each thousand elements.
task<heavy> worked_on(heavy h) {
  if (h.number() % 1000 == 0) co_await sleep(std::chrono::milliseconds(10));
  co_return h;
}
void begin() { alive = most = 0; }

}  // namespace

TEST_CASE("a million elements to a slow sink need the memory of the buffers between, no more") {
  begin();
  testkit::kit k;
  const auto n = (a_gigabyte() | async({.capacity = 100}) | buffer(50) | async({.capacity = 20}) |
                  map_async(4, worked_on) | to(sink::count()))
                     .run(k.system())
                     .get();
  CHECK(n == count);
  CHECK(most > 100);
  CHECK(most <= 100 + 50 + 20 + 4 + 8);  // one in the hand of each stage
  CHECK(alive == 0);
}

TEST_CASE("streams of streams are bounded by their capacities") {
  begin();
  testkit::kit k;
  const auto n =
      (a_gigabyte() | take(count / 10) |
       group_by(
           10, [](const heavy& h) { return h.number() % 10; }, 16) |
       flat_map_merge(10, [](auto g) { return std::move(g) | map_async(1, worked_on); }) |
       to(sink::count()))
          .run(k.system())
          .get();
  CHECK(n == count / 10);
  CHECK(most <= 10 * (16 + 1 + 1) + 8);
  CHECK(alive == 0);
}

TEST_CASE("what a cancelled stream held is let go") {
  begin();
  testkit::kit k;
  const auto n = (a_gigabyte() | async() | take(10) | to(sink::count())).run(k.system()).get();
  k.settle();
  CHECK(n == 10);
  CHECK(most <= 1024 + 64);
  CHECK(alive == 0);
}
