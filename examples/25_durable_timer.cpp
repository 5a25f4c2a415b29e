// A reminder that comes although the program was down when it was due.

#include <odeon/odeon.hpp>
#include <odeon/pattern/cron.hpp>
#include <odeon/persistence/durable_timers.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/receivers.hpp>

#include <cstdio>
#include <latch>
#include <string>

using namespace std::chrono_literals;
using odeon::catch_up;
using odeon::durable_timer;

struct remind {
  std::string what;
};

class desk : public odeon::actor<remind> {
 public:
  explicit desk(std::latch* done) : done_(done) {}
  // The timer is removed from the journal, or set to its next round, after this has ended well.
  void on(const remind& r) {
    std::printf("  remember: %s\n", r.what.c_str());
    done_->count_down();
  }

 private:
  std::latch* done_;
};

int main() {
  auto disk = std::make_shared<odeon::memory_store>();  // outlives both runs of the program

  {
    std::printf("first run: timers are set\n");
    odeon::actor_system system{"office"};
    odeon::persistence::install(system, odeon::make_memory_journal(system.get_runtime(), disk));
    odeon::durable_timers timers(system);
    const auto now = system.get_runtime().wall_now();
    timers.set("desk", durable_timer::at("tea", now + 1ms, remind{"the tea"})).get();
    timers.set("desk", durable_timer::every("walk", 10min, remind{"to stand up"}, now - 1h)).get();
    timers
        .set("desk",
             durable_timer::on("mail", *odeon::cron::parse("0 9 * * mon-fri", "Europe/Rome"),
                               remind{"the mail"})
                 .missed(catch_up::skip))
        .get();
  }

  std::printf("second run: what was missed comes once\n");
  odeon::actor_system system{"office"};
  odeon::persistence::install(system, odeon::make_memory_journal(system.get_runtime(), disk));
  std::latch both(2);
  odeon::persistence::receive(system, "desk", system.spawn<desk>(&both));
  auto timers = odeon::persistence::start_timers(system);
  both.wait();
  while (timers.stats().under_way > 0) {
  }
  std::string left;
  for (const durable_timer& t : timers.of("desk").get()) left += t.id() + " ";
  std::printf("still set: %s\n", left.c_str());
  return left == "mail walk " ? 0 : 1;
}
