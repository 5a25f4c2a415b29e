/// How long does a thread outside the system wait for the answer to one question?

#include "caf_support.hpp"

namespace bench {
namespace {

caf::behavior answerer() {
  return {[](std::uint64_t question) { return question + 1; }};
}

/// Asks one at a time and gives each wait in microseconds.
std::vector<double> ask(caf::scoped_actor& self, const std::vector<caf::actor>& actors,
                        std::uint64_t asks) {
  std::vector<double> waits;
  waits.reserve(asks);
  for (std::uint64_t i = 0; i < asks; ++i) {
    std::uint64_t answer = 0;
    auto begin = clock::now();
    self->request(actors[i % actors.size()], caf::infinite, i)
        .receive([&](std::uint64_t value) { answer = value; }, [](const caf::error&) {});
    auto elapsed = clock::now() - begin;
    require(answer == i + 1, "an answer is wrong");
    waits.push_back(static_cast<double>(elapsed.count()) / 1e3);
  }
  return waits;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::vector<caf::actor> actors;
  for (std::size_t i = 0; i < opt.size; ++i) actors.push_back(system.spawn(answerer));
  std::uint64_t asks = opt.scaled(ask_outside::asks, opt.size);
  {
    caf::scoped_actor self(system);
    static_cast<void>(ask(self, actors, std::max<std::uint64_t>(asks / 10, opt.size)));
    std::vector<double> waits = ask(self, actors, asks);
    out.add("p50", "us", better::lower, percentile(waits, 50));
    out.add("p99", "us", better::lower, percentile(waits, 99));
  }
  finish(system, actors);
}

const registration entry{"ask_outside", ask_outside::actors, run};

}  // namespace
}  // namespace bench
