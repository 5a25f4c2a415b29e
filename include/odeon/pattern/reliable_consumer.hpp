#pragma once

#include <odeon/pattern/reliable.hpp>

#include <algorithm>
#include <deque>
#include <utility>

/// @file The consumer's controller. See `pattern/reliable.hpp`.
///
/// It takes messages in the order of their numbers only: an older one is a double and is dropped,
/// one that comes too early is dropped as well, and what is missing is asked for, once until it
/// comes or the time of `ask_after` is over. What it has taken waits here, at most `window`; the
/// front one is with the consumer.

namespace odeon::reliable {

template <class T>
class consumer_controller
    : public actor<sequenced<T>, start<T>, confirmed, get_consumer_status, detail::tick> {
 public:
  /// As seen from outside.
  using ref = actor_ref<sequenced<T>, start<T>, confirmed, get_consumer_status>;

  /// `from`: the producer's controller. Throws `actor_error(errc::invalid_argument)` for a window
  /// of none.
  consumer_controller(const consumer_options& options, const actor_ref<demand<T>>& from)
      : options_(options),
        from_(from) {
    detail::check(options_);
  }

  void pre_start() {
    id_ = detail::next_session(this->ctx().system().get_runtime());
    this->ctx().send_with_delay(options_.ask_after, options_.ask_after, detail::tick());
    ask(false);
  }

  /// The last word: what is confirmed.
  void post_stop() { ask(false); }
  /// The next instance knows its consumer: the mailbox outlives this one.
  void pre_restart(const failure&) {
    ask(false);
    if (consumer_)
      actor_ref<start<T>>::assume(this->ctx().self()).tell(start<T>{std::move(consumer_)});
  }

  void on(sequenced<T> s) {
    if (s.consumer != id_ || s.session < session_) return;  // of another life
    if (s.session > session_) begin(s);
    heard_ = true;
    if (s.first > received_ + 1) received_ = confirmed_ = s.first - 1;  // those were dealt with
    if (s.number <= received_) {
      ++doubles_;
      ask(false);  // what was said of it was lost
    } else if (s.number > received_ + 1) {
      ++gaps_;
      if (!std::exchange(missing_asked_, true)) ask(true);
    } else if (waiting_.size() < options_.window) {
      received_ = s.number;
      missing_asked_ = false;
      waiting_.push_back({++tokens_, s.session, s.number, std::move(s.message)});
      hand_over();
      if (received_ >= up_to_) ask(false);
    }
  }
  void on(start<T> s) {
    if (consumer_) this->ctx().unwatch(consumer_);
    consumer_ = s.consumer;
    this->ctx().watch(consumer_);
    with_consumer_ = false;
    hand_over();
  }
  void on(confirmed c) {
    if (!with_consumer_ || c.consumer != id_ || c.token != waiting_.front().token)
      return;  // said before
    with_consumer_ = false;
    if (waiting_.front().session == session_) confirmed_ = waiting_.front().number;
    waiting_.pop_front();
    // Room for half a window more, or nothing left to do: tell.
    if (waiting_.empty() || limit() - up_to_ >= std::max<std::size_t>(options_.window / 2, 1))
      ask(false);
    hand_over();
  }
  consumer_status on(get_consumer_status) {
    return {received_, confirmed_, waiting_.size(), doubles_, gaps_};
  }
  void on(terminated t) {
    if (t.ref != consumer_) return;
    consumer_ = {};
    with_consumer_ = false;
  }
  void on(detail::tick) {
    if (with_consumer_ && options_.deliver_after > duration::zero() &&
        this->ctx().system().get_runtime().now() - handed_ >= options_.deliver_after) {
      with_consumer_ = false;
      hand_over();
    }
    if (std::exchange(heard_, false)) return;
    missing_asked_ = false;
    ask(true);
  }

 private:
  struct entry {
    std::uint64_t token;
    std::uint64_t session;
    std::uint64_t number;
    T message;
  };

  /// The producer's controller begins, for this one or altogether.
  void begin(const sequenced<T>& s) {
    const bool goes_on = session_ != 0 && s.durable && s.producer == producer_;
    if (!goes_on) received_ = confirmed_ = s.first - 1;
    // What waits here of a durable count keeps its place in it.
    if (goes_on)
      for (auto& e : waiting_)
        if (e.session == session_) e.session = s.session;
    session_ = s.session;
    producer_ = s.producer;
    missing_asked_ = false;
    up_to_ = 0;
  }
  [[nodiscard]] std::uint64_t limit() const noexcept {
    return received_ + options_.window - waiting_.size();
  }
  void ask(bool resend) {
    up_to_ = limit();
    from_.tell(demand<T>{id_, session_, confirmed_, received_, up_to_, options_.window, resend,
                         actor_ref<sequenced<T>>::assume(this->ctx().self())});
  }
  void hand_over() {
    if (with_consumer_ || waiting_.empty() || !consumer_) return;
    with_consumer_ = true;
    handed_ = this->ctx().system().get_runtime().now();
    const entry& e = waiting_.front();
    consumer_.tell(delivery<T>{producer_, e.number, e.message, confirmed{id_, e.token},
                               actor_ref<confirmed>::assume(this->ctx().self())});
  }

  consumer_options options_;
  actor_ref<demand<T>> from_;
  actor_ref<delivery<T>> consumer_;
  std::uint64_t id_ = 0;
  std::uint64_t session_ = 0;
  std::string producer_;
  std::uint64_t received_ = 0, confirmed_ = 0, up_to_ = 0;
  std::deque<entry> waiting_;
  bool with_consumer_ = false;
  bool missing_asked_ = false;
  bool heard_ = false;
  time_point handed_{};
  std::uint64_t tokens_ = 0, doubles_ = 0, gaps_ = 0;
};

}  // namespace odeon::reliable
