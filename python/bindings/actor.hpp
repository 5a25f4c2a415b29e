#pragma once

#include "encoded.hpp"
#include "host.hpp"
#include "interp.hpp"
#include <odeon/core/actor.hpp>
#include <odeon/core/detail/dispatch.hpp>

#include <cstdint>
#include <memory>
#include <string>

/// @file An actor of Python: what stands in its cell, and what is known of its class.

namespace odeon::python {

struct actor_props;
struct execution;
struct context_object;

/// A function of an actor's class, called with as many of (self, message, ctx) as it takes.
struct method {
  PyObject* call = nullptr;  // held for ever
  int takes = 0;             // positional arguments with self
  explicit operator bool() const noexcept { return call; }
};

/// A class of actors, looked at once. Never freed.
struct py_class {
  detail::actor_class core{};
  detail::handler_entry places[1] = {};
  detail::handler_entry rest{};
  std::string name;
  PyObject* cls = nullptr;
  method receive;
  PyObject* handlers = nullptr;  // dict: class of messages → (function, takes); null: none
  method hooks[4];               // as detail::hook
  method on_unhandled;
  bool is_async = false;  // some function of it is a coroutine function
  PyObject* outgoing =
      nullptr;  // makes of a message what is sent, at the sender's call; null: none
  std::weak_ptr<actor_props> plain;  // of the actors made without arguments last

  /// What stands for the class in cells that live in another interpreter, until it is known there.
  /// Without objects; made once. Attached; throws `std::bad_alloc`.
  [[nodiscard]] py_class& elsewhere();

 private:
  std::unique_ptr<py_class> elsewhere_;
};

/// That class's description; null with an exception set.
[[nodiscard]] py_class* class_for(interp& in, PyObject* cls) noexcept;

/// Where an actor of a dispatcher with several hosts counts, from its spawn to its end; a restart
/// leaves and enters.
class actor_place {
 public:
  virtual ~actor_place() = default;
  virtual void enter() noexcept = 0;
  virtual void leave() noexcept = 0;
};

/// What such an actor is made of. Immutable.
struct remote_recipe {
  std::string path;      // "module:qualname"; "": the class and the arguments are at hand
  encoded_payload args;  // (args, kwargs or None)
  /// Made for another node: of that class, and `args` is a list that came to that system.
  py_class* known = nullptr;
  const detail::system_anchor* far = nullptr;
  std::shared_ptr<actor_place> place;  // null: it counts nowhere
};

/// What an actor is made of, kept for restarts and shared by the actors of a pool, and by those of
/// a class that are made without arguments.
struct actor_props : std::enable_shared_from_this<actor_props> {
  actor_props(interp& home, py_class& cls, std::shared_ptr<host> at, py_handle args,
              py_handle kwargs) noexcept
      : home(home),
        cls(cls),
        at(std::move(at)),
        args(std::move(args)),
        kwargs(std::move(kwargs)) {}

  interp& home;
  py_class& cls;
  std::shared_ptr<host> at;
  py_handle args;                               // a tuple
  py_handle kwargs;                             // a dict, or null
  std::shared_ptr<const remote_recipe> recipe;  // null: spawned where it runs
  std::shared_ptr<actor_props> found;           // of a recipe, by the host's own thread

 private:
  friend class props_ref;
  detail::spin_lock lock_;
  std::uint32_t cells_ = 0;
  std::shared_ptr<actor_props> self_;  // while there are cells
};

/// A share of props in one word.
class props_ref {
 public:
  explicit props_ref(std::shared_ptr<actor_props> p) noexcept;
  props_ref(props_ref&& o) noexcept : props_(std::exchange(o.props_, nullptr)) {}
  props_ref(const props_ref& o) noexcept;
  props_ref& operator=(const props_ref&) = delete;
  ~props_ref();
  actor_props& operator*() const noexcept { return *props_; }

