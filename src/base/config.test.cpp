#include <odeon/base/config.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

config_schema schema() {
  config_schema s;
  s.add({.key = "core.workers",
         .type = config_type::integer,
         .fallback = "0",
         .unit = "threads",
         .sentence = "Worker threads; 0 is one per core.",
         .min = "0",
         .max = "1024"})
      .add({.key = "core.ask_timeout",
            .type = config_type::duration,
            .fallback = "5s",
            .sentence = "How long an ask waits.",
            .min = "1ms"})
      .add({.key = "core.ratio", .type = config_type::floating, .fallback = "0.5", .max = "1"})
      .add({.key = "core.trace", .type = config_type::boolean, .fallback = "false"})
      .add({.key = "store.cache", .type = config_type::size, .fallback = "64KiB", .max = "1GiB"})
      .add({.key = "store.path", .type = config_type::string, .fallback = "odeon.db"})
      .add({.key = "store.tags", .type = config_type::string_list, .fallback = ""})
      .add({.key = "dispatcher.*.kind",
            .type = config_type::choice,
            .fallback = "work_stealing",
            .choices = {"work_stealing", "pinned", "blocking"}})
      .add({.key = "dispatcher.*.threads",
            .type = config_type::integer,
            .fallback = "0",
            .min = "0"});
  return s;
}

result<configuration> parse(std::string_view toml, const config_sources& rest = {}) {
  return configuration::parse(schema(), toml, "odeon.toml", rest);
}

/// The text of the mistakes in a file; "accepted" when there are none.
std::string mistakes(std::string_view toml, const config_sources& rest = {}) {
  auto config = parse(toml, rest);
  if (config) return "accepted";
  CHECK(config.error() == errc::config_invalid);
  return std::string(config.error().text());
}

std::string thrown(auto&& f) {
  try {
    f();
  } catch (const actor_error& e) {
    CHECK(e.which() == errc::invalid_argument);
    return std::string(e.reason().text());
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a configuration without sources has every key at its default") {
  const configuration config(schema());
  CHECK(config.get_int("core.workers") == 0);
  CHECK(config.get_duration("core.ask_timeout") == 5s);
  CHECK(config.get_float("core.ratio") == 0.5);
  CHECK_FALSE(config.get_bool("core.trace"));
  CHECK(config.get_size("store.cache") == 65536);
  CHECK(config.get_string("store.path") == "odeon.db");
  CHECK(config.get_list("store.tags").empty());
  CHECK(config.get_string("dispatcher.any.kind") == "work_stealing");
  CHECK(config.origin("core.workers") == "default");
  CHECK(config.layer("core.workers") == config_layer::fallback);
}

TEST_CASE("each type is read from its TOML form") {
  auto config = parse(R"([core]
workers = 4
ask_timeout = "250ms"
ratio = 1
trace = true
[store]
cache = "1MiB"
path = "/var/lib/bank.db"
tags = ["a", "b"]
)");
  REQUIRE_MESSAGE(config, config.error().to_string());
  CHECK(config->get_int("core.workers") == 4);
  CHECK(config->get_duration("core.ask_timeout") == 250ms);
  CHECK(config->get_float("core.ratio") == 1.0);
  CHECK(config->get_bool("core.trace"));
  CHECK(config->get_size("store.cache") == 1 << 20);
  CHECK(config->get_string("store.path") == "/var/lib/bank.db");
  CHECK(config->get_list("store.tags") == std::vector<std::string>{"a", "b"});
  CHECK(config->origin("core.workers") == "odeon.toml:2");
}

TEST_CASE("overrides win over the environment, which wins over the file") {
  const config_sources rest{.environment = {{"ODEON_CORE__WORKERS", "5"},
                                            {"ODEON_CORE__ASK_TIMEOUT", "2min"},
                                            {"ODEON_STORE__TAGS", "x, y"},
                                            {"ODEON_HOME", "passed over"},
                                            {"HOME", "passed over"}},
                            .overrides = {"core.workers=6"}};
  auto config = parse("[core]\nworkers = 4\nask_timeout = \"1s\"\nratio = 0.25\n", rest);
  REQUIRE_MESSAGE(config, config.error().to_string());
  CHECK(config->get_int("core.workers") == 6);
  CHECK(config->layer("core.workers") == config_layer::command_line);
  CHECK(config->origin("core.workers") == "command line");
  CHECK(config->get_duration("core.ask_timeout") == 2min);
  CHECK(config->origin("core.ask_timeout") == "environment ODEON_CORE__ASK_TIMEOUT");
  CHECK(config->get_list("store.tags") == std::vector<std::string>{"x", "y"});
  CHECK(config->get_float("core.ratio") == 0.25);
  CHECK(config->layer("core.ratio") == config_layer::file);
}

TEST_CASE("tables the user names are found by a declared wildcard") {
  auto config = parse(R"([dispatcher.io]
kind = "blocking"
threads = 8
[dispatcher.db]
)",
                      {.overrides = {"dispatcher.ui.kind=pinned"}});
  REQUIRE_MESSAGE(config, config.error().to_string());
  CHECK(config->names("dispatcher") == std::vector<std::string>{"db", "io", "ui"});
  CHECK(config->get_string("dispatcher.io.kind") == "blocking");
  CHECK(config->get_int("dispatcher.io.threads") == 8);
  CHECK(config->get_string("dispatcher.db.kind") == "work_stealing");
  CHECK(config->get_string("dispatcher.ui.kind") == "pinned");
  CHECK(config->names("core").empty());
}

