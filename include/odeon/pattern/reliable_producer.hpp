#pragma once

#include <odeon/pattern/reliable.hpp>
#include <odeon/pattern/reliable_queue.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

/// @file The producer's controller. See `pattern/reliable.hpp`.
///
/// Numbers:  confirmed ≤ sent ≤ accepted, and sent ≤ asked for. What lies behind `confirmed` is
/// kept. A demand moves `confirmed` and `asked` up; one that says `resend` moves `sent` back. Each
/// step then sends what lies between `sent` and the smaller of `accepted` and `asked`. To a
/// consumer's controller that it does not know, or that does not know this session, it sends one
/// message alone, from which that one learns session and count.

namespace odeon::reliable {

template <class T>
class producer_controller
    : public actor<send<T>, deliver<T>, ready, get_producer_status, demand<T>, detail::tick> {
 public:
  /// As seen from outside.
  using ref = actor_ref<send<T>, deliver<T>, ready, get_producer_status, demand<T>>;

  /// Throws `actor_error(errc::invalid_argument)` for options that make no sense.
  explicit producer_controller(const producer_options& options,
                               const std::shared_ptr<durable_queue<T>>& queue = nullptr)
      : options_(options),
        queue_(queue) {
    detail::check(options_);
  }

  task<void> pre_start() {
    session_ = detail::next_session(this->ctx().system().get_runtime());
    if (queue_) {
      auto loaded = co_await queue_->load();
      if (!loaded) throw actor_error(std::move(loaded).error());
      detail::check_loaded(options_.producer, loaded->last, loaded->confirmed,
                           loaded->unconfirmed.empty() ? 0 : loaded->unconfirmed.front().first,
                           loaded->unconfirmed.size());
      accepted_ = loaded->last;
      confirmed_ = sent_ = asked_ = loaded->confirmed;
      kept_ = std::move(loaded->unconfirmed);
    }
    this->ctx().send_with_delay(options_.resend_after, options_.resend_after, detail::tick());
  }

  task<result<std::uint64_t>> on(send<T> m) { return accept(std::move(m.message)); }
  task<void> on(deliver<T> m, reply_to<std::uint64_t> to) {
    auto number = co_await accept(std::move(m.message));
    if (!number)
      to.fail(std::move(number).error());
    else if (*number <= confirmed_)
      to(*number);
    else
      confirmations_.emplace(*number, std::move(to));
  }
  void on(ready, reply_to<std::size_t> to) {
    if (const std::size_t n = room())
      to(n);
    else if (waiting_.size() < options_.capacity)
      waiting_.push_back(std::move(to));
    else
      to.fail(detail::at_capacity(options_.producer, options_.capacity));
  }
  producer_status on(get_producer_status) {
    return {accepted_, confirmed_, kept_.size(), transmissions_};
  }

  task<void> on(demand<T> d) {
    heard_ = true;
    if (d.consumer != consumer_) {
      consumer_ = d.consumer;
      sent_ = confirmed_;
    }
    to_ = d.to;
    if (d.session != session_) {
      asked_ = confirmed_ + 1;
      sent_ = confirmed_;
    } else {
      const std::uint64_t up_to = std::min(d.confirmed, accepted_);
      const bool news = up_to > confirmed_;
      if (news) confirm(up_to);
      asked_ = std::max(asked_, d.up_to);
      if (d.resend) sent_ = std::clamp(d.received, confirmed_, sent_);
      transmit();
      if (news && queue_)
        if (auto kept = co_await queue_->confirm(up_to); !kept)
          this->log().warn("a confirmation was not kept: {}", kept.error().to_string());
    }
    transmit();
    while (!waiting_.empty() && room() > 0) {
      waiting_.front()(room());
      waiting_.pop_front();
    }
  }
  void on(detail::tick) {
    // Silence: the oldest one goes again, alone. The answer to it tells what else was lost.
    if (!std::exchange(heard_, false) && sent_ > confirmed_ && to_) transmit_one(confirmed_ + 1);
  }

 private:
  task<result<std::uint64_t>> accept(T message) {
    if (kept_.size() >= options_.capacity)
      co_return std::unexpected(detail::at_capacity(options_.producer, options_.capacity));
    const std::uint64_t number = accepted_ + 1;
    if (queue_)
      if (auto stored = co_await queue_->append(number, message); !stored)
        co_return std::unexpected(std::move(stored).error());
    accepted_ = number;
    kept_.emplace_back(number, std::move(message));
    transmit();
    co_return number;
  }
  void confirm(std::uint64_t up_to) {
    confirmed_ = up_to;
    sent_ = std::max(sent_, confirmed_);
    while (!kept_.empty() && kept_.front().first <= up_to) kept_.pop_front();
    while (!confirmations_.empty() && confirmations_.begin()->first <= up_to) {
      auto node = confirmations_.extract(confirmations_.begin());
      node.mapped()(node.key());
    }
  }
  void transmit() {
    while (to_ && sent_ < std::min(accepted_, asked_)) transmit_one(++sent_);
  }
  void transmit_one(std::uint64_t number) {
    // Kept without gaps, from the first that is not confirmed.
    const std::size_t i = static_cast<std::size_t>(number - kept_.front().first);
    ++transmissions_;
    to_.tell(sequenced<T>{options_.producer, session_, consumer_, number, confirmed_ + 1,
                          queue_ != nullptr, kept_[i].second});
  }
  [[nodiscard]] std::size_t room() const noexcept {
    if (asked_ <= accepted_) return 0;
    return std::min(static_cast<std::size_t>(asked_ - accepted_), options_.capacity - kept_.size());
  }

  producer_options options_;
  std::shared_ptr<durable_queue<T>> queue_;
  std::uint64_t session_ = 0;
  std::uint64_t accepted_ = 0, sent_ = 0, confirmed_ = 0, asked_ = 0;
  std::deque<std::pair<std::uint64_t, T>> kept_;
  std::map<std::uint64_t, reply_to<std::uint64_t>> confirmations_;  // at most `capacity`
  std::deque<reply_to<std::size_t>> waiting_;                       // at most `capacity`
  actor_ref<sequenced<T>> to_;
  std::uint64_t consumer_ = 0;
  std::uint64_t transmissions_ = 0;
  bool heard_ = false;
};

}  // namespace odeon::reliable
