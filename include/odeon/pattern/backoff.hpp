#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/schedule.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file `spawn_backoff`: a child that is started again after a pause that grows.
///
///     auto db = spawn_backoff<connection>(system, {.min = 200ms, .max = 30s, .on_stop = true},
///     url); db.tell<query>("…");                        // reaches the child, now or after its
///     pause
///
/// What it builds on: an actor's own `supervision` has a back-off for restarts after a failure,
/// which keeps the mailbox, and is used for that here. What is added is an actor in front, which
/// starts the child anew also after it has stopped, which can refuse messages meanwhile, and which
/// survives a first start that fails.

namespace odeon {

/// What becomes of messages while there is no child that could take them.
enum class backoff_messages : std::uint8_t {
  keep,  ///< they wait, in order; past `capacity` they are refused. After a failure what waited at
         ///< the child is kept as well; a child that stops gives its mailbox up
  reject,  ///< dead letters `actor_stopped`; asks fail with it at once
};

struct backoff_settings {
  duration min = std::chrono::milliseconds(200);   ///< the first pause
  duration max = std::chrono::seconds(30);         ///< pauses double up to this
  double jitter = 0.2;                             ///< each is spread by ± this part, 0 to 1
  duration reset_after = std::chrono::minutes(1);  ///< a child that lived so long starts the pauses
                                                   ///< and the count anew; zero: never
  unsigned max_restarts = std::numeric_limits<unsigned>::max();  ///< in a row; then it gives up
  bool on_failure = true;  ///< start it anew after a failure; its own supervision's list is asked
                           ///< first (resume, stop, escalate)
  bool on_stop = false;    ///< start it anew after it has stopped (or was killed)
  backoff_messages meanwhile = backoff_messages::keep;
  std::size_t capacity = 10'000;  ///< messages that are kept
  spawn_options child = {};  ///< its mailbox, dispatcher, tags; its supervision with on_failure off
  std::string name = {};     ///< of the actor in front
};

/// Published before each pause.
struct backoff_paused {
  any_ref supervisor;
  std::string path;
  duration pause;
  unsigned restart;  ///< counted from 1
  std::string why;
};

namespace detail {

/// Its timer's message; only the newest counts.
struct backoff_due {
  unsigned n;
};
struct backoff_quiet {
  unsigned n;
};

/// What does not depend on the child's class. src/pattern/backoff.cpp
class backoff_core {
 public:
  explicit backoff_core(backoff_settings s);
  /// The child has ended: arms the pause, or throws (`restart_limit`), or stops the actor.
  void ended(context& ctx, const exit_reason& why, bool at_start = false);
  void started(context& ctx);
  /// False: an older one.
  [[nodiscard]] bool is_due(backoff_due d) const noexcept { return d.n == pause_; }
  void quiet(backoff_quiet q) noexcept;
  [[nodiscard]] const backoff_settings& settings() const noexcept { return settings_; }
  [[nodiscard]] spawn_options options_of_child() const;
  /// One that has ended, to refuse messages in place of a child that there never was.
  [[nodiscard]] static any_ref nobody(context& ctx);

 private:
  backoff_settings settings_;
  odeon::schedule pauses_;
  unsigned in_a_row_ = 0;
  unsigned pause_ = 0;
};

template <class List>
struct backoff_base;
template <class... Ms>
struct backoff_base<message_list<Ms...>> {
  using type = actor<Ms..., backoff_due, backoff_quiet>;
};

template <class A, class... Args>
class backoff_actor final : public backoff_base<typename A::protocol>::type {
 public:
  using ref = typename A::ref;

  backoff_actor(const backoff_settings& s, const std::tuple<Args...>& args)
      : core_(s),
        args_(args) {}

  void pre_start() { begin(); }

  template <class M>
    requires(A::protocol::template contains<M>)
  result<reply_t<M>> on(M m) {
    context& ctx = this->ctx();
    if (waiting_ && core_.settings().meanwhile == backoff_messages::keep) {
      if (ctx.stash_size() >= core_.settings().capacity)
        ctx.forward(child_, std::move(m));  // to the one that has ended: refused with a reason
      else
        ctx.stash(std::move(m));
    } else {
      ctx.forward(child_, std::move(m));
    }
    return fail(errc::actor_stopped, "passed on");  // reaches nobody: the ask went with the message
  }
  void on(terminated t) {
    if (t.ref != child_) return;
    waiting_ = true;
    core_.ended(this->ctx(), t.reason);
  }
  void on(backoff_due d) {
    if (waiting_ && core_.is_due(d)) begin();
  }
  void on(backoff_quiet q) { core_.quiet(q); }

 private:
  void begin() {
    context& ctx = this->ctx();
    try {
      child_ = std::apply(
          [&](const Args&... as) { return ctx.spawn<A>(core_.options_of_child(), as...); }, args_);
    } catch (const actor_error& e) {
      if (e.which() != errc::spawn_failed) throw;
      waiting_ = true;
      if (!child_) child_ = core_.nobody(ctx);
      core_.ended(ctx, {exit_kind::failed, std::string(e.reason().text())}, true);
      return;
    }
    waiting_ = false;
    ctx.watch(child_);
    core_.started(ctx);
    ctx.unstash_all();
  }

  backoff_core core_;
  std::tuple<Args...> args_;
  any_ref child_;
  bool waiting_ = false;
};

}  // namespace detail

/// Spawns an `A` (from `args`, which are copied for each start) under an actor of its own, in
/// `where`: an `actor_system` or a `context`. The reference given is the front actor's: what it is
/// sent goes to the child, with its sender and its ask. When the child has ended for good – with
/// `max_restarts` used up, or by an end that is not to be answered by a start – the front actor
/// ends too, so that its watchers know; after a failure it says so.
///
/// Throws as `spawn` does, and `invalid_argument` for pauses that make no sense; a constructor that
/// throws is a failure of the child.
template <class A, class Where, class... Args>
typename A::ref spawn_backoff(Where& where, backoff_settings settings, Args&&... args) {
  using front = detail::backoff_actor<A, std::decay_t<Args>...>;
  spawn_options o{.name = settings.name};
  o.supervision.otherwise = directive::stop;
  o.stash_capacity = settings.capacity;
  (void)odeon::schedule::exponential(settings.min, settings.max, settings.jitter);
  return where.template spawn<front>(
      std::move(o), std::move(settings),
      std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...));
}

}  // namespace odeon
