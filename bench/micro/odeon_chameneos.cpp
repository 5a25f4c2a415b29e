/// How many meetings a second can one busy broker arrange between many actors?

#include "odeon_support.hpp"

namespace bench {
namespace {

using chameneos::colour;

struct start {};
struct meet;
struct change {
  colour other;
};
struct closed {};
using creature_ref = odeon::actor_ref<start, meet, change, closed>;
struct meet {
  creature_ref who;
  colour own;
};
struct tally {
  std::uint64_t met;
};

/// Asks the mall for a partner, changes colour with it, asks again, until the mall is closed.
class creature : public odeon::actor<start, meet, change, closed> {
 public:
  creature(odeon::actor_ref<meet, tally> mall, colour first)
      : mall_(std::move(mall)),
        own_(first) {}

  void on(start) { mall_.tell<meet>(self(), own_); }
  void on(const meet& msg) {
    msg.who.tell<change>(own_);
    met(msg.own);
  }
  void on(change msg) { met(msg.other); }
  void on(closed) { mall_.tell<tally>(met_); }

 private:
  void met(colour other) {
    own_ = chameneos::complement(own_, other);
    ++met_;
    mall_.tell<meet>(self(), own_);
  }

  odeon::actor_ref<meet, tally> mall_;
  colour own_;
  std::uint64_t met_ = 0;
};

/// Brings creatures together two by two; after the last meeting it collects their counts.
class mall : public odeon::actor<meet, tally> {
 public:
  mall(std::size_t creatures, std::uint64_t meetings, std::latch* done, std::uint64_t* met)
      : open_(creatures),
        left_(meetings),
        done_(done),
        met_(met) {}

  void on(meet msg) {
    if (left_ == 0) {
      msg.who.tell<closed>();
    } else if (!waiting_) {
      waiting_ = std::move(msg.who);
    } else {
      --left_;
      std::exchange(waiting_, {}).tell<meet>(std::move(msg));
    }
  }
  void on(tally msg) {
    *met_ += msg.met;
    if (--open_ == 0) done_->count_down();
  }

 private:
  std::size_t open_;
  std::uint64_t left_;
  std::latch* done_;
  std::uint64_t* met_;
  creature_ref waiting_;
};

nanoseconds pass(odeon::actor_system& system, std::size_t count, std::uint64_t meetings) {
  std::latch done(1);
  std::uint64_t met = 0;
  std::vector<mall::ref> malls{system.spawn<mall>(count, meetings, &done, &met)};
  std::vector<creature_ref> creatures;
  for (std::size_t i = 0; i < count; ++i) {
    creatures.push_back(system.spawn<creature>(malls[0], static_cast<colour>(i % 3)));
  }
  auto begin = clock::now();
  for (const creature_ref& c : creatures) c.tell<start>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, creatures);
  finish(system, malls);
  require(met == 2 * meetings, "the creatures' meetings do not add up");
  return elapsed;
}

void run(const options& opt, report& out) {
  require(opt.size >= 2, "two creatures are the least that can meet");
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t meetings = opt.scaled(chameneos::meetings);
  auto elapsed = warmed(meetings, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("meetings", elapsed, meetings);
}

const registration entry{"chameneos", chameneos::creatures, run};

}  // namespace
}  // namespace bench
