#include "odeon/timers/commands.hpp"

#include "odeon/timers/tool.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace odeon::timers_tool {

namespace {

void add_source(CLI::App& app, journal_tool::source& s) {
  app.add_option("--journal", s.journal, "an SQLite file, or postgres:CONNECTION, mariadb:…")
      ->required()
      ->type_name("JOURNAL");
  auto* variable =
      app.add_option("--key-env", s.key_env, "an environment variable with the keys, id:key …");
  variable->type_name("NAME");
  app.add_option("--key-file", s.key_file, "a file with the keys")
      ->type_name("FILE")
      ->excludes(variable);
}

void add_list(CLI::App& group, std::function<int()>& run) {
  auto o = std::make_shared<list_options>();
  CLI::App& app = *group.add_subcommand("ls", "List timers by their due times");
  add_source(app, o->from);
  app.add_option("--owner", o->owner, "only those of this id")->type_name("ID");
  app.add_option("--max", o->max, "at most so many (1000)")->type_name("N");
  app.add_flag("--json", o->json, "one JSON object a line");
  app.callback([o, &run] { run = [o] { return list(*o, {}); }; });
}

void add_change(CLI::App& group, std::function<int()>& run, bool moves) {
  auto o = std::make_shared<change_options>();
  CLI::App& app = moves ? *group.add_subcommand("move", "Set when a timer is due next")
                        : *group.add_subcommand("cancel", "Remove a timer");
  app.add_option("owner", o->owner, "whose it is")->required()->type_name("OWNER");
  app.add_option("id", o->id, "which one")->required()->type_name("ID");
  if (moves)
    app.add_option("--to", o->to, "like 2026-03-01T12:00:00Z, or +90s, +10m, +2h, +1d from now")
        ->required()
        ->type_name("TIME");
  add_source(app, o->from);
  app.callback(
      [o, moves, &run] { run = [o, moves] { return moves ? move(*o, {}) : cancel(*o, {}); }; });
}

}  // namespace

void add_commands(CLI::App& program, std::function<int()>& run) {
  CLI::App& group = *program.add_subcommand("timers", "List, move and cancel durable timers");
  group.require_subcommand(1);
  add_list(group, run);
  add_change(group, run, true);
  add_change(group, run, false);
}

}  // namespace odeon::timers_tool
