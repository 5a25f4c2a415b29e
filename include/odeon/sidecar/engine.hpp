#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/sidecar/definition.hpp>
#include <odeon/sidecar/state_store.hpp>
#include <odeon/sidecar/systems.hpp>
#include <odeon/task/future.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

/// @file The engine: virtual actors whose code runs elsewhere. It owns their mailboxes, states,
/// timers and routes, and knows nothing of HTTP or protobuf.
///
///     odeon::sidecar::engine actors{system, odeon::sidecar::make_state_store(rt, journal)};
///     actors.register_app({"bank", definitions, app});
///     auto answer = co_await actors.invoke({.actor = {"bank", "joe"}, .action = "deposit", …});
///
/// An actor is made when it is first invoked, and put away when nobody has invoked it for a while;
/// nothing that was invoked is lost in between. It runs one action at a time. One place, the
/// directory, decides where an actor lives, and the store fences whoever held it before.

namespace odeon::sidecar {

namespace detail {
class engine_core;
}

struct engine_options {
  duration request_time = std::chrono::seconds(60);  ///< of an invocation without a deadline
  duration first_snapshot = std::chrono::milliseconds(100);  ///< after an activation
  std::size_t waiting_per_actor = 10'000;          ///< invocations; past it they end with `error`
  std::size_t waiting_bytes = 1024 * 1024 * 1024;  ///< of all that wait or run; likewise
  std::size_t active = 1'000'000;                  ///< actors at once
  std::size_t registered = 1'000'000;              ///< definitions and spawned names
  std::size_t calls_per_app = 256;                 ///< actions of one app under way
  std::size_t chain = 1000;                        ///< pipes and forwards of one request
  /// An idle actor is put away up to this much later than its definition says, and up to that time
  /// once more, by chance: those that were made together do not end together.
  duration deactivate_spread = std::chrono::seconds(3);
  std::uint32_t default_min_pool = 1, default_max_pool = 8;
  /// An app that cannot be reached is tried again after this, doubling up to 2 s, while the
  /// deadline lasts.
  duration retry_first = std::chrono::milliseconds(50);
};

/// Counts since the start unless said otherwise.
struct engine_figures {
  std::size_t active_now = 0, waiting_now = 0, calls_now = 0;
  std::size_t waiting_bytes = 0;  ///< now, of invocations that wait or run
  duration oldest_waiting{};      ///< the age of the first invocation in a mailbox; 0: nobody waits
  std::uint64_t activations = 0, deactivations = 0;
  std::uint64_t invocations = 0, succeeded = 0, failed = 0, not_found = 0;
  std::uint64_t effects = 0, broadcasts = 0, pipes = 0, forwards = 0, timers = 0, scheduled = 0;
  std::uint64_t snapshots = 0, checkpoints = 0, store_failures = 0, fenced = 0;
  std::uint64_t app_failures = 0, app_retries = 0, cycles = 0;
};

/// An actor that exists now.
struct active_actor {
  actor_id id = {};
  std::uint64_t revision = 0;  ///< stored; 0: none
  std::size_t waiting = 0;
};

/// @threadsafe
class engine {
 public:
  using done_fn = std::move_only_function<void(invocation_answer)>;
  using spawned_fn = std::move_only_function<void(result<void>)>;

  /// `system` outlives it.
  engine(actor_system& system, std::shared_ptr<state_store> store, engine_options options = {});
  engine(const engine&) = delete;
  /// As `stop`, with no time: what is under way ends with `error`, a little later and on other
  /// threads; states are stored as far as the journal still takes them.
  ~engine();

  /// Takes an app's definitions, and activates stateful named actors and those that subscribe to a
  /// channel. Errors: `invalid_argument` (an empty name, a name that is too long, a definition that
  /// contradicts itself; which, and why), `limit_exceeded`. Nothing is registered then.
  result<void> register_app(registration what);

  /// Says that these are instances of their `parent`s. Idempotent; does not wait for anybody's
  /// turn. Errors: `not_found` (no such template), `invalid_argument`, `limit_exceeded`. They are
  /// known when it returns, and stored a moment later: who has to rely on that waits for the other
  /// form's `done`. `revision` is not stored: it holds until the first activation of this process.
  result<void> spawn(std::span<const actor_id> instances, std::uint64_t revision = 0);
  /// The same; `done` is called once, when all of them are stored: on any thread, or inside the
  /// call where nothing is to be stored. Those that are stored already cost nothing, others a read
  /// and two writes, which share transactions with others of the store. Errors: also the store's;
  /// what could be stored is known all the same, and saying it again tries the rest again.
  void spawn(std::span<const actor_id> instances, std::uint64_t revision, spawned_fn done);

  /// Queues the invocation; `done` is called once, at the deadline at the latest: on any thread, or
  /// inside the call; it is short and does not throw. `deadline` none: `request_time` from now, of
  /// the user's clock. An asynchronous invocation is answered when it is queued, and waits as long
  /// as it must; from its first run on it has `request_time`. One that is scheduled is answered
  /// when it is stored. Its run is begun once its time has come and the actor is registered, and
  /// then its record is removed: a process that ends between the two begins it once more after its
  /// restart.
  void invoke(invocation what, std::optional<time_point> deadline, done_fn done);
  [[nodiscard]] future<invocation_answer> invoke(invocation what);

  /// To all who are subscribed to the channel of that system now: named and pooled actors by their
  /// definition, instances from their first activation on. Those who have been put away are
  /// activated. Nobody hears what becomes of it.
  void publish(const std::string& system, broadcast what, std::optional<actor_id> from = {});

  /// To all who are subscribed to the channel now, of any system here, and to nobody elsewhere: for
  /// broadcasts that came from elsewhere.
  void publish_here(broadcast what);

  /// Invocations of systems that no app registered here go there from now on, instead of ending
  /// with `actor_not_found`; what is published here is told there too, and so is each registration.
  /// Null: nowhere.
  void set_elsewhere(std::shared_ptr<elsewhere> others);

  /// The state in memory, or in the store when the actor is not active; none: it has none.
  [[nodiscard]] future<std::optional<stored_state>> state_of(actor_id which);

  /// Takes nothing new, finishes what is queued, stores all states. Fulfilled at `limit` at the
  /// latest with how many actors could not be stored.
  [[nodiscard]] future<std::size_t> stop(duration limit);

  [[nodiscard]] engine_figures figures() const;
  [[nodiscard]] std::vector<active_actor> active(std::size_t max = 1000) const;
  /// The definitions of a system, by name; for tools.
  [[nodiscard]] std::map<std::string, actor_def> definitions(const std::string& system) const;

 private:
  std::shared_ptr<detail::engine_core> core_;
};

}  // namespace odeon::sidecar