TEST_CASE("an exact key wins over a wildcard that matches it") {
  config_schema s = schema();
  s.add({.key = "dispatcher.default.threads", .type = config_type::integer, .fallback = "7"});
  CHECK(configuration(s).get_int("dispatcher.default.threads") == 7);
  CHECK(configuration(s).get_int("dispatcher.io.threads") == 0);
}

TEST_CASE("an unknown key is refused with its line and the nearest key") {
  CHECK(mistakes("[core]\n\nworker = 4\n") ==
        "odeon.toml:3: unknown key 'core.worker'; did you mean 'core.workers'?");
  CHECK(mistakes("[dispatcher.io]\nknid = \"pinned\"\n") ==
        "odeon.toml:2: unknown key 'dispatcher.io.knid'; did you mean 'dispatcher.io.kind'?");
  CHECK(mistakes("[cor]\nworkers = 4\n") ==
        "odeon.toml:2: unknown key 'cor.workers'; did you mean 'core.workers'?");
}

TEST_CASE("an unknown key that resembles nothing is answered with what there is") {
  CHECK(mistakes("[store]\ncompletely_else = 4\n") ==
        "odeon.toml:2: unknown key 'store.completely_else'; there are store.cache, store.path, "
        "store.tags");
  CHECK(mistakes("[weather]\nsunny = true\n") ==
        "odeon.toml:2: unknown key 'weather.sunny'; there are the tables core, store, dispatcher");
  CHECK(mistakes("[weather]\n") ==
        "odeon.toml:1: unknown key 'weather'; there are the tables core, store, dispatcher");
}

