// Several sources as one.

#include "common.test.hpp"
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/combine.hpp>

using namespace odeon;
using namespace odeon::stream_test;

using ints = std::vector<int>;

namespace {

/// Two inputs, each with holes, through `make(other source)`.
template <class Make, class Check>
void with_two(Make make, Check check) {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto a = *rc::gen::arbitrary<ints>();
    const auto b = *rc::gen::arbitrary<ints>();
    const auto ha = *rc::gen::arbitrary<std::vector<bool>>();
    const auto hb = *rc::gen::arbitrary<std::vector<bool>>();
    auto sa = std::make_shared<seen>(), sb = std::make_shared<seen>();
    auto out = run_all(k, probe_source(a, sa, ha) | make(probe_source(b, sb, hb)));
    check(a, b, out);
  }));
  // A failure of either fails the whole and cancels the other.
  for (bool first : {true, false}) {
    auto sa = std::make_shared<seen>(), sb = std::make_shared<seen>();
    const std::optional<error> why(errc::refused), none;
    auto out = run_partial(k, probe_source(ints(3, 1), sa, {}, first ? why : none) |
                                  make(probe_source(ints(3, 1), sb, {}, first ? none : why)));
    if (first ? sa->ended : sb->ended) {
      REQUIRE(out.why);
      CHECK(*out.why == errc::refused);
    }
    CHECK((sa->ended || sa->cancelled));
    CHECK((sb->ended || sb->cancelled));
  }
  // Cancelling reaches both.
  auto sa = std::make_shared<seen>(), sb = std::make_shared<seen>();
  CHECK(run_all(k, probe_source(ints(100, 1), sa) | make(probe_source(ints(100, 1), sb)) | take(1))
            .size() == 1);
  CHECK(sa->cancelled);
  CHECK(sb->cancelled);
  CHECK(sa->given + sb->given <= 2);
}

/// Whether `part` is in `all` in its order; takes it out.
bool take_out(ints& all, const ints& part) {
  ints rest;
  std::size_t at = 0;
  for (int x : all) {
    if (at < part.size() && part[at] == x)
      ++at;
    else
      rest.push_back(x);
  }
  all = std::move(rest);
  return at == part.size();
}

ints even(ints v) {
  for (int& x : v) x *= 2;
  return v;
}
bool is_even(int x) { return x % 2 == 0; }

}  // namespace

TEST_CASE("merge loses and doubles nothing, and keeps each source's order") {
  with_two([](auto other) { return merge(std::move(other)); },
           [](const ints& a, const ints& b, ints out) {
             RC_ASSERT(out.size() == a.size() + b.size());
             ints sorted = out, wanted = a;
             wanted.insert(wanted.end(), b.begin(), b.end());
             std::ranges::sort(sorted);
             std::ranges::sort(wanted);
             RC_ASSERT(sorted == wanted);
           });
  testkit::kit k;
  CHECK(rc::check("order of each", [&] {
    const auto a = even(*rc::gen::container<ints>(rc::gen::inRange(-1000, 1000)));
    auto b = even(*rc::gen::container<ints>(rc::gen::inRange(-1000, 1000)));
    for (int& x : b) ++x;
    const auto ha = *rc::gen::arbitrary<std::vector<bool>>();
    auto out = run_all(k, probe_source(a, std::make_shared<seen>(), ha) | merge(source::from(b)));
    ints first, second;
    std::ranges::partition_copy(out, std::back_inserter(first), std::back_inserter(second),
                                is_even);
    RC_ASSERT(first == a);
    RC_ASSERT(second == b);
  }));
}

TEST_CASE("merge takes turns between sources that have elements, however many") {
  testkit::kit k;
  CHECK(run_all(k, source::from({1, 1, 1}) | merge(source::from({2, 2}), source::from({3}))) ==
        ints{1, 2, 3, 1, 2, 1});
}

TEST_CASE("merge goes on with one source while the other is silent") {
  testkit::kit k;
  CHECK(run_all(k, source::never<int>() | merge(source::from({1, 2})) | take(2)) == ints{1, 2});
}

TEST_CASE("merge_prioritized loses nothing, and gives each source its share") {
  with_two([](auto other) { return merge_prioritized(3, std::move(other), 1); },
           [](const ints& a, const ints& b, ints out) {
             RC_ASSERT(out.size() == a.size() + b.size());
             RC_ASSERT(take_out(out, a));
           });
  testkit::kit k;
  CHECK(run_all(k, source::from(ints(6, 1)) | merge_prioritized(3, source::from(ints(4, 2)), 1)) ==
        ints{1, 1, 1, 2, 1, 1, 1, 2, 2, 2});
}

TEST_CASE("merge_sorted sorts what is sorted") {
  testkit::kit k;
  CHECK(rc::check([&] {
    auto a = *rc::gen::arbitrary<ints>(), b = *rc::gen::arbitrary<ints>();
    const auto ha = *rc::gen::arbitrary<std::vector<bool>>();
    std::ranges::sort(a);
    std::ranges::sort(b);
    ints wanted;
    std::ranges::merge(a, b, std::back_inserter(wanted));
    RC_ASSERT(run_all(k, probe_source(a, std::make_shared<seen>(), ha) |
                             merge_sorted(source::from(b))) == wanted);
  }));
}

TEST_CASE("concat gives one source after the other, and asks none before its turn") {
  with_two([](auto other) { return concat(std::move(other)); },
           [](ints a, const ints& b, const ints& out) {
             a.insert(a.end(), b.begin(), b.end());
             RC_ASSERT(out == a);
           });
  testkit::kit k;
  auto s = std::make_shared<seen>();
  CHECK(run_all(k, source::from({1, 2}) | concat(probe_source<int>({3}, s)) | take(2)).size() == 2);
  CHECK(s->given == 0);
  CHECK(s->cancelled);
}

TEST_CASE("interleave takes so many of each in turn") {
  for (std::size_t n : {1U, 3U})
    with_two([n](auto other) { return interleave(std::move(other), n); },
             [n](const ints& a, const ints& b, const ints& out) {
               ints wanted;
               auto i = a.begin(), j = b.begin();
               for (std::size_t c = 0; i != a.end() || j != b.end(); ++c) {
                 const bool first = j == b.end() || (i != a.end() && c / n % 2 == 0);
                 if (i == a.end() || j == b.end()) {
                   wanted.insert(wanted.end(), i, a.end());
                   wanted.insert(wanted.end(), j, b.end());
                   break;
                 }
                 wanted.push_back(first ? *i++ : *j++);
               }
               RC_ASSERT(out == wanted);
             });
}

TEST_CASE("zip pairs what stands at the same place") {
  with_two([](auto other) { return zip(std::move(other)); },
           [](const ints& a, const ints& b, const auto& out) {
             RC_ASSERT(out.size() == std::min(a.size(), b.size()));
             for (std::size_t i = 0; i < out.size(); ++i)
               RC_ASSERT(out[i] == std::pair(a[i], b[i]));
           });
  testkit::kit k;
  CHECK(run_all(k, source::from({1, 2}) | zip_with(source::repeat(10), std::plus{})) ==
        ints{11, 12});
}

TEST_CASE("sources on other threads are combined as well") {
  testkit::kit k({.threaded = true});
  const auto far = source::from(std::views::iota(0, 20'000)) | async({.capacity = 16});
  auto out = run_all(k, far | merge(far, far));
  CHECK(out.size() == 60'000);
  CHECK(
      run_all(k, far | zip_with(far, std::minus{}) | filter([](int x) { return x != 0; })).empty());
}
