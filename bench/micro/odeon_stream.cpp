/// How many elements a second go through a fused line, across an asynchronous boundary, and through
/// `map_async` with eight tasks at work?

#include "odeon_support.hpp"
#include <odeon/stream/stream.hpp>

#include <functional>
#include <ranges>

namespace bench {
namespace {

namespace st = odeon::stream;

constexpr std::uint64_t fused_elements = 100'000'000;
constexpr std::uint64_t async_elements = 20'000'000;
constexpr std::uint64_t task_elements = 2'000'000;

/// The numbers 0 to `n` - 1 through `flow` into their sum; `size` such streams at once.
template <class Flow>
void measure(const options& opt, report& out, std::uint64_t elements, std::uint64_t factor,
             Flow flow) {
  odeon::actor_system system("bench", system_options(opt));
  const std::uint64_t each = opt.scaled(elements, opt.size) / opt.size;
  const auto pass = [&](std::uint64_t n) {
    std::vector<odeon::future<std::uint64_t>> sums;
    const auto begin = clock::now();
    for (std::size_t i = 0; i < opt.size; ++i)
      sums.push_back((st::source::from(std::views::iota(std::uint64_t{0}, n)) | flow |
                      st::to(st::sink::fold(std::uint64_t{0}, std::plus<std::uint64_t>{})))
                         .run(system));
    for (auto& s : sums)
      if (std::move(s).within(std::chrono::minutes(5)).get() != factor * (n * (n - 1) / 2))
        throw wrong_result("the sum is wrong");
    return clock::now() - begin;
  };
  pass(each / 10 + 1);
  out.rate("elements", pass(each), each * opt.size);
}

void fused(const options& opt, report& out) {
  measure(opt, out, fused_elements, 2, st::map([](std::uint64_t n) {
                                         return 2 * n;
                                       }) | st::filter([](std::uint64_t n) { return n != 1; }));
}
void across(const options& opt, report& out) { measure(opt, out, async_elements, 1, st::async()); }
void tasks(const options& opt, report& out) {
  measure(opt, out, task_elements, 1,
          st::map_async(8, [](std::uint64_t n) -> odeon::task<std::uint64_t> { co_return n; }));
}

const registration one{"stream_fused", 1, fused};
const registration two{"stream_async", 1, across};
const registration three{"map_async", 1, tasks};

}  // namespace
}  // namespace bench
