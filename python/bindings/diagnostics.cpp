// The log. Lines of C++ threads go to a sink that puts them into the relay of one system's main
// host, whose drain hands them to Python's logging. `forwarding` says which; it is changed by
// attached threads, and read by those that log, under its lock. While the last system closes, lines
// are held (`held_max` of them) until `_log_take` fetches them; from then on they go to stderr, as
// they do without Python.
//
// Marks. A thread of Python tells the address of its `detail::this_ambient` (thread-local). Another
// thread may read through it while it is attached itself: the pointer, and the turn it leads to,
// change only while their own thread is attached, and letting the interpreter go publishes them. It
// must know that the thread is alive; `odeon._watchdog` looks at `sys._current_frames()` first.

#include "diagnostics.hpp"

#include "actor.hpp"
#include "events.hpp"
#include "message.hpp"
#include "module.hpp"
#include "ref.hpp"
#include "relay.hpp"
#include "system.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>
#include <odeon/core/log_sink.hpp>

namespace odeon::python {

namespace {

template <class F>
PyObject* with_system(PyObject* module, PyObject* o, F f) noexcept {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, o);
    return s ? f(in, *s) : nullptr;
  });
}

template <class T, class F>
PyObject* list_of(const std::vector<T>& all, F make) {
  owned list(PyList_New(static_cast<Py_ssize_t>(all.size())));
  if (!list) return nullptr;
  for (std::size_t i = 0; i < all.size(); ++i) {
    PyObject* item = make(all[i]);
    if (!item) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item);
  }
  return list.release();
}

PyObject* dead_letters(PyObject* module, PyObject* o) {
  return with_system(module, o, [](interp& in, actor_system& s) {
    return list_of(s.dead_letters(), [&](const dead_letter& e) { return to_python(in, e); });
  });
}
PyObject* late_replies(PyObject* module, PyObject* o) {
  return with_system(module, o, [](interp& in, actor_system& s) {
    return list_of(s.late_replies(), [&](const late_reply& e) { return to_python(in, e); });
  });
}

PyObject* dict_of(const system_metrics& m) {
  return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "messages", m.messages,
                       "spawned", m.spawned, "stopped", m.stopped, "failures", m.failures,
                       "restarts", m.restarts, "dead_letters", m.dead_letters, "late_replies",
                       m.late_replies, "ask_timeouts", m.ask_timeouts, "call_cycles", m.call_cycles,
                       "high_water_crossings", m.high_water_crossings, "mailbox_overflows",
                       m.mailbox_overflows);
}
PyObject* metrics_of(PyObject* module, PyObject* o) {
  return with_system(module, o, [](interp&, actor_system& s) { return dict_of(s.metrics()); });
}

/// {name of a dispatcher for Python: its host's numbers}
PyObject* host_metrics_of(PyObject* module, PyObject* o) {
  return with_system(module, o, [](interp&, actor_system& s) -> PyObject* {
    owned all(PyDict_New());
    const auto link = s.find_extension<system_link>();
    if (!all || !link) return all.release();
    for (const auto& [name, h] : link->hosts) {
      const host_metrics& m = h->metrics;
      owned one(Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "drains", m.drains, "turns", m.turns,
                              "messages", m.messages, "suspensions", m.suspensions, "wakeups",
                              m.wakeups, "gil_hold_ns_total", m.gil_hold_ns, "gil_hold_ns_max",
                              m.longest_hold_ns));
      if (!one || PyDict_SetItemString(all.get(), name.c_str(), one.get()) != 0) return nullptr;
    }
    return all.release();
  });
}

PyObject* optional_text(std::string_view s) { return s.empty() ? Py_NewRef(Py_None) : text_of(s); }
PyObject* optional_seconds(const std::optional<duration>& d) {
  return d ? PyFloat_FromDouble(seconds_of(*d)) : Py_NewRef(Py_None);
}

/// (path, uid, type, state, mailbox_depth, message, running_for, waiting_for, stashed, restarts)
PyObject* tuple_of(const actor_snapshot& a) {
  return Py_BuildValue("NKNNnNNNnI", text_of(a.path), a.uid, text_of(a.type),
                       text_of(to_string(a.state)), static_cast<Py_ssize_t>(a.mailbox_depth),
                       optional_text(a.message), optional_seconds(a.running_for),
                       optional_text(a.waiting_for), static_cast<Py_ssize_t>(a.stashed),
                       a.restarts);
}

