#pragma once

#include <odeon/core/actor_ref.hpp>
#include <odeon/core/signals.hpp>
#include <odeon/core/supervision.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

/// @file The seam between the cell and what routes its messages elsewhere.
///
/// A *stand-in* takes the messages of a cell on the senders' threads: they never enter the cell's
/// mailbox, unless the cell's own class has a handler for them. A *pull source* is a further
/// mailbox that several cells share: each takes from it when it has nothing else to do.

namespace odeon {

struct dead_letter;

}  // namespace odeon

namespace odeon::detail {

struct spawn_request;
struct turn;

class stand_in {
 public:
  virtual ~stand_in() = default;

  /// Takes the envelope. The error is for `try_tell`; a message that is refused has become a dead
  /// letter. `may_wait`: as a plain tell of an outside thread to a full mailbox does.
  /// @threadsafe
  virtual result<void> route(cell& self, envelope& e, bool may_wait) noexcept = 0;
  /// For `tell_wait`.
  virtual future<void> route_wait(cell& self, envelope& e) = 0;
  [[nodiscard]] virtual bool accepts(const message_type& type) const noexcept = 0;
  /// The class it stands for, for diagnostics.
  [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
  /// Nobody waits for the answer any more. @threadsafe
  virtual void given_up(const ask_state_base& ask) noexcept = 0;
  /// Where a request is that was routed, for the text of a timeout; "" when it is not known.
  [[nodiscard]] virtual std::string where_is(const ask_state_base& ask) const = 0;
  /// The cell has ended. On its last turn.
  virtual void ended(cell& self) noexcept = 0;
  /// The address that the class of the stand-in is known by.
  [[nodiscard]] virtual const void* kind() const noexcept = 0;
};

/// What stands for an actor that lives elsewhere: its cell has no turns, no children and no place
/// in the tree; whatever is sent to it, also by the runtime itself, is routed. `given_up` tells of
/// asks, also when their time has passed; `ended` is never called: the stand-in is destroyed with
/// the last reference to its cell, on any thread, also after the system's end. All of it may be
/// called from any thread, must be short and must not throw.
class far_target : public stand_in {
 public:
  /// `watcher`, a cell of this process, is to be told once when the actor has ended
  /// (`tell_terminated_of`).
  virtual void watch(cell& self, any_ref watcher) noexcept = 0;
  virtual void unwatch(cell& self, any_ref watcher) noexcept = 0;
  /// Both ways: each is to be told of the other's end (`tell_exit_of`).
  virtual void link(cell& self, any_ref other) noexcept = 0;
  virtual void unlink(cell& self, any_ref other) noexcept = 0;
  virtual void stop(cell& self, bool kill) noexcept = 0;
  /// The far actor watched or was linked to `who`, which is here and has ended.
  virtual void terminated(cell& self, any_ref who, const exit_reason& reason) noexcept = 0;
  virtual void exited(cell& self, any_ref who, const exit_reason& reason) noexcept = 0;

  void ended(cell&) noexcept final {}
};

class pull_source {
 public:
  virtual ~pull_source() = default;

  /// The next message for `c`, which is done with the one before; null: none. On its turn.
  virtual envelope* pull(cell& c) noexcept = 0;
  /// A cell that pulls has just gone to rest, idle or closed. Not on its turn any more: what came
  /// between its last look and its rest is to be given to somebody now.
  virtual void rested() noexcept = 0;
  /// The handler of `c` failed. On its turn.
  virtual void failed(cell& c, directive what, const std::string& why) noexcept = 0;
  /// `c` has ended. On its last turn.
  virtual void left(cell& c) noexcept = 0;
  /// Whether `c`, whose handler has ended, still owes an answer: it is not to stop before that. On
  /// its turn.
  [[nodiscard]] virtual bool awaits(cell& c) noexcept = 0;
  /// Whether what `c` has in hand is kept elsewhere, and so not lost when its handler fails.
  [[nodiscard]] virtual bool keeps(const cell& c) const noexcept = 0;
};

/// An actor's class and its arguments, to make further ones of. Shares the arguments.
struct actor_recipe {
  const actor_class* what = nullptr;
  std::shared_ptr<void> args;

