#include "sidecar/internal/request_body.hpp"

#include <odeon/net/http_message.hpp>
#include <odeon/wire/codec.hpp>

#include <utility>

namespace odeon::sidecar::internal {

namespace {

struct unknown_value {
  std::string type_url;
  wire::bytes value;
};
struct said_error {
  std::string status;
  std::string message;
};

std::string json_text(const wire::bytes& b) { return std::string(wire::as_text(b)); }

}  // namespace

result<invocation> invocation_of(const activation& what, const std::string& json,
                                 const descriptors& types) {
  invocation out{
      .actor = {what.system, what.actor, what.parent}, .action = what.action, .async = what.async};
  if (json.empty()) return out;
  if (what.body.empty()) {
    if (!is_utf8(json)) return fail(errc::bad_encoding, "the JSON is not UTF-8");
    out.value = json_any(json);
    return out;
  }
  auto value = types.to_any(what.body, json);
  if (!value) return std::unexpected(std::move(value.error()));
  out.value = std::move(*value);
  return out;
}

result<std::string> json_of_answer(const any& value, const descriptors& types) {
  auto text = json_of(value);
  if (!text) return std::unexpected(std::move(text.error()));
  if (*text) return std::move(**text);
  if (types.has(value.type_url)) return types.to_json(value);
  const auto raw = wire::as_bytes(value.value);
  auto json =
      wire::try_encode(unknown_value{value.type_url, {raw.begin(), raw.end()}}, wire::format::json);
  if (!json) return std::unexpected(std::move(json.error()));
  return json_text(*json);
}

std::string error_json(outcome status, const std::string& message) {
  const char* name = status == outcome::actor_not_found ? "ACTOR_NOT_FOUND" : "ERROR";
  const auto json = wire::try_encode(
      said_error{name, is_utf8(message) ? message : "the reason is no text"}, wire::format::json);
  return json ? json_text(*json) : "{}";
}

}  // namespace odeon::sidecar::internal
