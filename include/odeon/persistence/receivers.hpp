#pragma once

#include <odeon/core/actor_ref.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/record.hpp>
#include <odeon/task/task.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file Who can be reached by messages that survive a crash: outbox messages and durable timers.
///
/// A durable receiver has an address that outlives its actor: the persistence id of an
/// event-sourced or durable-state actor, which makes itself known when it has recovered, or the
/// name under which a plain actor was made known by `persistence::receive`.

namespace odeon {

namespace persistence {

/// One message on its way to a durable receiver.
struct delivery {
  std::string sender;        ///< the persistence id of who sent it; of a timer, the timer's owner
  std::uint64_t number = 0;  ///< 1, 2, 3, … for each pair of sender and receiver; 0: a timer's
  std::string timer;         ///< the id of the timer that is due; empty: not a timer's
  wall_time due;             ///< of the timer
  std::optional<timer_record> again;  ///< the timer's next round, instead of its end
  std::string manifest;
  std::uint32_t version = 1;
  std::vector<std::byte> payload;  ///< MessagePack, fields by name
  bool skip = false;               ///< given up: it counts as received, and nothing is done with it
};

enum class delivered : std::uint8_t {
  settled,  ///< handled, and committed together with its number, or with its timer's next round
  handled,  ///< handled by an actor that keeps no state: the sender's side, or the timer's service,
            ///< notes it
  duplicate,  ///< it had been handled before
};

/// How a plain actor gets a message: made by `receive`.
struct receiver_entry {
  any_ref actor;
  /// Decodes and asks. Null: the actor takes deliveries itself.
  task<result<void>> (*hand_over)(any_ref actor, const delivery& what) = nullptr;
};

/// The durable receivers of one system. @threadsafe
class receivers {
 public:
  explicit receivers(runtime& rt);
  ~receivers();
  receivers(const receivers&) = delete;
  receivers& operator=(const receivers&) = delete;

  /// Replaces what was known under the address.
  void add(std::string address, receiver_entry entry);
  /// Forgets the address if it is still that actor's. A stopped actor need not be removed.
  void remove(std::string_view address, const any_ref& actor);

  /// Whether somebody is there, or an activator that may bring it.
  [[nodiscard]] bool knows(std::string_view address) const;
  /// The address under which the actor is known; empty: none.
  [[nodiscard]] std::string address_of(const any_ref& actor) const;

  /// Called when something is to be delivered to an address that begins with `prefix` and nobody
  /// is there: it may spawn the actor, and is called again after a while if that did not help.
  /// `start` runs on a turn of the delivering service and must not block.
  void activate_with(std::string prefix, std::function<void(const std::string& address)> start);

  /// Hands a delivery over and completes when its effects are durable (`settled`), or its handler
  /// has ended. Deliveries of one sender to one receiver are to be handed over in the order of
  /// their numbers; several may be under way. Errors: `no_such_actor` (nobody is there; an
  /// activator has been called if there is one), `unknown_manifest`, what decoding gives,
  /// `version_conflict` (a number before it is missing: deliver that first), and what the ask gives
  /// (`handler_failed`, `ask_timeout`, `actor_stopped`, …): then nothing of it is known to have
  /// happened, and it may be delivered again.
  [[nodiscard]] task<result<delivered>> deliver(std::string address, delivery what);

  /// Calls `f(address)` for each address that becomes known from now on, on the thread that makes
  /// it known; it must be short.
  void on_added(std::function<void(const std::string& address)> f);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// The system's own, made on first use.
[[nodiscard]] std::shared_ptr<receivers> receivers_of(actor_system& system);

}  // namespace persistence

namespace detail {

/// A delivery to an actor that keeps its own state: the message of its `base_protocol`.
struct durable_delivery {
  using reply = persistence::delivered;
  persistence::delivery what;
};

// Asks without looking whether the message has a reply: one without is answered by its handler's
// end.
template <class M>
task<result<void>> ask_decoded(any_ref to, const persistence::delivery& what) {
  auto value = wire::decode_version<M>(static_cast<int>(what.version), what.payload);
  if (!value) co_return std::unexpected<error>(std::move(value).error());
  using R = reply_t<M>;
  auto answer = co_await future<R>(ask_of<M, R>(*to.get(), std::move(*value))).as_result();
  if (!answer) co_return std::unexpected<error>(std::move(answer).error());
  co_return result<void>();
}

[[nodiscard]] error no_message_of(const std::string& manifest);

template <class... Ms>
task<result<void>> hand_over_one_of(any_ref to, const persistence::delivery& what) {
  task<result<void>> (*how)(any_ref, const persistence::delivery&) = nullptr;
  (
      [&] {
        if constexpr (wire::decodable<Ms>)
          if (what.manifest == wire::manifest<Ms>) how = &ask_decoded<Ms>;
      }(),
      ...);
  if (how == nullptr) co_return std::unexpected<error>(no_message_of(what.manifest));
  co_return co_await how(std::move(to), what);
}

}  // namespace detail

namespace persistence {

/// Makes a plain actor a durable receiver under a name: what is sent there, or was set as a timer
/// for it, is told to it at least once – it sees a message again when its handler failed, or when
/// the process ended before it was noted. Of its messages those that `wire` can read back.
template <class... Ms>
void receive(actor_system& system, std::string name, const actor_ref<Ms...>& actor) {
  receivers_of(system)->add(std::move(name), {actor, &detail::hand_over_one_of<Ms...>});
}

}  // namespace persistence

}  // namespace odeon
