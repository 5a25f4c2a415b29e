#include "odeon/dev/supervisor.hpp"

#include "odeon/bank/generator.hpp"
#include "odeon/bank/reconcile.hpp"
#include "odeon/bank/transfer_file.hpp"
#include "odeon/dev/data_folder.hpp"
#include "odeon/dev/kill_plan.hpp"
#include "odeon/dev/run_report.hpp"
#include "odeon/dev/screen.hpp"
#include "odeon/dev/view.hpp"
#include "odeon/dev/worker_watch.hpp"
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/runtime/runtime.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <utility>
#include <variant>

namespace odeon::dev {

namespace {

int complain(const error& why, int code) {
  std::fprintf(stderr, "odeon: %.*s\n", static_cast<int>(why.text().size()), why.text().data());
  return code;
}

struct proved {
  bank::reconciliation books;
  duration took{0};
};

result<proved> prove(runtime& rt, const data_folder& folder, const std::string& file, bool complete,
                     screen& out) {
  const time_point began = rt.now();
  sqlite_journal_options options;
  options.path = folder.journal();
  options.create = false;
  const auto journal = open_sqlite_journal(rt, std::move(options));
  if (!journal) return std::unexpected(journal.error());
  auto books = bank::reconcile(rt, **journal,
                               {.transfers = file,
                                .acknowledgements = folder.acknowledgements(),
                                .complete = complete,
                                .progress = [&](std::uint64_t done, std::uint64_t all) {
                                  out.show({fmt::format("reconciling: {} of {} actors' events read",
                                                        grouped(done), grouped(all))});
                                }});
  out.clear();
  if (!books) return std::unexpected(books.error());
  return proved{*std::move(books), rt.now() - began};
}

// One run of `odeon dev`, step by step. A step that fails says so and gives the exit code.
class dev_run {
 public:
  explicit dev_run(const dev_options& options)
      : options_(options),
        out_(options.json ? stderr : stdout) {}

  int run() {
    if (auto ready = prepare(); !ready) return complain(ready.error(), exit_usage);
    tally counts(good_lines_ + bad_lines_);
    auto watch = worker_watch::make(*rt_, out_, counts, *folder_, worker(),
                                    make_kill_plan(options_.kills, seed()));
    if (!watch) return complain(watch.error(), exit_failed);
    const auto complete = (*watch)->run();
    if (!complete) return give_up(complete.error());
    if (!*complete) return interrupted();
    for (const auto& line : summary(counts, (*watch)->kills())) out_.say(line);

    const auto proven = prove(*rt_, *folder_, settings_.file, true, out_);
    if (!proven) return give_up(proven.error());
    return conclude(*proven, counts, (*watch)->kills());
  }

 private:
  std::uint64_t seed() const { return options_.seed.value_or(1); }

  result<void> prepare() {
    auto folder = data_folder::open(options_.data);
    if (!folder) return std::unexpected(folder.error());
    folder_ = *std::move(folder);
    auto earlier = folder_->settings();
    if (!earlier) return std::unexpected(earlier.error());
    auto ready = *earlier ? go_on(**earlier) : begin();
    if (ready) ready = count_lines();
    if (!ready && !*earlier) folder_->remove();
    return ready;
  }

  result<void> begin() {
    settings_.file = options_.file;
    settings_.opening_balance = options_.opening_balance.value_or(default_opening_balance);
    settings_.balance_limit = options_.balance_limit.value_or(default_balance_limit);
    if (settings_.file.empty()) {
      settings_.file = folder_->transfers();
      settings_.accounts = options_.accounts.value_or(default_accounts);
      const bank::generator_options file{
          .accounts = settings_.accounts,
          .transfers = options_.transfers.value_or(default_transfers),
          .bad_lines = options_.bad_lines.value_or(default_bad_lines),
          .seed = seed(),
          .progress = [this](std::uint64_t done) {
            out_.show({"writing transfers.csv: " + grouped(done) + " lines"});
          }};
      auto written = bank::generate(settings_.file, file);
      out_.clear();
      if (!written) return written;
    }
    std::error_code ignored;
    settings_.file = std::filesystem::absolute(settings_.file, ignored).lexically_normal().string();
    const auto found = fingerprint_of(settings_.file);
    if (!found) return std::unexpected(found.error());
    settings_.bytes = found->bytes;
    settings_.content = found->content;
    return {};
  }

