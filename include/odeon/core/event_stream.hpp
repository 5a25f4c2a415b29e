#pragma once

#include <odeon/core/actor_ref.hpp>
#include <odeon/core/events.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace odeon {

namespace detail {

class event_hub;

using event_deliver_fn = void (*)(void* subscriber, const void* event);
struct event_subscriber {
  any_ref to;  // empty: a function
  std::function<void(const void*)> call;
};

std::uint64_t subscribe_event(event_hub& hub, const message_type& type, event_subscriber s);
void unsubscribe_event(event_hub& hub, std::uint64_t id) noexcept;
void publish_event(event_hub& hub, const message_type& type, const void* event);
bool event_wanted(const event_hub& hub, const message_type& type) noexcept;

}  // namespace detail

/// A subscription of a function; dropping it ends it. A call that is under way on another thread
/// may still come.
class subscription {
 public:
  subscription() noexcept = default;
  subscription(std::weak_ptr<detail::event_hub> hub, std::uint64_t id) noexcept
      : hub_(std::move(hub)),
        id_(id) {}
  subscription(subscription&& o) noexcept : hub_(std::move(o.hub_)), id_(std::exchange(o.id_, 0)) {}
  subscription& operator=(subscription&& o) noexcept {
    std::swap(hub_, o.hub_);
    std::swap(id_, o.id_);
    return *this;
  }
  ~subscription() { cancel(); }
  void cancel() noexcept {
    if (auto hub = hub_.lock(); hub && id_) detail::unsubscribe_event(*hub, id_);
    id_ = 0;
  }

 private:
  std::weak_ptr<detail::event_hub> hub_;
  std::uint64_t id_ = 0;
};

/// Publish and subscribe inside one system, by type: the runtime's own events (core/events.hpp) and
/// any copyable class type of the user's. Order from one publisher to one subscriber is kept.
/// @threadsafe
class event_stream {
 public:
  explicit event_stream(std::shared_ptr<detail::event_hub> hub) noexcept : hub_(std::move(hub)) {}

  /// Events of type `E` become messages to `ref`, until it stops or `unsubscribe`.
  template <message E, class... Ms>
  void subscribe(const actor_ref<Ms...>& ref) {
    static_assert(detail::accepts<message_list<Ms...>, E>,
                  "odeon: the subscriber does not accept this event: add it to the actor's list");
    any_ref to = ref;
    detail::subscribe_event(
        *hub_, detail::message_type_of<E>,
        {to, [c = to.get()](const void* e) { detail::tell_to<E>(*c, *static_cast<const E*>(e)); }});
  }
  void unsubscribe(const any_ref& ref);

  /// `f(const E&)` is called on the publisher's thread: be short, do not throw. Ends with the
  /// returned object.
  template <message E, class F>
  [[nodiscard]] subscription on(F f) {
    return {hub_, detail::subscribe_event(
                      *hub_, detail::message_type_of<E>,
                      {{}, [f = std::move(f)](const void* e) { f(*static_cast<const E*>(e)); }})};
  }

  template <message E>
  void publish(const E& event) {
    detail::publish_event(*hub_, detail::message_type_of<E>, &event);
  }
  /// Whether anyone listens for `E`: to save building an event that costs.
  template <message E>
  [[nodiscard]] bool wanted() const noexcept {
    return detail::event_wanted(*hub_, detail::message_type_of<E>);
  }

 private:
  std::shared_ptr<detail::event_hub> hub_;
};

}  // namespace odeon
