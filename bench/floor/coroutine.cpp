/// The floor of `ask_coroutine`: one coroutine frame made, run to its end and destroyed.

#include "harness.hpp"
#include "workloads.hpp"

#include <coroutine>
#include <exception>

namespace bench {
namespace {

struct job {
  struct promise_type {
    std::uint64_t result = 0;
    job get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(std::uint64_t value) { result = value; }
    void unhandled_exception() { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

/// Not inlined, so that the frame cannot be elided into its caller's.
[[gnu::noinline]] job add_one(std::uint64_t value) { co_return value + 1; }

nanoseconds pass(std::uint64_t count) {
  std::uint64_t sum = 0;
  auto begin = clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    job one = add_one(i);
    one.handle.resume();
    sum += one.handle.promise().result;
    one.handle.destroy();
  }
  auto elapsed = clock::now() - begin;
  require(sum == count * (count + 1) / 2, "a coroutine's result is wrong");
  return elapsed;
}

void run(const options& opt, report& out) {
  std::uint64_t count = opt.scaled(20 * ask_coroutine::asks);
  auto elapsed = warmed(count, 1, pass);
  out.each_ns("round_trip", elapsed, count);
}

const registration entry{"ask_coroutine", ask_coroutine::askers, run};

}  // namespace
}  // namespace bench
