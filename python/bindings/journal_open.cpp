/// @file Opening journals: named options of Python to the options of each back end.

#include "journal.hpp"
#include "journal_values.hpp"
#include <odeon/mariadb/mariadb_journal.hpp>
#include <odeon/persistence/encryption.hpp>
#include <odeon/persistence/key_ring.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/postgres/postgres_journal.hpp>
#include <odeon/projection/announcing_journal.hpp>

#include <optional>
#include <string_view>

namespace odeon {

// A package may be built without them: then they are not there, and their address is null.
[[gnu::weak]] result<std::unique_ptr<journal>> open_postgres_journal(runtime&,
                                                                     postgres_journal_options);
[[gnu::weak]] result<std::unique_ptr<journal>> open_mariadb_journal(runtime&,
                                                                    mariadb_journal_options);

}  // namespace odeon

namespace odeon::python {

namespace {

/// Options by name, each taken out of the dict as it is read.
class options_reader {
 public:
  explicit options_reader(PyObject* dict) noexcept : dict_(dict) {}

  template <class T>
  void operator()(const char* name, T& out) {
    if (!good_) return;
    PyObject* v = PyDict_GetItemString(dict_, name);
    if (!v) return;
    if (v != Py_None) good_ = read(v, name, out);
    if (good_) good_ = PyDict_DelItemString(dict_, name) == 0;
  }
  /// Everything could be read, and nothing is left.
  [[nodiscard]] bool finished(const char* kind) {
    PyObject *key = nullptr, *value = nullptr;
    Py_ssize_t at = 0;
    if (good_ && PyDict_Next(dict_, &at, &key, &value)) {
      PyErr_Format(PyExc_TypeError, "a journal of the kind %s has no option %R", kind, key);
      good_ = false;
    }
    return good_;
  }

 private:
  static bool read(PyObject* v, const char* name, duration& out) {
    return read_seconds(v, name, out);
  }
  static bool read(PyObject* v, const char*, std::uint16_t& out) {
    std::uint32_t wide = 0;
    if (!read_value(v, wide)) return false;
    out = static_cast<std::uint16_t>(wide);
    if (wide == out) return true;
    PyErr_SetString(PyExc_OverflowError, "a port is at most 65535");
    return false;
  }
  static bool read(PyObject* v, const char* name, std::string& out) {
    return read_text(v, name, out);
  }
  template <class T>
  static bool read(PyObject* v, const char*, T& out) {
    return read_value(v, out);
  }

  PyObject* dict_;
  bool good_ = true;
};

void read_common(options_reader& read, journal_options& o) {
  read("max_batch_events", o.max_batch_events);
  read("max_batch_bytes", o.max_batch_bytes);
  read("group_wait", o.group_wait);
  read("max_pending_appends", o.max_pending_appends);
  read("max_pending_bytes", o.max_pending_bytes);
  read("max_pending_reads", o.max_pending_reads);
  read("max_payload_bytes", o.max_payload_bytes);
  read("max_snapshot_bytes", o.max_snapshot_bytes);
  read("max_append_bytes", o.max_append_bytes);
  read("max_append_items", o.max_append_items);
  read("max_name_bytes", o.max_name_bytes);
  read("max_tags", o.max_tags);
  read("max_page_items", o.max_page_items);
  read("max_page_bytes", o.max_page_bytes);
}

/// Where the keys of an encrypted journal come from; at most one of the three.
struct key_options {
  std::optional<std::string> text;
  std::optional<std::string> file;
  std::optional<std::string> variable;
  encryption_options how;

