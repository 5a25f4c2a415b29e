#include "sidecar/internal/request_body.hpp"
#include <odeon/runtime/runtime.hpp>
#include <odeon/sidecar/activator.hpp>

#include <algorithm>
#include <utility>

namespace odeon::sidecar {

namespace {

constexpr std::string_view generic_path = "/api/v1/activators/{actor}/{action}";
constexpr std::string_view binary_type = "application/octet-stream";

bool is_binary(std::string_view media) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{binary_type, "application/protobuf",
                                              "application/x-protobuf"},
      [&](std::string_view one) { return media.find(one) != std::string_view::npos; });
}

/// What all routes share; the handlers own it.
struct shared {
  runtime& rt;
  activation_target target;
  std::shared_ptr<const descriptors> types;
  std::string default_system;
};

http_response error_response(int status, outcome what, const std::string& message) {
  return http_json(internal::error_json(what, message), status);
}

/// "order-{id}" with the path's parameters.
std::string filled_in(std::string_view text, const http_request& r) {
  std::string out;
  while (true) {
    const auto open = text.find('{');
    const auto close = text.find('}', open);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    out += text.substr(0, open);
    out += r.parameter(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
  return out.append(text);
}

http_response answer_of(const invocation_answer& a, bool async, bool binary,
                        const descriptors& types) {
  if (a.status == outcome::actor_not_found) return error_response(404, a.status, a.message);
  if (a.status != outcome::ok) return error_response(500, a.status, a.message);
  if (async) return {.status = 202};
  if (!a.value) return {.status = 204};
  if (binary)
    return {.status = 200,
            .fields = {{"Content-Type", binary_type}, {"X-Type-Url", a.value->type_url}},
            .body = a.value->value};
  auto json = internal::json_of_answer(*a.value, types);
  if (!json)
    return error_response(500, outcome::error,
                          "the actor's answer: " + std::string(json.error().text()));
  return http_json(std::move(*json));
}

void activate(const std::shared_ptr<const shared>& all, const activation& what,
              const http_request& r, http_responder to) {
  result<invocation> wanted = fail(errc::internal, {});
  if (is_binary(r.fields.get("Content-Type").value_or(""))) {
    wanted = internal::invocation_of(what, {}, *all->types);
    if (what.body.empty())
      wanted = fail(errc::bad_encoding, "a body that is no JSON needs the type of its message");
    else
      wanted->value = any{"type.googleapis.com/" + std::string(type_name_of(what.body)), r.body};
  } else {
    wanted = internal::invocation_of(what, r.body, *all->types);
  }
  if (!wanted)
    return to.send(error_response(wanted.error() == errc::limit_exceeded ? 413 : 400,
                                  outcome::error, std::string(wanted.error().text())));
  if (wanted->actor.system.empty()) wanted->actor.system = all->default_system;
  if (wanted->actor.system.empty())
    return to.send(error_response(400, outcome::error, "the actor system is not named"));
  const bool binary = is_binary(r.fields.get("Accept").value_or(""));
  all->target.invoke(
      std::move(*wanted), all->rt.now() + what.timeout,
      [all, async = what.async, binary, to = std::move(to)](invocation_answer a) mutable {
        to.send(answer_of(a, async, binary, *all->types));
      });
}

}  // namespace

result<void> add_http_activators(http_routes& to, runtime& rt, activation_target target,
                                 std::shared_ptr<const descriptors> types,
                                 std::vector<http_activator> all, std::string default_system) {
  const auto common = std::make_shared<const shared>(rt, std::move(target), std::move(types),
                                                     std::move(default_system));
  for (http_activator& a : all) {
    const std::string name = a.name, method = a.method, path = a.path;
    const auto handler = [common, what = std::move(a.what)](const http_request& r,
                                                            http_responder answer) {
      activation filled = what;
      filled.actor = filled_in(what.actor, r);
      filled.action = filled_in(what.action, r);
      activate(common, filled, r, std::move(answer));
    };
    try {
      to.add(method, path, handler);
    } catch (const actor_error& e) {
      return fail(errc::config_invalid,
                  "sidecar.http." + name + ": " + std::string(e.reason().text()));
    }
  }
  to.add("POST", generic_path, [common](const http_request& r, http_responder answer) {
    activation what{.actor = std::string(r.parameter("actor")),
                    .action = std::string(r.parameter("action"))};
    what.system = r.query_value("system").value_or("");
    what.parent = r.query_value("parent").value_or("");
    what.body = r.query_value("type").value_or("");
    what.async = r.query_value("async") == "true";
    activate(common, what, r, std::move(answer));
  });
  return {};
}

}  // namespace odeon::sidecar
