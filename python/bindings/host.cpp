// Hosts.
//
// Who owns what
//   ready_first_ …, done_first_ …, idle_, handed_, entered_   the host's own thread, attached.
//   ready_remote_, done_remote_   stacks that any thread pushes to and the host takes whole.
//   signalled_    1: the host has been told that there is something. Set by whoever pushes, and
//   only
//                 the one that changes 0 to 1 makes the system call; set back by the host before it
//                 takes the stacks.
//
// No wake-up is lost: a push (release) comes before the exchange on `signalled_`; the host's
// exchange to 0 comes before it takes. Both exchanges are acquire-release, so that when a pusher
// finds 1, the host's later exchange reads from it or from one after it, and sees the push.
//
// On its own thread nothing is signalled: what is submitted inside a drain is run by it, and
// outside of one (a task of the loop tells) the drain is put on the loop's list of callbacks, once.

#include "host.hpp"

#include "driver.hpp"
#include "execution.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/core/detail/ask.hpp>

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

namespace odeon::python {

namespace {

constexpr std::int64_t hold_max_ns = 1'000'000;
constexpr unsigned turns_per_task = 32;

constinit thread_local host* this_host = nullptr;

std::uintptr_t this_thread() noexcept {
  static thread_local char mark;
  return reinterpret_cast<std::uintptr_t>(&mark);
}

std::int64_t clock_ns() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

template <class T, class Next>
void push(std::atomic<T*>& stack, T& item, Next next) noexcept {
  T* top = stack.load(std::memory_order_relaxed);
  do {
    next(item) = top;
  } while (!stack.compare_exchange_weak(top, &item, std::memory_order_release,
                                        std::memory_order_relaxed));
}

/// Takes all of a stack and appends it, oldest first.
template <class T, class Next>
void take(std::atomic<T*>& stack, T*& first, T*& last, Next next) noexcept {
  if (!stack.load(std::memory_order_relaxed)) return;
  T* newest = stack.exchange(nullptr, std::memory_order_acquire);
  if (!newest) return;
  T* in_order = nullptr;
  for (T* at = newest; at;) {
    T* rest = next(*at);
    next(*at) = in_order;
    in_order = at;
    at = rest;
  }
  (last ? next(*last) : first) = in_order;
  last = newest;
}

runnable*& next_of(runnable& r) noexcept { return runnable_access::next(r); }

}  // namespace

/// For a scope: the host's own context is the current one, unless it is entered already.
class host::own_context {
 public:
  explicit own_context(host& h) noexcept : host_(h), entered_(PyContext_Enter(h.variables_) == 0) {
    if (!entered_) PyErr_Clear();
    h.in_variables_ = entered_ && h.vars_known_;
  }
  ~own_context() {
    host_.in_variables_ = false;
    if (entered_ && PyContext_Exit(host_.variables_) != 0) PyErr_Clear();
  }
  own_context(const own_context&) = delete;

