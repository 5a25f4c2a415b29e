#pragma once

#include "extension.hpp"
#include "system_core.hpp"
#include <odeon/base/detail/exceptions.hpp>

/// @file The inside of a cell, for the files that make up its life: cell.cpp (mailbox and turns),
/// life.cpp (start, stop, restart), control.cpp (watch, link and other control messages),
/// executions.cpp (coroutines).

namespace odeon::detail {

/// A control message of the runtime's own.
struct control_message : driver_node {
  explicit control_message(void (*act)(cell&, turn&, control_message&)) noexcept : act(act) {
    arrive = &arrived;
  }
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }
  /// Acts on the turn's actor, then frees itself.
  static void arrived(driver_node& node);

  void (*act)(cell&, turn&, control_message&);
  any_ref who;
  exit_reason reason;
  std::shared_ptr<const failure> why;
  ask_state_base* ask = nullptr;  // with a reference
  directive what = directive::stop;
  bool flag = false;
};

struct cell_access {
  // -- fields -------------------------------------------------------------------------------------
  static cell* make(system_core& core, const actor_class& cls, executor& where, cell* parent);
  static void destroy(cell& c) noexcept;
  /// Of a cell that never came to life.
  static void discard(cell& c) noexcept {
    set_flag(c, cell::terminated_flag);
    c.refs().fetch_sub(1, std::memory_order_acq_rel);
    release(c);
    c.drop_ref();
  }
  /// The maker gives up the right to run it: to nobody, or, when something came meanwhile, to the
  /// executor.
  static void release(cell& c) noexcept {
    std::uintptr_t empty = reinterpret_cast<std::uintptr_t>(&c.stub_);
    if (!c.head_.compare_exchange_strong(empty, empty | cell::idle, std::memory_order_acq_rel))
      c.executor_->submit(c);
  }
  static void* args_place(cell& c) noexcept {
    return static_cast<char*>(c.object_) + c.class_->args_offset;
  }
  static bool has_object(const cell& c) noexcept { return c.has_object_; }
  /// Constructs the object from the kept arguments. May throw.
  static void construct(cell& c);
  static void destroy_object(cell& c) noexcept;
  static std::uint32_t flags(const cell& c) noexcept {
    return c.flags_.load(std::memory_order_relaxed);
  }
  static void set_flag(cell& c, std::uint32_t f) noexcept { c.flags_.fetch_or(f); }
  static void clear_flag(cell& c, std::uint32_t f) noexcept { c.flags_.fetch_and(~f); }
  static cell*& next_sibling(cell& c) noexcept { return c.next_sibling_; }
  static cell*& prev_sibling(cell& c) noexcept { return c.prev_sibling_; }
  static system_core& core(const cell& c) noexcept {
    return *c.system_->core.load(std::memory_order_relaxed);
  }
  static std::uintptr_t head(const cell& c) noexcept {
    return c.head_.load(std::memory_order_acquire);
  }
  static mailbox_node* tail(const cell& c) noexcept {
    return c.tail_.load(std::memory_order_relaxed);
  }
  static const mailbox_node* stub(const cell& c) noexcept { return &c.stub_; }
  static bool is_idle_word(std::uintptr_t w) noexcept { return w & (cell::idle | cell::suspended); }
  static bool is_idle(std::uintptr_t w) noexcept { return w & cell::idle; }
  /// As raise_control, for an idle cell alone; false: it was not idle.
  static bool wake_if_idle(cell& c) noexcept {
    std::uintptr_t h = c.head_.load(std::memory_order_relaxed);
    while (h & cell::idle) {
      if (!c.head_.compare_exchange_weak(h, (h | cell::control) & ~cell::idle,
                                         std::memory_order_acq_rel))
        continue;
      c.executor_->submit(c);
      return true;
    }
    return false;
  }
  static mailbox_node* node(std::uintptr_t w) noexcept { return cell::node_of(w); }
  static void raise_control(cell& c) noexcept { c.raise_control(); }
  static void schedule(cell& c) noexcept { c.executor_->submit(c); }

