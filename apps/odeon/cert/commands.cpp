#include "odeon/cert/commands.hpp"

#include "odeon/cert/tool.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace odeon::cert_tool {

namespace {

void add_common(CLI::App& app, made_options& o) {
  app.add_option("--days", o.days, "how long it is valid")
      ->check(CLI::Range(1, 36500))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--key-type", o.key_type, "the kind of its key")
      ->check(CLI::IsMember({"p256", "ed25519"}))
      ->capture_default_str();
  app.add_option("--out", o.out, "where FILE.crt and FILE.key are written; its name by default")
      ->type_name("FILE");
  app.add_flag("--force", o.force, "overwrite files that are there");
}

void add_ca(CLI::App& group, std::function<int()>& run) {
  auto o = std::make_shared<made_options>(made_options{.name = "ca", .days = 3650});
  CLI::App& app = *group.add_subcommand("ca", "Make a certificate authority");
  app.add_option("--name", o->name, "what it is called")->type_name("NAME")->capture_default_str();
  add_common(app, *o);
  app.callback([o, &run] { run = [o] { return make_authority(*o, {}); }; });
}

void add_node(CLI::App& group, std::function<int()>& run) {
  auto o = std::make_shared<node_options>();
  CLI::App& app = *group.add_subcommand("node", "Make the certificate of a node");
  app.add_option("name", o->made.name, "the node's name, which its peers see")
      ->required()
      ->type_name("NAME");
  app.add_option("--host", o->hosts, "a DNS name or address that others connect to; repeat it")
      ->type_name("HOST");
  app.add_option("--ca", o->ca, "the authority: FILE.crt and FILE.key")
      ->type_name("FILE")
      ->capture_default_str();
  add_common(app, o->made);
  app.callback([o, &run] { run = [o] { return make_node(*o, {}); }; });
}

void add_show(CLI::App& group, std::function<int()>& run) {
  auto o = std::make_shared<show_options>();
  CLI::App& app = *group.add_subcommand("show", "Print what a certificate says");
  app.add_option("file", o->file, "the certificate")->required()->type_name("FILE");
  app.add_flag("--json", o->json, "as one JSON object");
  app.callback([o, &run] { run = [o] { return show(*o, {}); }; });
}

}  // namespace

void add_commands(CLI::App& program, std::function<int()>& run) {
  CLI::App& group = *program.add_subcommand("cert", "Make and show certificates for TLS");
  group.require_subcommand(1);
  add_ca(group, run);
  add_node(group, run);
  add_show(group, run);
}

}  // namespace odeon::cert_tool
