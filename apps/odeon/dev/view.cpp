#include "odeon/dev/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace odeon::dev {

namespace {

using bank::ending;
using bank::refusal;
using bank::show_amount;

constexpr std::size_t bar_width = 24;

std::string rounded(double n) {
  return grouped(static_cast<std::uint64_t>(std::llround(std::max(0.0, n))));
}

std::string percentiles(const histogram& h) {
  if (h.count() == 0) return "no transfer yet";
  return fmt::format("p50 {}   p90 {}   p99 {}   max {}", show_us(h.quantile(0.5)),
                     show_us(h.quantile(0.9)), show_us(h.quantile(0.99)), show_us(h.max()));
}

double in_seconds(duration d) { return std::chrono::duration<double>(d).count(); }

std::string counted(std::uint64_t n, const char* one, const char* many) {
  return grouped(n) + " " + (n == 1 ? one : many);
}

// What the worker does now, with how far it is.
std::string doing(const tally& t) {
  const phase_report& p = t.phase();
  const std::string of = grouped(p.done) + " of " + grouped(p.all);
  switch (p.what) {
    case phase::opening:
      if (p.all == 0) return "reading the journal and the file";
      return "opening accounts " + of + ", " + grouped(p.events) + " events read";
    case phase::recovering:
      return "recovering coordinators " + of + ", " + grouped(p.events) + " events read";
    case phase::resuming: return "ending the transfers that were under way, " + of;
    case phase::transferring: return "transferring";
    case phase::draining: return "stopping: what is under way ends";
  }
  return {};
}

std::string told(bool good) { return good ? "yes" : "NO "; }

}  // namespace

std::string grouped(std::uint64_t n) {
  std::string text = std::to_string(n);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string show_us(std::uint64_t us) {
  if (us < 1'000) return std::to_string(us) + " us";
  const auto three = [](double n, const char* unit) {
    return fmt::format("{:.{}f} {}", n, n < 10 ? 2 : n < 100 ? 1 : 0, unit);
  };
  if (us < 999'500) return three(static_cast<double>(us) / 1e3, "ms");
  return three(static_cast<double>(us) / 1e6, "s");
}

std::string bar(double share, std::size_t width) {
  const auto full =
      static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  std::string inside(full, '=');
  if (full < width) inside += '>';
  inside.resize(width, ' ');
  return "[" + inside + "]";
}

std::vector<std::string> live_block(const tally& t, unsigned kills) {
  const counters now = t.total();
  const auto recoveries = t.incarnations().empty() ? 0 : t.incarnations().size() - 1;
  return {
      fmt::format("  {} {:5.1f} %   {} of {} lines   {}", bar(t.share(), bar_width),
                  t.share() * 100, grouped(t.done()), grouped(t.lines()), doing(t)),
      fmt::format("  transfers   {}/s   {} completed   {} refused   {} refunded   {} bad lines",
                  rounded(t.transfers_per_second()), grouped(t.ended(ending::completed)),
                  grouped(t.ended(ending::refused)), grouped(t.ended(ending::refunded)),
                  grouped(t.rejected())),
      fmt::format("  journal     {} events/s   {} events a commit", rounded(t.events_per_second()),
                  rounded(t.events_per_commit())),
      "  latency     " + percentiles(t.latency_us()),
      fmt::format("  bank        {} accounts live   {} transfers in flight   {}   {}",
                  grouped(now.accounts), grouped(now.in_flight), counted(kills, "kill", "kills"),
                  counted(recoveries, "recovery", "recoveries")),
  };
}

std::string plain_line(const tally& t, unsigned kills) {
  const counters now = t.total();
  const std::string first = fmt::format("{:5.1f} %  {} of {} lines", t.share() * 100,
                                        grouped(t.done()), grouped(t.lines()));
  if (t.phase().what != phase::transferring && t.phase().what != phase::draining)
    return first + "  " + doing(t);
  return fmt::format(
      "{}  {} transfers/s  {} events/s  {} a commit  {}  {} accounts  {} in flight  {}", first,
      rounded(t.transfers_per_second()), rounded(t.events_per_second()),
      rounded(t.events_per_commit()), percentiles(t.latency_us()), grouped(now.accounts),
      grouped(now.in_flight), counted(kills, "kill", "kills"));
}

std::string recovery_line(const incarnation& life) {
  const double seconds = in_seconds(life.recovery);
  return fmt::format(
      "recovered in {:.2f} s: {} read from the journal ({}/s), {} under way brought to an end",
      seconds, counted(life.replayed, "event", "events"),
      rounded(seconds > 0 ? static_cast<double>(life.replayed) / seconds : 0),
      counted(life.under_way, "transfer", "transfers"));
}

std::vector<std::string> summary(const tally& t, unsigned kills) {
  const counters all = t.total();
  return {
      fmt::format("throughput   {} transfers/s over {:.1f} s of transferring, {}",
                  rounded(t.mean_transfers_per_second()), in_seconds(t.transferring()),
                  counted(kills, "kill", "kills")),
      fmt::format("latency      {}", percentiles(t.latency_us())),
      fmt::format("journal      {} in {}, {:.0f} events a commit",
                  counted(all.events, "event", "events"), counted(all.commits, "commit", "commits"),
                  all.commits == 0
                      ? 0.0
                      : static_cast<double>(all.events) / static_cast<double>(all.commits)),
  };
}

std::vector<std::string> proof(const bank::reconciliation& r, std::optional<std::uint64_t> reported,
                               duration took) {
  const std::uint64_t ends = r.completed + r.refused + r.refunded;
  std::vector<std::string> lines = {
      fmt::format("reconciliation: {} read again from the journal in {:.2f} s, without the actors",
                  counted(r.events, "event", "events"), in_seconds(took)),
      fmt::format("  {}  every transfer of the file is in the journal exactly once: {} of {}",
                  told(ends == r.transfers), grouped(ends), grouped(r.transfers)),
      fmt::format("       {} completed, {} refused (insufficient funds), {} refunded (target full)",
                  grouped(r.completed), grouped(r.refused), grouped(r.refunded)),
      fmt::format("  {}  every acknowledged transfer is there as it was told: {} of {}",
                  told(r.confirmed == r.acknowledged), grouped(r.confirmed),
                  grouped(r.acknowledged)),
      fmt::format("  {}  every debit has its credit or refund: {} = {} + {}",
                  told(r.debited == r.credited + r.given_back + r.on_the_way), grouped(r.debits),
                  grouped(r.credits), grouped(r.refunds)),
      fmt::format("       {} = {} + {}", show_amount(r.debited), show_amount(r.credited),
                  show_amount(r.given_back)),
      fmt::format("  {}  the sum is unchanged: {} accounts were opened with {} and hold {}",
                  told(r.sum_of_balances + r.on_the_way == r.opened_with), grouped(r.accounts),
                  show_amount(r.opened_with), show_amount(r.sum_of_balances + r.on_the_way)),
      fmt::format("  {}  no balance was ever negative: the lowest was {}",
                  told(r.lowest_balance >= 0), show_amount(r.lowest_balance)),
  };
  const std::uint64_t bad = r.rejected + r.duplicates;
  if (reported)
    lines.push_back(fmt::format("  {}  every bad line was reported: {} of {}",
                                told(*reported == bad), grouped(*reported), grouped(bad)));
  for (const auto& p : r.problems) lines.push_back("  wrong: " + p);
  if (r.problem_count > r.problems.size())
    lines.push_back("  … and " + grouped(r.problem_count - r.problems.size()) + " more");
  return lines;
}

}  // namespace odeon::dev
