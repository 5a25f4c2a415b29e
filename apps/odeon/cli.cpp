#include "odeon/cli.hpp"

#include "odeon/bank/generator.hpp"
#include "odeon/cert/commands.hpp"
#include "odeon/contract/command.hpp"
#include "odeon/dev/supervisor.hpp"
#include "odeon/dev/worker.hpp"
#include "odeon/journal/commands.hpp"
#include "odeon/relay/commands.hpp"
#include "odeon/timers/commands.hpp"
#ifdef ODEON_WITH_SIDECAR
#include "odeon/node/commands.hpp"
#endif

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace odeon {

namespace {

using bank::cents;

constexpr unsigned max_kills = 100;
constexpr std::size_t max_window = 100'000;
constexpr unsigned max_threads = 1024;
constexpr std::int64_t max_group_wait_us = 1'000'000;

// What the command line chose; set by the parser.
using chosen = std::function<int()>;

// An option that takes an amount of money.
CLI::Option* add_amount(CLI::App& app, const std::string& name, std::function<void(cents)> set,
                        const std::string& help) {
  return app
      .add_option_function<std::string>(
          name,
          [name, set = std::move(set)](const std::string& text) {
            const auto amount = bank::parse_amount(text);
            if (!amount) throw CLI::ValidationError(name, std::string(amount.error().text()));
            set(*amount);
          },
          help)
      ->type_name("AMOUNT");
}

template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& name, T& into, std::uint64_t low,
                        std::uint64_t high, const std::string& help) {
  return app.add_option(name, into, help)->check(CLI::Range(low, high))->type_name("N");
}

void add_generate(CLI::App& dev, chosen& run) {
  struct arguments {
    std::string out;
    bank::generator_options file;
  };
  auto args = std::make_shared<arguments>();
  CLI::App& app = *dev.add_subcommand("generate", "Write a CSV file of transfers");
  add_number(app, "--accounts", args->file.accounts, 2, bank::max_accounts,
             "accounts among which money moves")
      ->capture_default_str();
  add_number(app, "--transfers", args->file.transfers, 0, bank::max_generated_lines, "good lines")
      ->capture_default_str();
  add_number(app, "--bad-lines", args->file.bad_lines, 0, bank::max_generated_lines,
             "lines that are no transfer, of all kinds")
      ->capture_default_str();
  app.add_option("--seed", args->file.seed, "the same one gives the same file")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("out", args->out, "the file to write")->required()->type_name("FILE");
  app.callback([args, &run] {
    run = [args] {
      const auto written = bank::generate(args->out, args->file);
      if (written) return static_cast<int>(dev::exit_good);
      const std::string why(written.error().text());
      std::fprintf(stderr, "odeon: %s\n", why.c_str());
      return static_cast<int>(dev::exit_usage);
    };
  });
}

void add_reconcile(CLI::App& dev, chosen& run) {
  struct arguments {
    std::string data;
    bool json = false;
  };
  auto args = std::make_shared<arguments>();
  CLI::App& app =
      *dev.add_subcommand("reconcile", "Prove the books of a run from its journal alone");
  app.add_option("data", args->data, "the run's folder")->required()->type_name("DIR");
  app.add_flag("--json", args->json, "the result as JSON on stdout");
  app.callback(
      [args, &run] { run = [args] { return dev::run_reconcile(args->data, args->json); }; });
}

// Only for the supervisor: see dev::to_arguments.
void add_worker(CLI::App& dev, chosen& run) {
  auto args = std::make_shared<dev::worker_options>();
  CLI::App& app = *dev.add_subcommand("worker", "The bank's process; started by odeon dev");
  app.group("");
  app.add_option("--journal", args->journal)->required();
  app.add_option("--file", args->transfers)->required();
  app.add_option("--accounts", args->accounts)->required();
  add_amount(
      app, "--opening-balance", [args](cents c) { args->opening_balance = c; }, "")
      ->required();
  add_amount(app, "--balance-limit", [args](cents c) { args->balance_limit = c; }, "")->required();
  app.add_option("--window", args->window)->required();
  app.add_option_function<std::int64_t>("--group-wait-us", [args](std::int64_t us) {
    args->group_wait = std::chrono::microseconds(us);
  });
  app.add_option("--threads", args->threads);
  app.add_option("--report-fd", args->report_fd)->required();
  app.add_option("--supervisor", args->supervisor)->required();
  app.callback([args, &run] { run = [args] { return dev::run_worker(*args); }; });
}

void add_dev(CLI::App& program, chosen& run) {
  auto args = std::make_shared<dev::dev_options>();
  CLI::App& app = *program.add_subcommand(
      "dev",
      "Run a bank of event-sourced accounts under load, kill it in the middle, and prove that no "
      "money and no transfer was lost");
  app.require_subcommand(0, 1);
  auto* file = app.add_option("--file", args->file,
                              "the transfers, a CSV file of from,to,amount,reference; without it "
                              "one is made");
  file->type_name("FILE");
  app.add_option("--data", args->data,
                 "the folder for the journal; one with a run that was stopped goes on with it "
                 "(default: a temporary folder)")
      ->type_name("DIR");
  add_number(app, "--accounts", args->accounts, 2, bank::max_accounts,
             "of the file that is made (default: 10000)")
      ->excludes(file);
  add_number(app, "--transfers", args->transfers, 0, bank::max_generated_lines,
             "of the file that is made (default: 300000)")
      ->excludes(file);
  add_number(app, "--bad-lines", args->bad_lines, 0, bank::max_generated_lines,
             "of the file that is made (default: 100)")
      ->excludes(file);
  app.add_option("--seed", args->seed, "of the file that is made and of the kills (default: 1)")
      ->type_name("N");
  add_amount(
      app, "--opening-balance", [args](cents c) { args->opening_balance = c; },
      "what each account starts with (default: 1000.00)");
  add_amount(
      app, "--balance-limit", [args](cents c) { args->balance_limit = c; },
      "what a deposit may raise an account to (default: 2000.00)");
  add_number(app, "--kills", args->kills, 0, max_kills, "how often the worker is killed")
      ->capture_default_str();
  add_number(app, "--window", args->window, 1, max_window, "transfers under way at most")
      ->capture_default_str();
  add_number(app, "--threads", args->threads, 0, max_threads, "of the worker; 0: one per core")
      ->capture_default_str();
  app.add_option_function<std::int64_t>(
         "--group-wait-us",
         [args](std::int64_t us) { args->group_wait = std::chrono::microseconds(us); },
         "how long the first write of an idle journal waits for company (default: 0)")
      ->check(CLI::Range(std::int64_t{0}, max_group_wait_us))
      ->type_name("N");
  app.add_flag("--keep", args->keep, "keep the temporary folder");
  app.add_flag("--json", args->json, "the report as JSON on stdout, all else on stderr");
  add_generate(app, run);
  add_reconcile(app, run);
  add_worker(app, run);
  app.callback([args, &app, &run] {
    if (app.get_subcommands().empty()) run = [args] { return dev::run_dev(*args); };
  });
}

}  // namespace

int run_program(int argc, const char* const* argv, const char* version) {
  CLI::App program("Odeon: an actor runtime", "odeon");
  program.set_version_flag("--version", std::string("odeon ") + version);
  program.require_subcommand(1);
  chosen run;
  add_dev(program, run);
  journal_tool::add_commands(program, run);
  timers_tool::add_commands(program, run);
  contracts::add_commands(program, run);
  cert_tool::add_commands(program, run);
  relay_tool::add_commands(program, run);
#ifdef ODEON_WITH_SIDECAR
  node_tool::add_commands(program, run);
#endif
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return program.exit(e);
    std::string why = e.what();
    while (why.ends_with('\n') || why.ends_with('.')) why.pop_back();
    std::fprintf(stderr, "odeon: %s (odeon --help tells more)\n", why.c_str());
    return dev::exit_usage;
  }
  return run();
}

}  // namespace odeon
