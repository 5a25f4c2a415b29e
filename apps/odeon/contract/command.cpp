#include "odeon/contract/command.hpp"

#include "odeon/contract/ask_program.hpp"
#include <odeon/wire/contract.hpp>
#include <odeon/wire/contract_diff.hpp>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace odeon::contracts {

namespace {

int complain(const error& why) {
  std::fprintf(stderr, "odeon: %s\n", std::string(why.text()).c_str());
  return exit_unreadable;
}

// All of it or none: a new file takes the old one's place once it is on the disk.
result<void> write_file(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const auto failed = [&](std::string_view what) {
    const int why = errno;
    ::unlink(fresh.c_str());
    return fail(errc::io_failed,
                path + " " + std::string(what) + ": " + std::generic_category().message(why));
  };
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failed("cannot be written");
  bool good = true;
  while (good && !text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    good = n > 0 || (n < 0 && errno == EINTR);
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  good = good && ::fsync(file) == 0;
  good = ::close(file) == 0 && good;
  if (!good || ::rename(fresh.c_str(), path.c_str()) != 0) return failed("cannot be written");
  return {};
}

void print(const std::vector<wire::contract_change>& changes) {
  for (const auto& c : changes) std::printf("%s\n", c.to_string().c_str());
}

std::string summary(const std::vector<wire::contract_change>& changes) {
  const auto broken = std::ranges::count_if(changes, [](const auto& c) { return c.breaks.any(); });
  if (changes.empty()) return "nothing has changed";
  const std::string all =
      std::to_string(changes.size()) + (changes.size() == 1 ? " change" : " changes");
  if (broken == 0) return all + ", nothing breaks";
  return all + ", " + std::to_string(broken) +
         (broken == 1 ? " of which breaks" : " of which break") + " something";
}

int store(const wire::contract& now, const std::string& file, const std::string& what) {
  if (auto done = write_file(file, now.to_json()); !done) return complain(done.error());
  std::printf("%s: %s\n", file.c_str(), what.c_str());
  return exit_good;
}

std::string size_of(const wire::contract& c) {
  return std::to_string(c.entries.size()) + (c.entries.size() == 1 ? " manifest" : " manifests");
}

}  // namespace

int run_dump(const std::string& program, const std::string& out) {
  const auto read = read_contract(program);
  if (!read) return complain(read.error());
  if (!out.empty()) return store(*read, out, size_of(*read));
  const std::string text = read->to_json();
  std::fwrite(text.data(), 1, text.size(), stdout);
  return exit_good;
}

int run_diff(const std::string& before, const std::string& after, bool json) {
  const auto was = read_contract(before);
  if (!was) return complain(was.error());
  const auto now = read_contract(after);
  if (!now) return complain(now.error());
  const auto changes = wire::compare(*was, *now);
  if (json) {
    std::printf("%s", wire::to_json(changes).c_str());
  } else {
    print(changes);
    std::printf("%s\n", summary(changes).c_str());
  }
  return wire::breaks(changes) ? exit_breaking : exit_good;
}

int run_lock(const std::string& now, const std::string& file, bool accept) {
  const auto read = read_contract(now);
  if (!read) return complain(read.error());
  if (::access(file.c_str(), F_OK) != 0) return store(*read, file, size_of(*read) + " locked");
  const auto locked = read_contract(file);
  if (!locked) return complain(locked.error());
  const auto changes = wire::compare(*locked, *read);
  print(changes);
  if (wire::breaks(changes) && !accept) {
    std::printf("%s\n", summary(changes).c_str());
    std::fprintf(stderr, "odeon: %s is left as it was; --accept locks the new contract\n",
                 file.c_str());
    return exit_breaking;
  }
  if (*locked == *read) {
    std::printf("%s: %s\n", file.c_str(), summary(changes).c_str());
    return exit_good;
  }
  return store(*read, file, summary(changes) + ", " + size_of(*read) + " locked");
}

void add_commands(CLI::App& program, std::function<int()>& run) {
  struct arguments {
    std::string first;
    std::string second;
    std::string out;
    std::string file = "contract.lock";
    bool flag = false;
  };
  auto args = std::make_shared<arguments>();
  CLI::App& app = *program.add_subcommand(
      "contract",
      "What a program has promised to others and to its stores: its message and event schemas");
  app.require_subcommand(1);
  app.footer(
      "A NEW or OLD is a document that dump or lock wrote, or a program whose main begins with\n"
      "odeon::wire::answer_contract_request. Exit codes: 0 the same or compatible, 1 a change\n"
      "breaks the wire, stored data or replay, 2 a wrong command line, 3 something cannot be\n"
      "read, asked or written.");

  CLI::App& dump = *app.add_subcommand("dump", "Ask a program for its contract and print it");
  dump.add_option("program", args->first, "the program to ask")->required()->type_name("PROGRAM");
  dump.add_option("-o,--output", args->out, "write it to this file")->type_name("FILE");
  dump.callback([args, &run] { run = [args] { return run_dump(args->first, args->out); }; });

  CLI::App& diff = *app.add_subcommand("diff", "Say what changed and what that breaks");
  diff.add_option("old", args->first, "the contract that was")->required()->type_name("OLD");
  diff.add_option("new", args->second, "the contract that is")->required()->type_name("NEW");
  diff.add_flag("--json", args->flag, "the changes as JSON");
  diff.callback(
      [args, &run] { run = [args] { return run_diff(args->first, args->second, args->flag); }; });

  CLI::App& lock = *app.add_subcommand(
      "lock", "Keep the contract in a file, and refuse changes that break what is kept");
  lock.add_option("new", args->first, "the contract that is")->required()->type_name("NEW");
  lock.add_option("--file", args->file, "where it is kept")
      ->capture_default_str()
      ->type_name("FILE");
  lock.add_flag("--accept", args->flag, "lock it although it breaks something");
  lock.callback(
      [args, &run] { run = [args] { return run_lock(args->first, args->file, args->flag); }; });
}

}  // namespace odeon::contracts
