// The Python object `Sidecar`.
//
// Its engine and its server end before the system's actors: by `close`, or with the system. Both
// take them out under the lock that every call holds, so no call finds half of them, and none finds
// an engine whose system has ended. The lock is only waited for with the interpreter let go. The
// server goes first: it uses the engine, and its end aborts connections without waiting for Python.

#include "sidecar.hpp"

#include "ask.hpp"
#include "journal.hpp"
#include "part_object.hpp"
#include "ref.hpp"
#include "system.hpp"
#include "values.hpp"
#include <odeon/net/tcp.hpp>
#include <odeon/net/unix.hpp>
#include <odeon/sidecar/engine.hpp>
#include <odeon/sidecar/server.hpp>

#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace odeon::python {

namespace {

/// Shared with the system's end.
struct sidecar_part {
  std::mutex mutex;
  sidecar::server_options apps;  // until there is a face
  std::unique_ptr<transport> plain, local;
  std::shared_ptr<sidecar::engine> engine;  // null: it has ended
  std::unique_ptr<sidecar::server> face;    // null: it listens nowhere
  bool listens = false;
  actor_system& system;  // there as long as the engine is
  any_ref runner;        // of actions; none: nothing is registered

  explicit sidecar_part(actor_system& s) noexcept : system(s) {}

  [[nodiscard]] bool is_there() const noexcept { return engine != nullptr; }

  sidecar::server& faced(runtime& rt) {
    if (!plain) plain = make_tcp_transport(rt, {.name = "odeon-sidecar"});
    if (!face) face = std::make_unique<sidecar::server>(rt, *engine, *plain, std::move(apps));
    return *face;
  }
  result<std::string> listen(runtime& rt, std::string_view address) {
    const bool is_path = address.starts_with("unix:");
    if (is_path && !local) local = make_unix_transport(rt, {.name = "odeon-sidecar"});
    listens = true;
    return faced(rt).listen(is_path ? *local : *plain, address);
  }
  /// Actions that are under way are cancelled: nobody waits for them.
  void end() {
    const std::lock_guard guard(mutex);
    face.reset();
    if (engine && runner) system.kill(runner);
    runner = {};
    engine.reset();
    plain.reset();
    local.reset();
  }
};

using sidecar_object = part_object<sidecar_part>;
sidecar_object& as_sidecar(PyObject* o) noexcept { return sidecar_object::of(o); }

/// Calls `f(part)` without the interpreter. False with an exception set: it has ended.
template <class F>
bool with_part(PyObject* o, F f) {
  return as_sidecar(o).with("the sidecar is closed", std::move(f));
}

template <class F>
PyObject* in_sidecar(PyObject* o, F f) noexcept {
  const entry in_layer;
  interp& in = *as_sidecar(o).home;
  return guarded(in, [&]() -> PyObject* { return f(in); });
}

// -- its life ------------------------------------------------------------------------------------

constexpr named_number<sidecar::engine_options> bounds[] = {
    {.name = "waiting_per_actor", .count = &sidecar::engine_options::waiting_per_actor},
    {.name = "active", .count = &sidecar::engine_options::active},
    {.name = "registered", .count = &sidecar::engine_options::registered},
    {.name = "calls_per_app", .count = &sidecar::engine_options::calls_per_app},
    {.name = "chain", .count = &sidecar::engine_options::chain},
};

/// (host, port, path, seconds of an action): of the apps that register.
bool read_apps(PyObject* o, sidecar::server_options& out) {
  const char *host = nullptr, *path = nullptr;
  PyObject *port = nullptr, *time = nullptr;
  if (!PyArg_ParseTuple(o, "sOsO", &host, &port, &path, &time) ||
      !read_count(port, "app_port", out.app_port) || !read_seconds(time, "app_time", out.app_time))
    return false;
  out.app_host = host;
  out.app_path = path;
  return true;
}

/// (system, journal, keep_revisions, request_time, limits, apps, remembered as or None)
PyObject* sidecar_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const entry in_layer;
  interp& in = interp_of(type);
  return guarded(in, [&]() -> PyObject* {
    if (process_forked.load()) return raise_forked(in);
    PyObject *system = nullptr, *journal = nullptr, *keep = nullptr, *time = nullptr;
    PyObject *limits = nullptr, *apps = nullptr, *remember = nullptr;
    sidecar::engine_options options;
    sidecar::state_store_options kept;
    sidecar::server_options with;
    if (!PyArg_ParseTuple(args, "OOOOO!O!O:Sidecar", &system, &journal, &keep, &time, &PyDict_Type,
                          &limits, &PyTuple_Type, &apps, &remember) ||
        !read_count(keep, "keep_revisions", kept.keep_revisions) ||
        !read_seconds(time, "request_time", options.request_time) ||
        !read_numbers(limits, bounds, options) || !read_apps(apps, with) ||
        (remember != Py_None && !read_text(remember, "a name", with.remember_as)))
      return nullptr;
    actor_system* s = system_in(in, system);
    auto journal_used = s ? journal_in(in, journal) : nullptr;
    auto calls = journal_used ? relay_of(in, system) : nullptr;
    if (!calls) return nullptr;
    std::shared_ptr<sidecar::state_store> states =
        sidecar::make_state_store(s->get_runtime(), std::move(journal_used), kept);
    if (remember != Py_None) with.remember = states;
    auto held = std::make_shared<sidecar_part>(*s);
    held->apps = std::move(with);
    held->engine = std::make_shared<sidecar::engine>(*s, std::move(states), options);
    s->on_shutdown(actor_system::phase::before_actors, "sidecar", [weak = std::weak_ptr(held)] {
      if (const auto part = weak.lock()) part->end();
    });
    return sidecar_object::make(type, in, *s, std::move(held), std::move(calls));
  });
}

