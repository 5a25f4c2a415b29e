/// The floor of `pingpong` and `ring`: one push and one pop of an intrusive queue that is made
/// for many producers (Vyukov's, a wait-free exchange a push), all on one thread. A runtime that
/// hands each message over through such a queue cannot be faster.

#include "harness.hpp"
#include "workloads.hpp"

#include <atomic>

namespace bench {
namespace {

struct node {
  std::atomic<node*> next = nullptr;
  std::uint64_t value = 0;
};

/// Many may push; one pops. The queue always holds at least its stub or the last node popped.
class mpsc_queue {
 public:
  void push(node* n) {
    n->next.store(nullptr, std::memory_order_relaxed);
    node* before = head_.exchange(n, std::memory_order_acq_rel);
    before->next.store(n, std::memory_order_release);  // until here the pop sees an end
  }

  /// The value of the oldest node and, in `spare`, a node the caller may use again.
  bool pop(std::uint64_t& value, node*& spare) {
    node* next = tail_->next.load(std::memory_order_acquire);
    if (next == nullptr) return false;
    value = next->value;
    spare = tail_;
    tail_ = next;
    return true;
  }

 private:
  node stub_;
  std::atomic<node*> head_ = &stub_;
  node* tail_ = &stub_;
};

nanoseconds pass(std::uint64_t count) {
  mpsc_queue queue;
  node first;
  node* spare = &first;
  std::uint64_t sum = 0;
  auto begin = clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    spare->value = i;
    queue.push(spare);
    std::uint64_t value = 0;
    if (queue.pop(value, spare)) sum += value;
  }
  auto elapsed = clock::now() - begin;
  require(sum == count * (count - 1) / 2, "the queue lost a value");
  return elapsed;
}

nanoseconds measure(const options& opt, std::uint64_t& count) {
  count = opt.scaled(10 * pingpong::messages);
  return warmed(count, 1, pass);
}

void run_pingpong(const options& opt, report& out) {
  std::uint64_t count = 0;
  auto elapsed = measure(opt, count);
  out.each_ns("message", elapsed, count);
}

void run_ring(const options& opt, report& out) {
  std::uint64_t count = 0;
  auto elapsed = measure(opt, count);
  out.each_ns("hop", elapsed, count);
}

const registration pingpong_entry{"pingpong", pingpong::pairs, run_pingpong};
const registration ring_entry{"ring", ring::actors, run_ring};

}  // namespace
}  // namespace bench
