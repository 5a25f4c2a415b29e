#pragma once

#include <odeon/persistence/fwd.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/task/future.hpp>
#include <odeon/wire/tagged.hpp>
#include <odeon/workflow/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file The state of workflows: named values beside the ones that go along the edges.
///
///     auto store = open_sqlite_state(rt, "shop.db", {.schema_version = 2, .migrate = upgrade});
///     w.run(order, system, {.state = *store});
///     …
///     task<receipt> charge(order o, step_context ctx) {
///       auto held = co_await ctx.state().lock("till");
///       auto t = ctx.state().begin();
///       t.put("total", t.get<long>("total").value_or(0) + o.amount);
///       co_await t.commit();
///     }
///
/// Values are of any type that `wire` knows, each stored with its manifest and version, so an older
/// one is read through its `upcast`. All of a store is kept in memory, within its bounds; a store
/// on a file writes each commit there, with fsync, before the commit is acknowledged. A file has
/// one user at a time. A store is not the record of a durable run: a step that ran again after a
/// crash finds what it committed before.

namespace odeon::workflows {

struct state_options {
  /// Of what the program keeps there. A file of a newer version is refused with `newer_version`; an
  /// older one is brought up by `migrate`, in one transaction with the new number, or refused with
  /// `version_conflict` when there is none.
  int schema_version = 1;
  std::function<result<void>(int from, state_transaction& t)> migrate = {};

  // Bounds; past one a commit fails with `errc::limit_exceeded`.
  std::size_t max_keys = 100'000;
  std::size_t max_key_bytes = 512;
  std::size_t max_value_bytes = std::size_t{1} << 20U;
  std::size_t max_total_bytes = std::size_t{64} << 20U;  ///< keys and values
  std::size_t max_lock_waiters = 10'000;                 ///< of one named lock
};

namespace detail {

/// A stored value: JSON, so that a person can read the file.
struct state_value {
  std::string manifest;
  int version = 1;
  std::string json;
};
/// What a transaction does to a key; nothing: it is erased.
using state_changes = std::map<std::string, std::optional<state_value>, std::less<>>;

struct state_core;
void unlock_state(state_core& core, const std::string& name) noexcept;

}  // namespace detail

/// A named lock of a store, held until it is destroyed. Move-only.
class state_lock {
 public:
  state_lock() noexcept = default;
  state_lock(std::shared_ptr<detail::state_core> core, std::string name) noexcept
      : core_(std::move(core)),
        name_(std::move(name)) {}
  state_lock(state_lock&& o) noexcept : core_(std::move(o.core_)), name_(std::move(o.name_)) {}
  state_lock& operator=(state_lock&& o) noexcept {
    release();
    core_ = std::move(o.core_);
    name_ = std::move(o.name_);
    return *this;
  }
  ~state_lock() { release(); }
  /// Gives it to the one who has waited longest.
  void release() noexcept {
    if (auto core = std::move(core_)) detail::unlock_state(*core, name_);
  }
  [[nodiscard]] bool is_held() const noexcept { return core_ != nullptr; }
  /// For the store: forgets it without giving it on.
  void forget() noexcept { core_.reset(); }

 private:
  std::shared_ptr<detail::state_core> core_;
  std::string name_;
};

/// Reads and changes that happen together or not at all. It sees its own changes, and of the store
/// each key as it is when it is read. Belongs to one thread at a time; dropped, it rolls back.
class state_transaction {
 public:
  explicit state_transaction(std::shared_ptr<detail::state_core> core) noexcept;
  state_transaction(state_transaction&&) noexcept;
  state_transaction& operator=(state_transaction&&) noexcept;
  ~state_transaction();

