#include <workflow/internal/state_core.hpp>

#include <algorithm>

namespace odeon::workflows {

namespace detail {

result<void> state_core::check(const change_set& set, std::size_t& new_bytes) const {
  for (const auto& [key, revision_seen] : set.seen) {
    const auto at = table.find(key);
    if ((at == table.end() ? 0 : at->second.revision) != revision_seen)
      return fail(errc::version_conflict,
                  "the key '" + key + "' was changed by another transaction");
  }
  std::size_t keys = table.size();
  new_bytes = bytes;
  for (const auto& [key, value] : set.changes) {
    const auto at = table.find(key);
    if (at != table.end()) new_bytes -= key.size() + at->second.value.json.size();
    if (value) {
      if (key.size() > options.max_key_bytes)
        return fail(errc::limit_exceeded, "a key of " + std::to_string(key.size()) +
                                              " bytes; the bound is " +
                                              std::to_string(options.max_key_bytes));
      if (value->json.size() > options.max_value_bytes)
        return fail(errc::limit_exceeded,
                    "the value of '" + key + "' has " + std::to_string(value->json.size()) +
                        " bytes; the bound is " + std::to_string(options.max_value_bytes));
      new_bytes += key.size() + value->json.size();
      if (at == table.end()) ++keys;
    } else if (at != table.end()) {
      --keys;
    }
  }
  if (keys > options.max_keys)
    return fail(errc::limit_exceeded,
                "the state would have more than " + std::to_string(options.max_keys) + " keys");
  if (new_bytes > options.max_total_bytes)
    return fail(errc::limit_exceeded, "the state would have more than " +
                                          std::to_string(options.max_total_bytes) + " bytes");
  return {};
}

state_table state_core::with(const state_changes& changes) const {
  state_table all;
  for (const auto& [key, e] : table) all.emplace(key, e.value);
  for (const auto& [key, value] : changes) {
    if (value)
      all.insert_or_assign(key, *value);
    else
      all.erase(key);
  }
  return all;
}

result<void> state_core::commit(const change_set& set) {
  std::unique_lock guard(mutex);
  std::size_t new_bytes = 0;
  if (auto ok = check(set, new_bytes); !ok) return ok;
  if (disk) {
    guard.unlock();
    if (auto ok = disk->write(set.changes, disk->writes_all() ? with(set.changes) : state_table(),
                              options.schema_version);
        !ok)
      return ok;
    guard.lock();
  }
  ++revision;
  for (const auto& [key, value] : set.changes) {
    if (value)
      table.insert_or_assign(key, entry{*value, revision});
    else
      table.erase(key);
  }
  bytes = new_bytes;
  return {};
}

result<void> state_core::load(state_table all, int schema, bool is_new, const std::string& path) {
  ++revision;
  for (auto& [key, value] : all) {
    bytes += key.size() + value.json.size();
    table.emplace(key, entry{std::move(value), revision});
  }
  if (is_new) return disk->write({}, {}, options.schema_version);
  if (schema == options.schema_version) return {};
  const std::string has = path + " has state of schema version " + std::to_string(schema) +
                          "; this program's is " + std::to_string(options.schema_version);
  if (schema > options.schema_version) return fail(errc::newer_version, has);
  if (!options.migrate)
    return fail(errc::version_conflict, has + ", and it has no migrate function");
  state_transaction t(shared_from_this());
  auto done = options.migrate(schema, t);
  if (done) done = commit({std::move(t.changes_), std::move(t.seen_)});
  if (!done)
    return fail(done.error().code(),
                has + ", and the migration failed: " + std::string(done.error().text()));
  return {};
}

void unlock_state(state_core& core, const std::string& name) noexcept {
  for (;;) {
    promise<state_lock> next;
    {
      std::lock_guard guard(core.mutex);
      const auto at = core.locks.find(name);
      if (at == core.locks.end()) return;
      if (at->second.waiting.empty()) {
        core.locks.erase(at);
        return;
      }
      next = std::move(at->second.waiting.front());
      at->second.waiting.pop_front();
    }
    // Who has gone meanwhile leaves it to the one behind.
    state_lock given(core.shared_from_this(), name);
    if (next.offer(given)) return;
    given.forget();
  }
}

}  // namespace detail

state_transaction::state_transaction(std::shared_ptr<detail::state_core> core) noexcept
    : core_(std::move(core)) {}
state_transaction::state_transaction(state_transaction&&) noexcept = default;
state_transaction& state_transaction::operator=(state_transaction&&) noexcept = default;
state_transaction::~state_transaction() = default;

std::optional<detail::state_value> state_transaction::read(std::string_view key) {
  if (const auto own = changes_.find(key); own != changes_.end()) return own->second;
  std::lock_guard guard(core_->mutex);
  const auto at = core_->table.find(key);
  // The first look counts: a later commit of another is a conflict.
  seen_.try_emplace(std::string(key), at == core_->table.end() ? 0 : at->second.revision);
  if (at == core_->table.end()) return std::nullopt;
  return at->second.value;
}

void state_transaction::write(std::string_view key, detail::state_value value) {
  static_cast<void>(read(key));
  changes_.insert_or_assign(std::string(key), std::move(value));
}

void state_transaction::erase(std::string_view key) {
  static_cast<void>(read(key));
  changes_.insert_or_assign(std::string(key), std::nullopt);
}

std::vector<std::string> state_transaction::keys(std::string_view prefix) const {
  std::set<std::string> out;
  {
    std::lock_guard guard(core_->mutex);
    for (auto at = core_->table.lower_bound(prefix);
         at != core_->table.end() && at->first.starts_with(prefix); ++at)
      out.insert(at->first);
  }
  for (const auto& [key, value] : changes_) {
    if (!key.starts_with(prefix)) continue;
    if (value)
      out.insert(key);
    else
      out.erase(key);
  }
  return {out.begin(), out.end()};
}

future<void> state_transaction::commit() {
  auto [p, f] = promise<void>::make(core_->rt);
  detail::state_core::change_set set{std::exchange(changes_, {}), std::exchange(seen_, {})};
  if (!core_->writer) {
    p.set_result(core_->commit(set));
    return std::move(f);
  }
  // The writer is part of the core, so the job does not keep the core alive: it runs before the
  // core ends.
  core_->writer->post([core = core_.get(), set = std::move(set), done = std::move(p)]() mutable {
    done.set_result(core->commit(set));
  });
  return std::move(f);
}

void state_transaction::rollback() noexcept {
  changes_.clear();
  seen_.clear();
}

state_store::state_store(std::shared_ptr<detail::state_core> core) noexcept
    : core_(std::move(core)) {}
state_store::~state_store() = default;

state_transaction state_store::begin() { return state_transaction(core_); }

const state_options& state_store::options() const noexcept { return core_->options; }

future<state_lock> state_store::lock(std::string name) {
  auto [p, f] = promise<state_lock>::make(core_->rt);
  {
    std::lock_guard guard(core_->mutex);
    auto& lock = core_->locks[name];
    if (lock.held) {
      if (lock.waiting.size() < core_->options.max_lock_waiters) {
        lock.waiting.push_back(std::move(p));
        return std::move(f);
      }
      p.fail(error(errc::limit_exceeded, "more than " +
                                             std::to_string(core_->options.max_lock_waiters) +
                                             " wait for the lock '" + name + "'"));
      return std::move(f);
    }
    lock.held = true;
  }
  p.set(core_, std::move(name));
  return std::move(f);
}

std::shared_ptr<state_store> make_memory_state(runtime& rt, state_options options) {
  return std::make_shared<state_store>(
      std::make_shared<detail::state_core>(rt, std::move(options)));
}

}  // namespace odeon::workflows
