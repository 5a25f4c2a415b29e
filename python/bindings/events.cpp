#include "events.hpp"

#include "failure.hpp"
#include "module.hpp"
#include "ref.hpp"
#include "relay.hpp"
#include "system.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/remote/events.hpp>

namespace odeon::python {

double seconds_of(wall_time at) noexcept {
  return std::chrono::duration<double>(at.time_since_epoch()).count();
}
double seconds_of(duration d) noexcept { return std::chrono::duration<double>(d).count(); }

namespace {

// -- one field -----------------------------------------------------------------------------------

PyObject* field(interp&, std::string_view s) { return text_of(s); }
PyObject* field(interp&, const std::string& s) { return text_of(s); }
PyObject* field(interp&, errc code) { return text_of(to_string(code)); }
PyObject* field(interp&, std::uint64_t n) { return PyLong_FromUnsignedLongLong(n); }
PyObject* field(interp&, unsigned n) { return PyLong_FromUnsignedLong(n); }
PyObject* field(interp&, bool b) { return PyBool_FromLong(b); }
PyObject* field(interp&, wall_time at) { return PyFloat_FromDouble(seconds_of(at)); }
PyObject* field(interp&, duration d) { return PyFloat_FromDouble(seconds_of(d)); }
PyObject* field(interp& in, const any_ref& r) { return new_ref(in, r); }
PyObject* field(interp& in, const std::exception_ptr& e) { return exception_of(in, e); }
PyObject* field(interp&, exit_kind k) {
  static constexpr const char* names[] = {"stopped", "failed",        "killed",
                                          "linked",  "no_such_actor", "unreachable"};
  return PyUnicode_FromString(names[static_cast<std::size_t>(k)]);
}
PyObject* field(interp&, const error& e) { return text_of(e.to_string()); }
PyObject* field(interp&, remote::rejection why) { return text_of(to_string(why)); }
PyObject* field(interp&, directive d) {
  static constexpr const char* names[] = {"resume", "restart", "stop", "escalate"};
  return PyUnicode_FromString(names[static_cast<std::size_t>(d)]);
}

template <class... Fs>
PyObject* make(interp& in, const char* cls, const Fs&... fs) {
  owned module(PyImport_ImportModule("odeon.events"));
  if (!module) return nullptr;
  owned type(PyObject_GetAttrString(module.get(), cls));
  owned args(PyTuple_New(sizeof...(Fs)));
  if (!type || !args) return nullptr;
  Py_ssize_t at = 0;
  bool good = true;
  const auto put = [&](PyObject* o) {
    good = good && o;
    PyTuple_SET_ITEM(args.get(), at++, o);
  };
  (put(good ? field(in, fs) : nullptr), ...);
  return good ? PyObject_CallObject(type.get(), args.get()) : nullptr;
}

// -- each event ----------------------------------------------------------------------------------

PyObject* object_of(interp& in, const dead_letter& e) {
  return make(in, "DeadLetter", e.reason, e.message, e.to, e.from, e.trace, e.at, e.was_ask);
}
PyObject* object_of(interp& in, const late_reply& e) {
  return make(in, "LateReply", e.message, e.from, e.to, e.given_up, e.trace, e.at);
}
PyObject* object_of(interp& in, const actor_started& e) {
  return make(in, "ActorStarted", e.ref, e.path, e.type);
}
PyObject* object_of(interp& in, const actor_stopped& e) {
  return make(in, "ActorStopped", e.ref, e.path, e.reason.kind, to_string(e.reason));
}
PyObject* object_of(interp& in, const actor_restarted& e) {
  return make(in, "ActorRestarted", e.ref, e.path, e.why, e.count);
}
PyObject* object_of(interp& in, const actor_failed& e) {
  return make(in, "ActorFailed", e.ref, e.why.path, e.why.exception, e.why.what, e.why.message,
              e.why.where, e.decided);
}
PyObject* object_of(interp& in, const hook_failed& e) {
  return make(in, "HookFailed", e.ref, e.path, e.hook, e.what);
}
PyObject* object_of(interp& in, const task_failed& e) {
  return make(in, "TaskFailed", e.ref, e.path, e.task, e.what);
}
PyObject* object_of(interp& in, const mailbox_high_water& e) {
  return make(in, "MailboxHighWater", e.ref, e.path, e.depth, e.limit);
}
PyObject* object_of(interp& in, const mailbox_overflow& e) {
  return make(in, "MailboxOverflow", e.ref, e.path, e.message, e.capacity);
}
PyObject* object_of(interp& in, const slow_handler& e) {
  return make(in, "SlowHandler", e.ref, e.path, e.message, e.running_for);
}
PyObject* object_of(interp& in, const call_cycle_found& e) {
  return make(in, "CallCycleFound", e.chain, e.allowed);
}
PyObject* object_of(interp& in, const ask_timed_out& e) {
  return make(in, "AskTimedOut", e.to, e.message, e.where, e.trace);
}

PyObject* object_of(interp& in, const remote::peer_up& e) {
  return make(in, "PeerUp", e.peer.node, e.peer.system, e.peer.incarnation, e.address);
}
PyObject* object_of(interp& in, const remote::peer_down& e) {
  return make(in, "PeerDown", e.node, e.incarnation, e.why);
}
PyObject* object_of(interp& in, const remote::peer_gone& e) {
  return make(in, "PeerGone", e.node, e.incarnation, e.why);
}
PyObject* object_of(interp& in, const remote::peer_rejected& e) {
  return make(in, "PeerRejected", e.why, e.address, e.node, e.reason);
}
PyObject* object_of(interp& in, const remote::peer_overloaded& e) {
  return make(in, "PeerOverloaded", e.node, e.queued_bytes, e.limit_bytes);
}

/// What is done with an event's type.
struct event_kind {
  std::string_view name;  // of its class in odeon.events
  const detail::message_type* type;
  PyObject* (*convert)(interp& in, const void* event);
  void (*subscribe)(event_stream& events, const any_ref& to);
  subscription (*on)(event_stream& events, std::function<void(relay::job)> post,
                     std::shared_ptr<py_handle> call);
};

void report(PyObject* call) noexcept {
  owned exc(take_exception());
  owned module(PyImport_ImportModule("odeon.events"));
  owned told(module ? PyObject_CallMethod(module.get(), "_subscriber_failed", "OO", call, exc.get())
                    : nullptr);
  if (!told) PyErr_WriteUnraisable(call);
}

template <class E>
constexpr event_kind kind_of(std::string_view name) {
  return {
      .name = name,
      .type = &detail::message_type_of<E>,
      .convert = [](interp& in, const void* e) { return object_of(in, *static_cast<const E*>(e)); },
      .subscribe = [](event_stream& events,
                      const any_ref& to) { events.subscribe<E>(actor_ref<E>::assume(to)); },
      .on =
          [](event_stream& events, std::function<void(relay::job)> post,
             std::shared_ptr<py_handle> call) {
            return events.on<E>([post = std::move(post), call = std::move(call)](const E& e) {
              post([e, call](interp& in) {
                owned object(object_of(in, e));
                owned done(object ? PyObject_CallOneArg(call->get(), object.get()) : nullptr);
                if (!done) report(call->get());
              });
            });
          }};
}

constexpr event_kind kinds[] = {
    kind_of<dead_letter>("DeadLetter"),
    kind_of<late_reply>("LateReply"),
    kind_of<actor_started>("ActorStarted"),
    kind_of<actor_stopped>("ActorStopped"),
    kind_of<actor_restarted>("ActorRestarted"),
    kind_of<actor_failed>("ActorFailed"),
    kind_of<hook_failed>("HookFailed"),
    kind_of<task_failed>("TaskFailed"),
    kind_of<mailbox_high_water>("MailboxHighWater"),
    kind_of<mailbox_overflow>("MailboxOverflow"),
    kind_of<slow_handler>("SlowHandler"),
    kind_of<call_cycle_found>("CallCycleFound"),
    kind_of<ask_timed_out>("AskTimedOut"),
    kind_of<remote::peer_up>("PeerUp"),
    kind_of<remote::peer_down>("PeerDown"),
    kind_of<remote::peer_gone>("PeerGone"),
    kind_of<remote::peer_rejected>("PeerRejected"),
    kind_of<remote::peer_overloaded>("PeerOverloaded"),
};

/// Null with an exception set.
const event_kind* kind_named(PyObject* name) {
  std::string text;
  if (!read_text(name, "an event's name", text)) return nullptr;
  for (const event_kind& k : kinds)
    if (k.name == text) return &k;
  PyErr_Format(PyExc_ValueError, "the runtime has no event %s", text.c_str());
  return nullptr;
}

// -- functions -----------------------------------------------------------------------------------

template <class F>
PyObject* with_system(PyObject* module, PyObject* const* args, Py_ssize_t n, Py_ssize_t takes,
                      F f) noexcept {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (n != takes) {
    PyErr_Format(PyExc_TypeError, "%zd arguments expected, not %zd", takes, n);
    return nullptr;
  }
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, args[0]);
    return s ? f(in, *s) : nullptr;
  });
}

