/// What do a fork and its join cost, and a message that a task sends to the one that joins it?

#include "odeon_support.hpp"
#include <odeon/task/effects.hpp>
#include <odeon/task/run.hpp>

#include <vector>

namespace bench {
namespace {

constexpr std::uint64_t forks = 5'000'000;
constexpr std::uint64_t messages = 50'000'000;

odeon::task<std::uint64_t> one(std::uint64_t n) { co_return n; }

/// Forks `open` tasks, then joins them, until `n` have been joined.
odeon::task<std::uint64_t> fork_and_join(std::uint64_t n, std::size_t open) {
  std::vector<odeon::forked<std::uint64_t>> waiting;
  waiting.reserve(open);
  std::uint64_t sum = 0;
  for (std::uint64_t next = 0; next < n;) {
    for (; waiting.size() < open && next < n; ++next)
      waiting.push_back(co_await odeon::fork(one(next)));
    for (auto& f : waiting) sum += co_await f.join();
    waiting.clear();
  }
  co_return sum;
}

odeon::effect<std::uint64_t> speak(std::uint64_t n) {
  for (std::uint64_t i = 0; i < n; ++i) co_await odeon::send(i);
}
odeon::effect<std::uint64_t> pass_on(std::uint64_t n) { co_await odeon::fork(speak(n)).join(); }
odeon::task<std::uint64_t> listen(std::uint64_t n, std::size_t pairs) {
  std::vector<odeon::effect<std::uint64_t>> all;
  for (std::size_t i = 0; i < pairs; ++i) all.push_back(pass_on(share(n, pairs, i)));
  std::uint64_t got = 0;
  co_await odeon::consume(odeon::batch(std::move(all)), [&got](std::uint64_t) { ++got; });
  co_return got;
}

template <class Work>
void measure(const options& opt, report& out, const char* metric, std::uint64_t amount,
             const Work& work) {
  const std::uint64_t n = opt.scaled(amount, opt.size);
  const auto elapsed = warmed(n, opt.size, [&](std::uint64_t some) {
    const auto begin = clock::now();
    work(some);
    return clock::now() - begin;
  });
  out.each_ns(metric, elapsed, n);
}

void fork_join(const options& opt, report& out) {
  measure(opt, out, "task", forks, [&](std::uint64_t n) {
    require(odeon::run(fork_and_join(n, opt.size)) == n * (n - 1) / 2, "the sum is wrong");
  });
}
void send(const options& opt, report& out) {
  measure(opt, out, "message", messages, [&](std::uint64_t n) {
    require(odeon::run(listen(n, opt.size)) == n, "messages are missing");
  });
}

const registration one_fork{"fork_join", 1, fork_join};
const registration one_send{"send", 1, send};

}  // namespace
}  // namespace bench