 private:
  host& host_;
  bool entered_;
};

PyObject* host::give_variables() noexcept {
  owned fresh(PyContext_Copy(first_variables_));
  if (!fresh || PyContext_Exit(variables_) != 0) {
    PyErr_Clear();
    return nullptr;
  }
  PyObject* given = std::exchange(variables_, fresh.release());
  if (PyContext_Enter(variables_) != 0) PyErr_Clear();
  return given;
}

void hosted_driver::post(driver_node& node) noexcept {
  node.to = this;
  at_->complete(node);
}

// -- making --------------------------------------------------------------------------------------

std::shared_ptr<host> host::make(interp& in, PyObject* loop, std::string name) {
  std::shared_ptr<host> h(new host(in, std::move(name)));
  h->first_variables_ = PyContext_CopyCurrent();
  h->variables_ = h->first_variables_ ? PyContext_Copy(h->first_variables_) : nullptr;
  if (!h->variables_) return nullptr;
  const void* vars = vars_of(h->variables_);
  h->vars_known_ = vars && vars == vars_of(h->first_variables_) &&
                   std::string_view(Py_TYPE(static_cast<const PyObject*>(vars))->tp_name) == "hamt";
  if (loop) {
    h->loop_ = Py_NewRef(loop);
    h->event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (h->event_ < 0) {
      PyErr_SetFromErrno(PyExc_OSError);
      return nullptr;
    }
  }
  return h;
}

host::~host() {
  if (event_ >= 0) close(event_);
  if (loop_) py_handle::give_up(in_, loop_);
  if (drain_call_) py_handle::give_up(in_, drain_call_);
  if (first_variables_) py_handle::give_up(in_, first_variables_);
  if (variables_) py_handle::give_up(in_, variables_);
}

host* host::current() noexcept { return this_host; }

void host::adopt_thread() noexcept {
  this_host = this;
  thread_.store(this_thread(), std::memory_order_relaxed);
}

bool host::is_current() const noexcept {
  return thread_.load(std::memory_order_relaxed) == this_thread();
}

bool host::is_mine() const noexcept { return this_host == this && is_attached(in_); }

// -- from anywhere -------------------------------------------------------------------------------

void host::notify() noexcept {
  if (signalled_.exchange(1, std::memory_order_acq_rel) != 0) return;
  if (event_ >= 0) {
    const std::uint64_t one = 1;
    while (write(event_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  } else {
    signalled_.notify_one();
  }
}

void host::schedule() noexcept {
  if (draining_ || scheduled_ || !loop_ || detached_) return;
  scheduled_ = true;
  PyObject* args[] = {loop_, drain_call_};
  owned r(PyObject_VectorcallMethod(in_.name.call_soon, args, 2, nullptr));
  if (r) return;
  PyErr_Clear();  // the loop is closed: what is ready waits for the system's end
  scheduled_ = false;
}

void host::submit(runnable& work) noexcept {
  if (is_mine()) {
    next_of(work) = nullptr;
    (ready_last_ ? next_of(*ready_last_) : ready_first_) = &work;
    ready_last_ = &work;
    schedule();
    return;
  }
  push(ready_remote_, work, [](runnable& r) -> runnable*& { return next_of(r); });
  notify();
}

void host::complete(driver_node& node) noexcept {
  if (is_mine()) {
    node.next = nullptr;
    (done_last_ ? done_last_->next : done_first_) = &node;
    done_last_ = &node;
    schedule();
    return;
  }
  push(done_remote_, node, [](driver_node& n) -> driver_node*& { return n.next; });
  notify();
}

void host::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  notify();
}

// -- drivers -------------------------------------------------------------------------------------

driver* host::enter() noexcept {
  if (entered_ || !loop_ || detached_) return entered_;
  while (!idle_.empty()) {
    driver* d = idle_.back();
    idle_.pop_back();
    if (!is_parked(*d) || !d->task) continue;
    PyObject* args[] = {nullptr, loop_, d->task};
    owned r(
        PyObject_Vectorcall(in_.enter_task, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
    if (!r) {
      PyErr_Clear();  // a task is current: this drain was called from inside one
      idle_.push_back(d);
      return nullptr;
    }
    return entered_ = d;
  }
  return nullptr;
}

void host::leave() noexcept {
  driver* d = std::exchange(entered_, nullptr);
  if (!d) return;
  PyObject* args[] = {nullptr, loop_, d->task};
  owned r(
      PyObject_Vectorcall(in_.leave_task, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
  if (!r) PyErr_WriteUnraisable(d->task);
  if (std::exchange(d->asked, false)) [[unlikely]]
    discard(*d);
  else if (!d->x)
    idle_.push_back(d);
}

void host::forget(driver& d) noexcept { std::erase(idle_, &d); }

void host::add(driver& d) {
  drivers_.push_back(&d);
  Py_INCREF(reinterpret_cast<PyObject*>(&d));
}

void host::release(driver& d) noexcept {
  forget(d);
  if (std::erase(drivers_, &d)) Py_DECREF(reinterpret_cast<PyObject*>(&d));
}

void host::release_drivers() noexcept {
  idle_.clear();
  for (driver* d : std::exchange(drivers_, {})) Py_DECREF(reinterpret_cast<PyObject*>(d));
}

void host::cancel_handlers() noexcept {
  for (driver* d : std::vector(drivers_)) {
    if (!d->x || !d->task) continue;
    owned r(PyObject_CallMethodNoArgs(d->task, in_.name.cancel));
    if (!r) PyErr_WriteUnraisable(d->task);
  }
}

bool host::new_driver(execution* first) noexcept {
  if (new_driver_object(*this, first)) return true;
  PyErr_WriteUnraisable(loop_);
  return false;
}

void host::drive(execution& x) noexcept {
  ++metrics.suspensions;
  handed_.push_back(&x);
  if (!loop_) {
    wants_loop_ = true;
    return;
  }
  if (x.by == entered_) leave();
  schedule();
}

// -- draining ------------------------------------------------------------------------------------

void host::take_remote() noexcept {
  take(ready_remote_, ready_first_, ready_last_,
       [](runnable& r) -> runnable*& { return next_of(r); });
  take(done_remote_, done_first_, done_last_,
       [](driver_node& n) -> driver_node*& { return n.next; });
}

void host::run_ready() noexcept {
  runnable* r = ready_first_;
  ready_first_ = next_of(*r);
  if (!ready_first_) ready_last_ = nullptr;
  ++metrics.turns;
  r->run_now();
}

// What was suspended is handed to its task, which takes its first step from here: no task is
// current, and no turn is on the stack.
void host::hand_over() noexcept {
  leave();
  std::vector<execution*> now_handed;
  now_handed.swap(handed_);
  for (execution* x : now_handed) {
    if (!x->by)
      new_driver(x);
    else
      wake(*x->by);
  }
}

void host::tell_done() noexcept {
  leave();
  while (driver_node* d = done_first_) {
    done_first_ = d->next;
    if (!done_first_) done_last_ = nullptr;
    static_cast<hosted_driver*>(d->to)->arrived(*d);
  }
}

bool host::drain() noexcept {
  if (draining_) return false;
  draining_ = true;
  scheduled_ = false;
  ++metrics.drains;
  const own_context own(*this);
  const std::int64_t began = clock_ns();
  signalled_.exchange(0, std::memory_order_acq_rel);
  in_.free_drops();
  bool more = false;
  std::int64_t now = began;
  for (unsigned n = 1;; ++n) {
    if (!ready_first_ && !done_first_) take_remote();
    if (ready_first_) {
      run_ready();
      if (n % turns_per_task == 0) leave();
    } else if (!done_first_ && (handed_.empty() || !loop_)) {
      break;
    }
    if (!handed_.empty() && loop_) hand_over();
    if (done_first_) tell_done();
    if ((n & 7) == 0) {
      take_remote();
      now = clock_ns();
      if (now - began > hold_max_ns) {
        more = true;
        break;
      }
    }
  }
  leave();
  detail::flush_asks();
  in_.free_drops();
  draining_ = false;
  const auto held = static_cast<std::uint64_t>(clock_ns() - began);
  metrics.gil_hold_ns += held;
  metrics.longest_hold_ns = std::max(metrics.longest_hold_ns, held);
  if (ready_first_ || done_first_ || ready_remote_.load() || done_remote_.load()) more = true;
  return more;
}

/// Brings one of the ready to the front. The order of the others stays.
void host::choose_ready() noexcept {
  std::size_t n = 0;
  for (runnable* r = ready_first_; r; r = next_of(*r)) ++n;
  chance_ += 0x9e3779b97f4a7c15;  // SplitMix64 (Steele, Lea, Flood 2014)
  std::uint64_t z = (chance_ ^ (chance_ >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  std::size_t pick = (z ^ (z >> 31)) % n;
  if (pick == 0) return;
  runnable* before = ready_first_;
  while (--pick) before = next_of(*before);
  runnable* chosen = next_of(*before);
  next_of(*before) = next_of(*chosen);
  if (ready_last_ == chosen) ready_last_ = before;
  next_of(*chosen) = ready_first_;
  ready_first_ = chosen;
}

bool host::drain_one() noexcept {
  if (draining_) return false;
  draining_ = true;
  scheduled_ = false;
  ++metrics.drains;
  const own_context own(*this);
  signalled_.exchange(0, std::memory_order_acq_rel);
  take_remote();
  if (ready_first_) {
    choose_ready();
    run_ready();
  }
  while (done_first_ || (!handed_.empty() && loop_)) {
    if (!handed_.empty() && loop_) hand_over();
    if (done_first_) tell_done();
  }
  leave();
  detail::flush_asks();
  in_.free_drops();
  draining_ = false;
  return ready_first_ || done_first_ || ready_remote_.load() || done_remote_.load();
}

// The event is always read: who writes it may be late, after a drain that took what it tells of.
void host::woken() noexcept {
  std::uint64_t n = 0;
  if (read(event_, &n, sizeof n) > 0) ++metrics.wakeups;
  drain_in_loop();
}

void host::drain_in_loop() noexcept {
  if (detached_) return;
  adopt_thread();
  if (idle_.empty()) new_driver(nullptr);
  if (chance_ ? drain_one() : drain()) schedule();
}

bool host::run_thread() noexcept {
  adopt_thread();
  while (!stopping_.load(std::memory_order_acquire)) {
    const bool more = drain();
    if (PyErr_CheckSignals() != 0) return false;
    if (wants_loop_) return true;
    if (more) {
      // Others of the interpreter get their turn: a thread that asks for it is let in here.
      const detached others;
      continue;
    }
    const detached out;
    if (detail::spin_until([&] { return signalled_.load(std::memory_order_relaxed) != 0; })) {
      ++metrics.wakeups;
      continue;
    }
    signalled_.wait(0, std::memory_order_acquire);
    ++metrics.wakeups;
  }
  return true;
}

void host::detach() noexcept {
  if (!loop_ || detached_) return;
  detached_ = true;
  owned closed(PyObject_CallMethodNoArgs(loop_, in_.name.is_closed));
  if (closed && closed.get() == Py_False) {
    owned r(PyObject_CallMethod(loop_, "remove_reader", "i", event_));
  }
  PyErr_Clear();
  for (driver* d : std::exchange(idle_, {})) {
    if (!d->task) continue;
    owned r(PyObject_CallMethodNoArgs(d->task, in_.name.cancel));
    PyErr_Clear();
  }
  {
    const table_guard guard(in_.tables);
    std::erase(in_.hosts, this);
  }
  if (this_host == this) this_host = nullptr;
  Py_CLEAR(drain_call_);
}

// -- the Python object ---------------------------------------------------------------------------

struct host_object_access {
  static bool attach(host& h, PyObject* wrapper) {
    h.wrapper_ = wrapper;
    h.adopt_thread();
    {
      const table_guard guard(h.in_.tables);
      h.in_.hosts.push_back(&h);
    }
    if (!h.loop_) return true;
    h.drain_call_ = PyObject_GetAttrString(wrapper, "_drain");
    if (!h.drain_call_) return false;
    owned woken(PyObject_GetAttrString(wrapper, "_woken"));
    if (!woken) return false;
    owned r(PyObject_CallMethod(h.loop_, "add_reader", "iO", h.event_, woken.get()));
    return r && h.new_driver(nullptr);
  }
  static void gone(host& h) noexcept { h.wrapper_ = nullptr; }
  static void set_loop(host& h, PyObject* loop, int event) {
    h.loop_ = Py_NewRef(loop);
    h.event_ = event;
    h.wants_loop_ = false;
  }
};

namespace {

host& host_in(PyObject* o) noexcept { return *reinterpret_cast<host_object*>(o)->held; }

PyObject* host_drain(PyObject* o, PyObject*) {
  entry in_layer;
  host& h = host_in(o);
  h.drain_in_loop();
  if (h.name() == "python-loop") {
    if (PyObject* fatal = h.take_fatal()) {
      set_exception(fatal);
      return nullptr;
    }
  }
  Py_RETURN_NONE;
}

PyObject* host_woken(PyObject* o, PyObject*) {
  entry in_layer;
  host_in(o).woken();
  Py_RETURN_NONE;
}

PyObject* host_drain_now(PyObject* o, PyObject*) {
  entry in_layer;
  host& h = host_in(o);
  h.adopt_thread();
  return PyBool_FromLong(h.drain());
}

PyObject* host_run(PyObject* o, PyObject*) {
  entry in_layer;
  if (!host_in(o).run_thread()) return nullptr;
  Py_RETURN_NONE;
}

PyObject* host_take_fatal(PyObject* o, PyObject*) {
  PyObject* fatal = host_in(o).take_fatal();
  return fatal ? fatal : Py_NewRef(Py_None);
}

PyObject* host_stop(PyObject* o, PyObject*) {
  host_in(o).stop();
  Py_RETURN_NONE;
}

PyObject* host_simulate(PyObject* o, PyObject* seed) {
  const std::uint64_t n = PyLong_AsUnsignedLongLong(seed);
  if (PyErr_Occurred()) return nullptr;
  host_in(o).simulate(n);
  Py_RETURN_NONE;
}

PyObject* host_cancel_handlers(PyObject* o, PyObject*) {
  entry in_layer;
  host_in(o).cancel_handlers();
  Py_RETURN_NONE;
}

PyObject* host_detach(PyObject* o, PyObject*) {
  entry in_layer;
  host_in(o).detach();
  Py_RETURN_NONE;
}

/// A thread's host goes on with a loop, because a coroutine came.
PyObject* host_use_loop(PyObject* o, PyObject* loop) {
  entry in_layer;
  host& h = host_in(o);
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return PyErr_SetFromErrno(PyExc_OSError);
  host_object_access::set_loop(h, loop, event);
  {
    const table_guard guard(h.home().tables);
    std::erase(h.home().hosts, &h);
  }
  if (!host_object_access::attach(h, o)) return nullptr;
  const std::uint64_t one = 1;  // what came before is drained at once
  if (write(event, &one, sizeof one) < 0) return PyErr_SetFromErrno(PyExc_OSError);
  Py_RETURN_NONE;
}

PyObject* host_metrics_dict(PyObject* o, PyObject*) {
  const host_metrics& m = host_in(o).metrics;
  return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "drains", m.drains, "turns", m.turns,
                       "messages", m.messages, "suspensions", m.suspensions, "wakeups", m.wakeups,
                       "gil_hold_ns_total", m.gil_hold_ns, "gil_hold_ns_max", m.longest_hold_ns);
}

PyObject* host_get_wants_loop(PyObject* o, void*) {
  return PyBool_FromLong(host_in(o).wants_loop());
}
PyObject* host_get_name(PyObject* o, void*) { return text_of(host_in(o).name()); }
PyObject* host_get_loop(PyObject* o, void*) {
  PyObject* loop = host_in(o).loop();
  return Py_NewRef(loop ? loop : Py_None);
}
PyObject* host_get_current(PyObject* o, void*) { return PyBool_FromLong(host_in(o).is_current()); }

PyObject* host_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  entry in_layer;
  const char* keys[] = {"name", "loop", nullptr};
  PyObject* name = nullptr;
  PyObject* loop = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|O", const_cast<char**>(keys), &name, &loop))
    return nullptr;
  std::string text;
  if (!read_text(name, "name", text)) return nullptr;
  return new_host_object(interp_of(type), loop == Py_None ? nullptr : loop, std::move(text));
}

void host_dealloc(PyObject* o) {
  entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  auto* self = reinterpret_cast<host_object*>(o);
  if (self->held) self->held->release_drivers();
  if (self->held) {
    const table_guard guard(self->held->home().tables);
    std::erase(self->held->home().hosts, self->held.get());
    host_object_access::gone(*self->held);
  }
  std::destroy_at(&self->held);
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef host_methods[] = {
    {"_drain", &host_drain, METH_NOARGS, nullptr},
    {"_woken", &host_woken, METH_NOARGS, nullptr},
    {"drain", &host_drain_now, METH_NOARGS, "Runs what is ready; true: more is waiting."},
    {"run", &host_run, METH_NOARGS, "The life of a thread without a loop, until `stop`."},
    {"stop", &host_stop, METH_NOARGS, "Has `run` return. From any thread."},
    {"simulate", &host_simulate, METH_O, "Its loop's clock is virtual: turns by that seed."},
    {"cancel_handlers", &host_cancel_handlers, METH_NOARGS,
     "Cancels every handler that is suspended here."},
    {"_take_fatal", &host_take_fatal, METH_NOARGS, nullptr},
    {"detach", &host_detach, METH_NOARGS, "Takes it off its loop."},
    {"use_loop", &host_use_loop, METH_O, "Goes on with an event loop, on the same thread."},
    {"metrics", &host_metrics_dict, METH_NOARGS, "What its thread has done, as numbers."},
    {}};
PyGetSetDef host_fields[] = {{"wants_loop", &host_get_wants_loop, nullptr, nullptr, nullptr},
                             {"name", &host_get_name, nullptr, nullptr, nullptr},
                             {"loop", &host_get_loop, nullptr, nullptr, nullptr},
                             {"is_current", &host_get_current, nullptr, nullptr, nullptr},
                             {}};
PyType_Slot host_slots[] = {{Py_tp_new, reinterpret_cast<void*>(&host_new)},
                            {Py_tp_dealloc, reinterpret_cast<void*>(&host_dealloc)},
                            {Py_tp_methods, host_methods},
                            {Py_tp_getset, host_fields},
                            {0, nullptr}};
PyType_Spec host_spec = {"odeon._native.Host", sizeof(host_object), 0, Py_TPFLAGS_DEFAULT,
                         host_slots};

}  // namespace

PyObject* new_host_object(interp& in, PyObject* loop, std::string name) {
  auto* self = reinterpret_cast<host_object*>(in.host_type->tp_alloc(in.host_type, 0));
  if (!self) return nullptr;
  std::construct_at(&self->held);
  owned o(reinterpret_cast<PyObject*>(self));
  self->held = host::make(in, loop, std::move(name));
  if (!self->held || !host_object_access::attach(*self->held, o.get())) return nullptr;
  return o.release();
}

namespace {

constexpr const char* loop_name = "loop";

/// Of the hosts that were made for loops without a system, those whose loop is closed.
void forget_closed_loops(interp& in) noexcept {
  std::vector<std::shared_ptr<host>> all;
  {
    const table_guard guard(in.tables);
    for (host* h : in.hosts)
      if (auto held = h->weak_from_this().lock(); held && h->loop() && h->name() == loop_name)
        all.push_back(std::move(held));
  }
  for (const auto& h : all) {
    owned closed(PyObject_CallMethodNoArgs(h->loop(), in.name.is_closed));
    if (closed && closed.get() == Py_True) h->detach();
    PyErr_Clear();
  }
}

}  // namespace

host* host_of_running_loop(interp& in) noexcept {
  if (host* h = host::current(); h && h->is_draining() && &h->home() == &in)
    return h->loop() ? h : nullptr;
  owned loop(PyObject_CallNoArgs(in.get_running_loop));
  if (!loop || loop.get() == Py_None) return nullptr;
  host* h = host::current();
  if (h && h->loop() == loop.get() && !h->is_detached()) return h;
  {
    const table_guard guard(in.tables);
    for (host* known : in.hosts) {
      if (known->loop() != loop.get() || known->is_detached()) continue;
      known->adopt_thread();
      return known;
    }
  }
  forget_closed_loops(in);
  owned made(new_host_object(in, loop.get(), loop_name));
  if (!made) return nullptr;
  // It lives until its loop is closed, and another is asked on: what it calls holds it.
  return reinterpret_cast<host_object*>(made.get())->held.get();
}

bool add_host_type(PyObject* module, interp& in) noexcept {
  in.host_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &host_spec, nullptr));
  return in.host_type && PyModule_AddType(module, in.host_type) == 0;
}

}  // namespace odeon::python
