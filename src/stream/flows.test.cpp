// Each flow of one element at a time, and each that remembers, against a plain model.

#include "common.test.hpp"

#include <numeric>
#include <ranges>
#include <set>

using namespace odeon;
using namespace odeon::stream_test;

using ints = std::vector<int>;

TEST_CASE("map keeps the laws") {
  check_laws(map([](int x) { return x / 2; }),
             [](ints v) {
               for (int& x : v) x /= 2;
               return v;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("try_map keeps the laws, and fails with the error it is given") {
  check_laws(try_map([](int x) { return result<int>(x / 2); }),
             [](ints v) {
               for (int& x : v) x /= 2;
               return v;
             },
             {.failure_keeps_all = true});
  testkit::kit k;
  auto r = run_partial(k, source::from({1, 2}) | try_map([](int x) -> result<int> {
                            if (x == 2) return fail(errc::wrong_type, "two");
                            return x;
                          }));
  CHECK(r.got == ints{1});
  CHECK(*r.why == error(errc::wrong_type, "two"));
}

TEST_CASE("filter keeps the laws") {
  check_laws(filter([](int x) { return x % 2 == 0; }),
             [](ints v) {
               std::erase_if(v, [](int x) { return x % 2 != 0; });
               return v;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("filter_map keeps the laws") {
  check_laws(filter_map([](int x) {
               return x % 2 == 0 ? std::optional(std::to_string(x)) : std::nullopt;
             }),
             [](const ints& v) {
               std::vector<std::string> out;
               for (int x : v)
                 if (x % 2 == 0) out.push_back(std::to_string(x));
               return out;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("map_concat keeps the laws") {
  check_laws(map_concat([](int x) { return ints(std::size_t(unsigned(x) % 4), x); }),
             [](const ints& v) {
               ints out;
               for (int x : v) out.insert(out.end(), std::size_t(unsigned(x) % 4), x);
               return out;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("take and skip keep the laws, at nothing and past the end as well") {
  for (std::size_t n : {0U, 1U, 3U, 1000U}) {
    check_laws(take(n), [n](ints v) {
      if (v.size() > n) v.resize(n);
      return v;
    });
    check_laws(skip(n),
               [n](ints v) {
                 v.erase(v.begin(), v.begin() + std::ptrdiff_t(std::min(n, v.size())));
                 return v;
               },
               {.failure_keeps_all = true});
  }
}

TEST_CASE("take_while and skip_while keep the laws") {
  auto small = [](int x) { return x < 10; };
  check_laws(take_while(small), [&](ints v) {
    v.erase(std::ranges::find_if_not(v, small), v.end());
    return v;
  });
  check_laws(skip_while(small),
             [&](ints v) {
               v.erase(v.begin(), std::ranges::find_if_not(v, small));
               return v;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("wire_tap keeps the laws, and sees each element once") {
  check_laws(wire_tap([](const int&) {}), [](ints v) { return v; }, {.failure_keeps_all = true});
  testkit::kit k;
  ints tapped;
  auto out = run_all(k, source::from({1, 2, 3}) | wire_tap([&](int x) { tapped.push_back(x); }));
  CHECK(out == tapped);
}

TEST_CASE("scan keeps the laws") {
  auto add = [](long a, int b) { return a + b; };
  check_laws(scan(1L, add),
             [&](const ints& v) {
               std::vector<long> out{1};
               for (int x : v) out.push_back(add(out.back(), x));
               return out;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("fold keeps the laws") {
  check_laws(fold(std::string(), [](std::string a, int x) { return a + std::to_string(x); }),
             [](const ints& v) {
               std::string all;
               for (int x : v) all += std::to_string(x);
               return std::vector{all};
             });
}

TEST_CASE("reduce is a fold that begins with the first element") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::nonEmpty(rc::gen::arbitrary<std::vector<unsigned>>());
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto out =
        run_all(k, probe_source(in, std::make_shared<seen>(), holes) | reduce(std::minus{}));
    RC_ASSERT(out == std::vector{std::accumulate(in.begin() + 1, in.end(), in[0], std::minus{})});
  }));
}

TEST_CASE("grouped keeps the laws") {
  for (std::size_t n : {1U, 2U, 5U}) {
    check_laws(grouped(n), [n](const ints& v) {
      std::vector<ints> out;
      for (std::size_t i = 0; i < v.size(); i += n)
        out.emplace_back(v.begin() + std::ptrdiff_t(i),
                         v.begin() + std::ptrdiff_t(std::min(i + n, v.size())));
      return out;
    });
  }
}

TEST_CASE("sliding keeps the laws, whatever the step") {
  for (auto [n, step] : {std::pair<std::size_t, std::size_t>{3, 1}, {2, 2}, {2, 3}, {4, 3}, {1, 1}})
    check_laws(sliding(n, step), [n, step](const ints& v) {
      std::vector<ints> out;
      for (std::size_t at = 0; at < v.size(); at += step) {
        const std::size_t end = std::min(at + n, v.size());
        // A shorter window only for elements that are in no other.
        if (end - at < n && at > 0 && at - step + n >= v.size()) break;
        out.emplace_back(v.begin() + std::ptrdiff_t(at), v.begin() + std::ptrdiff_t(end));
        if (end == v.size() && end - at < n) break;
      }
      return out;
    });
}

TEST_CASE("changes and distinct keep the laws") {
  check_laws(map([](int x) { return x / 4; }) | changes(),
             [](ints v) {
               for (int& x : v) x /= 4;
               v.erase(std::unique(v.begin(), v.end()), v.end());
               return v;
             },
             {.failure_keeps_all = true});
  check_laws(map([](int x) { return x / 4; }) | distinct(),
             [](const ints& v) {
               ints out;
               std::set<int> before;
               for (int x : v)
                 if (before.insert(x / 4).second) out.push_back(x / 4);
               return out;
             },
             {.failure_keeps_all = true});
}

TEST_CASE("distinct remembers no more than it may") {
  testkit::kit k;
  auto r = run_partial(k, source::from({1, 2, 1, 3, 4}) | distinct(3));
  CHECK(r.got == ints{1, 2, 3});
  CHECK(*r.why == errc::limit_exceeded);
}