  // -- turns (cell.cpp) ---------------------------------------------------------------------------
  static void run(runnable& r) noexcept;
  static void run_turn(cell& c, turn& t) noexcept;
  static void drain_control(cell& c, turn& t) noexcept;
  static bool park(cell& c) noexcept;
  static bool go_idle(cell& c, mailbox_node* tail) noexcept;
  static bool work_at_rest(cell& c, turn& t, cell_extension& x) noexcept;
  template <class LetGo>
  static bool rest(cell& c, turn& t, LetGo let_go) noexcept;
  static void retire(cell& c, mailbox_node* n) noexcept;
  static envelope* take_aside(cell& c, cell_extension& x) noexcept;
  static void handle(cell& c, turn& t, envelope& e) noexcept;
  static bool refuse(cell& c, turn& t, envelope& e) noexcept;
  static void handle_here(cell& c, turn& t, envelope& e, thread_state& here) noexcept;
  static void handler_threw(cell& c, turn& t, envelope& e) noexcept;
  static void note_unhandled(cell& c, turn& t, envelope& e) noexcept;
  static void drop_all(cell& c, turn& t) noexcept;
  static void note_backlog(cell& c, cell_extension& x, std::size_t taken) noexcept;
  static void note_depth(cell& c, std::size_t waiting) noexcept;
  static std::size_t depth(const cell& c, const ask_state_base* until = nullptr,
                           bool* found = nullptr) noexcept;
  /// Calls the handler for a signal, if there is one, as a message in hand would be.
  static void deliver_signal(cell& c, turn& t, envelope* e) noexcept;

  // -- life (life.cpp) ----------------------------------------------------------------------------
  static void start(cell& c, turn& t) noexcept;
  /// `first` is the path of the actor that failed first, when it is another.
  static void fail(cell& c, turn& t, std::exception_ptr p, std::string_view message,
                   std::string_view where, std::string first = {}) noexcept;
  static void apply(cell& c, turn& t, directive d, std::shared_ptr<const failure> why) noexcept;
  static void begin_restart(cell& c, turn& t, const failure& why) noexcept;
  static void restart_children(cell& c, turn& t) noexcept;
  static void restart_object(cell& c) noexcept;
  static void reconstruct(cell& c, turn& t) noexcept;
  static void restarted(cell& c, turn& t) noexcept;
  static void begin_stop(cell& c, turn& t, exit_reason reason, bool kill) noexcept;
  static void stop_children(cell& c, turn& t) noexcept;
  static void stop_hook(cell& c, turn& t) noexcept;
  static void finish_stop(cell& c, turn& t) noexcept;
  static void children_gone(cell& c, turn& t) noexcept;
  static void hook_ended(cell& c, turn& t, hook which, std::exception_ptr error) noexcept;
  static bool run_hook(cell& c, turn& t, hook which, const failure* why,
                       std::exception_ptr& error) noexcept;
  static bool order_children_to_stop(cell& c) noexcept;
  static void drop_timers(cell& c) noexcept;
  static void set_receive_timeout(cell& c, duration d);
  static void idle_check(cell& c, turn& t) noexcept;
  static void close_lane(cell& c, turn& t, std::uint32_t flag) noexcept;
  static void open_lane(cell& c, turn& t, std::uint32_t flag) noexcept;

  // -- coroutines (executions.cpp) ----------------------------------------------------------------
  static void first_step(cell& c, turn& t, execution& x) noexcept;
  static void resume(cell& c, turn& t, execution& x, driver_node& n) noexcept;
  static void ended(cell& c, turn& t, execution& x, bool inside = false) noexcept;
  static void fail_soon(cell& c, std::exception_ptr p, std::string_view message);
  static void suspended(cell& c, turn& t, execution& x) noexcept;
  static void destroy_execution(cell& c, execution& x, const error& why) noexcept;
  /// All of them; `what` follows the actor's path in the text that their askers get.
  static void destroy_executions(cell& c, turn& t, errc code, const char* what) noexcept;
  static void unlink(cell& c, execution& x) noexcept;
  static void drop_retired(cell_extension& x) noexcept;
  /// Handles one waiting request beside a suspended handler (`call_cycle::allow_in_chain`).
  static void admit(cell& c, turn& t, ask_state_base& ask) noexcept;
};

// Control messages (control.cpp). Each may allocate; the targets are held by the caller.
void tell_terminated(cell& watcher, any_ref who, const exit_reason& reason);
void tell_exit(cell& linked, any_ref who, const exit_reason& reason);
void send_watch(cell& target, any_ref watcher);
void send_unwatch(cell& target, any_ref watcher);
void send_link(cell& target, any_ref from);
void send_unlink(cell& target, any_ref from);
void send_stop(cell& target, bool kill);
void send_cancel(cell& target, ask_state_base& ask);
void send_admit(cell& target, ask_state_base& ask);

/// The payload and its ask in a block of their own; what is left is hollow.
envelope* relocate(envelope& e);
/// Fails the ask with `why`, forgets the timer, destroys the payload: the block is left, hollow.
void settle_lost(envelope& e, errc why) noexcept;

// Timers (timers.cpp). False: it was cancelled, and the message is not to be delivered.
bool timer_take(envelope& e) noexcept;
void timer_forget(envelope& e) noexcept;

/// Whether `e` carries that ask; for looking on from other threads.
bool envelope_is_of(const envelope& e, const ask_state_base* ask) noexcept;

/// What the asker of a handler that threw is told.
error handler_error(const cell& c, const std::exception_ptr& p, std::string_view message);

}  // namespace odeon::detail
