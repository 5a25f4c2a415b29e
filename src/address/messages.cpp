#include <odeon/address/messages.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>

#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>

namespace odeon {

namespace detail {

travel_context::travel_context(system_anchor& system) noexcept
    : resolver_(actor_system::of(system)),
      context_(addressed_by(resolver_)) {}

void send_as_ask(cell& to, envelope& e, ask_state_base& s, duration limit) noexcept {
  s.trace = e.trace;
  s.begin(to, *e.type, true);
  if (limit >= duration::zero()) s.set_timeout(limit);
  if (!s.asker && e.from) {  // who asks is elsewhere
    s.asker = static_cast<cell*>(e.from);
    s.asker_generation = e.generation;
  }
  e.from = &s;
  e.flags |= envelope::is_ask;
  if (tell_may_wait(to))
    (void)try_deliver(to, e);
  else
    to.deliver(e);
}

error reply_refused(const error& why) {
  return {why.code(), "the reply cannot be sent to its asker: " + std::string(why.text())};
}

}  // namespace detail

struct message_table::tables {
  mutable std::shared_mutex mutex;
  std::map<std::string_view, const detail::travelling*> by_manifest;
  std::map<const detail::message_type*, const detail::travelling*> by_type;
  detail::foreign_messages foreign{};
};

message_table::message_table() : tables_(std::make_unique<tables>()) {}
message_table::~message_table() = default;

void message_table::add_entry(const detail::travelling& entry) {
  std::lock_guard guard(tables_->mutex);
  const auto [at, is_new] = tables_->by_manifest.emplace(entry.manifest, &entry);
  if (!is_new && at->second->type != entry.type)
    throw actor_error(errc::name_taken, "the manifest " + std::string(entry.manifest) +
                                            " is that of another message, " +
                                            std::string(at->second->type->name));
  tables_->by_type.emplace(entry.type, &entry);
}

void message_table::set_foreign(const detail::foreign_messages& others) {
  std::lock_guard guard(tables_->mutex);
  tables_->foreign = others;
}

const detail::travelling* message_table::find(std::string_view manifest) const {
  std::shared_lock guard(tables_->mutex);
  const auto found = tables_->by_manifest.find(manifest);
  if (found != tables_->by_manifest.end()) return found->second;
  return tables_->foreign.of_manifest ? tables_->foreign.of_manifest(manifest) : nullptr;
}

const detail::travelling* message_table::find(const detail::message_type& type) const {
  std::shared_lock guard(tables_->mutex);
  const auto found = tables_->by_type.find(&type);
  if (found != tables_->by_type.end()) return found->second;
  return tables_->foreign.of_type ? tables_->foreign.of_type(type) : nullptr;
}

message_table& messages_of(actor_system& system) {
  if (auto found = system.find_extension<message_table>()) return *found;
  // Two threads may come here together: one of them finds the other's.
  try {
    system.add_extension(std::make_shared<message_table>());
  } catch (const actor_error& e) {
    if (e.reason().code() != errc::name_taken) throw;
  }
  return *system.find_extension<message_table>();
}

}  // namespace odeon
