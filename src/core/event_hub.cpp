// Subscriptions by type. Readers take a snapshot of the type's list under a short lock and call
// without it; `wanted` is one look at a bloom of the subscribed types, so that an event nobody
// wants costs one load.

#include "internal/event_hub.hpp"

#include <odeon/core/log.hpp>

#include <algorithm>

namespace odeon::detail {

std::uint64_t subscribe_event(event_hub& hub, const message_type& type, event_subscriber s) {
  return hub.add(type, std::move(s));
}
void unsubscribe_event(event_hub& hub, std::uint64_t id) noexcept { hub.remove(id); }
void publish_event(event_hub& hub, const message_type& type, const void* event) {
  hub.publish(type, event);
}
bool event_wanted(const event_hub& hub, const message_type& type) noexcept {
  return hub.wanted(type);
}

std::uint64_t event_hub::add(const message_type& type, event_subscriber s) {
  std::lock_guard guard(mutex_);
  auto& list = lists_[&type];
  auto next = std::make_shared<std::vector<entry>>(list ? *list : std::vector<entry>());
  const std::uint64_t id = ++last_id_;
  next->push_back({id, std::move(s)});
  list = std::move(next);
  wanted_.fetch_or(bit(type));
  return id;
}

void event_hub::remove(std::uint64_t id) noexcept {
  erase([id](const entry& e) { return e.id == id; });
}

void event_hub::remove(const any_ref& ref) {
  erase([&ref](const entry& e) { return e.what.to && e.what.to == ref; });
}

template <class F>
void event_hub::erase(F matches) {
  std::vector<std::shared_ptr<const std::vector<entry>>> old;  // freed without the lock
  std::lock_guard guard(mutex_);
  std::uint64_t wanted = 0;
  for (auto& [type, list] : lists_) {
    if (std::ranges::any_of(*list, matches)) {
      auto next = std::make_shared<std::vector<entry>>(*list);
      std::erase_if(*next, matches);
      old.push_back(std::exchange(list, std::move(next)));
    }
    if (!list->empty()) wanted |= bit(*type);
  }
  wanted_.store(wanted);
}

void event_hub::publish(const message_type& type, const void* event) {
  if (!wanted(type)) return;
  std::shared_ptr<const std::vector<entry>> list;
  {
    std::lock_guard guard(mutex_);
    if (auto found = lists_.find(&type); found != lists_.end()) list = found->second;
  }
  if (!list) return;
  for (const entry& e : *list) {
    if (e.what.to && e.what.to.is_terminated()) {
      remove(e.id);
      continue;
    }
    try {
      e.what.call(event);
    } catch (const std::exception& x) {
      logger("events").error("a subscriber of {} threw: {}", type.name, x.what());
    } catch (...) {
      logger("events").error("a subscriber of {} threw", type.name);
    }
  }
}

}  // namespace odeon::detail

namespace odeon {

void event_stream::unsubscribe(const any_ref& ref) { hub_->remove(ref); }

}  // namespace odeon
