#include "odeon/journal/commands.hpp"

#include "odeon/journal/tool.hpp"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <memory>
#include <string>

namespace odeon::journal_tool {

namespace {

using chosen = std::function<int()>;

struct common {
  bool progress = false;
  [[nodiscard]] terminal on() const {
    return {.out = stdout, .err = stderr, .progress = progress || ::isatty(STDERR_FILENO) == 1};
  }
};

template <class Options>
struct arguments {
  Options options;
  common how;
};

void add_source(CLI::App& app, source& s, bool with_keys, const char* help) {
  app.add_option("--journal", s.journal, help)->required()->type_name("JOURNAL");
  if (!with_keys) return;
  auto* variable =
      app.add_option("--key-env", s.key_env, "an environment variable with the keys, id:key …");
  variable->type_name("NAME");
  app.add_option("--key-file", s.key_file, "a file with the keys")
      ->type_name("FILE")
      ->excludes(variable);
}

void add_plain(CLI::App& app, source& s) {
  app.add_flag("--accept-plain", s.accept_plain,
               "with keys: show what is not encrypted as well, instead of refusing it");
}

void add_progress(CLI::App& app, common& how) {
  app.add_flag("--progress", how.progress,
               "tell on stderr how far it is (otherwise only to a terminal)");
}

constexpr const char* any_journal =
    "an SQLite file, postgres:CONNECTION or mariadb:host=… user=… database=…";
constexpr const char* a_file = "an SQLite file";

void add_list(CLI::App& group, chosen& run) {
  auto a = std::make_shared<arguments<list_options>>();
  CLI::App& app = *group.add_subcommand("ls", "List the ids, and what there is of each");
  add_source(app, a->options.from, true, any_journal);
  add_plain(app, a->options.from);
  app.add_option("--prefix", a->options.prefix, "only ids that begin so")->type_name("TEXT");
  app.add_flag("--json", a->options.json, "one JSON object a line");
  add_progress(app, a->how);
  app.callback([a, &run] { run = [a] { return list(a->options, a->how.on()); }; });
}

void add_show(CLI::App& group, chosen& run) {
  auto a = std::make_shared<arguments<show_options>>();
  show_options& o = a->options;
  CLI::App& app = *group.add_subcommand("cat", "Show the events of an id, or its other things");
  app.add_option("id", o.id, "the persistence id")->required()->type_name("ID");
  add_source(app, o.from, true, any_journal);
  add_plain(app, o.from);
  app.add_option("--from", o.first, "the first sequence number")->type_name("N");
  app.add_option("--to", o.last, "the last one")->type_name("N");
  app.add_flag("--snapshots", o.snapshots, "its snapshots, or its states, the newest first");
  app.add_flag("--timers", o.timers, "its timers");
  app.add_flag("--outbox", o.outbox, "its messages that are not delivered");
  app.add_flag("--marks", o.marks, "its marks");
  app.add_flag("--json", o.json, "one JSON object a line");
  app.callback([a, &run] { run = [a] { return show(a->options, a->how.on()); }; });
}

void add_verify(CLI::App& group, chosen& run) {
  auto a = std::make_shared<arguments<verify_options>>();
  CLI::App& app = *group.add_subcommand(
      "verify", "Check all that is stored; needs no keys, and may run beside a program");
  add_source(app, a->options.from, false, a_file);
  app.add_flag("--json", a->options.json, "the result as JSON");
  add_progress(app, a->how);
  app.callback([a, &run] { run = [a] { return verify(a->options, a->how.on()); }; });
}

void add_moves(CLI::App& group, chosen& run) {
  auto out = std::make_shared<arguments<move_options>>();
  CLI::App& to = *group.add_subcommand(
      "export", "Write everything into a file; with keys, what they seal is written in the clear");
  to.add_option("file", out->options.file, "the new file; - for standard output")
      ->required()
      ->type_name("FILE");
  add_source(to, out->options.journal, true, any_journal);
  add_plain(to, out->options.journal);
  add_progress(to, out->how);
  to.callback([out, &run] { run = [out] { return export_to(out->options, out->how.on()); }; });

  auto in = std::make_shared<arguments<move_options>>();
  CLI::App& from = *group.add_subcommand(
      "import", "Make a journal of an export; with keys, it is encrypted with the newest");
  from.add_option("file", in->options.file, "an export; - for standard input")
      ->required()
      ->type_name("FILE");
  add_source(from, in->options.journal, true, "a new SQLite file, or an empty journal");
  add_progress(from, in->how);
  from.callback([in, &run] { run = [in] { return import_from(in->options, in->how.on()); }; });
}

void add_compact(CLI::App& group, chosen& run) {
  auto a = std::make_shared<arguments<source>>();
  CLI::App& app = *group.add_subcommand(
      "compact",
      "Check a journal and make its file as small as it can be; nobody may have it open");
  add_source(app, a->options, false, a_file);
  add_progress(app, a->how);
  app.callback([a, &run] { run = [a] { return compact(a->options, a->how.on()); }; });
}

}  // namespace

void add_commands(CLI::App& program, std::function<int()>& run) {
  CLI::App& group =
      *program.add_subcommand("journal", "Look at a journal, check, move, compact it");
  group.require_subcommand(1);
  add_list(group, run);
  add_show(group, run);
  add_verify(group, run);
  add_moves(group, run);
  add_compact(group, run);
}

}  // namespace odeon::journal_tool
