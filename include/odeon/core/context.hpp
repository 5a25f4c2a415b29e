#pragma once

#include <odeon/core/actor_ref.hpp>
#include <odeon/core/detail/check_spawn.hpp>
#include <odeon/core/detail/dispatch.hpp>
#include <odeon/core/log.hpp>
#include <odeon/core/signals.hpp>
#include <odeon/core/spawn_options.hpp>
#include <odeon/core/timer.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace odeon {

namespace detail {

/// What `spawn` needs to know, erased.
struct spawn_request {
  const actor_class* what;
  spawn_options* options;  // null: all defaults
  cell* parent;            // null: the user guardian
  void (*keep_args)(void* where, void* from) = nullptr;
  void* args = nullptr;
  /// Its executor, one of the system's, in place of the options' dispatcher; null: as they say.
  executor* where = nullptr;
};
/// Constructs the actor on the calling thread. Throws `actor_error`: name_taken, spawn_failed,
/// system_stopped, invalid_argument. Returns with a reference for the caller.
cell* spawn_cell(system_anchor& system, const spawn_request& request);

template <class A, class... Args>
auto spawn_with(system_anchor& system, cell* parent, spawn_options* options, Args&&... args) {
  check_spawn<A, std::decay_t<Args>...>();
  using cls = class_of<A, Args...>;
  spawn_request request{&cls::value, options, parent};
  typename cls::kept kept(std::forward<Args>(args)...);
  if constexpr (sizeof...(Args) > 0) {
    request.args = &kept;
    request.keep_args = [](void* where, void* from) {
      ::new (where) typename cls::kept(std::move(*static_cast<typename cls::kept*>(from)));
    };
  }
  return A::ref::assume(any_ref::adopt(spawn_cell(system, request)));
}

template <class B>
inline constexpr bool is_behavior = false;
template <class S, class... Hs>
inline constexpr bool is_behavior<behavior_of<S, Hs...>> = true;

/// What `become` puts on an actor's stack of behaviours.
struct behavior_entry {
  const handler_table* table;
  void* object;
  void (*destroy)(void*) noexcept;
};
void push_behavior(cell& c, behavior_entry b);

/// Ends a timer's envelope's life as a template for the next ones.
using copy_payload_fn = void (*)(void* to, const void* from);
timer schedule(cell& to, envelope& e, copy_payload_fn copy, duration initial, duration interval,
               bool fixed_rate);

void stash_current(cell& c, turn& t, void (*give_back)(void* payload, void* from), void* from,
                   const message_type* type);
void forward_current(turn& t, cell& to, void (*give_back)(void* payload, void* from), void* from,
                     const message_type* type);

}  // namespace detail

/// The actor's view of itself and its surroundings. Valid on the actor's own turns only (handlers,
/// hooks, and what they `co_await`); reading `self`, `path` and `system` is allowed anywhere.
class context {
 public:
  explicit context(detail::cell& c) noexcept : cell_(&c) {}
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  // -- who and where ------------------------------------------------------------------------------

  /// A reference to this actor, untyped; `actor::self()` gives the typed one.
  [[nodiscard]] any_ref self() const noexcept { return any_ref::share(cell_); }
  [[nodiscard]] actor_system& system() const noexcept;
  [[nodiscard]] std::string path() const { return cell_->path(); }
  /// For the runtime's own modules.
  [[nodiscard]] detail::cell& cell() const noexcept { return *cell_; }
  /// Who sent the message in hand; empty from outside, for replies to asks, or when the sender is
  /// gone.
  [[nodiscard]] any_ref sender() const noexcept;
  [[nodiscard]] any_ref parent() const noexcept;
  [[nodiscard]] std::vector<any_ref> children() const;
  /// The child of that name, or the empty reference.
  [[nodiscard]] any_ref child(std::string_view name) const;
  /// Writes under this actor's path. Formatting the path costs; keep the logger where it is used
  /// often.
  [[nodiscard]] logger log() const { return logger(path()); }
  /// How this actor ends, for its `post_stop`; `stopped` before its end has begun.
  [[nodiscard]] exit_kind stopping_as() const noexcept;
  /// Ids of the causal chain of the message in hand.
  [[nodiscard]] std::uint64_t trace() const noexcept;

  // -- children -----------------------------------------------------------------------------------

  /// As `actor_system::spawn`; the new actor is this one's child: stopped with it, before it.
  template <class A, class... Args>
  auto spawn(Args&&... args) {
    return detail::spawn_with<A>(cell_->system(), cell_, nullptr, std::forward<Args>(args)...);
  }
  template <class A, class... Args>
  auto spawn(spawn_options options, Args&&... args) {
    return detail::spawn_with<A>(cell_->system(), cell_, &options, std::forward<Args>(args)...);
  }
  template <class S, class... Hs>
  auto spawn(behavior_of<S, Hs...> b, spawn_options options = {});

  /// Stops this actor after the message in hand.
  void stop();
  /// Stops a child (or any actor), after the message it has in hand; what waits in its mailbox
  /// becomes dead letters.
  void stop(const any_ref& ref);
  /// Stops it now: a suspended handler is destroyed, its asker gets `errc::killed`.
  void kill(const any_ref& ref);

