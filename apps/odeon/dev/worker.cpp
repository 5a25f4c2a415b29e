#include "odeon/dev/worker.hpp"

#include "odeon/bank/generator.hpp"
#include "odeon/bank/transfer_file.hpp"
#include "odeon/dev/feeder.hpp"
#include "odeon/dev/reporter.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/log.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <variant>

namespace odeon::dev {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t ids_per_page = 10'000;
constexpr std::uint64_t progress_every = 250;
constexpr duration signal_check = 20ms;

// The bank, from the opening of its journal to its end. Errors leave as `actor_error`.
class bank_run {
 public:
  bank_run(const worker_options& options, const termination_signals& signals,
           std::shared_ptr<report_pipe> pipe)
      : options_(options),
        signals_(signals),
        pipe_(std::move(pipe)) {}

  // True: the whole file. False: it was asked to stop.
  bool run() {
    open_journal();
    actor_system system(
        "bank",
        {.workers = options_.threads, .ask_timeout = duration::zero(), .runtime = rt_.get()});
    // Who asks an actor that has failed is told that it has stopped; the reason is in its failure.
    const subscription failures = system.events().on<actor_failed>(
        [first = first_failure_](const actor_failed& f) { first->keep(f.why.exception); });
    try {
      return run_on(system);
    } catch (const actor_error&) {
      if (const auto failure = first_failure_->get()) std::rethrow_exception(failure);
      throw;
    }
  }

 private:
  // The first one, from whichever thread.
  class kept_failure {
   public:
    void keep(const std::exception_ptr& e) {
      const std::scoped_lock lock(mutex_);
      if (!first_) first_ = e;
    }
    std::exception_ptr get() {
      const std::scoped_lock lock(mutex_);
      return first_;
    }

   private:
    std::mutex mutex_;
    std::exception_ptr first_;
  };

  bool run_on(actor_system& system) {
    persistence::install(system, journal_);
    report_ = system.spawn<reporter>({.name = "reporter", .dispatcher = "blocking"}, pipe_,
                                     std::function<counters()>([this] { return sample(); }));
    open_accounts(system);
    const bool complete = !stopped() && transfer_all(system);
    (void)report_.ask<flush_reports>().get();
    (void)system.terminate_and_wait(10s);
    return complete;
  }

  bool stopped() const { return signals_.count() > 0; }

  counters sample() const {
    const journal_stats s = journal_->stats();
    return {s.commits, s.events, live_accounts_.load(), gauge_->in_flight.load()};
  }

  void open_journal() {
    sqlite_journal_options o;
    o.path = options_.journal;
    o.group_wait = options_.group_wait;
    auto opened = open_sqlite_journal(*rt_, std::move(o));
    if (!opened) throw actor_error(opened.error());
    journal_ = *std::move(opened);
  }

  // Those of the journal, those of the file, and the generated ones.
  std::unordered_set<std::string> account_names() {
    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < options_.accounts; ++i)
      names.insert(bank::account_name(i, options_.accounts));
    std::string after(bank::account_prefix);
    for (bool more = true; more;) {
      auto page = wait_for<std::vector<std::string>>(*rt_, [&](auto done) {
        journal_->persistence_ids(after, ids_per_page, std::move(done));
      });
      if (!page) throw actor_error(page.error());
      more = !page->empty() && page->back().starts_with(bank::account_prefix);
      for (const std::string& id : *page)
        if (id.starts_with(bank::account_prefix))
          names.insert(id.substr(bank::account_prefix.size()));
      if (more) after = page->back();
    }
    auto file = bank::transfer_file::open(options_.transfers);
    if (!file) throw actor_error(file.error());
    for (;;) {
      auto next = file->next();
      if (!next) throw actor_error(next.error());
      if (!*next) break;
      if (auto* t = std::get_if<bank::transfer>(&**next)) {
        names.insert(std::move(t->from));
        names.insert(std::move(t->to));
      }
    }
    if (names.size() > bank::max_accounts)
      throw actor_error(errc::limit_exceeded, options_.transfers + " names more than " +
                                                  std::to_string(bank::max_accounts) + " accounts");
    return names;
  }

  void open_accounts(actor_system& system) {
    phase_report progress{.what = phase::opening};
    report_.tell(progress);
    const auto names = account_names();
    // The first refusal or damage ends the account: a restart would read the same journal again.
    const spawn_options once{.supervision = {.otherwise = directive::stop}};
    auto accounts = std::make_shared<bank::account_directory>();
    std::vector<future<bank::open_account::reply>> opening;
    opening.reserve(names.size());
    for (const std::string& name : names) {
      auto ref = system.spawn<bank::account>(once, name);
      opening.push_back(
          ref.ask<bank::open_account>(options_.opening_balance, options_.balance_limit));
      accounts->emplace(name, std::move(ref));
    }
    accounts_ = std::move(accounts);
    progress.all = opening.size();
    for (auto& f : opening) {
      const auto opened = f.get();
      progress.events += opened.replayed;
      progress.new_accounts += opened.is_new ? 1 : 0;
      live_accounts_.store(++progress.done);
      if (progress.done % progress_every == 0 || progress.done == progress.all)
        report_.tell(progress);
    }
    replayed_ = progress.events;
  }