/// (name, uptime, actors, metrics, [actors])
PyObject* snapshot_of(PyObject* module, PyObject* o) {
  return with_system(module, o, [](interp&, actor_system& s) {
    const system_snapshot now = s.snapshot();
    return Py_BuildValue("NdnNN", text_of(now.name), seconds_of(now.uptime),
                         static_cast<Py_ssize_t>(now.actors), dict_of(now.metrics),
                         list_of(now.list, tuple_of));
  });
}

/// (system, trace): [(id, cause, trace, actor, message, at)]
PyObject* recent_hops_of(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  if (n != 2) {
    PyErr_SetString(PyExc_TypeError, "a system and a trace are expected");
    return nullptr;
  }
  return with_system(module, args[0], [&](interp&, actor_system& s) -> PyObject* {
    const std::uint64_t trace = PyLong_AsUnsignedLongLong(args[1]);
    if (PyErr_Occurred()) return nullptr;
    return list_of(s.recent_hops(trace), [](const hop& h) {
      return Py_BuildValue("KKKKNd", h.id, h.cause, h.trace, h.actor, text_of(h.message),
                           seconds_of(h.at.time_since_epoch()));
    });
  });
}

// -- the log -------------------------------------------------------------------------------------

struct log_line {
  log_level level;
  std::string name;
  std::string text;
};
struct forwarding_state {
  static constexpr std::size_t held_max = 1000;
  std::mutex mutex;
  std::shared_ptr<relay> to;
  std::shared_ptr<py_handle> call;
  std::vector<log_line> held;
};
/// Leaked on purpose: lines come until the very end.
forwarding_state& forwarding() {
  static auto* state = new forwarding_state;
  return *state;
}

void hand_over(PyObject* call, log_level level, std::string_view name, std::string_view text,
               std::uint64_t lost) noexcept {
  owned done(PyObject_CallFunction(call, "is#s#K", static_cast<int>(level), name.data(),
                                   static_cast<Py_ssize_t>(name.size()), text.data(),
                                   static_cast<Py_ssize_t>(text.size()), lost));
  if (!done) PyErr_WriteUnraisable(call);
}

void forward(log_level level, std::string_view name, std::string_view text) {
  std::shared_ptr<relay> to;
  std::shared_ptr<py_handle> call;
  {
    auto& now = forwarding();
    const std::lock_guard guard(now.mutex);
    to = now.to;
    call = now.call;
    if (!to) {
      if (now.held.size() < forwarding_state::held_max)
        now.held.push_back({level, std::string(name), std::string(text)});
      return;
    }
  }
  to->post_job([r = std::weak_ptr(to), call, level, name = std::string(name),
                text = std::string(text)](interp&) {
    const auto from = r.lock();
    hand_over(call->get(), level, name, text, from ? from->take_lost() : 0);
  });
}

/// (system, callable of (level, name, text, lost)): lines go there from here on. (None, None): they
/// are held until `_log_take`. False: this is no main interpreter, whose log is not the process's.
PyObject* log_forward(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (n != 2) {
    PyErr_SetString(PyExc_TypeError, "a system and a function are expected");
    return nullptr;
  }
  if (in.state != PyInterpreterState_Main()) Py_RETURN_FALSE;
  return guarded(in, [&]() -> PyObject* {
    std::shared_ptr<relay> to;
    std::shared_ptr<py_handle> call;
    if (args[0] != Py_None) {
      actor_system* s = system_in(in, args[0]);
      if (!s) return nullptr;
      to = std::make_shared<relay>(reinterpret_cast<system_object*>(args[0])->main);
      call = std::make_shared<py_handle>(in, Py_NewRef(args[1]));
    }
    auto& now = forwarding();
    {
      const std::lock_guard guard(now.mutex);
      now.to.swap(to);
      now.call.swap(call);
    }
    set_log_sink(&forward);
    Py_RETURN_TRUE;
  });
}

/// What was held: [(level, name, text)]. Where no system forwards, lines go to stderr from here on.
PyObject* log_take(PyObject* module, PyObject*) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (in.state != PyInterpreterState_Main()) return PyList_New(0);
  return guarded(in, [&]() -> PyObject* {
    std::vector<log_line> held;
    bool on = false;
    auto& now = forwarding();
    {
      const std::lock_guard guard(now.mutex);
      held.swap(now.held);
      on = static_cast<bool>(now.to);
    }
    if (!on) set_log_sink({});
    return list_of(held, [](const log_line& line) {
      return Py_BuildValue("iNN", static_cast<int>(line.level), text_of(line.name),
                           text_of(line.text));
    });
  });
}

