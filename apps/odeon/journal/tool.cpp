#include "odeon/journal/tool.hpp"

#include <odeon/persistence/encryption.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#ifdef ODEON_WITH_MARIADB
#include <odeon/mariadb/mariadb_journal.hpp>
#endif
#ifdef ODEON_WITH_POSTGRES
#include <odeon/postgres/postgres_journal.hpp>
#endif

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace odeon::journal_tool {

namespace {

constexpr auto progress_interval = std::chrono::milliseconds(100);

/// "postgres:…" is of the kind "postgres"; what has no known kind in front is a path.
std::pair<std::string_view, std::string> kind_of(const std::string& journal) {
  for (const std::string_view kind : {"sqlite", "postgres", "mariadb"})
    if (journal.starts_with(std::string(kind) + ":"))
      return {kind, journal.substr(kind.size() + 1)};
  if (journal.starts_with("postgresql://")) return {"postgres", journal};
  return {"sqlite", journal};
}

#ifdef ODEON_WITH_MARIADB
/// "host=db port=3306 user=odeon database=bank": words name=value. The password is in the
/// environment, where no list of processes shows it.
result<mariadb_journal_options> mariadb_options(std::string_view text) {
  mariadb_journal_options out;
  out.create = false;
  out.accept_unsafe_server = true;  // nothing is written
  if (const char* password = std::getenv("MYSQL_PWD")) out.password = password;
  const std::pair<std::string_view, std::string*> names[] = {
      {"host", &out.host},         {"socket", &out.socket},       {"user", &out.user},
      {"database", &out.database}, {"prefix", &out.table_prefix}, {"tls_ca", &out.tls_ca_file}};
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (word.empty()) continue;
    const std::string_view name = word.substr(0, word.find('='));
    const std::string_view value = word.substr(std::min(name.size() + 1, word.size()));
    bool known = false;
    for (const auto& [candidate, into] : names) {
      if (name != candidate) continue;
      *into = value;
      known = true;
    }
    if (name == "port") {
      const auto read = std::from_chars(value.data(), value.data() + value.size(), out.port);
      known = read.ec == std::errc() && read.ptr == value.data() + value.size();
    }
    if (!known)
      return fail(errc::invalid_argument, "mariadb: " + std::string(name) +
                                              " is not among host, port, socket, user, database, "
                                              "prefix and tls_ca, or has a wrong value");
  }
  return out;
}
#endif

result<std::unique_ptr<journal>> open_plain(runtime& rt, const source& from, bool to_write) {
  const auto [kind, where] = kind_of(from.journal);
  if (kind == "sqlite")
    return open_sqlite_journal(
        rt, sqlite_journal_options{.path = where, .read_only = !to_write, .create = false});
#ifdef ODEON_WITH_POSTGRES
  if (kind == "postgres") {
    postgres_journal_options options;
    options.connection = where;
    options.create = false;
    options.accept_unsafe_server = !to_write;
    return open_postgres_journal(rt, std::move(options));
  }
#endif
#ifdef ODEON_WITH_MARIADB
  if (kind == "mariadb") {
    auto options = mariadb_options(where);
    if (!options) return std::unexpected(std::move(options.error()));
    return open_mariadb_journal(rt, std::move(*options));
  }
#endif
  static_cast<void>(rt);
  return fail(errc::invalid_argument, std::string(kind) +
                                          ": is not among the journals that this "
                                          "program can open");
}

result<std::unique_ptr<journal>> open(runtime& rt, const source& from, bool to_write) {
  auto keys = keys_of(from);
  if (!keys) return std::unexpected(std::move(keys.error()));
  auto plain = open_plain(rt, from, to_write);
  if (!plain || !*keys) return plain;
  return encrypt(rt, std::move(*plain), std::move(**keys), {.accept_plain = from.accept_plain});
}

}  // namespace

int complain(const terminal& t, const error& why, exit_code otherwise) {
  const std::string text(why.text());
  std::fprintf(t.err, "odeon: %s\n", text.c_str());
  return why == errc::corrupt_record ? damaged : otherwise;
}

result<std::string> sqlite_path(const source& from) {
  auto [kind, where] = kind_of(from.journal);
  if (kind == "sqlite") return std::move(where);
  return fail(errc::invalid_argument,
              "this command works on SQLite journals, and " + from.journal + " is none");
}

result<std::optional<key_ring>> keys_of(const source& from) {
  if (from.key_env.empty() && from.key_file.empty()) return std::nullopt;
  auto keys = from.key_env.empty() ? key_ring::from_file(from.key_file)
                                   : key_ring::from_environment(from.key_env);
  if (!keys) return std::unexpected(std::move(keys.error()));
  return std::move(*keys);
}

result<std::unique_ptr<journal>> open_to_read(runtime& rt, const source& from) {
  return open(rt, from, false);
}

result<std::unique_ptr<journal>> open_to_write(runtime& rt, const source& from) {
  return open(rt, from, true);
}

struct progress_line::state {
  std::FILE* to = nullptr;
  std::chrono::steady_clock::time_point next{};
  bool anything = false;
};

progress_line::progress_line(const terminal& t) {
  if (!t.progress) return;
  state_ = std::make_unique<state>();
  state_->to = t.err;
}

progress_line::~progress_line() {
  if (!state_ || !state_->anything) return;
  std::fputs("\r\x1b[K", state_->to);
  std::fflush(state_->to);
}

void progress_line::show(const std::function<std::string()>& text) {
  if (!state_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < state_->next) return;
  state_->next = now + progress_interval;
  state_->anything = true;
  std::fprintf(state_->to, "\r\x1b[K%s", text().c_str());
  std::fflush(state_->to);
}

std::string counted(const transfer_counts& c) {
  const auto n = [](std::uint64_t count, const char* one, const char* more) {
    return std::to_string(count) + " " + (count == 1 ? one : more);
  };
  return n(c.ids, "id", "ids") + ", " + n(c.events, "event", "events") + ", " +
         n(c.snapshots, "snapshot or state", "snapshots and states") + ", " +
         n(c.timers, "timer", "timers") + ", " + n(c.marks, "mark", "marks") + ", " +
         n(c.outbox, "message", "messages");
}

}  // namespace odeon::journal_tool
