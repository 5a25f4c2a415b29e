#include "execution.hpp"

#include "core/internal/extension.hpp"
#include "failure.hpp"
#include <odeon/core/actor_system.hpp>

#include <optional>

namespace odeon::python {

namespace {

/// While the coroutine is stepped outside of a turn of the core, by its task: tells and asks of it
/// have the actor as their sender, and belong to the handler's chain.
///
/// Nobody else can be running the actor: its cell is only ever run by this thread.
class as_turn {
 public:
  explicit as_turn(execution& x) noexcept : turn_(*x.self.get()) {
    turn_.hop = x.hop;
    turn_.trace = x.trace;
    turn_.current = x.message;
    turn_.call = x.slot.settled ? nullptr : x.slot.ask;
    outer_ = std::exchange(detail::this_ambient, &turn_);
  }
  ~as_turn() { detail::this_ambient = outer_; }
  as_turn(const as_turn&) = delete;

 private:
  detail::turn turn_;
  detail::ambient* outer_;
};

}  // namespace

execution::execution(py_actor& a, PyObject* coroutine, std::string what) noexcept
    : at(*a.props().at),
      in(a.home()),
      actor(&a),
      self(any_ref::share(&a.cell())),
      coroutine(coroutine),
      what(std::move(what)) {}

execution::~execution() {
  for (PyObject* o : {coroutine, pending, result, exception})
    if (o) py_handle::give_up(in, o);
}

execution::state execution::after(PySendResult r, PyObject* value, PyObject** out) noexcept {
  if (r == PYGEN_NEXT) {
    *out = value;
    return state::suspended;
  }
  over = true;
  if (r == PYGEN_RETURN)
    result = value;
  else
    exception = take_exception();
  return state::ended;
}

/// The ask that the core was told of has ended, or was given up: its memory may be another's soon.
void execution::waits_no_more() noexcept {
  detail::cell_extension* ext = actor ? actor->cell().extension_if() : nullptr;
  if (ext && ext->waiting_ask.load(std::memory_order_relaxed)) ext->waiting_ask.store(nullptr);
}

execution::state execution::step(PyObject** out) noexcept {
  PyObject* value = nullptr;
  waits_no_more();
  if (!std::exchange(began, true) && !actor) {  // nobody waits for what has not begun
    close();
    return state::ended;
  }
  PySendResult r;
  if (actor) {
    py_actor& a = *actor;
    const as_turn turn(*this);
    const in_hand now(a, slot, message_object.get());
    const in_variables own(&a);
    r = PyIter_Send(coroutine, Py_None, &value);
  } else {
    r = PyIter_Send(coroutine, Py_None, &value);
  }
  return after(r, value, out);
}

execution::state execution::throw_in(PyObject* exc, PyObject** out) noexcept {
  PyObject* value = nullptr;
  waits_no_more();
  {
    std::optional<as_turn> turn;
    std::optional<in_hand> now;
    if (actor) {
      turn.emplace(*this);
      now.emplace(*actor, slot, message_object.get());
    }
    const in_variables own(actor);
    value = PyObject_CallMethodOneArg(coroutine, in.name.throw_, exc);
  }
  if (value) return after(PYGEN_NEXT, value, out);
  if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
    owned stop(take_exception());
    PyObject* v = PyObject_GetAttrString(stop.get(), "value");
    return after(v ? PYGEN_RETURN : PYGEN_ERROR, v, out);
  }
  return after(PYGEN_ERROR, nullptr, out);
}

void execution::close() noexcept {
  if (over) return;
  over = true;
  owned r(PyObject_CallMethod(coroutine, "close", nullptr));
  if (!r) {
    PyErr_WriteUnraisable(coroutine);
  }
  PyErr_SetNone(in.cancelled_error);
  exception = take_exception();
}

void execution::finished() noexcept {
  if (actor)
    done.set(1);
  else if (exception && !PyErr_GivenExceptionMatches(exception, in.cancelled_error)) {
    set_exception(std::exchange(exception, nullptr));
    PyErr_WriteUnraisable(coroutine);
  }
  drop();
}

void execution::let_go() noexcept {
  actor = nullptr;
  slot.ask = nullptr;
  message = nullptr;
  if (!over && is_attached(in)) {
    if (by && by->task) {
      owned r(PyObject_CallMethodNoArgs(by->task, in.name.cancel));
      if (!r) {  // its loop is closed: nobody else ends it
        PyErr_Clear();
        std::exchange(by, nullptr)->x = nullptr;
        close();
        finished();
      }
    }
  }
  drop();
}

bool run_coroutine(py_actor& a, PyObject* stolen, std::string_view what, reply_slot& slot,
                   PyObject** value, execution** x) {
  host& at = *a.props().at;
  driver* d = at.enter();
  PyObject* awaited = nullptr;
  if (d) {
    PySendResult r;
    {
      const in_variables own(&a);
      r = PyIter_Send(stolen, Py_None, &awaited);
    }
    if (r != PYGEN_NEXT) {
      Py_DECREF(stolen);
      if (d->asked) [[unlikely]]
        at.leave();  // cancelled too late: nobody is to inherit that
      if (r == PYGEN_ERROR) throw python_error(a.home());
      *value = awaited;
      return true;
    }
  } else if (at.is_detached()) {
    Py_DECREF(stolen);
    PyErr_SetString(PyExc_RuntimeError,
                    "the event loop of this actor has ended: a coroutine cannot run any more");
    throw python_error(a.home());
  }
  auto* made = new execution(a, stolen, std::string(what));
  made->pending = awaited;
  made->began = awaited;
  made->slot = slot;
  if (a.message) made->message_object = py_handle(a.home(), Py_NewRef(a.message));
  detail::turn* t = detail::this_turn();
  made->hop = t->hop;
  made->trace = t->trace;
  made->message = t->current;
  made->by = d;
  if (d) {
    d->asked = false;
    d->x = made;
  }
  at.drive(*made);
  *x = made;
  return false;
}

task<void> ended(execution& x) {
  auto [done, over] = promise<int>::make(actor_system::of(x.self.get()->system()).get_runtime());
  x.done = std::move(done);
  static_cast<void>(co_await std::move(over).as_result());
  if (x.exception) {
    set_exception(std::exchange(x.exception, nullptr));
    throw python_error(x.in);
  }
}

}  // namespace odeon::python