  /// The value of a key. Errors: `wrong_type` (another manifest), and those of decoding.
  template <class T>
  [[nodiscard]] result<std::optional<T>> try_get(std::string_view key) {
    auto found = read(key);
    if (!found) return std::optional<T>();
    auto value = wire::decode_tagged<T>(
        {found->manifest, found->version, wire::format::json, wire::as_bytes(found->json)});
    if (!value)
      return fail(value.error().code(),
                  "the key '" + std::string(key) + "': " + std::string(value.error().text()));
    return std::optional<T>(std::move(*value));
  }
  /// The same, throwing `actor_error`.
  template <class T>
  [[nodiscard]] std::optional<T> get(std::string_view key) {
    auto value = try_get<T>(key);
    if (!value) throw actor_error(std::move(value).error());
    return std::move(*value);
  }
  /// Throws `actor_error` when the value cannot be encoded.
  template <class T>
  void put(std::string_view key, const T& value) {
    write(key, {std::string(wire::manifest<T>), wire::version<T>,
                std::string(wire::as_text(wire::encode(value, wire::format::json)))});
  }
  void erase(std::string_view key);
  /// The keys that begin with `prefix`, in order, as this transaction leaves them.
  [[nodiscard]] std::vector<std::string> keys(std::string_view prefix = {}) const;

  /// Makes the changes, all or none; fulfilled when they are in the store. Fails with
  /// `errc::version_conflict`, naming the key, when one that was read or written here has been
  /// changed by another commit since; with `limit_exceeded` past a bound; with what the disk gives
  /// (`io_failed`, `store_full`). The transaction is empty afterwards.
  [[nodiscard]] future<void> commit();
  void rollback() noexcept;

 private:
  friend struct detail::state_core;
  [[nodiscard]] std::optional<detail::state_value> read(std::string_view key);
  void write(std::string_view key, detail::state_value value);

  std::shared_ptr<detail::state_core> core_;
  detail::state_changes changes_;
  std::map<std::string, std::uint64_t, std::less<>> seen_;  // key → its revision; 0: not there
};

/// A store of named values. @threadsafe
class state_store {
 public:
  /// For the functions below.
  explicit state_store(std::shared_ptr<detail::state_core> core) noexcept;
  ~state_store();
  state_store(const state_store&) = delete;
  state_store& operator=(const state_store&) = delete;

  [[nodiscard]] state_transaction begin();
  /// A value as the last commit left it. Throws `actor_error`.
  template <class T>
  [[nodiscard]] std::optional<T> get(std::string_view key) {
    return begin().get<T>(key);
  }
  /// One change as a transaction.
  template <class T>
  [[nodiscard]] future<void> put(std::string_view key, const T& value) {
    auto t = begin();
    t.put(key, value);
    return t.commit();
  }
  [[nodiscard]] std::vector<std::string> keys(std::string_view prefix = {}) {
    return begin().keys(prefix);
  }

  /// The lock of that name, when it is free; first come, first served. Fails with `limit_exceeded`
  /// when too many wait. A lock is of this store object, and is gone with the program.
  [[nodiscard]] future<state_lock> lock(std::string name);

  [[nodiscard]] const state_options& options() const noexcept;

 private:
  std::shared_ptr<detail::state_core> core_;
};

/// Gone with the program. `rt` must outlive each of these stores.
[[nodiscard]] std::shared_ptr<state_store> make_memory_state(runtime& rt,
                                                             state_options options = {});

/// One JSON file, written anew and renamed into place by each commit: for small states that people
/// read. Blocks while it reads. Errors, naming the file: `bad_encoding`, `newer_version`,
/// `version_conflict`, `io_failed` (also: in use), and what `migrate` gives.
[[nodiscard]] result<std::shared_ptr<state_store>> open_json_state(runtime& rt, std::string path,
                                                                   state_options options = {});

/// One SQLite file, of which a commit writes the changed keys. Errors as `open_json_state`;
/// `wrong_type` for another program's database.
[[nodiscard]] result<std::shared_ptr<state_store>> open_sqlite_state(runtime& rt, std::string path,
                                                                     state_options options = {});

/// Under the persistence id "state:" + `name` of a journal, so that it is where the durable runs
/// are: an event for each commit, and a snapshot after every 256. Opening it takes it over: an
/// older store of that name, in whatever process, fails its commits with `errc::fenced` from then
/// on. Blocks while it reads; not on a thread of the journal. Errors as `open_json_state`, and what
/// the journal gives.
[[nodiscard]] result<std::shared_ptr<state_store>> open_journal_state(
    runtime& rt, std::shared_ptr<journal> store, std::string name, state_options options = {});

}  // namespace odeon::workflows
