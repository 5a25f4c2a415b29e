/// What does an actor cost that exists and does nothing: time to spawn, memory, CPU?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct ping {};

class sleeper : public odeon::actor<ping> {
 public:
  void on(ping) {}
};

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::vector<sleeper::ref> actors(opt.size);  // touched, so that the refs are not counted below
  std::size_t before = resident_bytes();
  auto begin = clock::now();
  for (sleeper::ref& a : actors) a = system.spawn<sleeper>();  // constructed when spawn returns
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