TEST_CASE("a value of another type is refused with what it must be") {
  CHECK(mistakes("[core]\nworkers = \"many\"\n") ==
        "odeon.toml:2: 'core.workers' must be an integer from 0 to 1024, but it is \"many\"");
  CHECK(mistakes("[core]\nworkers = \"4\"\n") ==
        "odeon.toml:2: 'core.workers' must be an integer from 0 to 1024, but it is \"4\"");
  CHECK(mistakes("[core]\ntrace = 1\n") ==
        "odeon.toml:2: 'core.trace' must be true or false, but it is 1");
  CHECK(mistakes("[core]\nask_timeout = 250\n") ==
        "odeon.toml:2: 'core.ask_timeout' must be a duration such as \"250ms\" of at least 1ms, "
        "but it is 250");
  CHECK(mistakes("[store]\ntags = \"a\"\n") ==
        "odeon.toml:2: 'store.tags' must be a list of strings, but it is \"a\"");
  CHECK(mistakes("[store]\npath = [\"a\"]\n") ==
        "odeon.toml:2: 'store.path' must be a string, but it is a list");
  CHECK(mistakes("[store]\npath = 1979-05-27\n") ==
        "odeon.toml:2: 'store.path' must be a string, but it is a date or time");
  CHECK(mistakes("[store]\ntags = [\"a\", 1]\n") ==
        "odeon.toml:2: 'store.tags' must be a list of strings, but it is an array of other things "
        "than strings");
  CHECK(mistakes("[dispatcher.io]\nkind = \"fast\"\n") ==
        "odeon.toml:2: 'dispatcher.io.kind' must be one of work_stealing, pinned, blocking, but it "
        "is \"fast\"");
}

TEST_CASE("a value out of its range is refused with the range") {
  CHECK(mistakes("[core]\nworkers = 1025\n") ==
        "odeon.toml:2: 'core.workers' must be an integer from 0 to 1024, but it is 1025");
  CHECK(mistakes("[core]\nratio = 1.5\n") ==
        "odeon.toml:2: 'core.ratio' must be a number of at most 1, but it is 1.5");
  CHECK(mistakes("[core]\nratio = inf\n") ==
        "odeon.toml:2: 'core.ratio' must be a number of at most 1, but it is inf");
  CHECK(mistakes("[store]\ncache = -1\n") ==
        "odeon.toml:2: 'store.cache' must be a size such as \"64KiB\" of at most 1GiB, but it is "
        "-1");
  CHECK(mistakes("[core]\nworkers = 1024\nratio = -2.0\n[store]\ncache = \"1GiB\"\n") ==
        "accepted");
}

TEST_CASE("a table where a value belongs, and a value where a table belongs, are told apart") {
  CHECK(mistakes("[core]\nworkers.x = 1\n") ==
        "odeon.toml:2: unknown key 'core.workers.x'; did you mean 'core.workers'?");
  CHECK(mistakes("core = 1\n") == "odeon.toml:1: 'core' is a table, not a value");
  CHECK(mistakes("", {.overrides = {"dispatcher.io=pinned"}}) ==
        "command line: 'dispatcher.io' is a table, not a value");
}

TEST_CASE("the environment's mistakes name the variable") {
  CHECK(mistakes("", {.environment = {{"ODEON_CORE__WORKERS", "-1"}}}) ==
        "environment ODEON_CORE__WORKERS: 'core.workers' must be an integer from 0 to 1024, but it "
        "is \"-1\"");
  CHECK(
      mistakes("", {.environment = {{"ODEON_CORE__WORKRES", "1"}}}) ==
      "environment ODEON_CORE__WORKRES: unknown key 'core.workres'; did you mean 'core.workers'?");
}

TEST_CASE("an override's mistakes name the command line") {
  CHECK(mistakes("", {.overrides = {"core.workers"}}) ==
        "command line: 'core.workers' is not of the form key=value");
  CHECK(mistakes("", {.overrides = {"core.trace=yes"}}) ==
        "command line: 'core.trace' must be true or false, but it is \"yes\"");
  CHECK(mistakes("", {.overrides = {"=1"}}).starts_with("command line: unknown key ''"));
}

TEST_CASE("malformed TOML is refused with its line") {
  const auto text = mistakes("[core]\nworkers = = 4\n");
  CHECK_MESSAGE(text.starts_with("odeon.toml:2: "), text);
  CHECK_MESSAGE(mistakes("[core]\nworkers = 1\nworkers = 2\n").starts_with("odeon.toml:3: "), text);
}

