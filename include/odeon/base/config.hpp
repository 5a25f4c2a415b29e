#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file Configuration: declared keys, read from a TOML file, then the environment, then explicit
/// overrides.
///
/// Each module declares its keys in a `config_schema`; a program adds the schemas of the modules it
/// uses and calls `configuration::load`. Nothing is registered globally. What is not declared is
/// refused: an unknown key, a wrong type or a value out of its range is `errc::config_invalid`, and
/// the text names the file and line (or the variable, or the override), the key, and the nearest
/// key there is.
///
///     config_schema schema;
///     schema.add({.key = "core.workers", .type = config_type::integer, .fallback = "0",
///                 .unit = "threads", .sentence = "Worker threads; 0 is one per core.",
///                 .min = "0", .max = "1024"});
///     auto config = configuration::load(schema, {.file = "odeon.toml",
///                                                .environment = read_environment(),
///                                                .overrides = {"core.workers=4"}});
///     if (!config) …                          // one line for each mistake
///     auto workers = config->get_int("core.workers");
///
/// A key may have one `*` segment, for tables that the user names: `dispatcher.*.kind` is declared
/// once, and holds for `[dispatcher.io]` and `[dispatcher.db]`; `names("dispatcher")` tells which
/// there are.

namespace odeon {

/// What a key holds, and how it is written in TOML. In the environment and in overrides the quotes
/// are left out, and a list is separated by commas.
enum class config_type : std::uint8_t {
  boolean,   ///< `true` or `false`
  integer,   ///< 64 bits, signed
  floating,  ///< finite; an integer is accepted too
  duration,  ///< a string of number and unit: "250ms"; units ns us ms s min h d
  size,    ///< bytes: an integer, or a string of number and unit: "64KiB"; units B kB MB GB KiB MiB
           ///< GiB
  string,  ///< UTF-8
  choice,  ///< one of the key's `choices`
  string_list,  ///< an array of strings
};

/// One declared key. Texts are in the form of an override: `"5s"`, `"64KiB"`, `"a,b"`.
struct config_key {
  std::string
      key;  ///< dotted, at least one dot: lower case, digits and `_`; at most one segment is `*`
  config_type type = config_type::string;
  std::string fallback;   ///< the value when nobody gives one; must itself be acceptable
  std::string unit = {};  ///< of integers and floats, for people: "messages", "threads"
  std::string sentence;   ///< what it does, for `describe`
  std::string min = {};   ///< smallest accepted value; empty: none (durations and sizes: 0)
  std::string max = {};   ///< largest accepted value; empty: none
  std::vector<std::string> choices = {};  ///< of `config_type::choice`

  friend bool operator==(const config_key&, const config_key&) = default;
};

namespace detail {
struct config_rules;
struct config_state;
}  // namespace detail

/// The keys that are allowed. A value; copying it copies the list.
class config_schema {
 public:
  config_schema();
  ~config_schema();
  config_schema(const config_schema&);
  config_schema(config_schema&&) noexcept;
  config_schema& operator=(config_schema) noexcept;

  /// Throws `actor_error` (`invalid_argument`) when the declaration itself is wrong: a malformed
  /// key, one declared before, or a fallback that the key would not accept.
  config_schema& add(config_key key);

  /// Adds every key of another schema. The same key declared identically twice is accepted.
  config_schema& add(const config_schema& other);

  [[nodiscard]] const std::vector<config_key>& keys() const noexcept;

 private:
  friend class configuration;
  std::unique_ptr<detail::config_rules> rules_;
};

/// Where values come from; later ones win. What is left empty is not used.
struct config_sources {
  /// A TOML file of at most `config_file_max` bytes. One that cannot be read is an error.
  std::string file = {};
  /// Names and values of environment variables. `ODEON_CORE__WORKERS` is `core.workers`: the prefix
  /// `ODEON_`, then upper case, `__` between segments. Other variables, and `ODEON_` ones without
  /// `__`, are passed over.
  std::vector<std::pair<std::string, std::string>> environment = {};
  /// "key=value", as on a command line.
  std::vector<std::string> overrides = {};
};

inline constexpr std::size_t config_file_max = 1 << 20;  ///< bytes of a configuration file
inline constexpr std::size_t config_tables_max = 1000;   ///< tables under one `*`
inline constexpr std::size_t config_errors_max =
    10;  ///< mistakes told at once; the rest is counted

/// Which source gave a value.
enum class config_layer : std::uint8_t { fallback, file, environment, command_line };

/// One line of `configuration::describe`.
struct config_entry {
  std::string key;       ///< with `*` for a declared table of which there is none
  std::string value;     ///< as an override would give it
  std::string fallback;  ///< likewise
  std::string
      origin;  ///< "default", "odeon.toml:12", "environment ODEON_CORE__WORKERS", "command line"
  std::string type;  ///< "integer from 0 to 1024, threads"
  std::string sentence;
};

/// The value of every declared key, and where it came from. Immutable; copies share. @threadsafe
class configuration {
 public:
  /// No keys at all.
  configuration();

  /// Every key at its fallback.
  explicit configuration(const config_schema& schema);

  /// Reads the sources in order. Errors: `config_invalid`, one line for each mistake, at most
  /// `config_errors_max`; `not_found` and `io_failed` for a file that cannot be read;
  /// `limit_exceeded` for one that is too large.
  [[nodiscard]] static result<configuration> load(const config_schema& schema,
                                                  const config_sources& sources);

  /// The same with the file's text in hand; `name` stands for it in messages and origins.
  [[nodiscard]] static result<configuration> parse(const config_schema& schema,
                                                   std::string_view toml, std::string_view name,
                                                   const config_sources& rest = {});

  /// The value of a declared key, O(log n). A key that is not declared, or is of another type, is a
  /// mistake of the calling code: `actor_error` with `invalid_argument`. References stay valid as
  /// long as a copy of this lives.
  [[nodiscard]] bool get_bool(std::string_view key) const;
  [[nodiscard]] std::int64_t get_int(std::string_view key) const;
  [[nodiscard]] double get_float(std::string_view key) const;
  [[nodiscard]] duration get_duration(std::string_view key) const;
  [[nodiscard]] std::int64_t get_size(std::string_view key) const;          ///< bytes
  [[nodiscard]] const std::string& get_string(std::string_view key) const;  ///< also of a choice
  [[nodiscard]] const std::vector<std::string>& get_list(std::string_view key) const;

  /// Which source gave the value, and the place in it as a text: see `config_entry::origin`.
  [[nodiscard]] config_layer layer(std::string_view key) const;
  [[nodiscard]] const std::string& origin(std::string_view key) const;

  /// The names the user gave to tables under `prefix`, sorted: {"db", "io"} for "dispatcher".
  [[nodiscard]] std::vector<std::string> names(std::string_view prefix) const;

  /// Every key with its value, default, origin and meaning, sorted by key.
  [[nodiscard]] std::vector<config_entry> describe() const;

 private:
  std::shared_ptr<const detail::config_state> state_;
};

/// The process's environment variables that start with `ODEON_`, as `config_sources` takes them.
/// Reads the global environment: call it before threads that change it exist.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> read_environment();

/// "250ms", "1.5s", "2min" as a duration. Errors: `config_invalid`, saying what is missing.
[[nodiscard]] result<duration> parse_duration(std::string_view text);

/// "64KiB", "10MB", "512" as bytes. Errors: `config_invalid`, saying what is missing.
[[nodiscard]] result<std::int64_t> parse_size(std::string_view text);

}  // namespace odeon
