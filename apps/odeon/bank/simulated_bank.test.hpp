#pragma once

#include "odeon/bank/coordinator.hpp"
#include "odeon/bank/reconcile.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/log.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace odeon::bank {

/// What the two kinds of answers of coordinators have been so far.
struct told {
  std::vector<verdict> verdicts;
  std::vector<trouble> troubles;
};

/// One life of a bank in a simulation: journal, accounts and coordinators. Ending it without
/// `crash` commits what was written; with it, what was not committed is gone.
class simulated_bank {
 public:
  simulated_bank(std::shared_ptr<memory_store> store, std::uint64_t seed)
      : store_(std::move(store)),
        rt_({.seed = seed}),
        journal_(make_memory_journal(rt_, store_)),
        system_(std::make_unique<actor_system>(
            "bank", system_options{.ask_timeout = duration::zero(), .runtime = &rt_})) {
    set_log_level(log_level::off);  // what fails on purpose is not worth a line
    persistence::install(*system_, journal_);
    sink_ = system_->spawn(behavior(
        told_,
        [](const std::shared_ptr<told>& t, verdict v) { t->verdicts.push_back(std::move(v)); },
        [](const std::shared_ptr<told>& t, trouble e) { t->troubles.push_back(std::move(e)); }));
  }
  ~simulated_bank() {
    system_.reset();
    journal_.reset();
    store_->fail_next_commits(0, errc::internal);
  }
  simulated_bank(const simulated_bank&) = delete;
  simulated_bank& operator=(const simulated_bank&) = delete;

  account::ref account_of(const std::string& name) { return accounts_->at(name); }
  simulated_runtime& rt() noexcept { return rt_; }
  actor_system& system() noexcept { return *system_; }
  odeon::journal& stored() noexcept { return *journal_; }
  const std::shared_ptr<told>& answers() const noexcept { return told_; }

  account::ref spawn_account(const std::string& name) {
    auto ref = system_->spawn<account>({.supervision = {.otherwise = directive::stop}}, name);
    accounts_->emplace(name, ref);
    return ref;
  }
  /// After the accounts. The references of their answers are told to `answers`.
  std::vector<future<resume::reply>> spawn_coordinators() {
    std::vector<future<resume::reply>> resumed;
    for (std::size_t i = 0; i < coordinator_count; ++i) {
      coordinators_.push_back(system_->spawn<coordinator>(
          {.supervision = {.otherwise = directive::stop}}, i, accounts_));
      resumed.push_back(coordinators_.back().ask<resume>(sink_));
    }
    return resumed;
  }
  void submit_all(const std::vector<transfer>& transfers) {
    for (const auto& t : transfers) coordinators_[coordinator_of(t.reference)].tell(submit{t});
  }
  void tell_accounts_settled() {
    for (const auto& [name, ref] : *accounts_) ref.tell<settle_recovered>();
  }

  /// Runs until `holds()`, at most `budget` steps, which it counts down. False: they were used up.
  template <class F>
  bool run_until(F holds, std::uint64_t& budget) {
    while (!holds()) {
      if (budget == 0) return false;
      --budget;
      if (!rt_.step()) rt_.advance(std::chrono::milliseconds(1));
    }
    return true;
  }

  /// What is not committed now never will be.
  void crash() {
    store_->fail_next_commits(std::numeric_limits<std::uint32_t>::max(),
                              error(errc::io_failed, "the power went off"));
  }

 private:
  std::shared_ptr<memory_store> store_;
  simulated_runtime rt_;
  std::shared_ptr<odeon::journal> journal_;
  std::unique_ptr<actor_system> system_;
  std::shared_ptr<told> told_ = std::make_shared<told>();
  std::shared_ptr<account_directory> accounts_ = std::make_shared<account_directory>();
  std::vector<coordinator::ref> coordinators_;
  verdict_sink sink_;
};

inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

}  // namespace odeon::bank