TEST_CASE("a table header that no key can begin is refused with its line") {
  CHECK(mistakes("[core]\nworkers = 1\n[`\n\n[store]\n") == "odeon.toml:3: a key is malformed");
  CHECK(mistakes("[`") == "odeon.toml:1: a key is malformed");
  CHECK(mistakes("[store]\n\ufe7f").starts_with("odeon.toml:2: "));
  CHECK(mistakes("[store]\npath = \"\ufe7f\"\n") == "accepted");
}

TEST_CASE("all mistakes are told at once, and those past the limit are counted") {
  CHECK(mistakes("[core]\nworker = 4\ntrace = 1\n", {.overrides = {"x"}}) ==
        "odeon.toml:2: unknown key 'core.worker'; did you mean 'core.workers'?\n"
        "odeon.toml:3: 'core.trace' must be true or false, but it is 1\n"
        "command line: 'x' is not of the form key=value");
  config_sources many;
  many.overrides.assign(config_errors_max + 5, "x");
  const auto text = mistakes("", many);
  CHECK(std::ranges::count(text, '\n') == config_errors_max);
  CHECK(text.ends_with("\nand 5 more"));
}

TEST_CASE("tables under one wildcard are bounded") {
  config_sources many;
  for (std::size_t i = 0; i <= config_tables_max; ++i)
    many.overrides.push_back("dispatcher.d" + std::to_string(i) + ".threads=1");
  CHECK(mistakes("", many) == "command line: more than 1000 tables under 'dispatcher'");
  many.overrides.pop_back();
  CHECK(mistakes("", many) == "accepted");
}

TEST_CASE("reading an undeclared key, or one as another type, is the caller's mistake") {
  const configuration config(schema());
  CHECK(thrown([&] { (void)config.get_int("core.worker"); }) ==
        "no configuration key 'core.worker' is declared; did you mean 'core.workers'?");
  CHECK(thrown([&] { (void)config.get_bool("core.workers"); }) ==
        "the configuration key 'core.workers' is an integer from 0 to 1024: read it as that");
  CHECK(thrown([] { (void)configuration().origin("core.workers"); }) ==
        "no configuration key 'core.workers' is declared");
}

TEST_CASE("a wrong declaration is refused") {
  config_schema s = schema();
  const auto adding = [&](config_key key) { return thrown([&] { s.add(key); }); };
  CHECK(adding({.key = "workers", .fallback = ""}) ==
        "the configuration key 'workers' is not of the form table.key");
  CHECK(adding({.key = "Core.workers", .fallback = ""}) ==
        "the configuration key 'Core.workers' is not of the form table.key");
  CHECK(adding({.key = "a.*", .fallback = ""}) ==
        "the configuration key 'a.*' is not of the form table.key");
  CHECK(adding({.key = "core.workers", .fallback = ""}) ==
        "the configuration key 'core.workers' is declared twice");
  CHECK(adding({.key = "a.b", .type = config_type::integer, .fallback = "5", .max = "4"}) ==
        "the default of 'a.b' must be an integer of at most 4, but it is \"5\"");
  CHECK(adding({.key = "a.b", .type = config_type::integer, .fallback = "5", .max = "x"}) ==
        "the bound \"x\" of 'a.b' is not of its type");
}

TEST_CASE("schemas are added up, and two declarations of a key must agree") {
  config_schema all;
  all.add(schema()).add(schema());
  CHECK(all.keys().size() == schema().keys().size());
  config_schema other;
  other.add({.key = "core.workers", .type = config_type::integer, .fallback = "1"});
  CHECK(thrown([&] { all.add(other); }) ==
        "the configuration key 'core.workers' is declared in two ways");
}