  // The folder has a run: it must be the same one.
  result<void> go_on(const run_settings& earlier) {
    settings_ = earlier;
    const auto found = fingerprint_of(earlier.file);
    if (!found) return std::unexpected(found.error());
    if (found->bytes != earlier.bytes || found->content != earlier.content)
      return fail(errc::invalid_argument, earlier.file + " has changed since the run in " +
                                              folder_->path() + " began; give another --data");
    std::error_code ignored;
    const bool other_file = !options_.file.empty() &&
                            !std::filesystem::equivalent(options_.file, earlier.file, ignored);
    const bool differs =
        options_.accounts.value_or(earlier.accounts) != earlier.accounts ||
        options_.opening_balance.value_or(earlier.opening_balance) != earlier.opening_balance ||
        options_.balance_limit.value_or(earlier.balance_limit) != earlier.balance_limit;
    if (other_file)
      return fail(errc::invalid_argument, folder_->path() + " holds the run of " + earlier.file +
                                              ", not of " + options_.file +
                                              "; give another --data");
    if (differs)
      return fail(errc::invalid_argument,
                  "the run in " + folder_->path() +
                      " began with other accounts, another opening balance or another limit; give "
                      "another --data");
    goes_on_ = true;
    return {};
  }

  result<void> count_lines() {
    auto file = bank::transfer_file::open(settings_.file);
    if (!file) return std::unexpected(file.error());
    for (;;) {
      auto next = file->next();
      if (!next) return std::unexpected(next.error());
      if (!*next) break;
      ++(std::holds_alternative<bank::transfer>(**next) ? good_lines_ : bad_lines_);
    }
    out_.say("odeon dev: a bank on a SQLite journal in " + folder_->path() +
             (goes_on_ ? ", going on with the run there" : ""));
    out_.say(fmt::format("{}: {} transfers, {} lines that are none", settings_.file,
                         grouped(good_lines_), grouped(bad_lines_)));
    return folder_->save(settings_);
  }

  worker_options worker() const {
    return {.journal = folder_->journal(),
            .transfers = settings_.file,
            .accounts = settings_.accounts,
            .opening_balance = settings_.opening_balance,
            .balance_limit = settings_.balance_limit,
            .window = options_.window,
            .group_wait = options_.group_wait,
            .threads = options_.threads};
  }

  int give_up(const error& why) {
    complain(why, exit_failed);
    std::fprintf(stderr, "odeon: everything is left as it is in %s\n", folder_->path().c_str());
    return exit_failed;
  }

  int interrupted() {
    out_.say("stopped; `odeon dev --data " + folder_->path() + "` goes on");
    return exit_interrupted;
  }

  int conclude(const proved& proven, const tally& counts, unsigned kills) {
    const bool good =
        proven.books.good() && counts.rejected() == proven.books.rejected + proven.books.duplicates;
    for (const auto& line : proof(proven.books, counts.rejected(), proven.took)) out_.say(line);
    if (options_.json) {
      const run_report report{.data = folder_->path(),
                              .file = settings_.file,
                              .load = figures_of(counts, kills),
                              .proof = figures_of(proven.books, proven.took)};
      std::fprintf(stdout, "%s\n", to_json(report).c_str());
    }
    if (!good) return give_up(error(errc::internal, "the books do not balance"));
    out_.say("the books balance: no money and no acknowledged transfer was lost");
    if (!options_.keep) folder_->remove();
    return exit_good;
  }

  const dev_options& options_;
  screen out_;
  std::unique_ptr<runtime> rt_ = make_threaded_runtime();
  std::optional<data_folder> folder_;
  run_settings settings_;
  bool goes_on_ = false;
  std::uint64_t good_lines_ = 0;
  std::uint64_t bad_lines_ = 0;
};

}  // namespace

int run_dev(const dev_options& options) { return dev_run(options).run(); }

int run_reconcile(const std::string& data, bool json) {
  screen out(json ? stderr : stdout);
  if (!std::filesystem::exists(data + "/run.json"))
    return complain(error(errc::not_found, data + " holds no run of odeon dev"), exit_usage);
  const auto folder = data_folder::open(data);
  if (!folder) return complain(folder.error(), exit_usage);
  const auto settings = folder->settings();
  if (!settings) return complain(settings.error(), exit_usage);
  const auto rt = make_threaded_runtime();
  const auto proven = prove(*rt, *folder, (*settings)->file, false, out);
  if (!proven) return complain(proven.error(), exit_failed);
  for (const auto& line : proof(proven->books, std::nullopt, proven->took)) out.say(line);
  if (json) {
    const run_report report{.data = folder->path(),
                            .file = (*settings)->file,
                            .proof = figures_of(proven->books, proven->took)};
    std::fprintf(stdout, "%s\n", to_json(report).c_str());
  }
  if (!proven->books.good())
    return complain(error(errc::internal, "the books do not balance"), exit_failed);
  return exit_good;
}

}  // namespace odeon::dev