  bool transfer_all(actor_system& system) {
    std::vector<bank::coordinator::ref> coordinators;
    for (std::size_t i = 0; i < bank::coordinator_count; ++i)
      coordinators.push_back(
          system.spawn<bank::coordinator>({.name = "coordinator-" + std::to_string(i),
                                           .supervision = {.otherwise = directive::stop}},
                                          i, accounts_));
    const auto feed_all = system.spawn<feeder>(
        {.name = "feeder", .dispatcher = "blocking"},
        feeder_options{options_.transfers, options_.window, coordinators, report_, gauge_});

    const std::uint64_t under_way = resume_all(coordinators, feed_all);
    (void)feed_all.ask<await_resumed>(under_way).get();
    for (const auto& [name, account] : *accounts_) account.tell<bank::settle_recovered>();

    report_.tell(phase_report{.what = phase::transferring, .events = replayed_});
    auto complete = feed_all.ask<feed>();
    bool draining = false;
    while (!complete.is_ready()) {
      if (!draining && signals_.count() > 0) {
        draining = true;
        report_.tell(phase_report{.what = phase::draining, .events = replayed_});
        feed_all.tell<drain>();
      }
      rest();
    }
    return complete.get();
  }

  // Lets all coordinators recover and go on; how many transfers were under way.
  std::uint64_t resume_all(const std::vector<bank::coordinator::ref>& coordinators,
                           const bank::verdict_sink& sink) {
    phase_report progress{
        .what = phase::recovering, .all = coordinators.size(), .events = replayed_};
    std::vector<future<bank::resume::reply>> resuming;
    for (const auto& c : coordinators) resuming.push_back(c.ask<bank::resume>(sink));
    std::uint64_t under_way = 0;
    for (auto& f : resuming) {
      const auto resumed = f.get();
      under_way += resumed.under_way;
      progress.events += resumed.replayed;
      ++progress.done;
      report_.tell(progress);
    }
    replayed_ = progress.events;
    return under_way;
  }

  // Until the next look at the signals.
  void rest() {
    const std::atomic<std::uint32_t> never{0};
    (void)rt_->wait(never, 0, rt_->now(clock_domain::housekeeping) + signal_check);
  }

  const worker_options& options_;
  const termination_signals& signals_;
  std::shared_ptr<report_pipe> pipe_;
  std::unique_ptr<runtime> rt_ = make_threaded_runtime();
  std::shared_ptr<journal> journal_;
  std::shared_ptr<feeder_gauge> gauge_ = std::make_shared<feeder_gauge>();
  std::atomic<std::uint64_t> live_accounts_{0};
  std::shared_ptr<const bank::account_directory> accounts_;
  reporter::ref report_;
  std::shared_ptr<kept_failure> first_failure_ = std::make_shared<kept_failure>();
  std::uint64_t replayed_ = 0;
};

}  // namespace

std::vector<std::string> to_arguments(const worker_options& o) {
  return {"dev",
          "worker",
          "--journal=" + o.journal,
          "--file=" + o.transfers,
          "--accounts=" + std::to_string(o.accounts),
          "--opening-balance=" + bank::format_amount(o.opening_balance),
          "--balance-limit=" + bank::format_amount(o.balance_limit),
          "--window=" + std::to_string(o.window),
          "--group-wait-us=" +
              std::to_string(
                  std::chrono::duration_cast<std::chrono::microseconds>(o.group_wait).count()),
          "--threads=" + std::to_string(o.threads),
          "--report-fd=" + std::to_string(o.report_fd),
          "--supervisor=" + std::to_string(o.supervisor)};
}

int run_worker(const worker_options& options) {
  // A worker without a supervisor has nobody to report to: it drains, as for SIGTERM.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is a full disk, not a death
  set_log_level(log_level::off);  // what fails is reported, once
  const termination_signals signals;
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != options.supervisor) return 1;

  const auto pipe = std::make_shared<report_pipe>(options.report_fd);
  try {
    const bool complete = bank_run(options, signals, pipe).run();
    pipe->send(finished{.interrupted = !complete});
    return 0;
  } catch (const actor_error& e) {
    pipe->send(failed{e.reason()});
  } catch (const std::exception& e) {
    pipe->send(failed{error(errc::internal, e.what())});
  }
  return 1;
}

}  // namespace odeon::dev