  // -- watching -----------------------------------------------------------------------------------

  /// `terminated` will come exactly once, also when it has ended already. Watching twice is
  /// watching once.
  void watch(const any_ref& ref);
  /// After this returns no `terminated` of it is delivered any more.
  void unwatch(const any_ref& ref);
  /// Both ways: when one ends, for whatever reason, the other is stopped, or gets an `exit_signal`
  /// if it traps exits.
  void link(const any_ref& ref);
  void unlink(const any_ref& ref);
  void trap_exits(bool on);

  // -- the message in hand ------------------------------------------------------------------------

  /// Sets the message in hand aside, its ask with it. For a handler that takes its message by
  /// `const M&`, or a trivially copyable one; a handler that took it by value gives it back:
  /// `stash(std::move(msg))`. Throws `errc::stash_full`, `errc::invalid_argument`.
  void stash() { detail::stash_current(*cell_, current(), nullptr, nullptr, nullptr); }
  template <message M>
  void stash(M&& msg) {
    detail::stash_current(*cell_, current(), &give_back<M>, &msg, &detail::message_type_of<M>);
  }
  /// All that was set aside comes next, in the order it came, before what waits in the mailbox.
  void unstash_all();
  [[nodiscard]] std::size_t stash_size() const noexcept;

  /// Passes the message in hand on, with its sender and its ask: the new receiver answers the
  /// asker. The same rule for by-value handlers as with `stash`.
  void forward(const any_ref& to);
  template <message M>
  void forward(const any_ref& to, M&& msg) {
    if (!to) detail::throw_empty_ref();
    detail::forward_current(current(), *to.get(), &give_back<M>, &msg, &detail::message_type_of<M>);
  }

  // -- behaviour ----------------------------------------------------------------------------------

  /// From the next message on, `b`'s handlers are used; what they do not handle is `unhandled`.
  template <class S, class... Hs>
  void become(behavior_of<S, Hs...> b);
  /// Back to the one before; without one: nothing.
  void unbecome();

  // -- time ---------------------------------------------------------------------------------------

  /// Sends `msg` to this actor after `d`. Resolution 1 ms.
  template <class M>
  timer send_after(duration d, M msg) {
    detail::check_message<M>();
    return schedule(std::move(msg), nullptr, d, duration(0), false);
  }
  /// At a fixed rate: the n-th at `initial + n · interval` after now, however late the ones before
  /// were.
  template <class M>
  timer send_every(duration initial, duration interval, M msg) {
    detail::check_repeated<M>();
    return schedule(std::move(msg), &copy<M>, initial, interval, true);
  }
  /// With a fixed delay: the next one `delay` after the one before was sent.
  template <class M>
  timer send_with_delay(duration initial, duration delay, M msg) {
    detail::check_repeated<M>();
    return schedule(std::move(msg), &copy<M>, initial, delay, false);
  }
  /// `odeon::receive_timeout` comes each time no message was taken for `d`. Zero: no more.
  void receive_timeout(duration d);

  // -- work beside the mailbox --------------------------------------------------------------------

  /// Runs `work` on this actor's turns without holding up its mailbox, and sends itself
  /// `map(result<T>)`.
  template <class T, class Map>
  void pipe_to_self(task<T> work, Map map) {
    detail::check_map<T, Map>();
    branch(piped(std::move(work), std::move(map), self()));
  }
  template <class T, class Map>
  void pipe_to_self(future<T> f, Map map) {
    detail::check_map<T, Map>();
    branch(piped_future(std::move(f), std::move(map), self()));
  }

 private:
  template <class M>
  static void copy(void* to, const void* from) {
    ::new (to) M(*static_cast<const M*>(from));
  }
  template <class M>
  static void give_back(void* payload, void* from) {
    *static_cast<M*>(payload) = std::move(*static_cast<M*>(from));
  }
  template <class M>
  timer schedule(M&& msg, detail::copy_payload_fn copy, duration initial, duration interval,
                 bool fixed_rate) {
    using type = std::remove_cvref_t<M>;
    detail::envelope* e = detail::make_envelope<type>(true, std::forward<M>(msg));
    detail::stamp(*e);
    return detail::schedule(*cell_, *e, copy, initial, interval, fixed_rate);
  }
  template <class T, class Map>
  static task<void> piped(task<T> work, Map map, any_ref self) {
    result<T> r = std::unexpected<error>(errc::internal);
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(work);
        r = {};
      } else {
        r = co_await std::move(work);
      }
    } catch (const actor_error& e) {
      r = std::unexpected<error>(e.reason());
    } catch (const std::exception& e) {
      r = fail(errc::handler_failed, e.what());
    }
    tell_mapped(self, map(std::move(r)));
  }
  template <class T, class Map>
  static task<void> piped_future(future<T> f, Map map, any_ref self) {
    tell_mapped(self, map(co_await std::move(f).as_result()));
  }
  template <class M>
  static void tell_mapped(const any_ref& self, M&& msg) {
    detail::tell_to<std::remove_cvref_t<M>>(*self.get(), std::forward<M>(msg));
  }
  void branch(task<void> work);
  [[nodiscard]] detail::turn& current() const;

  detail::cell* cell_;
};

}  // namespace odeon
