/// What does an actor cost that exists and does nothing: time to spawn, memory, CPU?

#include "caf_support.hpp"

namespace bench {
namespace {

caf::behavior sleeper(caf::event_based_actor*, std::atomic<std::uint64_t>* up) {
  up->fetch_add(1, std::memory_order_relaxed);
  return {[](ping_atom) {}};
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::atomic<std::uint64_t> up = 0;
  std::vector<caf::actor> actors(opt.size);  // touched, so that the refs are not counted below
  std::size_t before = resident_bytes();
  auto begin = clock::now();
  for (caf::actor& a : actors) a = system.spawn(sleeper, &up);
  while (up.load() != opt.size) std::this_thread::yield();
  auto elapsed = clock::now() - begin;
  std::size_t after = resident_bytes();
  std::this_thread::sleep_for(idle::settle);
  out.each_ns("spawn", elapsed, opt.size);
  out.add("memory", "B", better::lower,
          static_cast<double>(after - before) / static_cast<double>(opt.size));
  out.add("cpu", "%", better::lower, cpu_percent(idle::watch));
  finish(system, actors);
}

const registration entry{"idle", idle::actors, run};

}  // namespace
}  // namespace bench