/// The `Ask` of what comes later; `begin(part, completion)` starts it, under the lock.
template <class Begin>
PyObject* later(PyObject* o, interp& in, Begin begin) {
  if (!with_part(o, [](sidecar_part&) {})) return nullptr;
  auto [made, done] = make_awaitable(in, *as_sidecar(o).rt);
  owned ask(made);
  if (!ask) return nullptr;
  auto shared = std::make_shared<completion>(std::move(done));
  if (!with_part(o, [&](sidecar_part& p) { begin(p, std::move(shared)); })) return nullptr;
  return ask.release();
}

/// (seconds): awaited, how many actors could not be stored.
PyObject* sidecar_stop(PyObject* o, PyObject* limit) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    duration within{};
    if (!read_seconds(limit, "a limit", within)) return nullptr;
    return later(o, in, [within](sidecar_part& p, std::shared_ptr<completion> shared) {
      if (p.face) p.face->not_ready();
      p.engine->stop(within).then([shared](result<std::size_t> r) {
        if (!r) return shared->fail(std::move(r).error());
        shared->set([n = *r](interp&) { return PyLong_FromSize_t(n); });
      });
    });
  });
}

/// (seconds): awaited until its answers have gone out, how many connections were aborted.
PyObject* sidecar_drain(PyObject* o, PyObject* limit) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    duration within{};
    if (!read_seconds(limit, "a limit", within)) return nullptr;
    return later(o, in, [within](sidecar_part& p, std::shared_ptr<completion> shared) {
      const auto told = [shared](std::size_t n) {
        shared->set([n](interp&) { return PyLong_FromSize_t(n); });
      };
      if (!p.face) return told(0);
      p.face->drain(within).then([told](result<std::size_t> r) { told(r ? *r : 0); });
    });
  });
}

/// (): registers again the apps of the last run: how many systems. Blocks.
PyObject* sidecar_recall(PyObject* o, PyObject*) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    result<std::size_t> n;
    if (!with_part(o, [&](sidecar_part& p) {
          n = p.face || p.listens
                  ? fail(errc::invalid_argument, "apps are recalled once, before the first listen")
                  : p.faced(*as_sidecar(o).rt).recall().result();
        }))
      return nullptr;
    return n ? PyLong_FromSize_t(*n) : raise(in, n.error());
  });
}