/// 0 (trace) to 5 (off).
PyObject* set_level(PyObject*, PyObject* level) {
  const long n = PyLong_AsLong(level);
  if (n < 0 || n > static_cast<long>(log_level::off)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a level is 0 to 5");
    return nullptr;
  }
  set_log_level(static_cast<log_level>(n));
  Py_RETURN_NONE;
}

// -- what a thread has in hand -------------------------------------------------------------------

PyObject* thread_mark(PyObject*, PyObject*) {
  return PyLong_FromVoidPtr(static_cast<void*>(&detail::this_ambient));
}

/// (mark): None, or (system or None, path, class, message or None).
PyObject* in_hand(PyObject* module, PyObject* mark) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    const auto* place = static_cast<detail::ambient* const*>(PyLong_AsVoidPtr(mark));
    if (!place) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "this is no thread's mark");
      return nullptr;
    }
    const auto* turn = static_cast<const detail::turn*>(*place);
    if (!turn || turn->ended) Py_RETURN_NONE;
    py_actor* a = actor_in(*turn->self);
    if (!a || &a->home() != &in) Py_RETURN_NONE;
    owned message(Py_NewRef(Py_None));
    if (PyObject* m = a->message)
      message =
          owned(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(m)), "__qualname__"));
    if (!message) return nullptr;
    return Py_BuildValue("NNNN", system_object_of(in, a->ctx().system()), text_of(a->cell().path()),
                         text_of(turn->self->get_class().name), message.release());
  });
}

/// (ref, message, code): a message that left its actor's mailbox for another process, and was not
/// handled there, is a dead letter.
PyObject* lose_message(PyObject* module, PyObject* const* args, Py_ssize_t n) noexcept {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    if (n != 3) {
      PyErr_SetString(PyExc_TypeError, "_lose takes a reference, a message and a code");
      return nullptr;
    }
    const any_ref to = read_ref(in, args[0]);
    std::string code;
    if (!to || !read_text(args[2], "a code", code)) return nullptr;
    const errc why = code == "unhandled"     ? errc::unhandled
                     : code == "unreachable" ? errc::unreachable
                                             : errc::actor_stopped;
    detail::envelope* e = make_py_envelope(in, Py_NewRef(args[1]), false);
    detail::stamp(*e);
    detail::lose(*to.get(), *e, {why, "it was not handled in the worker process"});
    Py_RETURN_NONE;
  });
}

/// (ref, message): a message as it is, whatever the actor's class makes of those that are sent.
/// False: it was not taken.
PyObject* hand_message(PyObject* module, PyObject* const* args, Py_ssize_t n) noexcept {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    if (n != 2) {
      PyErr_SetString(PyExc_TypeError, "_hand takes a reference and a message");
      return nullptr;
    }
    const any_ref to = read_ref(in, args[0]);
    if (!to) return nullptr;
    detail::envelope* e = make_py_envelope(in, Py_NewRef(args[1]), false);
    detail::stamp(*e);
    return PyBool_FromLong(detail::try_deliver(*to.get(), *e).has_value());
  });
}

PyMethodDef functions[] = {{"_dead_letters", &dead_letters, METH_O, nullptr},
                           {"_late_replies", &late_replies, METH_O, nullptr},
                           {"_metrics", &metrics_of, METH_O, nullptr},
                           {"_host_metrics", &host_metrics_of, METH_O, nullptr},
                           {"_snapshot", &snapshot_of, METH_O, nullptr},
                           {"_recent_hops", fn(&recent_hops_of), METH_FASTCALL, nullptr},
                           {"_log_forward", fn(&log_forward), METH_FASTCALL, nullptr},
                           {"_log_take", &log_take, METH_NOARGS, nullptr},
                           {"_set_log_level", &set_level, METH_O, nullptr},
                           {"_thread_mark", &thread_mark, METH_NOARGS, nullptr},
                           {"_in_hand", &in_hand, METH_O, nullptr},
                           {"_hand", fn(&hand_message), METH_FASTCALL, nullptr},
                           {"_lose", fn(&lose_message), METH_FASTCALL, nullptr},
                           {}};

}  // namespace

bool add_diagnostic_functions(PyObject* module) noexcept {
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
