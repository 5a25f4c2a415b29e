// Coroutines that an actor drives. All of it happens on the actor's turns; only `execution::post`
// is called from elsewhere, and it only pushes to the control lane.
//
// A handler that suspends keeps its envelope (flag `kept`), because it may use the message by
// reference. Unless the actor is reentrant the user lane is closed until the handler ends (flag
// `waiting`). When it ends its result goes to the ask, and its envelope to the pool.

#include "internal/cell_access.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/core/log.hpp>
#include <odeon/task/fork.hpp>

namespace odeon::detail {

runtime& execution::get_runtime() const noexcept { return *self.system().rt; }

namespace {

/// The context of one execution as the turn's, for as long as it runs.
struct in_context {
  in_context(turn& t, execution& x) noexcept
      : now(x),
        t(t),
        hop(t.hop),
        trace(t.trace),
        call(t.call),
        current(t.current) {
    t.hop = x.hop;
    t.trace = x.trace;
    t.call = x.ask ? x.ask : x.chain;
    t.current = x.kept;
  }
  ~in_context() {
    t.hop = hop;
    t.trace = trace;
    t.call = call;
    t.current = current;
  }
  driving now;
  turn& t;
  std::uint64_t hop, trace;
  ask_state_base* call;
  envelope* current;
};

/// The message in hand is a job that is given to another: not lost.
bool job_is_kept(cell& c) noexcept {
  auto* ext = c.extension_if();
  return ext && ext->source && ext->source->keeps(c);
}

/// Its coroutine is gone. What is late keeps it.
void dispose(execution& x) noexcept {
  x.retire();
  x.gone = true;
  if (x.late == 0) delete &x;
}

void start_branch(turn& t, task<void> work, ask_state_base* chain) {
  cell& c = *t.self;
  auto h = work.release();
  auto* x = new execution(c, execution::kind::branch, h);
  h.promise().set_driver(x);
  x->how = &finish_with<void, void>;
  if (chain) {
    chain->add_ref();
    x->chain = chain;
  }
  x->hop = t.hop;
  x->trace = t.trace;
  cell_access::first_step(c, t, *x);
}

}  // namespace

// The tasks that a handler forks are bound by the time that its asker leaves, as it is.
void execution::accompany(task<void> work) {
  turn& t = *this_turn();
  start_branch(t, std::move(work), t.call);
}

void execution::unhandled(const unhandled_task_error& e) noexcept {
  logger(self.path()).error("nobody looked at the error of the task '{}': {}", e.task, e.what());
  cell_access::core(self).event<task_failed>(
      [&] { return task_failed{any_ref::share(&self), self.path(), e.task, e.what()}; });
}

void start_handler(turn& t, envelope& e, std::coroutine_handle<> root, task_promise_base& promise,
                   const coroutine_finish& how, ask_state_base* chain) {
  cell& c = *t.self;
  auto* x = new execution(c, execution::kind::handler, root);
  promise.set_driver(x);
  x->how = &how;
  x->ask = take_ask(e);
  x->chain = chain;
  x->kept = &e;
  x->message = e.type->name;
  x->hop = t.hop;
  x->trace = t.trace;
  e.flags |= envelope::kept;
  cell_access::first_step(c, t, *x);
}

bool start_hook(turn& t, hook which, std::coroutine_handle<> root, task_promise_base& promise,
                const coroutine_finish& how) {
  cell& c = *t.self;
  auto* x = new execution(c, execution::kind::hook, root);
  promise.set_driver(x);
  x->how = &how;
  x->which_hook = which;
  x->hop = t.hop;
  x->trace = t.trace;
  {
    driving now(*x);
    root.resume();
  }
  if (root.done()) {
    // Its exception is the hook's.
    struct frame {
      execution* x;
      ~frame() {
        x->root.destroy();
        dispose(*x);
      }
    } guard{x};
    how.finish(root, nullptr);
    return true;
  }
  cell_access::suspended(c, t, *x);
  return false;
}

void turn::branch(task<void> work) { start_branch(*this, std::move(work), nullptr); }

void cell_access::first_step(cell& c, turn& t, execution& x) noexcept {
  // The ask and the message stay the turn's while the first step runs inside the handler's own
  // call.
  ask_state_base* call = std::exchange(t.call, x.ask ? x.ask : x.chain ? x.chain : t.call);
  execution* outer = std::exchange(t.first_step, &x);
  {
    driving now(x);
    x.root.resume();
  }
  t.first_step = outer;
  t.call = call;
  if (x.root.done())
    ended(c, t, x, true);
  else
    suspended(c, t, x);
}

void cell_access::suspended(cell& c, turn& t, execution& x) noexcept {
  cell_extension& ext = c.extension();
  if (!x.next && !x.prev && ext.executions != &x) {
    x.next = ext.executions;
    if (x.next) x.next->prev = &x;
    ext.executions = &x;
  }
  if (x.what != execution::kind::handler || c.class_->reentrant) return;
  ext.waiting_message.store(x.kept ? x.kept->type : nullptr, std::memory_order_relaxed);
  if (x.since == time_point{}) {
    // On a worker the batch's time is near enough; elsewhere turns may be far apart.
    x.since = this_worker ? time_point(duration(this_thread_state.coarse_now)) : core(c).rt.now();
  }
  ext.waiting_since.store(x.since.time_since_epoch().count(), std::memory_order_relaxed);
  close_lane(c, t, cell::waiting);
  const auto* waits =
      static_cast<const future_state_base*>(x.waiting_on.load(std::memory_order_relaxed));
  const void* ask = waits ? waits->as_ask() : nullptr;
  // seq_cst with ask_state_base::watch: of "I wait for this ask" and "this ask is being watched"
  // one side sees the other's, so a cycle is looked for by whoever comes last.
  ext.waiting_ask.store(ask);
  if (ask) {
    auto* a = const_cast<ask_state_base*>(static_cast<const ask_state_base*>(ask));
    if (a->due.load() != 0) a->look_for_cycle();
  }
}

void cell_access::resume(cell& c, turn& t, execution& x, driver_node& n) noexcept {
  if (x.gone) {
    // A node that could not be taken back: it has arrived, and the reference it held goes.
    n.arrive(n);
    if (--x.late == 0) delete &x;
    c.drop_ref();
    return;
  }
  cell_extension& ext = c.extension();
  ext.waiting_ask.store(nullptr);
  {
    in_context inside(t, x);
    n.arrive(n);
  }
  if (x.root.done())
    ended(c, t, x);
  else
    suspended(c, t, x);
}

void cell_access::unlink(cell& c, execution& x) noexcept {
  auto* ext = c.extension_.load(std::memory_order_relaxed);
  if (x.next) x.next->prev = x.prev;
  if (x.prev)
    x.prev->next = x.next;
  else if (ext && ext->executions == &x)
    ext->executions = x.next;
  x.next = x.prev = nullptr;
}

namespace {

/// The handler is done with its message.
void release_message(execution& x) noexcept {
  envelope* e = std::exchange(x.kept, nullptr);
  if (!e) return;
  if (!(e->flags & envelope::hollow)) destroy_payload(*e);
  e->flags = static_cast<std::uint8_t>((e->flags & ~envelope::kept) | envelope::hollow);
  // Still the queue's last node: the queue frees it when it moves on.
  if (e->flags & envelope::orphan) free_block(*e);
}

}  // namespace

// `inside`: a handler, a hook or another coroutine of the actor is on the stack.
void cell_access::ended(cell& c, turn& t, execution& x, bool inside) noexcept {
  std::exception_ptr thrown;
  error why(errc::no_reply);
  const auto what = x.what;
  const hook which = x.which_hook;
  const std::string_view message = x.message;
  ask_state_base* ask = std::exchange(x.ask, nullptr);
  {
    in_context own(t, x);
    try {
      x.how->finish(x.root, ask);
      ask = nullptr;
    } catch (...) {
      thrown = std::current_exception();
      why = handler_error(c, thrown, message);
      const bool was_ask = ask;
      if (ask) {
        ask->fail(why);
        ask->drop_ref();
      }
      // The message in hand of a failed handler: lost, and told. Its ask has been settled.
      if (x.kept && !job_is_kept(c)) core(c).lost(c, *x.kept, errc::handler_failed, was_ask);
    }
    t.call = nullptr;                     // settled: it may be gone
    t.failing = thrown ? &why : nullptr;  // for a `reply_to` in the frame
    x.root.destroy();
    t.failing = nullptr;
  }
  unlink(c, x);
  // During its very first step inside handle() the envelope is the caller's to look at; it sees
  // `hollow`.
  release_message(x);
  dispose(x);
  if (what == execution::kind::hook) {
    hook_ended(c, t, which, thrown);
    return;
  }
  auto* ext = c.extension_.load(std::memory_order_relaxed);
  // Looked for only when it matters: there may be thousands of continuations before it.
  const auto other_handler = [ext] {
    execution* other = ext ? ext->executions : nullptr;
    while (other && other->what != execution::kind::handler) other = other->next;
    return other;
  };
  if (what == execution::kind::handler && (flags(c) & cell::waiting)) {
    // One that was let in has ended: the actor waits for the other's ask again.
    if (execution* other = other_handler())
      suspended(c, t, *other);
    else
      open_lane(c, t, cell::waiting);
  }
  if (ext && !ext->executions) drop_retired(*ext);
  if (thrown && !(flags(c) & (cell::stopping | cell::terminated_flag))) {
    if (inside)
      fail_soon(c, std::move(thrown), message);
    else
      fail(c, t, std::move(thrown), message, "handler");
  }
  if (ext && ext->step == life_step::stop_handler && !other_handler()) stop_children(c, t);
}

// A failure may end the actor on the spot, with its object and the message in hand: not while its
// own code is on the stack. The control lane is looked at before the next message.
void cell_access::fail_soon(cell& c, std::exception_ptr p, std::string_view message) {
  auto* m = new control_message([](cell& c, turn& t, control_message& m) {
    fail(c, t, m.why->exception, m.why->message, m.why->where);
  });
  m->why = std::make_shared<const failure>(failure{p, what_of(p), c.path(), message, "handler"});
  c.post_control(*m);
}

// Behaviours that were left while one of their handlers may have been running.
void cell_access::drop_retired(cell_extension& x) noexcept {
  for (auto& b : std::exchange(x.retired, {})) b.destroy(b.object);
}

void cell_access::destroy_execution(cell& c, execution& x, const error& why) noexcept {
  if (ask_state_base* ask = std::exchange(x.ask, nullptr)) {
    ask->fail(why);
    ask->drop_ref();
  }
  unlink(c, x);
  x.root.destroy();  // the awaiter takes its registration back, or has us expect its node
  if (x.kept && !job_is_kept(c)) core(c).lost(c, *x.kept, why.code());
  release_message(x);
  dispose(x);
}

void cell_access::destroy_executions(cell& c, turn& t, errc code, const char* what) noexcept {
  auto* ext = c.extension_.load(std::memory_order_relaxed);
  if (!ext || !ext->executions) return;
  ext->waiting_ask.store(nullptr);
  const error why(code, c.path() + what);
  while (execution* x = ext->executions) destroy_execution(c, *x, why);
  open_lane(c, t, cell::waiting);
}

}  // namespace odeon::detail
