#pragma once

#include <odeon/base/detail/exceptions.hpp>
#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/core/fwd.hpp>
#include <odeon/core/timer.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/stream/polled.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// @file Islands: where stages run.
///
/// The stages of a linear run are objects inside each other, the sink outermost: asking the sink
/// for a step asks the stage before it for an element, and so on up to the source, without a
/// virtual call or a queue between them. Such a run is an island, and an island is one actor.
/// `async()` and everything that fans out put a bounded channel between two islands.
///
/// A stage is any movable class with
///
///     using value_type = T;                    // of its elements
///     polled<T> next(island& in);              // an element, `pending` or `ended`; throws: failed
///     void drive(island& in);                  // see below
///
/// `next` is demand: nothing is made that nobody asked for. A stage that answers `pending` has
/// arranged for a wake-up: it was told `pending` by the stage before it, or registered
/// `in.get_waker()` somewhere, or called `in.wake_at`. After `ended` or an exception it is not
/// asked again (but see `user_code_threw`). Cancelling is destroying: a stage that goes before its
/// end was not wanted any more, and its destructor tells whom it concerns.
///
/// `drive` is called once a turn, after the sink has got as far as it could: stages that work
/// without being asked (`buffer`, `conflate`, timers) take their turn there; all others pass it on.

namespace odeon::stream {

inline constexpr std::uint32_t island_turn_budget = 1024;  ///< elements of sources in one turn

/// What an island is woken with: by a waker, and by its own timer.
struct wake_up {};
struct time_due {};

/// Wakes one island. Shared by those who may. @threadsafe
///
/// The state goes idle → scheduled by whoever wakes first, who then owes the island a message;
/// scheduled → idle by the island when the message comes; any → closed by the island at its end,
/// which stays for the message that is on its way, so that no wake-up becomes a dead letter.
class waker {
 public:
  explicit waker(actor_ref<wake_up> who) noexcept : who_(std::move(who)) {}
  waker(const waker&) = delete;
  waker& operator=(const waker&) = delete;

  /// Any number of calls before the island's turn are one.
  void wake() noexcept {
    std::uint8_t is = idle;
    // Release: what the caller wrote before is seen by the turn, which acquires.
    if (state_.compare_exchange_strong(is, scheduled, std::memory_order_acq_rel)) send();
  }

 private:
  friend class island;
  static constexpr std::uint8_t idle = 0, scheduled = 1, closed = 2;
  void send() noexcept;

  actor_ref<wake_up> who_;
  std::atomic<std::uint8_t> state_{scheduled};  // the first message is sent by who starts it
};
using waker_ptr = std::shared_ptr<waker>;

/// The whole of an island's stages, as its actor sees them.
class island_body {
 public:
  virtual ~island_body() = default;
  /// Goes as far as it can now. True: it is done. Throws: it has failed.
  virtual bool step(island& in) = 0;
  /// As `drive` of a stage.
  virtual void drive(island& in) = 0;
  /// It has failed, or its actor is stopped: whoever waits for its result is told.
  virtual void fail(const std::exception_ptr& why) noexcept = 0;
};

/// How a stream is run.
struct run_options {
  std::string name = {};        ///< of its last island's actor; empty: a generated one
  std::string dispatcher = {};  ///< of its islands; empty: the default
};

/// Collects the islands of one run, and starts them together.
class materializer {
 public:
  materializer(actor_system& system, run_options options) noexcept;
  /// Its islands will be children of that actor, stopped with it. On the actor's turn only.
  materializer(context& parent, run_options options) noexcept;
  materializer(const materializer&) = delete;
  ~materializer();

  /// An island that starts with `start`. An empty dispatcher: the run's.
  void add(std::unique_ptr<island_body> body, std::string dispatcher = {});
  /// Spawns them. Throws `actor_error` (system_stopped, name_taken, invalid_argument); then those
  /// not started are dropped, and the others see a failed neighbour.
  void start();

