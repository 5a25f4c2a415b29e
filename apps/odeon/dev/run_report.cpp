#include "odeon/dev/run_report.hpp"

#include <odeon/wire/codec.hpp>

#include <chrono>

namespace odeon::dev {

namespace {

double in_seconds(duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

load_figures figures_of(const tally& t, unsigned kills) {
  const counters all = t.total();
  const histogram& h = t.latency_us();
  load_figures f{.lines = t.lines(),
                 .acknowledged = t.acknowledged(),
                 .rejected = t.rejected(),
                 .kills = kills,
                 .seconds = in_seconds(t.transferring()),
                 .transfers_per_second = t.mean_transfers_per_second(),
                 .events = all.events,
                 .commits = all.commits,
                 .latency = {h.quantile(0.5), h.quantile(0.9), h.quantile(0.99), h.max()}};
  for (const incarnation& life : t.incarnations())
    if (&life != &t.incarnations().front())
      f.recoveries.push_back({in_seconds(life.recovery), life.replayed, life.under_way});
  return f;
}

proof_figures figures_of(const bank::reconciliation& r, duration took) {
  return {.good = r.good(),
          .seconds = in_seconds(took),
          .transfers = r.transfers,
          .completed = r.completed,
          .refused = r.refused,
          .refunded = r.refunded,
          .unfinished = r.unfinished,
          .rejected = r.rejected,
          .duplicates = r.duplicates,
          .acknowledged = r.acknowledged,
          .confirmed = r.confirmed,
          .events = r.events,
          .accounts = r.accounts,
          .opened_with = bank::format_amount(r.opened_with),
          .sum_of_balances = bank::format_amount(r.sum_of_balances),
          .lowest_balance = bank::format_amount(r.lowest_balance),
          .debited = bank::format_amount(r.debited),
          .credited = bank::format_amount(r.credited),
          .refunded_sum = bank::format_amount(r.given_back),
          .problems = r.problems};
}

std::string to_json(const run_report& report) {
  const wire::bytes text = wire::encode(report, wire::format::json);
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace odeon::dev
