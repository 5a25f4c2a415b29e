/// How many messages a second flow when many actors ping random others all at once?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct start {};
struct ping {
  std::uint64_t from;
};
struct pong {};

using member_ref = odeon::actor_ref<start, ping, pong>;
using crowd = std::vector<member_ref>;

class member : public odeon::actor<start, ping, pong> {
 public:
  member(const crowd* all, std::uint64_t index, std::uint64_t pings, std::latch* done)
      : all_(all),
        index_(index),
        left_(pings),
        done_(done),
        draw_(index + 1) {}

  void on(start) { send_ping(); }
  void on(ping msg) { (*all_)[msg.from].tell<pong>(); }
  void on(pong) {
    if (--left_ == 0) {
      done_->count_down();
    } else {
      send_ping();
    }
  }

 private:
  void send_ping() { (*all_)[draw_.below(all_->size())].tell<ping>(index_); }

  const crowd* all_;
  std::uint64_t index_;
  std::uint64_t left_;
  std::latch* done_;
  random draw_;
};

nanoseconds pass(odeon::actor_system& system, std::size_t size, std::uint64_t pings) {
  std::latch done(static_cast<std::ptrdiff_t>(size));
  crowd actors;
  actors.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    actors.push_back(system.spawn<member>(&actors, i, share(pings, size, i), &done));
  }
  auto begin = clock::now();
  for (const member_ref& a : actors) a.tell<start>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t pings = opt.scaled(big::pings, opt.size);
  auto elapsed =
      warmed(pings, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, 2 * pings);
}

const registration entry{"big", big::actors, run};

}  // namespace
}  // namespace bench
