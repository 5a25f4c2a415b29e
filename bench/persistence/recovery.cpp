/// @file
/// Replaying what is stored, after the journal was closed and opened again. `recovery`: as many
/// actors as asked for, whose events were written in turn, all recovered one after the other.
/// `recovery_one`: one actor with all of them.

#include "support.hpp"

#include <atomic>

namespace {

constexpr std::size_t actors = 10'000;
constexpr std::uint64_t events = 2'000'000;

void write(odeon::runtime& rt, odeon::journal& j, std::size_t actors_, std::uint64_t each) {
  constexpr std::uint64_t at_once = 10;
  std::vector<std::uint64_t> epochs(actors_);
  std::atomic<std::uint32_t> left{0};
  const auto settle = [&] {
    for (auto now = left.load(); now != 0; now = left.load())
      rt.wait(left, now, odeon::time_point::max());
  };
  const auto one_less = [&] {
    if (left.fetch_sub(1) == 1) rt.wake(left);
  };
  left = static_cast<std::uint32_t>(actors_);
  for (std::size_t k = 0; k < actors_; ++k)
    j.open_writer("account-" + std::to_string(k), [&, k](odeon::result<std::uint64_t> epoch) {
      epochs[k] = epoch.value_or(0);
      one_less();
    });
  settle();
  for (std::uint64_t n = 0; n < each; n += at_once) {
    left = static_cast<std::uint32_t>(actors_);
    for (std::size_t k = 0; k < actors_; ++k) {
      odeon::append_request r{"account-" + std::to_string(k), epochs[k], n};
      for (std::uint64_t e = n; e < std::min(n + at_once, each); ++e)
        r.events.push_back(bench::event_of(e + 1));
      j.append(std::move(r), [&](odeon::result<odeon::append_ack>) { one_less(); });
    }
    settle();
  }
}

void measure(std::size_t actors_, std::uint64_t each, bench::report& out) {
  const auto rt = odeon::make_threaded_runtime();
  const bench::scratch folder;
  const std::string path = folder.file("journal.db");
  write(*rt, *bench::open(*rt, path), actors_, each);
  const auto opened = bench::clock::now();
  const auto j = bench::open(*rt, path);
  out.add("open", "ms", bench::better::lower,
          std::chrono::duration<double, std::milli>(bench::clock::now() - opened).count());

  std::atomic<std::uint32_t> left{static_cast<std::uint32_t>(actors_)};
  std::atomic<std::uint64_t> seen{0};
  std::atomic<bool> good{true};
  const auto start = bench::clock::now();
  for (std::size_t k = 0; k < actors_; ++k) {
    auto next = std::make_shared<std::uint64_t>(1);
    odeon::recovery_callbacks callbacks;
    callbacks.on_event = [next, &good](const odeon::event_view& e) -> odeon::result<void> {
      if (e.sequence != *next || bench::number_in(e) != *next) good = false;
      ++*next;
      return {};
    };
    callbacks.on_end = [&](odeon::result<odeon::recovery_report> r) {
      seen += r ? r->events : 0;
      if (left.fetch_sub(1) == 1) rt->wake(left);
    };
    j->recover({.persistence_id = "account-" + std::to_string(k)}, std::move(callbacks));
  }
  for (auto now = left.load(); now != 0; now = left.load())
    rt->wait(left, now, odeon::time_point::max());
  const auto elapsed = bench::clock::now() - start;
  bench::require(good && seen == actors_ * each, "not every event came back, in order");
  out.add("replayed", "events/s", bench::better::higher,
          static_cast<double>(seen.load()) / std::chrono::duration<double>(elapsed).count());
}

void run_many(const bench::options& opt, bench::report& out) {
  measure(opt.size, std::max<std::uint64_t>(opt.scaled(events) / opt.size, 1), out);
}
void run_one(const bench::options& opt, bench::report& out) { measure(1, opt.scaled(events), out); }

const bench::registration many{"recovery", actors, run_many};
const bench::registration one{"recovery_one", 1, run_one};

}  // namespace
