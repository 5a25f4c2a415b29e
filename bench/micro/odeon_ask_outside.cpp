/// How long does a thread outside the system wait for the answer to one question?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct question {
  using reply = std::uint64_t;
  std::uint64_t value;
};

class answerer : public odeon::actor<question> {
 public:
  std::uint64_t on(question msg) { return msg.value + 1; }
};

/// Asks one at a time and gives each wait in microseconds.
std::vector<double> ask(const std::vector<answerer::ref>& actors, std::uint64_t asks) {
  std::vector<double> waits;
  waits.reserve(asks);
  for (std::uint64_t i = 0; i < asks; ++i) {
    auto begin = clock::now();
    std::uint64_t answer = actors[i % actors.size()].ask<question>(i).get();
    auto elapsed = clock::now() - begin;
    require(answer == i + 1, "an answer is wrong");
    waits.push_back(static_cast<double>(elapsed.count()) / 1e3);
  }
  return waits;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::vector<answerer::ref> actors;
  for (std::size_t i = 0; i < opt.size; ++i) actors.push_back(system.spawn<answerer>());
  std::uint64_t asks = opt.scaled(ask_outside::asks, opt.size);
  static_cast<void>(ask(actors, std::max<std::uint64_t>(asks / 10, opt.size)));
  std::vector<double> waits = ask(actors, asks);
  out.add("p50", "us", better::lower, percentile(waits, 50));
  out.add("p99", "us", better::lower, percentile(waits, 99));
  finish(system, actors);
}

const registration entry{"ask_outside", ask_outside::actors, run};

}  // namespace
}  // namespace bench