/// (address): where it listens, with the real port.
PyObject* sidecar_listen(PyObject* o, PyObject* address) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    std::string text;
    result<std::string> at;
    if (!read_text(address, "an address", text) ||
        !with_part(o, [&](sidecar_part& p) { at = p.listen(*as_sidecar(o).rt, text); }))
      return nullptr;
    return at ? text_of(*at) : raise(in, at.error());
  });
}

// -- actors --------------------------------------------------------------------------------------

/// (system, definitions, run, the actor that runs)
PyObject* sidecar_register(PyObject* o, PyObject* args) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    const char* system = nullptr;
    PyObject *all = nullptr, *run = nullptr, *runner = nullptr;
    if (!PyArg_ParseTuple(args, "sOOO:_register", &system, &all, &run, &runner)) return nullptr;
    const any_ref runs = read_ref(in, runner);
    if (!runs) return nullptr;
    sidecar::registration what{.system = system};
    const bool read = read_each(all, "definitions are a sequence", [&](PyObject* one) {
      sidecar::actor_def def;
      if (!read_definition(one, def)) return false;
      std::string name = def.name;
      what.actors.emplace(std::move(name), std::move(def));
      return true;
    });
    if (!read) return nullptr;
    what.app = python_app(as_sidecar(o).calls, py_handle(in, Py_NewRef(run)), *as_sidecar(o).rt);
    result<void> done;
    if (!with_part(o, [&](sidecar_part& p) {
          p.runner = runs;
          done = p.engine->register_app(std::move(what));
        }))
      return nullptr;
    if (!done) return raise(in, done.error());
    Py_RETURN_NONE;
  });
}

/// (actors, revision)
PyObject* sidecar_spawn(PyObject* o, PyObject* args) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    PyObject *all = nullptr, *number = nullptr;
    std::uint64_t revision = 0;
    if (!PyArg_ParseTuple(args, "OO:_spawn", &all, &number) ||
        !read_count(number, "a revision", revision))
      return nullptr;
    std::vector<sidecar::actor_id> ids;
    if (!read_each(all, "actors are a sequence",
                   [&](PyObject* one) { return read_actor(one, ids.emplace_back()); }))
      return nullptr;
    result<void> done;
    if (!with_part(o, [&](sidecar_part& p) { done = p.engine->spawn(ids, revision); }))
      return nullptr;
    if (!done) return raise(in, done.error());
    Py_RETURN_NONE;
  });
}

/// (invocation, seconds or None): awaited, (status, message, value).
PyObject* sidecar_invoke(PyObject* o, PyObject* args) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    PyObject *told = nullptr, *timeout = nullptr;
    sidecar::invocation what;
    duration within{};
    if (!PyArg_ParseTuple(args, "OO:_invoke", &told, &timeout) || !read_invocation(told, what) ||
        (timeout != Py_None && !read_seconds(timeout, "a timeout", within)))
      return nullptr;
    return later(o, in, [&](sidecar_part& p, std::shared_ptr<completion> shared) {
      std::optional<time_point> until;
      if (timeout != Py_None) until = as_sidecar(o).rt->now() + within;
      p.engine->invoke(std::move(what), until, [shared](sidecar::invocation_answer a) {
        shared->set([a = std::move(a)](interp&) {
          return Py_BuildValue("iNN", static_cast<int>(a.status), text_of(a.message),
                               payload_of(a.value));
        });
      });
    });
  });
}

/// (system, channel, action, value, actor or None)
PyObject* sidecar_publish(PyObject* o, PyObject* args) {
  return in_sidecar(o, [&](interp&) -> PyObject* {
    const char *system = nullptr, *channel = nullptr, *action = nullptr;
    PyObject *value = nullptr, *from = nullptr;
    sidecar::broadcast what;
    std::optional<sidecar::actor_id> by;
    if (!PyArg_ParseTuple(args, "sssOO:_publish", &system, &channel, &action, &value, &from) ||
        !read_payload(value, what.value) || (from != Py_None && !read_actor(from, by.emplace())))
      return nullptr;
    what.channel = channel;
    what.action = action;
    if (!with_part(o, [&](sidecar_part& p) { p.engine->publish(system, std::move(what), by); }))
      return nullptr;
    Py_RETURN_NONE;
  });
}

