#include <odeon/sidecar/nats.hpp>

namespace odeon::sidecar {

namespace {

constexpr environment_variable variables[] = {
    {"SPAWN_INTERNAL_NATS_HOSTS", "the servers of NATS, parted by commas; not set: none is used"},
    {"SPAWN_INTERNAL_NATS_AUTH_USER", "who logs in at NATS"},
    {"SPAWN_INTERNAL_NATS_AUTH_PASS", "the password at NATS"},
    {"SPAWN_INTERNAL_NATS_AUTH_TOKEN", "a token, in place of user and password"},
};

}  // namespace

std::span<const environment_variable> nats_variables() noexcept { return variables; }

result<std::optional<nats_options>> nats_from_environment(
    const std::function<std::optional<std::string>(const std::string&)>& get) {
  nats_options o;
  o.servers = get("SPAWN_INTERNAL_NATS_HOSTS").value_or("");
  o.user = get("SPAWN_INTERNAL_NATS_AUTH_USER").value_or("");
  o.password = get("SPAWN_INTERNAL_NATS_AUTH_PASS").value_or("");
  o.token = get("SPAWN_INTERNAL_NATS_AUTH_TOKEN").value_or("");
  if (o.servers.empty()) return std::optional<nats_options>{};
  if (!o.user.empty() && !o.token.empty())
    return fail(errc::config_invalid,
                "SPAWN_INTERNAL_NATS_AUTH_USER and SPAWN_INTERNAL_NATS_AUTH_TOKEN are both set: "
                "NATS takes one of them");
  return o;
}

}  // namespace odeon::sidecar
