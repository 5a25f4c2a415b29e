#include <odeon/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

/// @file Any bytes as a configuration file, and as overrides: an answer, never a crash, and every
/// accepted value reads back.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using odeon::config_type;
  static const odeon::config_schema schema = [] {
    odeon::config_schema s;
    s.add({.key = "a.i", .type = config_type::integer, .fallback = "0", .max = "9"})
        .add({.key = "a.d", .type = config_type::duration, .fallback = "1s"})
        .add({.key = "a.s", .type = config_type::size, .fallback = "1KiB"})
        .add({.key = "a.l", .type = config_type::string_list, .fallback = ""})
        .add({.key = "t.*.f", .type = config_type::floating, .fallback = "0"});
    return s;
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto check = [](const odeon::result<odeon::configuration>& config) {
    if (!config) {
      if (config.error() != odeon::errc::config_invalid || config.error().text().empty())
        std::abort();
      return;
    }
    if (config->get_int("a.i") > 9 || config->get_size("a.s") < 0) std::abort();
    if (config->get_duration("a.d") < odeon::duration::zero()) std::abort();
    for (const auto& entry : config->describe())
      if (config->origin(entry.key) != entry.origin) std::abort();
  };
  check(odeon::configuration::parse(schema, text, "fuzz.toml"));
  check(odeon::configuration::parse(schema, "", "", {.overrides = {std::string(text)}}));
  const auto middle = size / 2;
  check(odeon::configuration::load(schema,
                                   {.environment = {{"ODEON_" + std::string(text.substr(0, middle)),
                                                     std::string(text.substr(middle))}}}));
  return 0;
}
