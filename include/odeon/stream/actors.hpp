#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/queue.hpp>

/// @file Streams from and to actors.

namespace odeon::stream {

/// What `source::from_actor` accepts: an element (asked, it answers when there is room) …
template <class T>
struct stream_element {
  using reply = offer_result;
  T value;
};
/// … the end, and the failure.
struct stream_complete {};
struct stream_fail {
  error why;
};

namespace detail {

template <class T>
class intake_actor final : public odeon::actor<stream_element<T>, stream_complete, stream_fail> {
 public:
  static constexpr bool reentrant = true;  // an offer that waits does not hold up the end
  explicit intake_actor(std::shared_ptr<intake<T>> i) : intake_(std::move(i)) {}
  task<offer_result> on(stream_element<T> e) {
    co_return co_await intake_->offer(std::move(e.value));
  }
  void on(stream_complete) { intake_->close(nullptr); }
  void on(stream_fail f) { intake_->close(exception_of(std::move(f.why))); }
  void post_stop() {
    const std::string path = this->ctx().path();
    intake_->close(exception_of(
        error(errc::actor_stopped, "the actor of source::from_actor was stopped: " + path)));
  }

 private:
  std::shared_ptr<intake<T>> intake_;
};

/// As `intake_stage`; its actor ends with it.
template <class T>
class intake_actor_stage : public intake_stage<T> {
 public:
  intake_actor_stage(std::shared_ptr<intake<T>> i, any_ref who)
      : intake_stage<T>(std::move(i)),
        who_(std::move(who)) {}
  intake_actor_stage(intake_actor_stage&&) noexcept = default;
  ~intake_actor_stage() {
    if (who_) actor_system::of(who_.get()->system()).stop(who_);
  }

 private:
  any_ref who_;
};

template <class T>
using intake_ref = actor_ref<stream_element<T>, stream_complete, stream_fail>;

template <class T>
struct actor_source {
  using stream_source = void;
  using built_type = built<intake_actor_stage<T>, intake_ref<T>>;
  std::size_t capacity;
  on_full what;
  built_type build(materializer& m) && {
    auto shared = std::make_shared<intake<T>>(m.get_runtime(), capacity, what);
    auto ref = m.system().template spawn<intake_actor<T>>(shared);
    return {intake_actor_stage<T>(shared, ref), std::tuple<intake_ref<T>>(ref)};
  }
};

}  // namespace detail

namespace source {

/// What is told to an actor, which is the materialised value: an
/// `actor_ref<stream_element<T>, stream_complete, stream_fail>`. With `on_full::wait` an element
/// that is asked is answered when it has its place; one that is told waits in order as well, up to
/// `queue_waiters_max`. The actor stops with the stream, and the stream fails when it is stopped.
template <class T>
[[nodiscard]] auto from_actor(std::size_t capacity, on_full what = on_full::wait) {
  return detail::actor_source<T>{capacity, what};
}

}  // namespace source

namespace sink {

/// Asks `ref` with `make(element)`, a request; its reply is the acknowledgement, and at most
/// `window` are open. A reply that fails, or an actor that has stopped, fails the stream.
/// `future<void>`
template <class Ref, class F>
[[nodiscard]] auto to_actor(Ref ref, F make, std::size_t window = 1) {
  return map_async(window, [ref = std::move(ref), make = std::move(make)](
                               auto element) { return ref.ask(make(std::move(element))); }) |
         to(ignore());
}

}  // namespace sink

}  // namespace odeon::stream