/// (actor): awaited, None or (value, revision).
PyObject* sidecar_state_of(PyObject* o, PyObject* actor) {
  return in_sidecar(o, [&](interp& in) -> PyObject* {
    sidecar::actor_id which;
    if (!read_actor(actor, which)) return nullptr;
    return later(o, in, [&](sidecar_part& p, std::shared_ptr<completion> shared) {
      p.engine->state_of(which).then([shared](result<std::optional<sidecar::stored_state>> r) {
        if (!r) return shared->fail(std::move(r).error());
        shared->set([state = *std::move(r)](interp&) -> PyObject* {
          if (!state) Py_RETURN_NONE;
          return Py_BuildValue("NK", payload_of(state->state),
                               static_cast<unsigned long long>(state->revision));
        });
      });
    });
  });
}

PyObject* sidecar_figures(PyObject* o, PyObject*) {
  return in_sidecar(o, [&](interp&) -> PyObject* {
    sidecar::engine_figures f;
    if (!with_part(o, [&](sidecar_part& p) { f = p.engine->figures(); })) return nullptr;
    return dict_of()
        .add("active_now", f.active_now)
        .add("waiting_now", f.waiting_now)
        .add("calls_now", f.calls_now)
        .add("activations", f.activations)
        .add("deactivations", f.deactivations)
        .add("invocations", f.invocations)
        .add("succeeded", f.succeeded)
        .add("failed", f.failed)
        .add("not_found", f.not_found)
        .add("effects", f.effects)
        .add("broadcasts", f.broadcasts)
        .add("pipes", f.pipes)
        .add("forwards", f.forwards)
        .add("timers", f.timers)
        .add("scheduled", f.scheduled)
        .add("snapshots", f.snapshots)
        .add("checkpoints", f.checkpoints)
        .add("store_failures", f.store_failures)
        .add("fenced", f.fenced)
        .add("app_failures", f.app_failures)
        .add("app_retries", f.app_retries)
        .add("cycles", f.cycles)
        .take()
        .release();
  });
}

/// (answer, failure, what it did): false for an action that is not waited for any more.
PyObject* sidecar_answer(PyObject* type, PyObject* args) {
  const entry in_layer;
  return answer_call(interp_of(reinterpret_cast<PyTypeObject*>(type)), args);
}

PyMethodDef methods[] = {
    {"_register", &sidecar_register, METH_VARARGS, "Says what actors a system has."},
    {"_spawn", &sidecar_spawn, METH_VARARGS, "Names instances of templates."},
    {"_invoke", &sidecar_invoke, METH_VARARGS, "Wants an action of an actor: an awaitable."},
    {"_publish", &sidecar_publish, METH_VARARGS, "To all who have a channel."},
    {"_state_of", &sidecar_state_of, METH_O, "The state of an actor: an awaitable."},
    {"_figures", &sidecar_figures, METH_NOARGS, "What it has done and holds, as a dict."},
    {"_answer", &sidecar_answer, METH_VARARGS | METH_CLASS, "Ends an action."},
    {"_recall", &sidecar_recall, METH_NOARGS, "Registers the apps of the last run. Blocks."},
    {"_listen", &sidecar_listen, METH_O, "Serves apps: the address, with the real port."},
    {"_stop", &sidecar_stop, METH_O, "Ends what is queued and stores states: an awaitable."},
    {"_drain", &sidecar_drain, METH_O, "Lets the last answers go out: an awaitable."},
    {"_close", &sidecar_object::close, METH_NOARGS, "Ends it now."},
    {}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&sidecar_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(&sidecar_object::dealloc)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"odeon._native.Sidecar", sizeof(sidecar_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

bool add_sidecar_type(PyObject* module) noexcept {
  const owned type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0;
}

}  // namespace odeon::python
