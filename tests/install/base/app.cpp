#include <odeon/base/config.hpp>

#include <cstdio>

int main() {
  odeon::config_schema schema;
  schema.add({.key = "app.wait", .type = odeon::config_type::duration, .fallback = "250ms"});
  const auto config = odeon::configuration::load(schema, {.overrides = {"app.wait=2s"}});
  if (!config || config->get_duration("app.wait") != std::chrono::seconds(2)) return 1;
  std::puts("it works");
}
