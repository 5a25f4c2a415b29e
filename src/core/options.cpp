#include <odeon/base/config.hpp>
#include <odeon/core/actor_system.hpp>

namespace odeon {

config_schema system_options::schema() {
  config_schema s;
  s.add({.key = "core.workers",
         .type = config_type::integer,
         .fallback = "0",
         .unit = "threads",
         .sentence = "Worker threads of the default dispatcher; 0 is one per core.",
         .min = "0",
         .max = "1024"});
  s.add({.key = "core.ask_timeout",
         .type = config_type::duration,
         .fallback = "5s",
         .sentence = "How long an ask waits that says nothing else; 0s is for ever."});
  s.add({.key = "core.slow_handler",
         .type = config_type::duration,
         .fallback = "1s",
         .sentence = "A handler that runs for longer is reported; 0s is never."});
  s.add({.key = "core.shutdown_limit",
         .type = config_type::duration,
         .fallback = "10s",
         .sentence = "How long a shutdown may take before it reports who holds it up."});
  s.add({.key = "dispatcher.*.kind",
         .type = config_type::choice,
         .fallback = "by_name",
         .sentence = "How the dispatcher of that name runs its actors; by_name: one called pinned "
                     "or blocking is that, any other is work_stealing.",
         .choices = {"by_name", "work_stealing", "pinned", "blocking"}});
  s.add({.key = "dispatcher.*.threads",
         .type = config_type::integer,
         .fallback = "0",
         .unit = "threads",
         .sentence = "Its threads; 0 is one per core, or 64 for a blocking one.",
         .min = "0",
         .max = "4096"});
  return s;
}

system_options system_options::from(const configuration& config) {
  system_options out;
  out.workers = static_cast<unsigned>(config.get_int("core.workers"));
  out.ask_timeout = config.get_duration("core.ask_timeout");
  out.slow_handler = config.get_duration("core.slow_handler");
  out.shutdown_limit = config.get_duration("core.shutdown_limit");
  for (const std::string& name : config.names("dispatcher")) {
    const std::string prefix = "dispatcher." + name;
    const std::string& said = config.get_string(prefix + ".kind");
    const std::string& kind = said == "by_name" ? name : said;
    out.dispatchers.push_back(
        {.name = name,
         .kind = kind == "pinned"     ? executor_kind::pinned
                 : kind == "blocking" ? executor_kind::blocking
                                      : executor_kind::work_stealing,
         .threads = static_cast<unsigned>(config.get_int(prefix + ".threads"))});
  }
  out.config = std::make_shared<const configuration>(config);
  return out;
}

}  // namespace odeon
