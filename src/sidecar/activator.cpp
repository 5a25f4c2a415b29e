#include "sidecar/internal/request_body.hpp"
#include <odeon/sidecar/activator.hpp>

#include <utility>

namespace odeon::sidecar {

namespace {

using internal::invocation_of;

void add_common(config_schema& to, const std::string& kind) {
  const auto text = [&](const char* key, const char* fallback, const char* sentence) {
    to.add({.key = "sidecar." + kind + ".*." + key, .fallback = fallback, .sentence = sentence});
  };
  text("system", "", "The actor system; empty: the program's default one.");
  text("actor", "", "Whom to invoke.");
  text("action", "", "What it is to do.");
  text("parent", "", "The template of an unnamed actor.");
  text("body", "", "The message type that JSON becomes; empty: the JSON itself.");
  to.add({.key = "sidecar." + kind + ".*.async",
          .type = config_type::boolean,
          .fallback = "false",
          .sentence = "Do not wait for the actor's answer."});
  to.add({.key = "sidecar." + kind + ".*.timeout",
          .type = config_type::duration,
          .fallback = "30s",
          .sentence = "How long the actor may take.",
          .min = "1ms",
          .max = "1h"});
}

/// One table of the configuration.
struct table {
  const configuration& config;
  std::string prefix;  // "sidecar.http.deposit."

  [[nodiscard]] const std::string& text(const char* key) const {
    return config.get_string(prefix + key);
  }
  [[nodiscard]] std::unexpected<error> wrong(const std::string& why) const {
    return fail(errc::config_invalid, prefix.substr(0, prefix.size() - 1) + ": " + why);
  }
  [[nodiscard]] result<activation> what(const descriptors& types) const {
    activation a{.system = text("system"),
                 .actor = text("actor"),
                 .action = text("action"),
                 .parent = text("parent"),
                 .body = text("body"),
                 .async = config.get_bool(prefix + "async"),
                 .timeout = config.get_duration(prefix + "timeout")};
    for (const auto* key : {"actor", "action"})
      if (text(key).empty()) return wrong("it has no " + std::string(key));
    if (!a.body.empty() && !types.has(a.body))
      return wrong("the body's type " + a.body + " is not among the registered descriptors");
    return a;
  }
};

/// Every "{x}" in `text` is a parameter of the path.
std::optional<std::string> missing_parameter(std::string_view text, std::string_view path) {
  while (true) {
    const auto open = text.find('{');
    if (open == std::string_view::npos) return std::nullopt;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) return "a brace is not closed";
    const std::string name(text.substr(open + 1, close - open - 1));
    if (path.find("{" + name + "}") == std::string_view::npos &&
        path.find("{" + name + "...}") == std::string_view::npos)
      return "the path has no {" + name + "}";
    text.remove_prefix(close + 1);
  }
}

result<http_activator> read_http(const table& t, std::string name, const descriptors& types) {
  auto what = t.what(types);
  if (!what) return std::unexpected(std::move(what.error()));
  http_activator a{std::move(name), t.text("method"), t.text("path"), std::move(*what)};
  for (const std::string* text : {&a.what.actor, &a.what.action})
    if (const auto why = missing_parameter(*text, a.path)) return t.wrong(*text + ": " + *why);
  // The routes know what a path is: what they do not take is told here, with its place.
  try {
    http_routes().add(a.method, a.path, [](const http_request&) { return http_response(); });
  } catch (const actor_error& e) {
    return t.wrong(std::string(e.reason().text()));
  }
  return a;
}

result<cron_activator> read_cron(const table& t, std::string name, const descriptors& types) {
  auto what = t.what(types);
  if (!what) return std::unexpected(std::move(what.error()));
  auto when = cron::parse(t.text("schedule"), t.text("zone"));
  if (!when) return t.wrong(std::string(when.error().text()));
  cron_activator a{
      std::move(name),  std::move(*when),
      t.text("json"),   t.text("overrun") == "once" ? overrun::once : overrun::skip,
      std::move(*what), t.text("catch_up") == "once" ? catch_up::once : catch_up::none};
  if (const auto request = invocation_of(a.what, a.json, types); !request)
    return t.wrong(std::string(request.error().text()));
  return a;
}

result<nats_activator> read_nats(const table& t, std::string name, const descriptors& types) {
  auto what = t.what(types);
  if (!what) return std::unexpected(std::move(what.error()));
  nats_activator a{std::move(name), t.text("subject"), t.text("queue"), std::move(*what)};
  for (const std::string* text : {&a.subject, &a.queue})
    if (text->find_first_of(" \t\r\n") != std::string::npos)
      return t.wrong("\"" + *text + "\" has a blank in it");
  if (a.subject.empty()) return t.wrong("it has no subject");
  return a;
}

template <class T, class Read>
result<std::vector<T>> read_all(const configuration& config, const char* kind,
                                const descriptors& types, Read read) {
  std::vector<T> all;
  for (const auto& name : config.names(std::string("sidecar.") + kind)) {
    auto one = read(table{config, std::string("sidecar.") + kind + "." + name + "."}, name, types);
    if (!one) return std::unexpected(std::move(one.error()));
    all.push_back(std::move(*one));
  }
  return all;
}

}  // namespace

config_schema activator_schema() {
  config_schema s;
  for (const char* kind : {"http", "cron", "nats"}) add_common(s, kind);
  const auto text = [&](const char* key, const char* fallback, const char* sentence) {
    s.add({.key = key, .fallback = fallback, .sentence = sentence});
  };
  text("sidecar.http.*.method", "POST", "The request's method.");
  text("sidecar.http.*.path", "", "The path, with parameters in braces: \"/orders/{id}\".");
  text("sidecar.cron.*.schedule", "", "When: five or six fields of cron, or @daily and the like.");
  text("sidecar.cron.*.zone", "UTC", "The time zone of the schedule.");
  text("sidecar.cron.*.json", "", "The request; empty: none.");
  s.add({.key = "sidecar.cron.*.overrun",
         .type = config_type::choice,
         .fallback = "skip",
         .sentence = "What becomes of a time that comes while the run before is under way.",
         .choices = {"skip", "once"}});
  s.add({.key = "sidecar.cron.*.catch_up",
         .type = config_type::choice,
         .fallback = "none",
         .sentence = "What becomes of the times that came while no program ran.",
         .choices = {"none", "once"}});
  text("sidecar.nats.*.subject", "", "The subject of NATS, with its wildcards.");
  text("sidecar.nats.*.queue", "odeon",
       "The queue group; empty: every sidecar takes each message.");
  return s;
}

result<activators> read_activators(const configuration& config, const descriptors& types) {
  auto http = read_all<http_activator>(config, "http", types, &read_http);
  if (!http) return std::unexpected(std::move(http.error()));
  auto times = read_all<cron_activator>(config, "cron", types, &read_cron);
  if (!times) return std::unexpected(std::move(times.error()));
  auto subjects = read_all<nats_activator>(config, "nats", types, &read_nats);
  if (!subjects) return std::unexpected(std::move(subjects.error()));
  return activators{std::move(*http), std::move(*times), std::move(*subjects)};
}

}  // namespace odeon::sidecar
