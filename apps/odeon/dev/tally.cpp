#include "odeon/dev/tally.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace odeon::dev {

namespace {

using namespace std::chrono_literals;

constexpr duration rate_window = 3s;

bool is_transferring(phase p) { return p == phase::transferring || p == phase::draining; }

double in_seconds(duration d) { return std::chrono::duration<double>(d).count(); }

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};

}  // namespace

void tally::worker_started(time_point now) {
  lives_.push_back({.started = now});
  phase_ = {};
  last_report_ = now;
  recent_.clear();
}

std::vector<acknowledgement> tally::add(const report& r, time_point now) {
  if (is_transferring(phase_.what)) transferring_ += now - last_report_;
  last_report_ = now;
  std::vector<acknowledgement> fresh;
  std::visit(overloaded{
                 [&](const phase_report& p) { add_phase(p, now); },
                 [&](const counters& c) { add_counters(c, now); },
                 [&](const acknowledgements& batch) {
                   for (const auto& a : batch.all) {
                     if (a.fresh) ++fresh_;
                     if (a.latency_us > 0 && a.fresh) latency_us_.record(a.latency_us);
                     if (a.line >= seen_.size()) seen_.resize(a.line + 1);
                     if (seen_[a.line]) continue;
                     seen_[a.line] = true;
                     ++acknowledged_;
                     ++ended_.at(static_cast<std::size_t>(a.how));
                     ++refused_for_.at(static_cast<std::size_t>(a.why));
                     fresh.push_back(a);
                   }
                 },
                 [&](const rejections& batch) {
                   for (const auto& l : batch.all) {
                     if (rejected_lines_.size() >= max_remembered_rejections ||
                         !rejected_lines_.insert(l.line).second)
                       continue;
                     ++rejected_;
                     new_rejections_.push_back(l);
                   }
                 },
                 [](const auto&) {},
             },
             r);
  return fresh;
}

std::vector<bank::rejected_line> tally::take_new_rejections() {
  return std::exchange(new_rejections_, {});
}

void tally::add_phase(const phase_report& p, time_point now) {
  incarnation& life = lives_.back();
  if (p.what == phase::transferring && life.recovery == duration::zero()) {
    life.recovery = now - life.started;
    recent_.clear();
  }
  if (p.what == phase::resuming) life.under_way = p.all;
  life.replayed = std::max(life.replayed, p.events);
  phase_ = p;
}

void tally::add_counters(const counters& c, time_point now) {
  lives_.back().last = c;
  recent_.push_back({now, fresh_, c.events, c.commits});
  while (recent_.size() > 2 && now - recent_.front().at > rate_window) recent_.pop_front();
}

double tally::share() const noexcept {
  return lines_ == 0 ? 1 : std::min(1.0, static_cast<double>(done()) / static_cast<double>(lines_));
}

std::uint64_t tally::ended(bank::ending how) const noexcept {
  return ended_[static_cast<std::size_t>(how)];
}

std::uint64_t tally::refused_for(bank::refusal why) const noexcept {
  return refused_for_[static_cast<std::size_t>(why)];
}

counters tally::total() const noexcept {
  counters sum;
  for (const auto& life : lives_) {
    sum.commits += life.last.commits;
    sum.events += life.last.events;
  }
  if (!lives_.empty()) {
    sum.accounts = lives_.back().last.accounts;
    sum.in_flight = lives_.back().last.in_flight;
  }
  return sum;
}

double tally::rate(std::uint64_t sample::* of) const noexcept {
  if (recent_.size() < 2 || recent_.back().at == recent_.front().at) return 0;
  return static_cast<double>(recent_.back().*of - recent_.front().*of) /
         in_seconds(recent_.back().at - recent_.front().at);
}

double tally::transfers_per_second() const noexcept { return rate(&sample::fresh); }
double tally::events_per_second() const noexcept { return rate(&sample::events); }

double tally::events_per_commit() const noexcept {
  const double commits = rate(&sample::commits);
  return commits == 0 ? 0 : rate(&sample::events) / commits;
}

double tally::mean_transfers_per_second() const noexcept {
  return transferring_ == duration::zero()
             ? 0
             : static_cast<double>(fresh_) / in_seconds(transferring_);
}

}  // namespace odeon::dev
