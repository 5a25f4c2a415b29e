#pragma once

#include <odeon/pattern/reliable_producer.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// @file Work pulling: reliable delivery of each message to one of several workers, whichever has
/// room.
///
///     auto work = system.spawn<reliable::work_controller<job>>(
///         reliable::producer_options{.producer = "jobs"}, queue);
///     // each worker: a consumer_controller<job> of its own, made with `work`, and its consumer
///     co_await work.ask<reliable::send<job>>(job{…});
///
/// A worker is whoever asks: it joins with its controller's first demand, and leaves when that
/// controller ends. What it had not confirmed goes to the others. Each message is dealt with at
/// least once; only one whose worker ended in the middle may be dealt with twice. There is no order
/// between workers.

namespace odeon::reliable {

struct work_status {
  std::size_t workers = 0;
  std::size_t waiting = 0;       ///< with nobody
  std::size_t in_hand = 0;       ///< with workers, not confirmed
  std::uint64_t accepted = 0;    ///< the last number given
  std::uint64_t finished = 0;    ///< confirmed by workers
  std::uint64_t given_back = 0;  ///< taken from workers that ended
};
struct get_work_status {
  using reply = work_status;
};

namespace detail {

/// A message's way through one worker has ended.
struct work_done {
  std::uint64_t number;
  bool confirmed;
};

}  // namespace detail

/// Takes the same messages as `producer_controller`, with the same meaning, but for `deliver`'s and
/// `send`'s numbers, which count what was accepted here. With a durable queue it may be restarted:
/// what was not known to be finished is given out again.
template <class T>
class work_controller
    : public actor<send<T>, deliver<T>, ready, get_work_status, demand<T>, detail::work_done> {
 public:
  using ref = actor_ref<send<T>, deliver<T>, ready, get_work_status, demand<T>>;

  explicit work_controller(const producer_options& options,
                           const std::shared_ptr<durable_queue<T>>& queue = nullptr)
      : options_(options),
        queue_(queue) {
    detail::check(options_);
  }

  task<void> pre_start() {
    if (!queue_) co_return;
    auto loaded = co_await queue_->load();
    if (!loaded) throw actor_error(std::move(loaded).error());
    detail::check_loaded(options_.producer, loaded->last, loaded->confirmed,
                         loaded->unconfirmed.empty() ? 0 : loaded->unconfirmed.front().first,
                         loaded->unconfirmed.size());
    accepted_ = loaded->last;
    confirmed_ = loaded->confirmed;
    for (auto& [number, message] : loaded->unconfirmed) {
      kept_.emplace(number, std::move(message));
      waiting_.push_back(number);
    }
  }

  task<result<std::uint64_t>> on(send<T> m) { return accept(std::move(m.message)); }
  task<void> on(deliver<T> m, reply_to<std::uint64_t> to) {
    auto number = co_await accept(std::move(m.message));
    if (!number)
      to.fail(std::move(number).error());
    else
      confirmations_.emplace(*number, std::move(to));  // it is told by a message, so not yet
  }
  void on(ready, reply_to<std::size_t> to) {
    if (const std::size_t n = room())
      to(n);
    else if (asked_.size() < options_.capacity)
      asked_.push_back(std::move(to));
    else
      to.fail(detail::at_capacity(options_.producer, options_.capacity));
  }
  work_status on(get_work_status) {
    return {workers_.size(), waiting_.size(), kept_.size() - waiting_.size(),
            accepted_,       finished_,       given_back_};
  }

  void on(demand<T> d) {
    auto w = std::ranges::find(workers_, d.to, &worker::to);
    if (w != workers_.end() && d.consumer < w->consumer) return;  // of a life that is over
    if (w != workers_.end() && d.consumer > w->consumer) {
      dismiss(w);
      w = workers_.end();
    }
    if (w == workers_.end()) {
      workers_.push_back({d.to, d.consumer, d.window, {}, {}});
      w = workers_.end() - 1;
      producer_options o = options_;
      o.capacity = d.window;
      o.producer += "/" + std::to_string(++hired_);
      w->controller = this->ctx().template spawn<producer_controller<T>>(o);
      this->ctx().watch(d.to);
    }
    w->controller.tell(std::move(d));
    give_out();
  }
  void on(terminated t) {
    const auto w = std::ranges::find_if(workers_, [&](const worker& x) { return x.to == t.ref; });
    if (w != workers_.end()) dismiss(w);
    give_out();
  }
  task<void> on(detail::work_done d) {
    for (auto& w : workers_) std::erase(w.in_hand, d.number);
    if (!kept_.contains(d.number)) co_return;
    if (!d.confirmed) {
      ++given_back_;
      waiting_.push_front(d.number);
    } else {
      ++finished_;
      kept_.erase(d.number);
      if (auto to = confirmations_.extract(d.number)) to.mapped()(d.number);
      co_await keep_confirmed();
    }
    give_out();
  }

 private:
  struct worker {
    actor_ref<sequenced<T>> to;
    std::uint64_t consumer;
    std::size_t window;
    typename producer_controller<T>::ref controller;
    std::vector<std::uint64_t> in_hand;
  };

  task<result<std::uint64_t>> accept(T message) {
    if (kept_.size() >= options_.capacity)
      co_return std::unexpected(detail::at_capacity(options_.producer, options_.capacity));
    const std::uint64_t number = accepted_ + 1;
    if (queue_)
      if (auto stored = co_await queue_->append(number, message); !stored)
        co_return std::unexpected(std::move(stored).error());
    accepted_ = number;
    kept_.emplace(number, std::move(message));
    waiting_.push_back(number);
    give_out();
    co_return number;
  }
  // The queue knows "all up to here": that is what is before the oldest one kept.
  task<void> keep_confirmed() {
    const std::uint64_t up_to = kept_.empty() ? accepted_ : kept_.begin()->first - 1;
    if (!queue_ || up_to <= confirmed_) co_return;
    confirmed_ = up_to;
    if (auto kept = co_await queue_->confirm(up_to); !kept)
      this->log().warn("a confirmation was not kept: {}", kept.error().to_string());
  }
  // Its controller's end fails what it had in hand, which comes back as `work_done`.
  void dismiss(typename std::vector<worker>::iterator w) {
    this->ctx().kill(w->controller);
    this->ctx().unwatch(w->to);
    workers_.erase(w);
  }
  void give_out() {
    while (!waiting_.empty()) {
      const auto w = std::ranges::max_element(workers_, {}, &work_controller::free_places);
      if (w == workers_.end() || free_places(*w) == 0) return;
      const std::uint64_t number = waiting_.front();
      waiting_.pop_front();
      w->in_hand.push_back(number);
      this->ctx().pipe_to_self(
          w->controller.template ask<deliver<T>>(kept_.at(number)).within(duration(0)),
          [number](result<std::uint64_t> r) { return detail::work_done{number, r.has_value()}; });
    }
    while (!asked_.empty() && room() > 0) {
      asked_.front()(room());
      asked_.pop_front();
    }
  }
  static std::size_t free_places(const worker& w) noexcept {
    return w.window - std::min(w.window, w.in_hand.size());
  }
  [[nodiscard]] std::size_t room() const noexcept {
    std::size_t places = 0;
    for (const worker& w : workers_) places += free_places(w);
    return std::min(places - std::min(places, waiting_.size()), options_.capacity - kept_.size());
  }

  producer_options options_;
  std::shared_ptr<durable_queue<T>> queue_;
  std::uint64_t accepted_ = 0, confirmed_ = 0, finished_ = 0, given_back_ = 0, hired_ = 0;
  std::map<std::uint64_t, T> kept_;    // not finished; at most `capacity`
  std::deque<std::uint64_t> waiting_;  // of these, with nobody
  std::vector<worker> workers_;
  std::map<std::uint64_t, reply_to<std::uint64_t>> confirmations_;
  std::deque<reply_to<std::size_t>> asked_;
};

}  // namespace odeon::reliable