/// (system, name, ref)
PyObject* event_subscribe(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system& s) -> PyObject* {
    const event_kind* k = kind_named(args[1]);
    const any_ref to = k ? read_ref(in, args[2]) : any_ref();
    if (!to) return nullptr;
    k->subscribe(s.events(), to);
    Py_RETURN_NONE;
  });
}

/// (system, ref): from all of them.
PyObject* event_unsubscribe(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_system(module, args, n, 2, [&](interp& in, actor_system& s) -> PyObject* {
    const any_ref to = read_ref(in, args[1]);
    if (!to) return nullptr;
    s.events().unsubscribe(to);
    Py_RETURN_NONE;
  });
}

/// (system, name, callable): a capsule; the subscription ends with it.
PyObject* event_on(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system& s) -> PyObject* {
    const event_kind* k = kind_named(args[1]);
    auto to = k ? relay_of(in, args[0]) : nullptr;
    if (!to) return nullptr;
    auto held = std::make_unique<subscription>(k->on(
        s.events(), [to](relay::job j) { static_cast<void>(to->post_job(std::move(j))); },
        std::make_shared<py_handle>(in, Py_NewRef(args[2]))));
    PyObject* capsule = PyCapsule_New(held.get(), "odeon.subscription", [](PyObject* o) {
      const entry in_layer;
      delete static_cast<subscription*>(PyCapsule_GetPointer(o, "odeon.subscription"));
    });
    if (capsule) static_cast<void>(held.release());
    return capsule;
  });
}

