#pragma once

#include <odeon/testkit/detail/inbox.hpp>
#include <odeon/testkit/kit.hpp>

#include <vector>

/// @file `event_log`: the events of one type, as they come.
///
///     auto restarts = k.events<odeon::actor_restarted>([&](const auto& e) { return e.ref == a; });
///     a.tell<fail>();
///     CHECK(restarts.await(1)[0].count == 1);

namespace odeon::testkit {

/// Made by `kit::events`. Collecting ends with the log.
template <class E>
class event_log {
 public:
  event_log(kit& k, std::function<bool(const E&)> accept)
      : kit_(&k),
        inbox_(std::make_shared<detail::inbox>(k.get_runtime())),
        subscription_(k.system().events().template on<E>(
            [in = inbox_, accept = std::move(accept)](const E& e) {
              if (!accept || accept(e)) in->add(E(e), any_ref());
            })) {}

  /// Waits until `n` events have come, and takes them. Throws `assertion_error` when fewer come
  /// within `limit` (the kit's patience unless told).
  std::vector<E> await(std::size_t n, duration limit = duration(-1),
                       std::source_location at = std::source_location::current()) {
    const time_point deadline = kit_->deadline(limit);
    std::vector<E> out;
    while (out.size() < n) {
      const std::uint32_t seen = inbox_->arrivals().load();
      if (auto item = inbox_->take())
        out.push_back(std::move(*static_cast<E*>(item->message.get())));
      else if (!kit_->wait(inbox_->arrivals(), seen, deadline))
        kit_->fail("expected " + std::to_string(n) + " events " + std::string(type_name<E>) +
                       " within " + to_string(kit_->limit_or_patience(limit)) + ", but " +
                       std::to_string(out.size()) + " came",
                   at);
    }
    return out;
  }
  /// One event.
  E await_one(duration limit = duration(-1),
              std::source_location at = std::source_location::current()) {
    return std::move(await(1, limit, at).front());
  }
  /// Throws `assertion_error` when one has come, or comes within `d`.
  void expect_none(duration d = std::chrono::milliseconds(100),
                   std::source_location at = std::source_location::current()) {
    const time_point deadline = kit_->deadline(d);
    const std::uint32_t seen = inbox_->arrivals().load();
    if (inbox_->size() > 0 || kit_->wait(inbox_->arrivals(), seen, deadline))
      kit_->fail("expected no event " + std::string(type_name<E>) + " for " + to_string(d) +
                     ", but one came",
                 at);
  }
  /// How many have come and were not taken.
  [[nodiscard]] std::size_t count() const { return inbox_->size(); }

 private:
  kit* kit_;
  std::shared_ptr<detail::inbox> inbox_;
  subscription subscription_;
};

template <message E>
event_log<E> kit::events(std::function<bool(const E&)> accept) {
  return event_log<E>(*this, std::move(accept));
}

}  // namespace odeon::testkit
