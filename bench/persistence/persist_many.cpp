/// @file
/// Many writers, each with one event in flight: the next one is appended when the last one was
/// acknowledged. All of it runs on the journal's own threads and this one.

#include "support.hpp"

#include <atomic>
#include <utility>

namespace {

constexpr std::size_t writers = 10'000;
constexpr std::uint64_t events = 2'000'000;

struct writer {
  std::string id;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
};

struct crowd {
  odeon::runtime& rt;
  odeon::journal& j;
  std::vector<writer> writers;
  std::uint64_t to_start = 0;  // by the journal's writing thread only, once it runs
  std::atomic<std::uint32_t> left{0};
  std::string wrong;  // likewise

  void next(std::size_t k) {
    writer& w = writers[k];
    odeon::append_request r{w.id, w.epoch, w.sequence};
    r.events.push_back(bench::event_of(w.sequence + 1));
    j.append(std::move(r), [this, k](odeon::result<odeon::append_ack> ack) {
      if (!ack || ack->sequence != ++writers[k].sequence)
        wrong = ack ? "out of order" : ack.error().to_string();
      if (to_start > 0 && wrong.empty()) {
        --to_start;
        next(k);
      }
      const auto gone =
          static_cast<std::uint32_t>(wrong.empty() ? 1 : 1 + std::exchange(to_start, 0));
      if (left.fetch_sub(gone) == gone) rt.wake(left);
    });
  }

  bench::nanoseconds pass(std::uint64_t total) {
    const auto first = std::min<std::uint64_t>(total, writers.size());
    left = static_cast<std::uint32_t>(total);
    to_start = total - first;
    const auto start = bench::clock::now();
    for (std::size_t k = 0; k < first; ++k) next(k);
    for (auto now = left.load(); now != 0; now = left.load())
      rt.wait(left, now, odeon::time_point::max());
    return bench::clock::now() - start;
  }
};

void run(const bench::options& opt, bench::report& out) {
  const auto rt = odeon::make_threaded_runtime();
  const bench::scratch folder;
  const auto j = bench::open(*rt, folder.file("journal.db"));
  crowd c{*rt, *j, {}};
  for (std::size_t k = 0; k < opt.size; ++k) c.writers.push_back({"account-" + std::to_string(k)});
  std::atomic<std::uint32_t> left{static_cast<std::uint32_t>(opt.size)};
  for (auto& w : c.writers)
    j->open_writer(w.id, [&](odeon::result<std::uint64_t> epoch) {
      w.epoch = epoch.value_or(0);
      if (left.fetch_sub(1) == 1) rt->wake(left);
    });
  for (auto now = left.load(); now != 0; now = left.load())
    rt->wait(left, now, odeon::time_point::max());

  const std::uint64_t total = opt.scaled(events, opt.size);
  const auto before = j->stats();
  const auto elapsed = bench::warmed(total, opt.size, [&](std::uint64_t n) { return c.pass(n); });
  const auto after = j->stats();
  if (!c.wrong.empty()) throw bench::wrong_result(c.wrong);
  out.add("acknowledged", "events/s", bench::better::higher,
          static_cast<double>(total) / std::chrono::duration<double>(elapsed).count());
  out.add("events_per_fsync", "events", bench::better::higher,
          static_cast<double>(after.events - before.events) /
              static_cast<double>(after.commits - before.commits));
}

const bench::registration entry{"persist_many", writers, run};

}  // namespace