/// (system, callable, argument): has the system's main host call it. False: too many wait.
PyObject* post_call(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system&) -> PyObject* {
    auto to = relay_of(in, args[0]);
    if (!to) return nullptr;
    return PyBool_FromLong(to->post_job([call = py_handle(in, Py_NewRef(args[1])),
                                         arg = py_handle(in, Py_NewRef(args[2]))](interp&) {
      owned done(PyObject_CallOneArg(call.get(), arg.get()));
      if (!done) report(call.get());
    }));
  });
}

/// (system): no call comes from here on.
PyObject* close_relay(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_system(module, args, n, 1, [&](interp& in, actor_system&) -> PyObject* {
    if (auto to = relay_of(in, args[0])) to->close();
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {{"_event_subscribe", fn(&event_subscribe), METH_FASTCALL, nullptr},
                           {"_event_unsubscribe", fn(&event_unsubscribe), METH_FASTCALL, nullptr},
                           {"_event_on", fn(&event_on), METH_FASTCALL, nullptr},
                           {"_post", fn(&post_call), METH_FASTCALL, nullptr},
                           {"_close_relay", fn(&close_relay), METH_FASTCALL, nullptr},
                           {}};

}  // namespace

PyObject* event_to_python(interp& in, detail::envelope& e) noexcept {
  return guarded(in, [&]() -> PyObject* {
    for (const event_kind& k : kinds)
      if (e.type == k.type) return k.convert(in, e.payload());
    return nullptr;
  });
}

PyObject* to_python(interp& in, const dead_letter& e) { return object_of(in, e); }
PyObject* to_python(interp& in, const late_reply& e) { return object_of(in, e); }

bool add_event_functions(PyObject* module) noexcept {
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