  [[nodiscard]] runtime& get_runtime() const noexcept;
  [[nodiscard]] actor_system& system() const noexcept { return *system_; }

 private:
  struct planned {
    std::unique_ptr<island_body> body;
    std::string dispatcher;
  };
  actor_system* system_;
  context* parent_ = nullptr;
  run_options options_;
  std::vector<planned> planned_;
};

/// What a stage sees of the actor it runs in. Valid during the calls it is passed to.
class island {
 public:
  island(std::unique_ptr<island_body> body, context& ctx);
  island(const island&) = delete;
  ~island();

  // -- for stages ---------------------------------------------------------------------------------

  /// Asked by sources before each element: false when the turn's share is used up. The stage then
  /// answers `pending`, and the island goes on after other actors had their turn.
  [[nodiscard]] bool spend() noexcept {
    if (budget_ == 0) [[unlikely]] {
      if (!rests_) again_ = true;
      return false;
    }
    --budget_;
    return true;
  }
  /// No more elements in this turn, of any source: so each keeps its place. The caller sees to it
  /// that there is another turn.
  void rest() noexcept {
    budget_ = 0;
    rests_ = true;
  }
  /// Another turn, soon.
  void again() noexcept { again_ = true; }
  /// Another turn at `at` or soon after. Holds until the next turn, in which a stage that still
  /// waits says it again.
  void wake_at(time_point at) noexcept {
    if (at < due_) due_ = at;
  }
  /// The user clock.
  [[nodiscard]] time_point now() const noexcept;
  [[nodiscard]] const waker_ptr& get_waker() const noexcept { return waker_; }
  [[nodiscard]] context& actor() const noexcept { return *ctx_; }
  [[nodiscard]] runtime& get_runtime() const noexcept;

  /// An exception is leaving a user's function that stage `s` called: the stage is whole, and the
  /// element is lost. `supervised` may go on from here; `s.reset()`, where there is one, restarts
  /// it.
  template <class Stage>
  void user_code_threw(Stage& s) noexcept {
    threw_ = true;
    thrower_ = &s;
    if constexpr (requires { s.reset(); })
      reset_ = [](void* p) { static_cast<Stage*>(p)->reset(); };
    else
      reset_ = nullptr;
  }
  /// Whether a `supervised` behind the stage may go on after an exception: then a stage keeps what
  /// it would else move into a user's function.
  [[nodiscard]] bool is_supervised() const noexcept { return supervised_; }
  /// By `supervised`, around its calls. Returns what it was.
  bool set_supervised(bool on) noexcept { return std::exchange(supervised_, on); }

  /// Whether the exception in flight left a user's function.
  [[nodiscard]] bool has_thrown() const noexcept { return threw_; }
  /// The same, and forgets it. `restart_thrower`: the stage's state is to be as at its beginning.
  [[nodiscard]] bool take_thrown() noexcept { return std::exchange(threw_, false); }
  void restart_thrower() {
    if (reset_) reset_(thrower_);
  }

  // -- for its actor ------------------------------------------------------------------------------

  /// One turn, for a `wake_up` or a `time_due`. True: it has ended, and the actor stops.
  bool turn(bool woken);

 private:
  void arm();

  std::unique_ptr<island_body> body_;
  context* ctx_;
  waker_ptr waker_;
  std::uint32_t budget_ = 0;
  bool rests_ = false;
  bool again_ = false;
  bool threw_ = false;
  bool supervised_ = false;
  void* thrower_ = nullptr;
  void (*reset_)(void*) = nullptr;
  time_point due_ = time_point::max();
  time_point armed_ = time_point::max();
  timer timer_;
};

/// Calls a user's function for stage `s`: see `island::user_code_threw`. No cost unless it throws.
template <class Stage, class F>
decltype(auto) call_user(island& in, Stage& s, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    in.user_code_threw(s);
    throw;
  }
}

using odeon::detail::error_of;
/// An error as an exception to be thrown.
[[nodiscard]] std::exception_ptr exception_of(error e);

}  // namespace odeon::stream
