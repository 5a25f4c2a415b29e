#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/transfer.hpp>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>

/// @file The commands of `odeon journal`. Each blocks, prints to its terminal, and returns an
/// `exit_code`; why, if that is not `good`, has been told in one sentence.

namespace odeon::journal_tool {

/// What scripts go by.
enum exit_code : std::uint8_t {
  good = 0,
  damaged = 1,      ///< something stored, or an export, is not as it was written
  usage = 2,        ///< the command line is wrong
  cannot_open = 3,  ///< the journal, the file or the keys cannot be opened
  failed = 4,       ///< the work ended early: no such id, a full disk, …
};

/// Where the commands print.
struct terminal {
  std::FILE* out = stdout;
  std::FILE* err = stderr;
  bool progress = false;  ///< long work tells on `err` how far it is
};

/// Which journal, and its keys.
struct source {
  std::string journal;  ///< "bank.db", "sqlite:bank.db", "postgres:dbname=bank"
  std::string key_env;  ///< a variable with keys; "" for none
  std::string key_file;
  bool accept_plain = false;  ///< of a journal that was not always encrypted
};

struct list_options {
  source from;
  std::string prefix;
  bool json = false;
};

struct show_options {
  source from;
  std::string id;
  std::uint64_t first = 1;
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  bool timers = false;
  bool outbox = false;
  bool snapshots = false;
  bool marks = false;
  bool json = false;
};

struct verify_options {
  source from;
  bool json = false;
};

struct move_options {
  source journal;
  std::string file;  ///< "-": standard output, or input
};

[[nodiscard]] int list(const list_options& options, const terminal& t);
[[nodiscard]] int show(const show_options& options, const terminal& t);
[[nodiscard]] int verify(const verify_options& options, const terminal& t);
[[nodiscard]] int export_to(const move_options& options, const terminal& t);
[[nodiscard]] int import_from(const move_options& options, const terminal& t);
[[nodiscard]] int compact(const source& from, const terminal& t);

// What they share.

/// Tells an error in one sentence; gives the exit code that fits: damage, or `otherwise`.
int complain(const terminal& t, const error& why, exit_code otherwise);

/// The path of an SQLite journal. Error: `invalid_argument`, for a journal of another kind.
[[nodiscard]] result<std::string> sqlite_path(const source& from);

/// The keys that were asked for, if any were.
[[nodiscard]] result<std::optional<key_ring>> keys_of(const source& from);

/// Opens to read: an SQLite file beside whoever writes it. With its keys, if any.
[[nodiscard]] result<std::unique_ptr<journal>> open_to_read(runtime& rt, const source& from);

/// Opens a journal that exists to change it: an SQLite file must not be in use.
[[nodiscard]] result<std::unique_ptr<journal>> open_to_write(runtime& rt, const source& from);

/// A line on `err` that is written over and over, at most ten times a second. Nothing without
/// `terminal::progress`.
class progress_line {
 public:
  explicit progress_line(const terminal& t);
  ~progress_line();  ///< clears the line
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;
  void show(const std::function<std::string()>& text);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// "12 ids, 34 events, …"
[[nodiscard]] std::string counted(const transfer_counts& c);

}  // namespace odeon::journal_tool