TEST_CASE("describe lists every key with value, default, origin and meaning") {
  auto config = parse("[core]\nworkers = 4\n[dispatcher.io]\nkind = \"pinned\"\n");
  REQUIRE(config);
  const auto list = config->describe();
  CHECK(std::ranges::is_sorted(list, {}, &config_entry::key));
  const auto entry = [&](std::string_view key) {
    const auto found = std::ranges::find(list, key, &config_entry::key);
    REQUIRE(found != list.end());
    return *found;
  };
  const auto workers = entry("core.workers");
  CHECK(workers.value == "4");
  CHECK(workers.fallback == "0");
  CHECK(workers.origin == "odeon.toml:2");
  CHECK(workers.type == "an integer from 0 to 1024, threads");
  CHECK(workers.sentence == "Worker threads; 0 is one per core.");
  CHECK(entry("dispatcher.io.kind").value == "pinned");
  CHECK(entry("dispatcher.io.threads").origin == "default");
  CHECK(std::ranges::find(list, "dispatcher.*.kind", &config_entry::key) == list.end());
  CHECK(configuration(schema()).describe().size() == schema().keys().size());
}

TEST_CASE("a file is read from disk, and one that is missing or too large is refused by name") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("odeon_config_" + std::to_string(::getpid()) + ".toml");
  const auto write = [&](const std::string& text) { std::ofstream(path) << text; };
  write("[core]\nworkers = 9\n");
  auto config = configuration::load(schema(), {.file = path.string()});
  REQUIRE_MESSAGE(config, config.error().to_string());
  CHECK(config->get_int("core.workers") == 9);
  CHECK(config->origin("core.workers") == path.string() + ":2");

  write(std::string(config_file_max + 1, '#'));
  CHECK(configuration::load(schema(), {.file = path.string()}).error() == errc::limit_exceeded);
  std::filesystem::remove(path);
  const auto gone = configuration::load(schema(), {.file = path.string()});
  REQUIRE_FALSE(gone);
  CHECK(gone.error() == errc::not_found);
  CHECK(gone.error().text() ==
        "cannot read the configuration file " + path.string() + ": No such file or directory");
  CHECK(configuration::load(schema(), {.file = "/"}).error() == errc::io_failed);
}

TEST_CASE("the process's environment gives only what starts with ODEON_") {
  setenv("ODEON_CORE__WORKERS", "11", 1);
  const auto all = read_environment();
  unsetenv("ODEON_CORE__WORKERS");
  CHECK(std::ranges::count(all, std::pair<std::string, std::string>("ODEON_CORE__WORKERS", "11")) ==
        1);
  CHECK(std::ranges::all_of(all, [](const auto& v) { return v.first.starts_with("ODEON_"); }));
}

TEST_CASE("durations are read in every unit, and exactly") {
  CHECK(parse_duration("17ns") == 17ns);
  CHECK(parse_duration("3us") == 3us);
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("1.5 s") == 1500ms);
  CHECK(parse_duration("2min") == 2min);
  CHECK(parse_duration("4h") == 4h);
  CHECK(parse_duration("1d") == 24h);
  CHECK(parse_duration("9223372036854775807ns") == duration::max());
  for (const std::string text :
       {"", "5", "ms", "5 parsecs", "5sec", "--5s", "9223372036s1", "300000d"}) {
    INFO(text);
    CHECK_FALSE(parse_duration(text));
  }
}

TEST_CASE("sizes are read in every unit, and never overflow") {
  CHECK(parse_size("512") == 512);
  CHECK(parse_size("512B") == 512);
  CHECK(parse_size("10kB") == 10'000);
  CHECK(parse_size("1.5MB") == 1'500'000);
  CHECK(parse_size("1GB") == 1'000'000'000);
  CHECK(parse_size("64 KiB") == 65'536);
  CHECK(parse_size("1MiB") == 1 << 20);
  CHECK(parse_size("2GiB") == 2LL << 30);
  for (const std::string text : {"", "KiB", "5kb", "5 bytes", "99999999999GiB", "0x10"}) {
    INFO(text);
    CHECK_FALSE(parse_size(text));
  }
}
