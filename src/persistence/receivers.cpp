#include <odeon/persistence/receivers.hpp>

#include <map>
#include <mutex>
#include <unordered_map>

namespace odeon {

namespace detail {

error no_message_of(const std::string& manifest) {
  return {errc::unknown_manifest, "the receiver takes no message with the manifest " + manifest};
}

}  // namespace detail

namespace persistence {

namespace {

/// How long a receiver may take for one delivery before it is delivered again.
constexpr duration patience = std::chrono::seconds(30);

}  // namespace

struct receivers::state {
  explicit state(runtime& r) : rt(r) {}
  runtime& rt;

  mutable std::mutex mutex;  // guards all below; held for look-ups only
  std::map<std::string, receiver_entry, std::less<>> known;
  std::unordered_map<const void*, std::string> addresses;  // by cell
  std::vector<std::pair<std::string, std::shared_ptr<std::function<void(const std::string&)>>>>
      activators;
  std::vector<std::shared_ptr<std::function<void(const std::string&)>>> listeners;

  void forget_locked(std::string_view address) {
    const auto at = known.find(address);
    if (at == known.end()) return;
    addresses.erase(at->second.actor.get());
    known.erase(at);
  }
  [[nodiscard]] std::shared_ptr<std::function<void(const std::string&)>> activator_locked(
      std::string_view address) const {
    for (const auto& [prefix, start] : activators)
      if (address.starts_with(prefix)) return start;
    return nullptr;
  }
};

receivers::receivers(runtime& rt) : state_(std::make_unique<state>(rt)) {}
receivers::~receivers() = default;

void receivers::add(std::string address, receiver_entry entry) {
  std::vector<std::shared_ptr<std::function<void(const std::string&)>>> told;
  {
    const std::lock_guard lock(state_->mutex);
    state_->forget_locked(address);
    state_->addresses[entry.actor.get()] = address;
    state_->known.insert_or_assign(address, std::move(entry));
    told = state_->listeners;
  }
  for (const auto& f : told) (*f)(address);
}

void receivers::remove(std::string_view address, const any_ref& actor) {
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->known.find(address);
  if (at != state_->known.end() && at->second.actor == actor) state_->forget_locked(address);
}

bool receivers::knows(std::string_view address) const {
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->known.find(address);
  return (at != state_->known.end() && !at->second.actor.is_terminated()) ||
         state_->activator_locked(address) != nullptr;
}

std::string receivers::address_of(const any_ref& actor) const {
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->addresses.find(actor.get());
  return at == state_->addresses.end() ? std::string() : at->second;
}

void receivers::activate_with(std::string prefix,
                              std::function<void(const std::string& address)> start) {
  const std::lock_guard lock(state_->mutex);
  state_->activators.emplace_back(
      std::move(prefix),
      std::make_shared<std::function<void(const std::string&)>>(std::move(start)));
}

void receivers::on_added(std::function<void(const std::string& address)> f) {
  const std::lock_guard lock(state_->mutex);
  state_->listeners.push_back(
      std::make_shared<std::function<void(const std::string&)>>(std::move(f)));
}

task<result<delivered>> receivers::deliver(std::string address, delivery what) {
  receiver_entry entry;
  std::shared_ptr<std::function<void(const std::string&)>> start;
  {
    const std::lock_guard lock(state_->mutex);
    if (const auto at = state_->known.find(address); at != state_->known.end()) {
      if (at->second.actor.is_terminated())
        state_->forget_locked(address);
      else
        entry = at->second;
    }
    if (!entry.actor) start = state_->activator_locked(address);
  }
  if (!entry.actor) {
    if (start) (*start)(address);
    co_return fail(errc::no_such_actor, "nobody receives what is for \"" + address + "\"" +
                                            (start ? " yet; its activator was called" : ""));
  }
  if (entry.hand_over == nullptr) {
    auto asked = future<delivered>(detail::ask_of<detail::durable_delivery, delivered>(
        *entry.actor.get(), detail::durable_delivery{std::move(what)}));
    co_return co_await std::move(asked).within(patience).as_result();
  }
  if (!what.skip)
    if (auto ok = co_await entry.hand_over(entry.actor, what); !ok)
      co_return std::unexpected<error>(std::move(ok).error());
  co_return delivered::handled;
}

std::shared_ptr<receivers> receivers_of(actor_system& system) {
  // Two that make it at once: the second finds the first one's.
  for (;;) {
    if (auto there = system.find_extension<receivers>()) return there;
    try {
      system.add_extension(std::make_shared<receivers>(system.get_runtime()));
    } catch (const actor_error& e) {
      if (e.which() != errc::name_taken) throw;
    }
  }
}

}  // namespace persistence

}  // namespace odeon
