#pragma once

#include <odeon/core/actor_system.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

/// @file Reliable delivery between two actors over a way that may lose, repeat and reorder: each
/// message reaches the consumer, in order, and is confirmed by it.
///
///     // The producing side: a controller that numbers, keeps and sends again.
///     auto out = system.spawn<reliable::producer_controller<order>>(
///         reliable::producer_options{.producer = "shop-1"}, queue);
///     std::uint64_t n = co_await out.ask<reliable::send<order>>(order{…});    // kept: n-th
///     message co_await out.ask<reliable::deliver<order>>(order{…});                   //
///     confirmed, too
///
///     // The consuming side: a controller that asks for what it has room for, and drops doubles.
///     auto in = system.spawn<reliable::consumer_controller<order>>(reliable::consumer_options(),
///     out); in.tell(reliable::start<order>{self()});              // by the consumer, in its
///     pre_start void on(reliable::delivery<order> d) { book(d.message); d.confirm(); }
///
/// What is promised, as long as both controllers live or are restarted, and messages get through at
/// times: every accepted message is delivered, in the order accepted, one at a time, and what was
/// confirmed is not delivered again. A consumer that is restarted before it confirmed gets the
/// message again: at least once. A consumer's controller says what is confirmed each half window,
/// when nothing waits any more, and at its end; one that is killed, or whose last word is lost,
/// takes what was confirmed since then with it, and its successor delivers that again. The
/// producer's controller may be restarted when it has a `durable_queue`; without one it forgets
/// what was not confirmed, and the consumer's controller begins a new count.
///
/// Flow control. Nothing is sent that the consumer's side did not ask for: at most `window`
/// messages are on their way or wait there. The producer's side keeps at most `capacity`; `ready`
/// says when, and how many, messages would go out at once.

namespace odeon::reliable {

struct producer_options {
  std::string producer = "producer";  ///< its name for the consumer's side; stable over restarts
  std::size_t capacity = 1000;        ///< messages kept until they are confirmed; at least 1
  duration resend_after = std::chrono::seconds(1);  ///< the oldest one, when nothing was heard
};

struct consumer_options {
  std::size_t window = 50;                       ///< messages on their way and waiting; at least 1
  duration ask_after = std::chrono::seconds(1);  ///< asks again when nothing came for so long
  duration deliver_after{0};  ///< an unconfirmed message is delivered again; zero: when the
                              ///< consumer says `start` again
};

// -- to the producer's controller -----------------------------------------------------------------

/// Takes a message over; the reply, its number from 1 on, says that it is kept (in the durable
/// queue, where there is one). Refused with `errc::mailbox_full` at the capacity, and with the
/// queue's own error.
template <class T>
struct send {
  using reply = std::uint64_t;
  T message;
};
/// The same, answered when the consumer has confirmed. When the ask times out, or the controller is
/// restarted, the message is still kept and delivered.
template <class T>
struct deliver {
  using reply = std::uint64_t;
  T message;
};
/// Answered when the consumer's side waits for more: with how many may be sent.
struct ready {
  using reply = std::size_t;
};

struct producer_status {
  std::uint64_t accepted = 0;   ///< the last number given
  std::uint64_t confirmed = 0;  ///< all up to here are confirmed
  std::size_t kept = 0;         ///< not confirmed
  std::uint64_t sent = 0;       ///< messages sent, again or for the first time
};
struct get_producer_status {
  using reply = producer_status;
};

// -- to the consumer's controller -----------------------------------------------------------------

template <class T>
struct delivery;

/// From the consumer, whenever it begins (in `pre_start`, so after each restart): what is not
/// confirmed comes again. The last one counts.
template <class T>
struct start {
  actor_ref<delivery<T>> consumer;
};

/// A delivery was dealt with. Sent by `delivery::confirm`.
struct confirmed {
  std::uint64_t consumer;  ///< which life of the consumer's controller
  std::uint64_t token;     ///< which delivery
};

struct consumer_status {
  std::uint64_t received = 0;   ///< all up to here have come
  std::uint64_t confirmed = 0;  ///< all up to here are dealt with
  std::size_t waiting = 0;      ///< came, and are not confirmed
  std::uint64_t doubles = 0;    ///< dropped: had come before
  std::uint64_t gaps = 0;       ///< dropped: came too early
};
struct get_consumer_status {
  using reply = consumer_status;
};

// -- to the consumer ------------------------------------------------------------------------------

/// A message for the consumer. The next one comes after `confirm`.
template <class T>
struct delivery {
  std::string producer;
  std::uint64_t number;
  T message;

  /// It is dealt with, and will not come again. More than once is once.
  void confirm() const { controller.tell(token); }

  confirmed token;
  actor_ref<confirmed> controller;
};

// -- between the controllers ----------------------------------------------------------------------

template <class T>
struct sequenced;

/// What the consumer's side has, and asks for. Numbers are of the session it has seen.
template <class T>
struct demand {
  std::uint64_t consumer = 0;   ///< which life of the consumer's controller
  std::uint64_t session = 0;    ///< of the producer's controller; 0: none seen
  std::uint64_t confirmed = 0;  ///< all up to here
  std::uint64_t received = 0;   ///< all up to here
  std::uint64_t up_to = 0;      ///< may be sent
  std::size_t window = 1;
  bool resend = false;  ///< what comes after `received` was lost, or may have been
  actor_ref<sequenced<T>> to;
};

/// One message on its way.
template <class T>
struct sequenced {
  std::string producer;
  std::uint64_t session;   ///< later lives of the controller have higher ones
  std::uint64_t consumer;  ///< whom it is for: `demand::consumer`
  std::uint64_t number;
  std::uint64_t first;  ///< all before this one are confirmed
  bool durable;         ///< numbers go on after a restart of the controller
  T message;
};

namespace detail {

struct tick {};

/// Higher with each call in this process, and with the wall clock from process to process.
[[nodiscard]] std::uint64_t next_session(runtime& rt) noexcept;
[[nodiscard]] error at_capacity(const std::string& producer, std::size_t capacity);
/// Throws `errc::corrupt_record` when a queue's numbers do not fit together.
void check_loaded(const std::string& producer, std::uint64_t last, std::uint64_t confirmed,
                  std::uint64_t first, std::size_t count);
void check(const producer_options& o);
void check(const consumer_options& o);

}  // namespace detail

}  // namespace odeon::reliable