  void read(options_reader& read) {
    read("keys", text);
    read("keys_file", file);
    read("keys_variable", variable);
    read("accept_plain", how.accept_plain);
  }
  [[nodiscard]] bool any() const noexcept { return text || file || variable; }
  [[nodiscard]] result<key_ring> ring() const {
    if (text) return key_ring::parse(*text, "keys");
    if (file) return key_ring::from_file(*file);
    return key_ring::from_environment(*variable);
  }
};

using opened = result<std::unique_ptr<journal>>;

/// The journal as it is held; on a simulation it holds that.
std::shared_ptr<journal> announced(const journal_object& self, std::unique_ptr<journal> inner) {
  std::shared_ptr<journal> made = projection::announce(std::move(inner));
  if (!self.simulation) return made;
  journal* const plain = made.get();
  return {plain, [made = std::move(made), rt = self.simulation](journal*) mutable {
            made.reset();
            rt.reset();
          }};
}

/// Opens what `start` opens, sealed if there are keys, and announcing its commits.
template <class Start>
bool finish(interp& in, runtime& rt, journal_object& self, const key_options& keys, Start start) {
  std::optional<error> failed;
  {
    const detached out;
    std::optional<key_ring> ring;
    if (keys.any()) {
      if (auto read = keys.ring())
        ring = std::move(*read);
      else
        failed = std::move(read.error());
    }
    if (!failed) {
      if (opened j = start())
        self.box->set(announced(
            self, ring ? encrypt(rt, std::move(*j), std::move(*ring), keys.how) : std::move(*j)));
      else
        failed = std::move(j.error());
    }
  }
  if (failed) raise_of_store(in, *failed);
  return !failed;
}

}  // namespace

bool open_journal(interp& in, journal_object& self, const char* kind, PyObject* dict) {
  runtime& rt = self.simulation ? *self.simulation : runtime_of_journals();
  const std::string_view which = kind;
  options_reader read(dict);
  key_options keys;
  keys.read(read);
  const auto missing = [&](const char* package) {
    PyErr_Format(PyExc_NotImplementedError, "this build of the package is without %s", package);
    return false;
  };
  if (which == "memory") {
    journal_options o;
    read_common(read, o);
    if (!read.finished(kind)) return false;
    if (!self.memory) self.memory = std::make_shared<memory_store>();
    return finish(in, rt, self, keys,
                  [&]() -> opened { return make_memory_journal(rt, self.memory, o); });
  }
  if (which == "sqlite") {
    sqlite_journal_options o;
    read_common(read, o);
    read("path", o.path);
    read("read_only", o.read_only);
    read("create", o.create);
    read("readers", o.readers);
    read("busy_timeout", o.busy_timeout);
    read("landing_bytes", o.landing_bytes);
    read("segment_bytes", o.segment_bytes);
    read("checkpoint_bytes", o.checkpoint_bytes);
    read("cache_bytes", o.cache_bytes);
    read("max_file_bytes", o.max_file_bytes);
    if (!read.finished(kind)) return false;
    return finish(in, rt, self, keys, [&] { return open_sqlite_journal(rt, std::move(o)); });
  }
  if (which == "postgres") {
    postgres_journal_options o;
    read_common(read, o);
    read("connection", o.connection);
    read("schema", o.schema);
    read("create", o.create);
    read("readers", o.readers);
    read("connect_timeout", o.connect_timeout);
    read("statement_timeout", o.statement_timeout);
    read("reconnect_patience", o.reconnect_patience);
    read("reconnect_delay_max", o.reconnect_delay_max);
    read("accept_unsafe_server", o.accept_unsafe_server);
    if (!read.finished(kind)) return false;
    if (&open_postgres_journal == nullptr) return missing("PostgreSQL");
    return finish(in, rt, self, keys, [&] { return open_postgres_journal(rt, std::move(o)); });
  }
  if (which == "mariadb") {
    mariadb_journal_options o;
    read_common(read, o);
    read("host", o.host);
    read("port", o.port);
    read("socket", o.socket);
    read("user", o.user);
    read("password", o.password);
    read("database", o.database);
    read("table_prefix", o.table_prefix);
    read("create", o.create);
    read("readers", o.readers);
    read("require_tls", o.require_tls);
    read("tls_ca_file", o.tls_ca_file);
    read("connect_timeout", o.connect_timeout);
    read("statement_timeout", o.statement_timeout);
    read("reconnect_patience", o.reconnect_patience);
    read("reconnect_delay_max", o.reconnect_delay_max);
    read("accept_unsafe_server", o.accept_unsafe_server);
    if (!read.finished(kind)) return false;
    if (&open_mariadb_journal == nullptr) return missing("MariaDB");
    return finish(in, rt, self, keys, [&] { return open_mariadb_journal(rt, std::move(o)); });
  }
  PyErr_Format(PyExc_ValueError, "no kind of journals: %s", kind);
  return false;
}

}  // namespace odeon::python
