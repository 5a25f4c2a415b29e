/// The floor of `tell`: one thread pushes nodes onto a LIFO stack, the other takes all there are
/// at a time. No allocation, no order restored, no actor.

#include "harness.hpp"
#include "workloads.hpp"

#include <atomic>
#include <thread>

namespace bench {
namespace {

struct node {
  node* next = nullptr;
  std::uint64_t value = 0;
};

/// How often the consumer pauses before it looks again: it leaves the producer the cache line
/// for about a microsecond, and takes what has gathered by then in one exchange.
constexpr int pauses = 32;

void consume(std::atomic<node*>& top, std::uint64_t count, std::uint64_t& sum) {
  for (std::uint64_t seen = 0; seen < count;) {
    for (node* n = top.exchange(nullptr, std::memory_order_acquire); n != nullptr; n = n->next) {
      sum += n->value;
      ++seen;
    }
    for (int i = 0; i < pauses; ++i) __builtin_ia32_pause();
  }
}

nanoseconds pass(std::uint64_t count) {
  std::vector<node> nodes(count);
  for (std::uint64_t i = 0; i < count; ++i) nodes[i].value = i;
  std::atomic<node*> top = nullptr;
  std::uint64_t sum = 0;
  auto begin = clock::now();
  std::thread consumer([&] { consume(top, count, sum); });
  for (node& n : nodes) {
    n.next = top.load(std::memory_order_relaxed);
    while (!top.compare_exchange_weak(n.next, &n, std::memory_order_release,
                                      std::memory_order_relaxed)) {
    }
  }
  consumer.join();
  auto elapsed = clock::now() - begin;
  require(sum == count * (count - 1) / 2, "the stack lost a node");
  return elapsed;
}

void run(const options& opt, report& out) {
  std::uint64_t count = opt.scaled(tell::messages);
  nanoseconds elapsed = pass(count);
  for (int i = 0; i < 9; ++i) elapsed = std::min(elapsed, pass(count));  // a limit: the best of ten
  out.rate("throughput", elapsed, count);
}

const registration entry{"tell", tell::pairs, run};

}  // namespace
}  // namespace bench