 private:
  actor_props* props_;
};

/// Who is to be answered for the message in hand.
struct reply_slot {
  detail::ask_state_base* ask = nullptr;  // borrowed: its owner outlives the slot's use
  bool settled = false;                   // answered, or handed to a `ReplyTo`
};

/// The object in the cell: 56 bytes, so that a cell without further options is 192. On its host's
/// thread only, but for being made and destroyed.
class py_actor final : public detail::actor_base {
 public:
  /// Makes the instance at once when the thread is attached; throws `python_error`. `props` is kept
  /// by the cell.
  explicit py_actor(actor_props& props);
  ~py_actor();

  using detail::actor_base::ctx;
  [[nodiscard]] detail::cell& cell() noexcept { return ctx().cell(); }
  [[nodiscard]] const actor_props& props() const noexcept { return *props_; }
  [[nodiscard]] interp& home() const noexcept { return props_->home; }
  [[nodiscard]] PyObject* instance() const noexcept { return instance_; }
  /// Its `Context`, borrowed; null with an exception set.
  [[nodiscard]] PyObject* context_object() noexcept;
  /// Its own contextvars.Context, borrowed, made on first need; null with an exception set.
  [[nodiscard]] PyObject* variables() noexcept;
  /// The same where it is there already; else null.
  [[nodiscard]] PyObject* own_variables() const noexcept {
    return more_ ? more_->variables : nullptr;
  }
  /// Takes over what its host gave away. Takes the reference.
  void keep_variables(PyObject* stolen) noexcept;
  /// Behaviours put on top of the class's own: a list of callables (message, ctx), the present one
  /// last; null: none.
  [[nodiscard]] PyObject* behaviors() const noexcept { return more_ ? more_->behaviors : nullptr; }
  /// The same, made on first need; null with an exception set.
  [[nodiscard]] PyObject* need_behaviors() noexcept;

  /// Makes the instance if that is yet to be done. Throws `python_error`.
  void make_instance();

  reply_slot* slot = nullptr;   // of the handler that runs now
  PyObject* message = nullptr;  // in hand; borrowed

 private:
  /// What most actors do not need.
  struct rare {
    PyObject* behaviors = nullptr;
    PyObject* variables = nullptr;
  };
  rare& more();

  actor_props* props_;
  PyObject* instance_ = nullptr;
  struct context_object* context_ = nullptr;
  std::unique_ptr<rare> more_;
};
static_assert(sizeof(py_actor) == 56);

/// Spawns (`options` may be null: all defaults): the reference, with a reference of the caller's.
/// Throws what `spawn_cell` does; a constructor's own exception is then `spawn_cause`'s.
[[nodiscard]] any_ref spawn_actor(detail::system_anchor& system, detail::cell* parent,
                                  std::shared_ptr<actor_props> props, spawn_options* options);
/// The exception of the constructor that failed last on this thread; a new reference, or null.
[[nodiscard]] PyObject* take_spawn_cause() noexcept;

/// The actor of a cell, or null when it is none of Python's, or has ended. On its turn.
[[nodiscard]] py_actor* actor_in(detail::cell& c) noexcept;
[[nodiscard]] bool is_python(const detail::cell& c) noexcept;
/// What is known of the class of a cell of Python.
[[nodiscard]] inline const py_class& class_of(const detail::cell& c) noexcept {
  static_assert(offsetof(py_class, core) == 0);
  return reinterpret_cast<const py_class&>(c.get_class());
}

/// Answers the message in hand. False: nobody waits. Takes the reference.
bool answer(interp& in, reply_slot& slot, PyObject* stolen);
/// A handler has ended with that value: answers, or fails the ask with `no_reply`. Takes the
/// reference.
void conclude(interp& in, py_actor& a, reply_slot& slot, PyObject* stolen,
              std::string_view message);

/// For a scope: whom and what the handler that runs now answers.
class in_hand {
 public:
  in_hand(py_actor& a, reply_slot& slot, PyObject* message) noexcept
      : a_(a),
        slot_(std::exchange(a.slot, &slot)),
        message_(std::exchange(a.message, message)) {}
  ~in_hand() {
    a_.slot = slot_;
    a_.message = message_;
  }
  in_hand(const in_hand&) = delete;

 private:
  py_actor& a_;
  reply_slot* slot_;
  PyObject* message_;
};

}  // namespace odeon::python