  /// Takes the request's arguments. Throws `invalid_argument` when they cannot be copied.
  static actor_recipe of(const spawn_request& request);
  /// A new actor below `parent`. As `spawn_cell`.
  [[nodiscard]] cell* spawn(cell& parent, spawn_options& options) const;
};

/// As `spawn_cell`; what the actor's own class does not handle goes to `in_place`.
cell* spawn_stand_in(system_anchor& system, const spawn_request& request,
                     std::shared_ptr<stand_in> in_place);
/// The local end of an actor elsewhere, with a reference for the caller; it goes with the last one.
/// `path` is what `any_ref::path` gives. Its tells and asks go to `target`. Throws
/// `system_stopped`.
/// @threadsafe
cell* make_far_cell(system_anchor& system, std::string path, std::shared_ptr<far_target> target);
/// The target of such a cell, or null for any other. Lives as long as the cell.
[[nodiscard]] far_target* far_target_of(const cell& c) noexcept;
/// From now on `is_terminated` says so, and what is sent there is a dead letter `actor_stopped`.
/// For the local end of an actor that has ended. @threadsafe
void far_cell_ended(cell& c) noexcept;
/// Tells `watcher` that the actor it watches has ended; nothing when it does not watch any more.
/// @threadsafe
void tell_terminated_of(cell& watcher, any_ref who, const exit_reason& reason) noexcept;
/// The same for a link.
void tell_exit_of(cell& linked, any_ref who, const exit_reason& reason) noexcept;
/// As `context::watch` and the rest, for who acts for an actor elsewhere, whose local end is
/// `watcher`. @threadsafe
void watch_for(cell& target, any_ref watcher);
void unwatch_for(cell& target, any_ref watcher);
void link_for(cell& target, any_ref other);
void unlink_for(cell& target, any_ref other);
/// The cell's own, or null. Lives as long as the cell.
[[nodiscard]] stand_in* stand_in_of(const cell& c) noexcept;

/// From now on the messages that wait in `c` are counted, at the cost of two atomic additions a
/// message. @threadsafe
void count_waiting(cell& c);
/// How many wait: counted, when they are (O(1)), else walked (O(their number)). @threadsafe
[[nodiscard]] std::size_t waiting_in(const cell& c) noexcept;
/// Whether nobody runs it and it would take a message now. @threadsafe
[[nodiscard]] bool is_idle(const cell& c) noexcept;
/// The runtime of a system, or null when it has ended. The caller sees to it that it does not end
/// meanwhile.
[[nodiscard]] runtime* runtime_of(const system_anchor& system) noexcept;
/// The system's default time for asks; zero: none.
[[nodiscard]] duration ask_timeout_of(const system_anchor& system) noexcept;
/// Whether a tell from outside of actors may have to wait for room there. @threadsafe
[[nodiscard]] bool tell_may_wait(const cell& c) noexcept;
/// Has an idle cell look for work; false: it was not idle. @threadsafe
bool wake_if_idle(cell& c) noexcept;
/// Has `c` pull from `source`, from its next turn on. @threadsafe
void attach_source(cell& c, std::shared_ptr<pull_source> source);
/// `c` stops as soon as it has nothing left to do: no message, nothing stashed, no suspended work.
/// @threadsafe
void dismiss(cell& c);

/// A copy with the same origin, key and deadline, without its ask; null when the type cannot be
/// copied. May throw what the payload's copy throws.
[[nodiscard]] envelope* copy_envelope(const envelope& e);
/// For a handler that finds that it has none for the message in hand: told as any such. The
/// envelope is hollow after it.
void unhandled_here(turn& t, envelope& e) noexcept;
/// A dead letter; its ask fails with `why` and its text. Takes the envelope.
void lose(cell& to, envelope& e, const error& why) noexcept;
/// A dead letter of a message that never came to be an envelope, such as one that cannot be read.
/// Its `message` must be a constant. @threadsafe
void note_lost(system_anchor& system, const dead_letter& letter) noexcept;
/// For who asks for somebody elsewhere, who has given up: the ask fails with `cancelled`, and a
/// suspended handler of its request is asked to stop. @threadsafe
void cancel_ask(ask_state_base& ask) noexcept;
/// Runs `work` on the cell's next turn, before its messages. @threadsafe
void run_on_turn(cell& c, std::function<void()> work);

}  // namespace odeon::detail
